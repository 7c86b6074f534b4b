"""Noisy recall drawn on a device against the CPU's sampler and the task itself; here that device is the CPU."""

import pytest
import torch
from scipy import stats
from torch import Generator

from mechbook.noisy.task import NoisyBatch, sample, shakespeare_noisy_task
from mechbook.noisy.task_device import sampler

# Chi-square tests fail by chance once in a thousand seeds; these seeds are fixed.
LEVEL = 1e-3
NOISE = 65


def pvalue(ours: torch.Tensor, theirs: torch.Tensor, n: int) -> float:
    """Of one distribution behind two independent samples; kinds seen fewer than 10 times in both count as one."""
    table = torch.stack([torch.bincount(v.flatten(), minlength=n) for v in (ours, theirs)])
    rare = table.sum(0) < 10
    table = torch.cat([table[:, ~rare], table[:, rare].sum(1, keepdim=True)], 1)
    return float(stats.chi2_contingency(table[:, table.sum(0) > 0]).pvalue)


@pytest.mark.parametrize(("alpha", "K"), [(0.3, 3), (0.7, 1), (0.0, 2), (1.0, 2)])
def test_the_distribution_is_the_cpus(alpha: float, K: int) -> None:
    """Oracle: `sample`; tokens early and late, pairs, answers, positions that count, noise after the last trigger."""
    task, B = shakespeare_noisy_task(T=23, alpha=alpha, K=K), 6000
    ours = sampler(task, B, "cpu", batches=1)(Generator().manual_seed(1))
    theirs = sample(task, B, Generator().manual_seed(2))
    for t in (0, 1, 11, 21, 22, 23):
        assert pvalue(ours.z[:, t], theirs.z[:, t], 66) > LEVEL
    assert pvalue(*(batch.z[:, 9] * 66 + batch.z[:, 10] for batch in (ours, theirs)), 66 * 66) > LEVEL
    assert pvalue(ours.answer, theirs.answer, 65) > LEVEL
    for what in ("in_context", "is_trigger"):
        assert pvalue(*(getattr(batch, what).sum(1) for batch in (ours, theirs)), 24) > LEVEL


@pytest.mark.parametrize("K", [1, 4])
def test_what_is_said_of_each_position_is_so(K: int) -> None:
    """Oracle: plain loops over the sequences; possible transitions alone."""
    task = shakespeare_noisy_task(T=31, alpha=0.4, K=K)
    draw, run = sampler(task, 23, "cpu", batches=3), Generator().manual_seed(3)
    for batch in [draw(run) for _ in range(4)][1:]:
        for b in range(23):
            check_sequence(task, batch, b)


def check_sequence(task: object, batch: NoisyBatch, b: int) -> None:
    bigrams, z, answers = task.bigrams, batch.z[b].tolist(), batch.answers[b].tolist()  # type: ignore[attr-defined]
    told: dict[int, int] = {}
    assert len(z) == 32 and z[30] in bigrams.triggers
    for t, (now, after) in enumerate(zip(z, z[1:], strict=False)):
        is_trigger = now in bigrams.triggers
        assert batch.is_trigger[b, t] == is_trigger
        assert batch.in_context[b, t] == (is_trigger and now in z[:t])
        if is_trigger:
            assert told.setdefault(now, answers[t]) == answers[t] and 0 <= answers[t] < NOISE
            possible = after in (answers[t], NOISE)
        else:
            assert answers[t] == -1
            row = bigrams.pi_u if now == NOISE else bigrams.pi_b[now]
            possible = after != NOISE and bool(row[after] > 0)
        # the last input is a trigger whatever came before it
        assert possible or t == 29


def test_a_batch_does_not_depend_on_how_many_are_drawn_with_it() -> None:
    """Oracle: one at a time."""
    task = shakespeare_noisy_task(T=11, alpha=0.5, K=2)
    many, single = sampler(task, 7, "cpu", batches=4), sampler(task, 7, "cpu", batches=1)
    a, b = Generator().manual_seed(5), Generator().manual_seed(5)
    for _ in range(6):
        ours, theirs = many(a), single(b)
        for name in ("z", "is_trigger", "in_context", "answers"):
            assert torch.equal(getattr(ours, name), getattr(theirs, name))


@pytest.mark.parametrize("change", [{"batch_size": 0}, {"batches": 0}])
def test_impossible_sizes_are_refused(change: dict[str, int]) -> None:
    ((name, value),) = change.items()
    with pytest.raises(ValueError, match=rf"^{name} is {value}; it must be at least 1\.$"):
        sampler(shakespeare_noisy_task(T=5, alpha=0.5), **{"batch_size": 3, "device": "cpu", **change})  # type: ignore[arg-type]
