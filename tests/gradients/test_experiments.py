"""Chapter 2's measurements of single memories, against loops and simulations."""

import math

import numpy as np
import pytest
import torch

from mechbook.gradients import experiments
from mechbook.gradients import one_step_grid as grid
from mechbook.shared.bigrams import sample, shakespeare_task


def test_every_closed_form_agrees_with_autograd():
    """Oracle: autograd, 1e-10; Lemma 4 in the printed orientation must not agree."""
    errors = experiments.identities(0)
    assert set(errors) == {"lemma1", "lemma2", "layer_norm", "rms_norm", "lemma4", "lemma4_printed", "lemma5"}
    assert all(error < 1e-10 for name, error in errors.items() if name != "lemma4_printed")
    assert errors["lemma4_printed"] > 0.5


def test_seeds_and_mechbook_seed_change_the_data(monkeypatch):
    """Oracle: different streams."""
    first = experiments.ignores_position(0)
    assert experiments.ignores_position(1)["positional"] != first["positional"]
    monkeypatch.setenv("MECHBOOK_SEED", "1")
    assert experiments.ignores_position(0)["positional"] != first["positional"]


def test_descent_leaves_the_span_of_the_start_only():
    """Oracle: eq. 6; a random start lies mostly outside."""
    residuals = experiments.span_residuals(0)
    assert residuals["plain"] < 1e-12 and residuals["decayed"] < 1e-12 and residuals["W_0"] > 0.5


def test_crosstalk_is_that_of_a_simulation():
    """Oracle: logits of 60 draws in d = 128, 4 standard errors of the variances (from the draws)."""
    steps = [experiments.one_step(128, seed) for seed in range(60)]
    for found, predicted in zip(
        ([step.wrong.var() for step in steps], [step.right.var() for step in steps]),
        experiments.crosstalk(100, 128),
        strict=True,
    ):
        variances = torch.stack(found)
        assert abs(float(variances.mean()) - predicted**2) < 4 * float(variances.std()) / 60**0.5


def test_right_and_wrong_logits_are_all_logits_once():
    """Oracle: a double loop over the table."""
    step = experiments.one_step(16, 0)
    N = len(step.f)
    right = [float(step.logits[z, step.f[z]]) for z in range(N)]
    wrong = [float(step.logits[z, k]) for z in range(N) for k in range(N) if k != step.f[z]]
    assert step.right.tolist() == right and step.wrong.tolist() == wrong
    best = step.logits.argmax(1)
    assert step.accuracy == pytest.approx(float((best == step.f).double().mean()))


def test_predicted_accuracy_is_that_of_normal_scores():
    """Oracle: 100,000 draws of one right and 99 wrong normal scores, 4 standard errors."""
    wrong, right = experiments.crosstalk(100, 48)
    random = torch.Generator().manual_seed(0)
    n = 100_000
    largest = torch.stack([torch.randn(n, generator=random) for _ in range(99)]).amax(0) * wrong
    share = float((1 + right * torch.randn(n, generator=random) > largest).double().mean())
    expected = experiments.predicted_accuracy(100, 48)
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / n)


def test_the_optimum_is_approached():
    """Oracle: convexity: with independent embeddings the divergence falls towards 0; with 8 of 16 it cannot."""
    full, half = (experiments.optimum(d, 0, (10, 100, 3000)) for d in (128, 8))
    assert full[0] > full[1] > full[2] and full[2] < 5e-3 and half[2] > 0.1


def test_sequential_learning_has_its_measures_right():
    """Oracle: numpy's fit for the slope; each curve passes half of its strength at its half time."""
    course = experiments.sequential(0)
    assert course.slope == pytest.approx(np.polyfit(np.log(course.s.numpy()), np.log(course.half.numpy()), 1)[0])
    for mode, time in enumerate(course.half):
        there = np.interp(float(time), course.t.numpy(), course.curves[:, mode].numpy())
        assert there == pytest.approx(float(course.s[mode]) / 2, rel=1e-3)
    assert bool(((course.half / course.predicted - 1).abs() < 0.05).all())


def test_context_counts_are_those_of_a_loop():
    """Oracle: every in-context position of every sequence, one at a time."""
    task = shakespeare_task(T=64, K=5)
    batch = sample(task, 16, torch.Generator().manual_seed(0))
    total, count = grid.context_counts(batch, task.N)
    expected, times = torch.zeros(65, 65, dtype=torch.float64), torch.zeros(65, dtype=torch.float64)
    for z, targets, where in zip(batch.inputs, batch.targets, batch.in_context, strict=True):
        for t in where.nonzero()[:, 0].tolist():
            times[targets[t]] += 1
            expected[targets[t]] += torch.bincount(z[: t + 1], minlength=65) / (t + 1)
    assert times.sum() > 50
    torch.testing.assert_close(count, times)
    torch.testing.assert_close(total, expected, atol=1e-6, rtol=1e-6)


def test_one_step_recall_is_the_formula_of_figure_9():
    """Oracle: R_1 in words, one token at a time, from means of vectors; a target never seen counts as wrong."""
    random = torch.Generator().manual_seed(0)
    total = torch.rand(7, 7, generator=random, dtype=torch.float64) + torch.eye(7, dtype=torch.float64)
    count = torch.tensor([2.0, 3, 5, 0, 1, 2, 4], dtype=torch.float64)
    total[3] = 0
    remapped = torch.randn(7, 5, generator=random, dtype=torch.float64)
    mu = (total.sum(0) / count.sum()) @ remapped
    hits = 0
    for k in range(7):
        if count[k] > 0:
            mu_k = (total[k] / count[k]) @ remapped
            hits += max(range(7), key=lambda j: float(remapped[j] @ (mu_k - mu))) == k
    assert 0 < hits < 6
    assert grid.one_step_recall(total, count, remapped) == pytest.approx(hits / 7)


def test_a_target_never_seen_is_wrong_even_where_its_score_would_win():
    """Oracle: by hand: token 1 is never a target and never in a context, so that minus the mean is largest there.

    Token 2 is everywhere the most frequent: only less the mean does token 0 win for the target 0.
    """
    total = torch.tensor([[3.0, 0, 5], [0, 0, 0], [1, 0, 9]], dtype=torch.float64)
    count = torch.tensor([4.0, 0, 4], dtype=torch.float64)
    assert grid.one_step_recall(total, count, torch.eye(3, dtype=torch.float64)) == pytest.approx(2 / 3)


def test_random_bigrams_are_distributions_without_structure():
    """Oracle: rows sum to one and have the mean square 2 / (N (N + 1)) of the uniform distribution on the simplex."""
    task = grid.random_bigram_task(65, torch.Generator().manual_seed(0))
    squares = task.pi_b.square()
    assert float((task.pi_b.sum(1) - 1).abs().max()) < 1e-12
    assert abs(float(squares.mean()) - 2 / (65 * 66)) < 4 * float(squares.std()) / 65


def test_a_certain_successor_is_the_closest_rival():
    """Oracle: tiny Shakespeare: l always follows $, and q is followed by u."""
    from mechbook.shared.shakespeare import decode, encode, load_counts

    counts = load_counts()
    rival, lead = grid.closest_rivals(0, batches=64)
    for first, second in (("$", "l"), ("q", "u"), ("Q", "U")):
        k = int(encode(counts, first)[0])
        assert decode(counts, rival[k][None]) == second
        assert lead[k] < lead.median() / 4
