"""The factors of Theorem 3's memories against sums and against counted sequences."""

import pytest
import torch

from mechbook.core.presets import replace
from mechbook.gradients.presets import LAPTOP
from mechbook.gradients.task import SingleTriggerTask, sample
from mechbook.gradients.three_steps.counts import W_O2_counts
from mechbook.gradients.three_steps.factors import W_K1_factor, counted_ratio, spurious_ratio, tau
from mechbook.gradients.three_steps.probes import diagonal_gap
from tests.gradients.three_steps.small import generator


def test_tau_is_a_mean_of_tails():
    """Oracle: double sums; t_o uniform on 2..T."""
    for size in (2, 7, 64):
        tails = [sum(1 / t for t in range(s, size + 1)) for s in range(2, size + 1)]
        assert tau(size) == pytest.approx(sum(tails) / (size - 1))


@pytest.mark.parametrize(("n", "t"), [(16, 16), (13, 29)])
def test_spurious_ratio_is_that_of_the_task(n, t):
    """Oracle: the two coefficients over 400,000 sequences, 4 standard errors from ten parts; tau itself is rejected."""
    task, random = SingleTriggerTask(N=n, T=t), generator(3)
    parts = torch.stack([W_O2_counts(sample(task, 40_000, random), n)[:2] for _ in range(10)])
    ratios = torch.tensor([diagonal_gap(p[1]) / diagonal_gap(p[0]) for p in parts])
    error = float(ratios.std()) / 10**0.5
    assert abs(float(ratios.mean()) - spurious_ratio(n, t)) < 4 * error
    assert abs(float(ratios.mean()) - tau(t)) > 4 * error


def test_counted_ratio_is_tau_with_its_small_terms():
    """Oracle: the finite-N formula, 4 standard errors over eight seeds."""
    ratios = torch.tensor([counted_ratio(LAPTOP, seed) for seed in range(8)])
    assert abs(float(ratios.mean()) - spurious_ratio(LAPTOP.N, LAPTOP.T)) < 4 * float(ratios.std()) / 8**0.5


def test_counted_ratio_follows_the_preset():
    """Oracle: tau grows with T by more than the sampling's noise."""
    short, long = (counted_ratio(replace(LAPTOP, T=T, sequences=20_000), 0) for T in (9, 64))
    assert long > short + 0.1


def test_the_factor_is_the_right_one_and_not_the_printed_one():
    """Oracle: 1 - 1/N up to 2/N against (T - 1)/T = 0.9375, four seeds."""
    values = torch.tensor([W_K1_factor(LAPTOP.factor, seed, 128) for seed in range(4)])
    error = float(values.std()) / 2
    assert abs(float(values.mean()) - (1 - 1 / 128)) < 2 / 128 + 4 * error
    assert float(values.mean()) - 15 / 16 > 4 * error


def test_impossible_sizes_are_refused():
    """Oracle: the sentences."""
    with pytest.raises(ValueError, match="T is 1; a trigger and its output"):
        tau(1)
    with pytest.raises(ValueError, match="N is 2 and T is 7"):
        spurious_ratio(2, 7)
