"""The bigram task drawn on a device against the CPU's sampler and the task itself; here that device is the CPU."""

import pytest
import torch
from scipy import stats
from torch import Generator

from mechbook.shared.bigrams import BigramBatch, BigramTask, sample, shakespeare_task
from mechbook.shared.bigrams_device import sampler

# Chi-square tests fail by chance once in a thousand seeds; these seeds are fixed.
LEVEL = 1e-3


def both(task: BigramTask, B: int) -> tuple[BigramBatch, BigramBatch]:
    """A batch from either sampler, of different streams."""
    return sampler(task, B, "cpu", batches=1)(Generator().manual_seed(1)), sample(task, B, Generator().manual_seed(2))


def pvalue(ours: torch.Tensor, theirs: torch.Tensor, n: int) -> float:
    """Of one distribution behind two independent samples; kinds seen fewer than 10 times in both count as one."""
    table = torch.stack([torch.bincount(v.flatten(), minlength=n) for v in (ours, theirs)])
    rare = table.sum(0) < 10
    table = torch.cat([table[:, ~rare], table[:, rare].sum(1, keepdim=True)], 1)
    return float(stats.chi2_contingency(table[:, table.sum(0) > 0]).pvalue)


@pytest.mark.parametrize("outputs", ["uniform", "bigram"])
@pytest.mark.parametrize("triggers", ["random", "frequent"])
def test_the_distribution_is_the_cpus(triggers: str, outputs: str) -> None:
    """Oracle: `sample`; triggers in their order, outputs, tokens early and late, pairs, in-context positions."""
    task = shakespeare_task(T=23, K=3, triggers=triggers, outputs=outputs)  # type: ignore[arg-type]
    ours, theirs = both(task, 6000)
    for k in range(3):
        assert pvalue(ours.outputs[:, k], theirs.outputs[:, k], 65) > LEVEL
        if triggers == "random":
            assert pvalue(ours.triggers[:, k], theirs.triggers[:, k], 65) > LEVEL
    for t in (0, 1, 11, 23):
        assert pvalue(ours.z[:, t], theirs.z[:, t], 65) > LEVEL
    pairs = [batch.z[:, 7] * 65 + batch.z[:, 8] for batch in (ours, theirs)]
    assert pvalue(*pairs, 65 * 65) > LEVEL
    for what in ("in_context", "is_trigger", "occurrence"):
        counts = [getattr(batch, what).sum(1) for batch in (ours, theirs)]
        assert pvalue(*counts, int(max(c.max() for c in counts)) + 1) > LEVEL


@pytest.mark.parametrize("outputs", ["uniform", "bigram"])
@pytest.mark.parametrize("triggers", ["random", "frequent"])
def test_what_is_said_of_each_position_is_so(triggers: str, outputs: str) -> None:
    """Oracle: plain loops over the sequences; possible transitions alone."""
    task = shakespeare_task(T=37, K=5, triggers=triggers, outputs=outputs)  # type: ignore[arg-type]
    draw, run = sampler(task, 29, "cpu", batches=3), Generator().manual_seed(3)
    for batch in [draw(run) for _ in range(4)][1:]:
        for b in range(29):
            z, own = batch.z[b].tolist(), dict(zip(batch.triggers[b].tolist(), batch.outputs[b].tolist(), strict=True))
            assert len(own) == 5 and len(z) == 38
            assert triggers == "random" or tuple(own) == task.triggers
            for t, (now, after) in enumerate(zip(z, z[1:], strict=False)):
                assert batch.is_trigger[b, t] == (now in own)
                assert batch.occurrence[b, t] == z[: t + 1].count(now)
                assert batch.in_context[b, t] == (now in own and now in z[:t])
                assert after == own[now] if now in own else task.pi_b[now, after] > 0
            assert outputs == "uniform" or all(task.pi_b[q, o] > 0 for q, o in own.items())


def test_a_batch_does_not_depend_on_how_many_are_drawn_with_it() -> None:
    """Oracle: one at a time."""
    task = shakespeare_task(T=11, K=3, outputs="bigram")
    many, single = sampler(task, 7, "cpu", batches=4), sampler(task, 7, "cpu", batches=1)
    a, b = Generator().manual_seed(5), Generator().manual_seed(5)
    # what was drawn before is of no matter
    single(Generator().manual_seed(6))
    for _ in range(6):
        ours, theirs = many(a), single(b)
        for name in ("z", "is_trigger", "occurrence", "triggers", "outputs"):
            assert torch.equal(getattr(ours, name), getattr(theirs, name))


def test_a_token_without_probability_is_no_trigger_and_never_drawn() -> None:
    """Oracle: the task; one token of seven is impossible everywhere, and K takes all others."""
    p = torch.tensor([0.3, 0.0, 0.1, 0.2, 0.1, 0.1, 0.2], dtype=torch.float64)
    task = BigramTask(pi_u=p, pi_b=p.expand(7, 7).contiguous(), T=13, K=6, outputs="bigram")
    batch = sampler(task, 97, "cpu", batches=2)(Generator().manual_seed(1))
    assert not bool((batch.z == 1).any()) and not bool((batch.triggers == 1).any())
    assert bool((batch.triggers.sort(1).values == torch.tensor([0, 2, 3, 4, 5, 6])).all())


@pytest.mark.parametrize("change", [{"batch_size": 0}, {"batches": 0}])
def test_impossible_sizes_are_refused(change: dict[str, int]) -> None:
    ((name, value),) = change.items()
    with pytest.raises(ValueError, match=rf"^{name} is {value}; it must be at least 1\.$"):
        sampler(shakespeare_task(T=5, K=2), **{"batch_size": 3, "device": "cpu", **change})  # type: ignore[arg-type]
