"""Token counts for several tasks at once."""

import math

import pytest
import torch

from mechbook.facts.task import FactTask, random_answers
from mechbook.facts.task_stack import FactStack


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def task(S: int = 7, R: int = 5, D: int = 3, T: int = 11, n_noise: int = 13) -> FactTask:
    return FactTask(S=S, R=R, D=D, T=T, n_noise=n_noise, answers=random_answers(S, R, D, generator(1)))


def test_a_stack_draws_for_each_task_what_that_task_has() -> None:
    """Oracle: a loop over rows; uniform pairs in each task to 4.5 standard errors."""
    small, large = task(), task(S=11, R=6, D=3, n_noise=17)
    stack = FactStack([small, large])
    assert (stack.V, stack.A) == (11 + 6 + 17 + 1, 18)
    assert stack.possible.sum(1).tolist() == [15, 18]
    n = 9000
    batch = stack.sample_counts(n, generator(9))
    for g, t in enumerate((small, large)):
        counts = batch.counts[g]
        assert counts.sum(1).unique().tolist() == [11.0] and counts[:, -1].unique().tolist() == [1.0]
        assert torch.equal(counts[:, : t.S].argmax(1), batch.s[g]) and counts[:, : t.S].sum(1).unique().tolist() == [
            1.0
        ]
        assert torch.equal(counts[:, 11 : 11 + t.R].argmax(1), batch.r[g])
        assert counts[:, 17 : 17 + t.n_noise].sum(1).unique().tolist() == [8.0]
        assert torch.equal(batch.targets[g], t.answers[batch.s[g], batch.r[g]])
        share = torch.bincount(batch.s[g] * t.R + batch.r[g], minlength=t.S * t.R) / n
        p = 1 / (t.S * t.R)
        assert float((share - p).abs().max()) < 4.5 * math.sqrt(p * (1 - p) / n)
        noise = counts[:, 17 : 17 + t.n_noise].sum(0) / (8 * n)
        assert float((noise - 1 / t.n_noise).abs().max()) < 4.5 * math.sqrt(1 / t.n_noise / (8 * n))
    with pytest.raises(ValueError, match="one T and one D"):
        FactStack([small, task(T=12)])
    with pytest.raises(ValueError, match="at least one task"):
        FactStack([])
    with pytest.raises(ValueError, match="batch_size is 0"):
        stack.sample_counts(0, generator(0))
