"""The closed forms of Lemmas 1 and 2 and of equation 38 against autograd, and descent against its definition."""

import pytest
import torch

from mechbook.gradients.lemmas import (
    association_gradient,
    association_loss,
    class_means,
    descend,
    deterministic_joint,
    layer_norm_gradient,
    layer_norm_loss,
    memory_accuracy,
    memory_logits,
    noisy_input_gradient,
    noisy_input_loss,
    one_step_with_positions,
    outside_span,
    with_positions,
)

# Prime sizes, all different: 7 inputs in 11 dimensions, 5 outputs in 13.
n, N, d_in, d_out, T = 7, 5, 11, 13, 3


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def setting(seed=0):
    """A memory, inputs, outputs and a joint distribution that does not factorise."""
    W, inputs, W_U = draw(d_out, d_in, seed=seed), draw(n, d_in, seed=seed + 1), draw(N, d_out, seed=seed + 2)
    return W, inputs, W_U, draw(n, N, seed=seed + 3).flatten().softmax(0).view(n, N)


def autograd(loss, W, *rest):
    W = W.clone().requires_grad_()
    return torch.autograd.grad(loss(W, *rest), W)[0]


def relative(a, b):
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("seed", [0, 10, 20])
def test_lemma_1_is_the_gradient_of_the_population_loss(seed):
    """Oracle: autograd on the exact expectation, float64."""
    at = setting(seed)
    assert relative(association_gradient(*at), autograd(association_loss, *at)) < 1e-12


def test_lemma_1_is_the_sum_it_states():
    """Oracle: the double sum of outer products, one at a time."""
    W, inputs, W_U, joint = setting()
    expected = torch.zeros(d_out, d_in, dtype=torch.float64)
    for i in range(n):
        p_hat = torch.stack([(W_U[k] @ W @ inputs[i]).exp() for k in range(N)])
        p_hat = p_hat / p_hat.sum()
        for k in range(N):
            expected += joint[i].sum() * (p_hat[k] - joint[i, k] / joint[i].sum()) * torch.outer(W_U[k], inputs[i])
    assert relative(association_gradient(W, inputs, W_U, joint), expected) < 1e-12


def test_the_loss_is_the_cross_entropy_of_a_sample_with_these_frequencies():
    """Oracle: torch's cross_entropy on a sample that has each pair exactly as often as `joint` says."""
    W, inputs, W_U, _ = setting()
    z, y = torch.tensor([0, 0, 3, 6, 6, 6, 1]), torch.tensor([1, 4, 4, 0, 0, 2, 3])
    joint = torch.zeros(n, N, dtype=torch.float64)
    for i, k in zip(z, y, strict=True):
        joint[i, k] += 1 / 7
    expected = torch.nn.functional.cross_entropy(inputs[z] @ W.T @ W_U.T, y)
    assert float(association_loss(W, inputs, W_U, joint)) == pytest.approx(float(expected), rel=1e-13)


@pytest.mark.parametrize("seed", [0, 10, 20])
def test_lemma_2_is_the_gradient_with_noisy_inputs(seed):
    """Oracle: autograd on torch's cross_entropy, float64."""
    W, _, W_U, _ = setting(seed)
    x = draw(101, d_in, seed=seed + 4)
    y = torch.randint(N, (101,), generator=torch.Generator().manual_seed(seed))
    assert relative(noisy_input_gradient(W, x, y, W_U), autograd(noisy_input_loss, W, x, y, W_U)) < 1e-12


def test_class_means_are_the_conditional_expectations():
    """Oracle: a loop over the labels."""
    x, y = draw(29, d_in), torch.randint(N, (29,), generator=torch.Generator().manual_seed(1))
    p_hat = draw(29, N, seed=1).softmax(1)
    p, mu, mu_hat = class_means(x, y, p_hat)
    for k in range(N):
        assert float(p[k]) == pytest.approx(float((y == k).double().mean()))
        torch.testing.assert_close(mu[k], x[y == k].mean(0))
        torch.testing.assert_close(mu_hat[k] * (y == k).sum(), sum(p_hat[b, k] * x[b] for b in range(29)))


def test_lemma_2_contains_lemma_1():
    """Oracle: Lemma 1 on the joint distribution with the sample's frequencies."""
    W, inputs, W_U, _ = setting()
    random = torch.Generator().manual_seed(2)
    z, y = torch.randint(n, (97,), generator=random), torch.randint(N, (97,), generator=random)
    weight = torch.tensor(1 / 97, dtype=torch.float64)
    joint = torch.zeros(n, N, dtype=torch.float64).index_put_((z, y), weight, accumulate=True)
    assert relative(noisy_input_gradient(W, inputs[z], y, W_U), association_gradient(W, inputs, W_U, joint)) < 1e-12


