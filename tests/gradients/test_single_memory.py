"""Chapter 2's measurements of single memories, against loops and simulations."""

import math

import pytest
import torch

from mechbook.claims.criteria import Measurement
from mechbook.core.presets import replace
from mechbook.gradients import claims, lemmas, single_memory, values
from mechbook.gradients.presets import LAPTOP


def test_seeds_and_mechbook_seed_change_the_data(monkeypatch):
    """Oracle: different streams."""
    how = LAPTOP.ignored
    first = single_memory.ignores_position(how, 0)
    assert single_memory.ignores_position(how, 1)["positional"] != first["positional"]
    monkeypatch.setenv("MECHBOOK_SEED", "1")
    assert single_memory.ignores_position(how, 0)["positional"] != first["positional"]


def test_descent_leaves_the_span_of_the_start_only():
    """Oracle: eq. 6; a random start lies mostly outside."""
    residuals = single_memory.span_residuals(LAPTOP.span, 0)
    assert residuals["plain"] < 1e-12 and residuals["decayed"] < 1e-12 and residuals["W_0"] > 0.5


def test_crosstalk_is_that_of_a_simulation():
    """Oracle: logits of 60 draws in d = 128, 4 standard errors of the variances (from the draws)."""
    how = replace(LAPTOP.one_step, dimensions=(128,))
    steps = [single_memory.one_steps(how, seed) for seed in range(60)]
    for found, predicted in zip(
        ([step["wrong"].var() for step in steps], [step["right"].var() for step in steps]),
        single_memory.crosstalk(100, 128),
        strict=True,
    ):
        variances = torch.stack(found)
        assert abs(float(variances.mean()) - predicted**2) < 4 * float(variances.std()) / 60**0.5


def test_one_step_is_the_sum_over_all_pairs():
    """Oracle: (eta / N) sum (1{f(z) = k} - 1/N) w_U(k) w_E(z)^T with eta = N, an outer product at a time."""
    W_1, W_E, W_U, f = single_memory.one_step(5, 7, 0)
    expected = torch.zeros(7, 7, dtype=torch.float64)
    for z in range(5):
        for k in range(5):
            expected += (float(f[z] == k) - 1 / 5) * torch.outer(W_U[k], W_E[z])
    torch.testing.assert_close(W_1, expected)


def test_right_and_wrong_logits_are_all_logits_once():
    """Oracle: a double loop over the table."""
    W_1, W_E, W_U, f = single_memory.one_step(13, 7, 0)
    logits = lemmas.memory_logits(W_1, W_E, W_U)
    right = [float(logits[z, f[z]]) for z in range(13)]
    wrong = [float(logits[z, k]) for z in range(13) for k in range(13) if k != f[z]]
    step = single_memory.one_steps(replace(LAPTOP.one_step, N=13, dimensions=(3, 7)), 0)
    assert step["right"].tolist() == right and step["wrong"].tolist() == wrong
    assert len(step["accuracy"]) == 2
    assert step["accuracy"][-1] == pytest.approx(float((logits.argmax(1) == f).double().mean()))


def test_predicted_accuracy_is_that_of_normal_scores():
    """Oracle: 100,000 draws of one right and 99 wrong normal scores, 4 standard errors."""
    wrong, right = single_memory.crosstalk(100, 48)
    random = torch.Generator().manual_seed(0)
    n = 100_000
    largest = torch.stack([torch.randn(n, generator=random) for _ in range(99)]).amax(0) * wrong
    share = float((1 + right * torch.randn(n, generator=random) > largest).double().mean())
    expected = single_memory.predicted_accuracy(100, 48)
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / n)


def test_the_optimum_is_approached():
    """Oracle: convexity: with independent embeddings the divergence falls towards 0; with 8 of 16 it cannot."""
    how = replace(LAPTOP.optimum, steps=(10, 100, 3000))
    full, half = (single_memory.optimum(how, 0, d) for d in (128, 8))
    assert full[0] > full[1] > full[2] and full[2] < 5e-3 and half[2] > 0.1


