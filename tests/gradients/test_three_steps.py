"""The three steps: their tables against Lemmas 2, 4 and 5 on the dense streams, and what they leave behind."""

from dataclasses import replace

import pytest
import torch

from mechbook.gradients.attention_lemmas import first_layer_gradient, second_layer_gradient
from mechbook.gradients.lemmas import noisy_input_gradient
from mechbook.gradients.task import SingleTriggerBatch, SingleTriggerTask, sample
from mechbook.gradients.three_steps import (
    W_K1_counts,
    W_K1_step,
    W_K2_counts,
    W_K2_step,
    W_O2_counts,
    W_O2_step,
    diagonal_gap,
    harmonic_tails,
    initial,
    predict,
    previous_gap,
    spurious_ratio,
    tau,
)
from mechbook.gradients.three_steps_run import ThreeStepSettings, three_steps

# Prime sizes, all different.
N, T, d, B = 5, 7, 11, 101


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(size=B, seed=0):
    return sample(SingleTriggerTask(N=N, T=T), size, generator(seed))


def model(**random_matrices):
    """A model in float64 whose named matrices are random, with entries of the given standard deviation."""
    zero = initial(N, T, d, generator(1), dtype=torch.float64)
    return replace(
        zero,
        **{
            name: std * torch.randn(d, d, generator=generator(place), dtype=torch.float64)
            for place, (name, std) in enumerate(random_matrices.items())
        },
    )


def running_mean(x):
    return x.cumsum(1) / torch.arange(1, T + 1, dtype=torch.float64)[:, None]


def relative(a, b):
    return float((a - b).norm() / b.norm())


def test_step_on_W_O2_is_lemma_2_on_the_dense_inputs():
    """Oracle: noisy_input_gradient at zero on x of B.3.1, formed for every sequence."""
    zero, data = model(), batch()
    stream = zero.W_E[data.z] + zero.P
    x = (stream + running_mean(stream) @ (zero.W_O1 @ zero.W_V1).T).mean(1) @ zero.W_V2.T
    expected = -noisy_input_gradient(torch.zeros(d, d, dtype=torch.float64), x, data.y, zero.W_U)
    assert relative(W_O2_step(zero, W_O2_counts(data, N)), expected) < 1e-12


def test_step_on_W_K2_is_lemma_4_on_the_dense_inputs():
    """Oracle: second_layer_gradient with B.3.2's keys, values and queries, W_O2 large enough that p_hat is not 1/N."""
    first, data = model(W_O2=1.0), batch()
    values = first.W_E[data.z] + first.P
    keys = running_mean(values) @ (first.W_O1 @ first.W_V1).T
    expected = -second_layer_gradient(values, keys, values[:, -1], data.y, first.W_U, first.W_O2 @ first.W_V2)
    counts = W_K2_counts(data, first.value_table, first.position_value_table)
    assert relative(W_K2_step(first, counts), expected) < 1e-12


def test_step_on_W_K1_is_lemma_5_on_the_dense_inputs():
    """Oracle: first_layer_gradient on token embeddings and positions (B.3.3)."""
    second, data = model(W_O2=1.0, W_K2=1.0), batch()
    expected = -first_layer_gradient(
        second.W_E[data.z],
        second.P,
        data.y,
        second.W_U,
        second.W_O1 @ second.W_V1,
        second.W_O2 @ second.W_V2,
        second.W_K2,
    )
    counts = W_K1_counts(data, second.value_table, second.score_table)
    assert relative(W_K1_step(second, counts), expected) < 1e-12


