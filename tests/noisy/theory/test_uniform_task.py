"""The uniform noisy task: its sequences obey the rules, and its counts have the distribution of its sequences'."""

import pytest
import torch

from mechbook.noisy.theory.moments import token_visits
from mechbook.noisy.theory.uniform_task import (
    UniformNoisyTask,
    counts_of,
    draw_counts,
    sample_counts,
    sample_sequences,
)

M = 20_000


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_sequences_obey_the_rules():
    # Oracle: an obvious loop over positions.
    task = UniformNoisyTask(N=5, T=17, alpha=0.4)
    drawn = sample_sequences(task, 300, generator())
    assert bool((drawn.inputs[:, -1] == 0).all())
    for z, target, y in zip(drawn.inputs.tolist(), drawn.targets.tolist(), drawn.outputs.tolist(), strict=True):
        for before, after in zip(z[:-2], z[1:-1], strict=True):
            assert after in ((y, 5) if before == 0 else range(5))
        assert target in (y, 5)


def test_noise_follows_the_trigger_and_other_tokens_as_often_as_told():
    # Oracle: binomial frequencies, within 4 standard errors.
    task = UniformNoisyTask(N=5, T=17, alpha=0.3, elsewhere=0.15)
    z = sample_sequences(task, M, generator(1)).inputs
    before, after = z[:, :-2], z[:, 1:-1]
    for there, p in ((before == 0, 0.3), ((before > 0), 0.15)):
        n = int(there.sum())
        share = float((after[there] == task.noise).double().mean())
        assert abs(share - p) < 4 * (p * (1 - p) / n) ** 0.5


def test_counts_of_counts():
    # Oracle: list.count.
    task = UniformNoisyTask(N=5, T=17, alpha=0.3)
    drawn = sample_sequences(task, 11, generator(2))
    expected = [[row.count(k) / 17 for k in range(6)] for row in drawn.inputs.tolist()]
    assert torch.equal(counts_of(task, drawn).frequencies, torch.tensor(expected, dtype=torch.float64))


CASES = [
    UniformNoisyTask(N=7, T=23, alpha=0.4),
    UniformNoisyTask(N=5, T=31, alpha=0.3, elsewhere=0.2),
    UniformNoisyTask(N=5, T=9, alpha=0.0),
    UniformNoisyTask(N=5, T=9, alpha=1.0),
    UniformNoisyTask(N=4, T=2, alpha=0.5),
]


@pytest.mark.parametrize("task", CASES, ids=str)
@pytest.mark.parametrize("how", ["fast", "steps"])
def test_both_samplers_have_the_exact_moments(task, how):
    # Oracle: exact E f_k and E f_k f_l from the Markov chain, within 4.5 standard errors.
    drawn = (
        sample_counts(task, M, generator(3))
        if how == "fast"
        else counts_of(task, sample_sequences(task, M, generator(4)))
    )
    f = drawn.frequencies
    assert float((f.sum(1) - 1).abs().max()) < 1e-12
    given = [token_visits(task, y) for y in range(task.N)]
    for found, expected in (
        (f, sum(v.mean for v in given) / task.N),
        (f[:, :, None] * f[:, None, :], sum(v.second for v in given) / task.N),
    ):
        error = found.std(0) / M**0.5 + 1e-12
        assert float(((found.mean(0) - torch.tensor(expected)).abs() / error).max()) < 4.5


def test_the_target_and_the_output_are_tied_to_the_counts():
    # Oracle: given a target y that is not the noise, y is the output and occurs (2 - alpha)/N of the time, not 1/N.
    task = UniformNoisyTask(N=7, T=400, alpha=0.4)
    drawn = sample_counts(task, M, generator(5))
    y = drawn.targets
    keep = (y != task.noise) & (y != 0)
    f = drawn.frequencies[keep].gather(1, y[keep][:, None])[:, 0]
    expected = token_visits(task, 1).mean[1]
    assert abs(float(f.mean()) - expected) < 4 * float(f.std()) / len(f) ** 0.5
    share = float((y == task.noise).double().mean())
    assert abs(share - 0.4) < 4 * (0.24 / M) ** 0.5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"N": 1}, "N is 1; the task needs at least 2 ordinary tokens."),
        ({"T": 1}, "T is 1; a sequence needs at least 2 inputs."),
        ({"alpha": 1.1}, r"alpha is 1.1; it is a probability and must lie in \[0, 1\]."),
        ({"alpha": -0.1}, "alpha is -0.1"),
        ({"alpha": float("nan")}, "alpha is nan"),
        ({"elsewhere": 1.0}, r"elsewhere is 1.0; it is a probability and must lie in \[0, 1\)."),
    ],
)
def test_what_cannot_be_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        UniformNoisyTask(**{"N": 5, "T": 9, "alpha": 0.5, **change})


def test_no_sequences_are_refused():
    task = UniformNoisyTask(N=5, T=9, alpha=0.5)
    for draw in (sample_counts, sample_sequences):
        with pytest.raises(ValueError, match="m is 0; at least one sequence must be drawn."):
            draw(task, 0, generator())


@pytest.mark.parametrize(("N", "T"), [(20, 20), (20, 21)])
def test_short_sequences_are_drawn_whole_and_long_ones_by_their_counts(N, T):
    # Oracle: the two ways, bit for bit, from the same generator.
    task = UniformNoisyTask(N=N, T=T, alpha=0.4)
    drawn = draw_counts(task, 50, generator(7))
    if T <= N:
        expected = counts_of(task, sample_sequences(task, 50, generator(7)))
    else:
        expected = sample_counts(task, 50, generator(7))
    assert torch.equal(drawn.frequencies, expected.frequencies) and torch.equal(drawn.targets, expected.targets)
