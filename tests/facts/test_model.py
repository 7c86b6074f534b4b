"""The factual-recall models: counts against sequences, tables against matrices."""

import math
from dataclasses import fields

import pytest
import torch

from mechbook.facts.model import (
    FactConfig,
    FactTransformer,
    FactWeights,
    count_logits,
    head_tables,
    initial_weights,
    linear_logits,
    softmax_logits,
    stack,
)
from mechbook.facts.task import FactTask, count_tokens, random_answers, sample


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small_task(S: int = 7, R: int = 5, D: int = 3, seed: int = 1) -> FactTask:
    return FactTask(S=S, R=R, D=D, T=11, n_noise=13, answers=random_answers(S, R, D, generator(seed)))


def random_weights(m: int, seed: int, d_h: int = 3) -> FactWeights:
    t = small_task()
    weights = initial_weights(FactConfig(V=t.V, A=t.A, d=17, H=2, d_h=d_h, m=m), generator(seed))
    doubled = {f.name: getattr(weights, f.name).double() for f in fields(weights)}
    # biases start at 0, which would hide them; scores of some size, so that attention is far from uniform
    doubled["b_in"] = torch.randn(m, generator=generator(seed + 1), dtype=torch.float64)
    doubled["W_K"] = 5 * doubled["W_K"]
    return FactWeights(**doubled)


@pytest.mark.parametrize("m", [0, 19])
def test_sequences_and_counts_give_equal_logits(m: int) -> None:
    """Oracle: the definition on sequences, in float64."""
    t, weights = small_task(), random_weights(m, 2)
    batch = sample(t, 23, generator(3))
    expected = FactTransformer(weights)(batch.z).detach()
    found = count_logits(weights, count_tokens(batch.z, t.V).double())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    assert float(expected.std()) > 0.1


def test_the_definition_is_the_formula() -> None:
    """Oracle: loops over sequences, heads and positions."""
    t, w = small_task(), random_weights(19, 4)
    z = sample(t, 3, generator(5)).z
    logits = FactTransformer(w)(z)
    for b in range(3):
        x = torch.zeros(17, dtype=torch.float64)
        for h in range(2):
            query = w.W_Q[h] @ w.E[t.eos]
            scores = [float((w.W_K[h] @ w.E[token]) @ query) / math.sqrt(3) for token in z[b].tolist()]
            total = sum(math.exp(score) for score in scores)
            for token, score in zip(z[b].tolist(), scores, strict=True):
                x = x + math.exp(score) / total * (w.W_O[h] @ w.W_V[h] @ w.E[token])
        x = x + w.W_out @ torch.relu(w.W_in @ x + w.b_in)
        torch.testing.assert_close(logits[b], w.U @ x, rtol=0, atol=1e-10)


def test_a_stack_is_its_models_one_by_one() -> None:
    """Oracle: each model alone; gradients too, for that is how a stack is trained."""
    t = small_task()
    models = [random_weights(19, seed) for seed in (2, 5, 11)]
    counts = torch.stack([count_tokens(sample(t, 13, generator(seed)).z, t.V) for seed in (1, 2, 3)]).double()
    together = stack(models)
    parameters = [p.requires_grad_() for p in together.trained()]
    out = count_logits(together, counts)
    gradients = torch.autograd.grad(out.square().sum(), parameters)
    for g, model in enumerate(models):
        own = [p.requires_grad_() for p in model.trained()]
        alone = count_logits(model, counts[g])
        torch.testing.assert_close(out[g], alone, rtol=0, atol=1e-10)
        for both, expected in zip(gradients, torch.autograd.grad(alone.square().sum(), own), strict=True):
            torch.testing.assert_close(both[g], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("eos", "others"), [(0.0, -60.0), (0.0, 100.0), (-100.0, -160.0), (100.0, 160.0)])
