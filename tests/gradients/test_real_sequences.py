"""One step on real sequences against loops and by hand."""

import pytest
import torch

from mechbook.core.presets import replace
from mechbook.gradients import real_sequences as grid
from mechbook.gradients.presets import LAPTOP
from mechbook.shared.bigrams import BigramBatch, sample, shakespeare_task
from mechbook.shared.shakespeare import decode, encode, load_counts


def test_the_definition_of_context_counts_by_hand():
    """Oracle: by hand: at the second 0 of 0 1 2 0 the label is 1 and half of the context is 0."""
    batch = BigramBatch(
        z=torch.tensor([[0, 1, 2, 0, 1], [3, 3, 1, 2, 0]]),
        is_trigger=torch.tensor([[True, False, False, True], [False] * 4]),
        occurrence=torch.tensor([[1, 1, 1, 2], [1, 2, 1, 1]]),
        triggers=torch.tensor([[0], [0]]),
        outputs=torch.tensor([[1], [1]]),
    )
    total, count = grid.context_counts_plainly(batch, 4)
    assert count.tolist() == [0, 1, 0, 0]
    assert total.tolist() == [[0] * 4, [0.5, 0.25, 0.25, 0], [0] * 4, [0] * 4]


def test_context_counts_are_those_of_a_loop():
    """Oracle: the definition, every in-context position of every sequence, one at a time."""
    task = shakespeare_task(T=64, K=5)
    batch = sample(task, 16, torch.Generator().manual_seed(0))
    total, count = grid.context_counts(batch, task.N)
    expected, times = grid.context_counts_plainly(batch, task.N)
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
    task = grid.random_bigram_task(LAPTOP.grid, 65, torch.Generator().manual_seed(0))
    squares = task.pi_b.square()
    assert float((task.pi_b.sum(1) - 1).abs().max()) < 1e-12
    assert abs(float(squares.mean()) - 2 / (65 * 66)) < 4 * float(squares.std()) / 65


def test_a_certain_successor_is_the_closest_rival():
    """Oracle: tiny Shakespeare: l always follows $, and q is followed by u."""
    counts = load_counts()
    rival, lead = grid.closest_rivals(replace(LAPTOP.grid, rival_sequences=2_048), 0)
    for first, second in (("$", "l"), ("q", "u"), ("Q", "U")):
        k = int(encode(counts, first)[0])
        assert decode(counts, rival[k][None]) == second
        assert lead[k] < lead.median() / 4