@pytest.mark.parametrize("scale", [1.0, d_out**0.5])
def test_equation_38_is_the_gradient_under_layer_norm(scale):
    """Oracle: autograd on equation 37, with the paper's norm and with RMSNorm's factor sqrt(d)."""
    at = (*setting(), scale)
    assert relative(layer_norm_gradient(*at), autograd(layer_norm_loss, *at)) < 1e-12


def test_rms_norm_is_torch_s():
    """Oracle: torch's rms_norm, whose output has the norm sqrt(d)."""
    W, inputs, W_U, joint = setting()
    x = torch.nn.functional.rms_norm(inputs @ W.T, (d_out,), eps=0.0)
    expected = -(joint * (x @ W_U.T).log_softmax(1)).sum()
    assert float(layer_norm_loss(W, inputs, W_U, joint, d_out**0.5)) == pytest.approx(float(expected), rel=1e-12)


def test_under_layer_norm_the_gradient_is_orthogonal_to_W():
    """Oracle: Euler's identity for a loss that no scaling of W changes; without LayerNorm it is not so."""
    W, inputs, W_U, joint = setting()
    for gradient, zero in ((layer_norm_gradient, True), (association_gradient, False)):
        G = gradient(W, inputs, W_U, joint)
        assert (abs(float((G * W).sum() / (G.norm() * W.norm()))) < 1e-12) is zero


def test_descent_is_the_loop_it_states():
    """Oracle: torch's own SGD with weight decay, 17 steps."""
    W_0, inputs, W_U, joint = setting()
    found = descend(lambda W: association_gradient(W, inputs, W_U, joint), W_0, steps=17, lr=0.3, weight_decay=0.05)
    W = torch.nn.Parameter(W_0.clone())
    sgd = torch.optim.SGD([W], lr=0.3, weight_decay=0.05)
    for _ in range(17):
        sgd.zero_grad()
        association_loss(W, inputs, W_U, joint).backward()
        sgd.step()
    assert relative(found, W.detach()) < 1e-12


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_descent_stays_in_the_span(weight_decay):
    """Oracle: Birth eq. 6 with alpha_0 = (1 - lr weight_decay)^steps; a wrong alpha_0 leaves a residual."""
    W_0, inputs, W_U, joint = setting()
    W = descend(
        lambda W: association_gradient(W, inputs, W_U, joint), W_0, steps=100, lr=0.5, weight_decay=weight_decay
    )
    alpha_0 = (1 - 0.5 * weight_decay) ** 100
    assert float(outside_span(W - alpha_0 * W_0, inputs, W_U)) < 1e-12
    assert float(outside_span(W - (alpha_0 + 0.01) * W_0, inputs, W_U)) > 1e-4


def test_outside_span_is_the_residual_of_least_squares():
    """Oracle: least squares on all outer products, flattened, one of the embeddings repeated."""
    W, inputs, W_U, _ = setting()
    inputs[3] = inputs[2]
    basis = torch.stack([torch.outer(u, e).flatten() for u in W_U for e in inputs], dim=1)
    fit = basis @ torch.linalg.lstsq(basis, W.flatten()[:, None], driver="gelsd").solution
    expected = (W.flatten() - fit[:, 0]).norm() / W.norm()
    assert float(outside_span(W, inputs, W_U)) == pytest.approx(float(expected), rel=1e-10)


def test_logits_and_accuracy_are_those_of_a_loop():
    """Oracle: scores one at a time; the accuracy is the probability of the pairs that win."""
    W, inputs, W_U, joint = setting()
    hit = 0.0
    for i in range(n):
        scores = [float(W_U[k] @ W @ inputs[i]) for k in range(N)]
        assert scores == pytest.approx(memory_logits(W, inputs, W_U)[i].tolist())
        hit += float(joint[i, scores.index(max(scores))])
    assert float(memory_accuracy(W, inputs, W_U, joint)) == pytest.approx(hit)