def failing(criterion, rows):
    """The places of a criterion's checks that fail on these values, one row for each seed."""
    checks = criterion(Measurement(id="grad.x", values=rows, scale="laptop"))
    return [place for place, check in enumerate(checks) if not check.ok]


def test_a_step_without_its_mean_is_told_from_the_right_one():
    """Oracle: the wrong implementation, sum_z w_U(f(z)) w_E(z)^T without -1/N: slope and accuracy are as good."""
    rows = {"right": [], "wrong": []}
    for seed in range(5):
        W_1, W_E, W_U, f = single_memory.one_step(100, 1024, seed)
        without = W_U[f].T @ W_E
        for name, W in (("right", W_1), ("wrong", without)):
            logits = lemmas.memory_logits(W, W_E, W_U)
            right, wrong = single_memory.split_logits(logits, f)
            accuracy = float((logits.argmax(1) == f).double().mean())
            slope = float(right.mean() - wrong.mean())
            rows[name].append(values.ONE_STEP(accuracy=accuracy, slope=slope, wrong=100 * float(wrong.mean())))
    assert failing(claims.one_step, rows["right"]) == [] and failing(claims.one_step, rows["wrong"]) == [2]


def test_stored_positions_are_told_from_crosstalk(monkeypatch):
    """Oracle: the wrong implementation, positions stored at strength 0.29 with signs that cancel in the mean."""

    def rows():
        found = [single_memory.ignores_position(LAPTOP.ignored, seed) for seed in range(5)]
        return [
            values.IGNORES_POSITION(
                accuracy=row["accuracy"], positional=row["positional"], spread=row["spread"] / row["predicted_spread"]
            )
            for row in found
        ]

    assert failing(claims.ignores_position, rows()) == []
    plain = lemmas.one_step_with_positions

    def storing(W_E, P, W_U, lr):
        signs = torch.tensor([1.0, -1.0], dtype=P.dtype).repeat(len(P) // 2)
        return plain(W_E, P, W_U, lr) + 0.29 * (signs[:, None] * W_U[: len(P)]).T @ P

    monkeypatch.setattr(lemmas, "one_step_with_positions", storing)
    assert failing(claims.ignores_position, rows()) == [2]


def test_the_predicted_spread_is_exact():
    """Oracle: the mean square over 3000 draws of a small case, 4 standard errors; without 1/N's terms it is 17% off."""
    how = replace(LAPTOP.ignored, N=3, T=7, d=5)
    found = [single_memory.ignores_position(how, seed) for seed in range(3000)]
    squares = torch.tensor([row["spread"] for row in found]).square()
    error, exact = float(squares.std()) / 3000**0.5, 2 / 3 * (1 / 5 + 4 / 25)
    assert found[0]["predicted_spread"] ** 2 == pytest.approx(exact, rel=1e-12)
    assert abs(float(squares.mean()) - exact) < 4 * error < abs(float(squares.mean()) - (1 / 5 + 2 / 25))


def test_the_span_is_left_by_a_gradient_that_leaves_it(monkeypatch):
    """Oracle: a loss with a weight penalty towards another matrix, whose gradient is not in the span."""
    plain = lemmas.association_loss
    monkeypatch.setattr(lemmas, "association_loss", lambda W, *more: plain(W, *more) + 1e-6 * (W - 1).square().sum())
    assert single_memory.span_residuals(LAPTOP.span, 0)["plain"] > 1e-7


@pytest.mark.parametrize(("T", "exponent", "accuracy"), [(8, 1.0, 0.08), (8, 0.0, 1.0), (24, 1.0, 0.24)])
def test_unequal_labels_spoil_one_step(T, exponent, accuracy):
    """Oracle: by hand: with Zipf's labels the token z, from 1, beats the commonest where z < T + 1."""
    found, commonest = single_memory.unequal_labels(100, T, exponent)
    assert found == pytest.approx(accuracy, abs=1e-12) and commonest == (0.0 if exponent == 0 else 1.0)
