"""Bootstrap intervals of what is made of means, against theory and an obvious loop."""

import math

import pytest
import torch

from mechbook.laser.intervals import factor, of_means, part_lost

N = 997


def test_the_interval_of_a_mean_is_the_normal_one() -> None:
    """Oracle: mean +- 1.96 standard errors; 2000 draws know a 2.5% quantile to 6% of a standard error (4 of these)."""
    rows = torch.randn(N, 2, generator=torch.Generator().manual_seed(0)) + torch.tensor([3.0, -1.0])
    low, high = of_means(lambda m: m[:, 0], rows, torch.Generator().manual_seed(1))
    error = float(rows[:, 0].std()) / math.sqrt(N)
    assert low == pytest.approx(float(rows[:, 0].mean()) - 1.96 * error, abs=0.25 * error)
    assert high == pytest.approx(float(rows[:, 0].mean()) + 1.96 * error, abs=0.25 * error)
    inner = of_means(lambda m: m[:, 0], rows, torch.Generator().manual_seed(1), level=0.5)
    assert low < inner[0] < inner[1] < high


def test_a_factor_keeps_the_prompts_of_both_measurements_together() -> None:
    """Oracle: the same draws in a loop; a factor of 2 on every prompt, whose interval has no width."""
    before = torch.rand(31, 2, generator=torch.Generator().manual_seed(2)) + 0.1
    after = before * torch.tensor([4.0, 2.0])
    assert factor(after, before, torch.Generator().manual_seed(3)) == pytest.approx((2.0, 2.0))
    after = before * (1 + torch.rand(31, 2, generator=torch.Generator().manual_seed(4)))
    index = torch.randint(31, (2000, 31), generator=torch.Generator().manual_seed(3))
    by_hand = []
    for drawn in index:
        a, b = after[drawn].double().mean(0), before[drawn].double().mean(0)
        by_hand.append((a[0] / a[1]) / (b[0] / b[1]))
    ends = torch.stack(by_hand).quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    assert factor(after, before, torch.Generator().manual_seed(3)) == pytest.approx(tuple(ends), rel=1e-10)


def test_a_part_that_is_lost_is_of_the_means() -> None:
    before = torch.tensor([1.0, 3.0])
    assert part_lost(before * 0.25, before, torch.Generator().manual_seed(0)) == pytest.approx((0.75, 0.75))
    low, high = part_lost(torch.tensor([1.0, 0.0]), before, torch.Generator().manual_seed(0))
    # the two ends: twice the first prompt, which loses nothing; twice the second, which loses all
    assert (low, high) == (0.0, 1.0)


def test_nothing_to_draw_from_is_refused() -> None:
    with pytest.raises(ValueError, match="no row"):
        of_means(lambda m: m[:, 0], torch.zeros(0, 2), torch.Generator())