def test_one_step_from_zero_with_orthonormal_embeddings_is_the_predicted_table():
    """Oracle: logits (eta/n)(1{f(z) = k} - 1/N) exactly (the talk's formula, n inputs), a map that is not injective."""
    f = torch.tensor([2, 0, 2, 4, 1, 0, 3])
    frame = torch.linalg.qr(draw(d_out, d_out)).Q
    inputs, W_U = frame[:n, :].contiguous(), torch.linalg.qr(draw(d_out, d_out, seed=1)).Q[:N]
    joint = deterministic_joint(f, N)
    zero = torch.zeros(d_out, d_out, dtype=torch.float64)
    W = descend(lambda W: association_gradient(W, inputs, W_U, joint), zero, steps=1, lr=1.7)
    expected = 1.7 / n * (torch.nn.functional.one_hot(f, N).double() - 1 / N)
    torch.testing.assert_close(memory_logits(W, inputs, W_U), expected, atol=1e-14, rtol=0)
    assert float(memory_accuracy(W, inputs, W_U, joint)) == pytest.approx(1.0)


def test_equation_11_is_a_step_of_lemma_1_on_tokens_with_positions():
    """Oracle: one step of descent on the n T inputs w_E(z) + p_t; and equation 12, in which no position is left."""
    W_E, P, W_U = draw(N, d_in), draw(T, d_in, seed=1), draw(N, d_out, seed=2)
    inputs, joint = with_positions(W_E, P, deterministic_joint(torch.arange(N), N))
    zero = torch.zeros(d_out, d_in, dtype=torch.float64)
    expected = descend(lambda W: association_gradient(W, inputs, W_U, joint), zero, steps=1, lr=0.7)
    found = one_step_with_positions(W_E, P, W_U, lr=0.7)
    assert relative(found, expected) < 1e-12
    assert relative(found, 0.7 / N * W_U.T @ (W_E - W_E.mean(0))) < 1e-12


def test_inputs_with_positions_are_all_sums_with_their_probabilities():
    """Oracle: a double loop."""
    W_E, P, joint = draw(n, d_in), draw(T, d_in, seed=1), setting()[3]
    inputs, spread = with_positions(W_E, P, joint)
    for z in range(n):
        for t in range(T):
            torch.testing.assert_close(inputs[z * T + t], W_E[z] + P[t])
            torch.testing.assert_close(spread[z * T + t], joint[z] / T)


def call(name):
    W, inputs, W_U, joint = setting()
    y = torch.arange(n) % N
    return {
        "no output": lambda: deterministic_joint(torch.arange(3), 0),
        "no input": lambda: deterministic_joint(torch.arange(0), 3),
        "map": lambda: deterministic_joint(torch.tensor([0, 5, 1]), 5),
        "joint": lambda: association_gradient(W, inputs, W_U, joint.T),
        "rows": lambda: association_loss(W, inputs[:-1], W_U, joint),
        "sum": lambda: association_gradient(W, inputs, W_U, 2 * joint),
        "labels": lambda: noisy_input_gradient(W, inputs, y[:-1], W_U),
        "label": lambda: noisy_input_loss(W, inputs, y + 1, W_U),
        "missing": lambda: noisy_input_gradient(W, inputs, y.clamp(max=3), W_U),
        "rate": lambda: descend(lambda W: W, W, steps=1, lr=float("nan")),
        "decay": lambda: descend(lambda W: W, W, steps=1, lr=0.1, weight_decay=float("inf")),
        "steps": lambda: descend(lambda W: W, W, steps=-1, lr=0.1),
        "pairs": lambda: one_step_with_positions(inputs, inputs[:2], W_U, lr=0.1),
        "one step's rate": lambda: one_step_with_positions(inputs[:N], inputs[:2], W_U, lr=float("inf")),
        "zero": lambda: layer_norm_gradient(0 * W, inputs, W_U, joint),
        "dimension": lambda: with_positions(inputs, draw(T, d_out), joint),
    }[name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no output", "N = 0 outputs; there must be at least one"),
        ("no input", "there are 0 inputs"),
        ("map", r"the map sends a token to 5; with N = 5 the outputs are 0\.\.4"),
        ("joint", r"joint is \(5, 7\); with 7 inputs and 5 outputs it must be \(7, 5\)"),
        ("rows", r"with 6 inputs and 5 outputs it must be \(6, 5\)"),
        ("sum", "joint sums to 2"),
        ("labels", "there are 7 inputs and 6 labels"),
        ("label", r"a label is outside the outputs 0\.\.4"),
        ("missing", "the label 4 never occurs"),
        ("rate", "lr is nan; it must be a finite number"),
        ("decay", "weight_decay is inf"),
        ("steps", "steps is -1"),
        ("pairs", "there are 7 input and 5 output embeddings"),
        ("one step's rate", "lr is inf"),
        ("zero", "W sends an input to zero"),
        ("dimension", "tokens and positions must have one dimension"),
    ],
)
def test_impossible_input_is_refused(name, message):
    """Oracle: the sentences."""
    with pytest.raises(ValueError, match=message):
        call(name)()
