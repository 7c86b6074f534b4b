"""The gradient on W_KQ after one step, at sizes that take no time, and the closed forms it is held against."""

import math

import pytest
import torch

from mechbook.core.presets import replace
from mechbook.noisy.presets import LAPTOP, PAPER
from mechbook.noisy.theory import key_query
from mechbook.noisy.theory.uniform_task import UniformNoisyTask, counts_of, sample_sequences


def test_measured_gradients_are_the_exact_ones():
    # Oracle: exact moments, within 4.5 standard errors, for each first update.
    task = UniformNoisyTask(N=8, T=60, alpha=0.4, elsewhere=0.02)
    found, exact = key_query.measured(task, 40_000, torch.Generator().manual_seed(1)), key_query.exact(task)
    for name in ("W_F", "W_V", *key_query.DIRECTIONS):
        assert abs(found[name] - exact[name]) < 4.5 * found[f"{name}_error"], name


def test_needed_length_solves_its_condition():
    # Oracle: the condition itself, alpha (1 - alpha) = 1/x + 1/x^2; and the exact gradient's sign around it at large N.
    for alpha in (0.1, 0.5, 0.8):
        x = key_query.needed_length(alpha)
        assert abs(1 / x + 1 / x**2 - alpha * (1 - alpha)) < 1e-12
    N, x = 3000, key_query.needed_length(0.5)
    for T, sign in ((0.97 * x * N, -1), (1.03 * x * N, 1)):
        assert math.copysign(1, key_query.exact(UniformNoisyTask(N=N, T=int(T), alpha=0.5))["others"]) == sign


def test_the_flip_is_where_frequencies_say():
    # Oracle: frequencies of sampled sequences at the derived point, and (1 - alpha)/N to first order.
    beta = key_query.derived_flip(LAPTOP)
    task = key_query.flip_task(LAPTOP, beta)
    f = counts_of(task, sample_sequences(task, 20_000, torch.Generator().manual_seed(0))).frequencies.mean(0)
    assert float(f[-1] / (f**2).sum()) == pytest.approx(1, abs=0.05)
    assert beta == pytest.approx(0.5 / task.N, rel=0.05)
    assert key_query.relative_frequency(key_query.flip_task(LAPTOP, 0.0)) < 0.6


def test_crossing_and_exponent_by_hand():
    # Oracle: a straight line and a power law.
    assert key_query.crossing([1.0, 2.0, 4.0], [-3.0, -1.0, 1.0]) == pytest.approx(3.0)
    with pytest.raises(ValueError, match="do not turn from negative to positive"):
        key_query.crossing([1.0, 2.0], [1.0, 2.0])
    tasks = [UniformNoisyTask(N=N, T=9, alpha=0.5) for N in (8, 16, 64)]
    assert key_query.exponent(tasks, [-3 * task.N**-1.5 for task in tasks]) == pytest.approx(-1.5)


@pytest.mark.parametrize("setup", [LAPTOP, PAPER], ids=["laptop", "paper"])
@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
def test_the_sizes_of_both_presets_reach_what_is_asked_of_them(setup, alpha):
    # Oracle: what the chapter says of them, at every noise level that the preset allows.
    setup = replace(setup, alpha=alpha)
    sweeps = key_query.lengths(setup)
    assert all(task.T == 4 * task.N for task in sweeps["short"]) and all(task.T == task.N**2 for task in sweeps["long"])
    cut = key_query.needed_length(alpha)
    ratios = [task.T / task.N for task in sweeps["ratio"]]
    assert min(ratios) < cut - 0.5 and max(ratios) > cut + 1
    assert setup.flip.N < setup.flip.T
    grid = key_query.elsewhere_grid(setup)
    assert max(grid) > key_query.derived_flip(setup) > grid[1]