def test_scores_far_apart_do_not_overflow(eos: float, others: float) -> None:
    """Oracle: the definition, whose softmax takes the present tokens alone; scores far from EOS's and from 0."""
    t, weights = small_task(), random_weights(0, 2)
    weights.E.copy_(torch.nn.functional.pad(torch.eye(t.V, dtype=torch.float64)[:, :16], (0, 1)))
    batch = sample(t, 5, generator(3))
    single = FactWeights(**{f.name: getattr(weights, f.name).float() for f in fields(weights)})
    single.E[-1] = 0.0
    single.E[-1, 16] = 1.0
    single.W_Q.zero_()
    single.W_Q[:, 0, 16] = math.sqrt(3)
    single.W_K.zero_()
    single.W_K[:, 0, :16], single.W_K[:, 0, 16] = others, eos
    counts = count_tokens(batch.z, t.V)
    torch.testing.assert_close(count_logits(single, counts), FactTransformer(single)(batch.z), rtol=1e-5, atol=1e-6)
    scores = torch.full((t.V,), others)
    scores[-1] = eos
    values = torch.randn(t.V, t.A, generator=generator(4))
    expected = scores[batch.z].softmax(-1).unsqueeze(1) @ values[batch.z]
    torch.testing.assert_close(softmax_logits(values, scores, counts), expected.squeeze(1), rtol=1e-5, atol=1e-6)


def test_linear_attention_is_its_formula() -> None:
    """Oracle: the sum over positions, W_OV(a, z_t) w_KQ(z_t), by a loop."""
    t = small_task()
    z = sample(t, 4, generator(3)).z
    W_OV, w_KQ = (
        torch.randn(t.V, t.A, generator=generator(1)).double(),
        torch.randn(t.V, generator=generator(2)).double(),
    )
    found = linear_logits(W_OV, w_KQ, count_tokens(z, t.V).double())
    for b in range(4):
        expected = sum(W_OV[token] * w_KQ[token] for token in z[b].tolist())
        torch.testing.assert_close(found[b], expected, rtol=0, atol=1e-10)


def test_the_softmax_head_is_its_matrices() -> None:
    """Oracle: softmax over positions, with W_OV and W_KQ e_EOS as matrices, by a loop."""
    t, d = small_task(), 17
    E, U = (torch.randn(n, d, generator=generator(n)).double() for n in (t.V, t.A))
    W_OV, key = torch.randn(d, d, generator=generator(1)).double(), torch.randn(d, generator=generator(2)).double()
    z = sample(t, 4, generator(3)).z
    values, scores = head_tables(E, U, W_OV, key)
    found = softmax_logits(values, scores, count_tokens(z, t.V).double())
    for b in range(4):
        attention = torch.softmax(E[z[b]] @ key, 0)
        torch.testing.assert_close(found[b], U @ W_OV @ (attention @ E[z[b]]), rtol=0, atol=1e-10)


def test_sizes_are_refused_and_parameters_counted() -> None:
    """Oracle: 4 H d_h d + 2 m d by hand, and the sentences."""
    assert FactConfig(V=2, A=2, d=5, H=3, d_h=7, m=11).parameters == 4 * 3 * 7 * 5 + 2 * 11 * 5
    for name in ("V", "A", "d", "H", "d_h"):
        with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1."):
            FactConfig(**{"V": 2, "A": 2, "d": 2, "H": 2, "d_h": 2, name: 0})
    with pytest.raises(ValueError, match="m is -1"):
        FactConfig(V=2, A=2, d=2, H=2, d_h=2, m=-1)


def test_initial_matrices_keep_the_size_of_what_they_act_on() -> None:
    """Oracle: the standard deviations of the docstring, to 4 standard errors of a standard deviation."""
    w = initial_weights(FactConfig(V=199, A=211, d=101, H=5, d_h=23, m=103), generator(1))
    expected = {"E": 101, "U": 101, "W_Q": 23, "W_K": 23, "W_V": 23, "W_O": 101, "W_in": 101, "W_out": 103}
    for name, fan in expected.items():
        values = getattr(w, name)
        std = fan**-0.5
        assert abs(float(values.std()) - std) < 4 * std / math.sqrt(2 * values.numel()), name
    assert not w.b_in.any()