def test_step_on_W_K1_with_the_exact_softmax_is_the_gradient_of_what_predicts():
    """Oracle: autograd through `predict`, both softmaxes exact, at W_K1 = 0."""
    second, data = model(W_O2=1.0, W_K2=1.0), batch()
    W = torch.zeros(d, d, dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(predict(replace(second, W_K1=W), data)[0], data.y)
    (expected,) = torch.autograd.grad(-loss, W)
    counts = W_K1_counts(data, second.value_table, second.score_table, "softmax")
    assert relative(W_K1_step(second, counts), expected) < 1e-12


@pytest.mark.parametrize("position_in_query", [False, True])
def test_prediction_is_two_layers_of_attention(position_in_query):
    """Oracle: both layers position by position, from the vectors."""
    third, data = model(W_O2=1.0, W_K2=1.0, W_K1=1.0), batch(size=13)
    logits, attention = predict(third, data, position_in_query=position_in_query)
    for b, z in enumerate(data.z):
        x, keys = third.W_E[z], []
        for t in range(T):
            scores = torch.stack([third.P[t] @ third.W_K1 @ third.P[s] for s in range(t + 1)]).softmax(0)
            keys.append(sum(scores[s] * (third.W_O1 @ third.W_V1 @ x[s]) for s in range(t + 1)))
        query = x[-1] + (third.P[-1] if position_in_query else 0)
        weights = torch.stack([query @ third.W_K2 @ key for key in keys]).softmax(0)
        mixed = sum(weights[t] * (third.W_V2 @ x[t]) for t in range(T))
        torch.testing.assert_close(attention[b], weights, atol=1e-12, rtol=1e-10)
        torch.testing.assert_close(logits[b], third.W_U @ third.W_O2 @ mixed, atol=1e-12, rtol=1e-10)


def test_spurious_table_is_what_W_O2_says_of_marks():
    """Oracle: one entry at a time."""
    first = model(W_O2=1.0)
    for k in range(N):
        for j in range(N):
            expected = first.W_U[k] @ first.W_O2 @ first.W_V2 @ first.W_O1 @ first.W_V1 @ first.W_E[j]
            assert float(first.spurious_table[k, j]) == pytest.approx(float(expected), rel=1e-10)


def test_gaps_are_those_of_loops():
    """Oracle: plain means."""
    table = torch.randn(7, 7, generator=generator(), dtype=torch.float64)
    off = [float(table[i, j]) for i in range(7) for j in range(7) if i != j]
    assert diagonal_gap(table) == pytest.approx(float(table.diagonal().mean()) - sum(off) / len(off))
    expected = [float(table[t, t - 1] - table[t, : t + 1].mean()) for t in range(1, 7)]
    assert previous_gap(table).tolist() == pytest.approx(expected)


def test_harmonic_tails_and_tau():
    """Oracle: double sums; t_o uniform on 2..T."""
    for size in (2, 7, 64):
        tails = [sum(1 / t for t in range(s, size + 1)) for s in range(1, size + 1)]
        assert harmonic_tails(size).tolist() == pytest.approx(tails)
        assert tau(size) == pytest.approx(sum(tails[1:]) / (size - 1))


@pytest.mark.parametrize(("n", "t"), [(16, 16), (13, 29)])
def test_spurious_ratio_is_that_of_the_task(n, t):
    """Oracle: the two coefficients over 400,000 sequences, 4 standard errors from ten parts; tau itself is rejected."""
    task, random = SingleTriggerTask(N=n, T=t), generator(3)
    parts = torch.stack([W_O2_counts(sample(task, 40_000, random), n)[:2] for _ in range(10)])
    ratios = torch.tensor([diagonal_gap(p[1]) / diagonal_gap(p[0]) for p in parts])
    error = float(ratios.std()) / 10**0.5
    assert abs(float(ratios.mean()) - spurious_ratio(n, t)) < 4 * error
    assert abs(float(ratios.mean()) - tau(t)) > 4 * error


def test_three_steps_store_the_three_memories():
    """Oracle: Theorem 3 and spec'd step sizes: targets met exactly, the right entries win, the model predicts."""
    how = ThreeStepSettings(N=17, T=13, d=512, sequences=20_000, logit=0.2, gap_W_K2=20.0, gap_W_K1=80.0, chunk=7_000)
    models, etas = three_steps(how, generator(0), generator(1))
    zero, first, second, third = models
    assert all(eta > 0 for eta in etas)
    assert float(first.value_table.diagonal().mean()) == pytest.approx(0.2, rel=1e-4)
    assert diagonal_gap(second.score_table) == pytest.approx(20.0, rel=1e-3)
    assert float(previous_gap(third.position_scores).median()) == pytest.approx(80.0, rel=1e-3)
    for a, b, kept in ((zero, first, "W_K1 W_K2"), (first, second, "W_O2 W_K1"), (second, third, "W_O2 W_K2")):
        assert all(torch.equal(getattr(a, name), getattr(b, name)) for name in kept.split())
    fresh = sample(SingleTriggerTask(N=17, T=13), 5_000, generator(2))
    accuracy = [float((predict(m, fresh)[0].argmax(1) == fresh.y).double().mean()) for m in models]
    assert max(accuracy[:3]) < 0.25 and accuracy[3] > 0.9


@pytest.mark.parametrize("chunk", [2_000, 700])
def test_a_step_is_the_mean_over_its_chunks(chunk):
    """Oracle: the first step from all sequences at once, drawn chunk by chunk from the same stream."""
    how = ThreeStepSettings(N=5, T=7, d=64, sequences=2_000, chunk=chunk)
    models, etas = three_steps(how, generator(0), generator(1), dtype=torch.float64)
    task, data = SingleTriggerTask(N=5, T=7), generator(1)
    drawn = [sample(task, size, data) for size in ([2_000] if chunk == 2_000 else [700, 700, 600])]
    whole = SingleTriggerBatch(**{name: torch.cat([getattr(x, name) for x in drawn]) for name in ("z", "first", "y")})
    zero = initial(5, 7, 64, generator(0), dtype=torch.float64)
    step = W_O2_step(zero, W_O2_counts(whole, 5))
    scale = 0.3 / replace(zero, W_O2=step).value_table.diagonal().mean()
    torch.testing.assert_close(models[1].W_O2, scale * step)
    assert etas[0] == pytest.approx(float(scale))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"N": 1}, "N is 1; it must be at least 2"),
        ({"T": 1}, "T is 1; it must be at least 2"),
        ({"d": 0}, "d is 0; it must be at least 1"),
        ({"sequences": 0}, "sequences is 0"),
        ({"chunk": 0}, "chunk is 0"),
        ({"logit": float("nan")}, "logit is nan; it must be a finite number > 0"),
        ({"gap_W_K2": float("inf")}, "gap_W_K2 is inf"),
        ({"gap_W_K1": -1.0}, "gap_W_K1 is -1.0"),
        ({"second_layer": "hard"}, "second_layer is 'hard'; it must be 'linearised' or 'softmax'"),
    ],
)
def test_impossible_settings_are_refused(change, message):
    """Oracle: the sentences."""
    with pytest.raises(ValueError, match=message):
        ThreeStepSettings(**({"N": 5, "T": 7, "d": 11, "sequences": 13} | change))


def test_other_impossible_input_is_refused():
    """Oracle: the sentences."""
    table = torch.eye(5, dtype=torch.float64)
    with pytest.raises(ValueError, match="d is 0; both must be at least 1"):
        initial(5, 7, 0, generator(), dtype=torch.float64)
    with pytest.raises(ValueError, match="T is 1; a trigger and its output"):
        tau(1)
    with pytest.raises(ValueError, match="N is 2 and T is 7"):
        spurious_ratio(2, 7)
    with pytest.raises(ValueError, match="second_layer is 'hard'"):
        W_K1_counts(batch(), table, table, "hard")
