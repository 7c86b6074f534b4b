"""Chapter 2's measurements of single memories, against loops and simulations."""

import math

import pytest
import torch

from mechbook.core.presets import replace
from mechbook.gradients import lemmas, single_memory
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
