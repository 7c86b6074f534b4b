"""Means over groups: against the standard error of groups' means, every draw of two groups, and a textbook's table."""

import math

import pytest
import torch

from mechbook.laser.clusters import interval_of_grouped_mean, share_between


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_rows_that_repeat_their_group_s_value_are_as_few_as_the_groups() -> None:
    """Oracle: 1.645 standard errors of 40 groups' values; rows drawn one by one would have a third of that."""
    values = torch.randn(40, generator=torch.Generator().manual_seed(0)).double()
    change, groups = values.repeat_interleave(9), [i // 9 for i in range(360)]
    mean, low, high = interval_of_grouped_mean(change, groups, generator(), level=0.9)
    reach = 1.645 * float(values.std(correction=0)) / math.sqrt(40)
    assert mean == pytest.approx(float(values.mean()))
    assert high - mean == pytest.approx(reach, rel=0.15) and mean - low == pytest.approx(reach, rel=0.15)


def test_groups_of_different_sizes_weigh_by_their_rows() -> None:
    """Oracle: the four draws of two groups: (0, 0), twice (0, 6) with mean 6 * 3 / 4, (6, 6)."""
    _, low, high = interval_of_grouped_mean(torch.tensor([0.0, 6, 6, 6]), ["a", "b", "b", "b"], generator(), level=0.3)
    assert (low, high) == pytest.approx((4.5, 4.5))


def test_the_share_between_groups_is_that_of_the_analysis_of_variance() -> None:
    """Oracle: by hand for (1, 3), (5, 7), (9, 11): the mean squares are 32 and 2, so 30 / 34."""
    groups = ["a", "a", "b", "b", "c", "c"]
    assert share_between(torch.tensor([1.0, 3, 5, 7, 9, 11]), groups) == pytest.approx(30 / 34)
    assert share_between(torch.tensor([2.0, 2, 5, 5, 9, 9]), groups) == pytest.approx(1)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="there are 2 changes and 1 groups"):
        interval_of_grouped_mean(torch.zeros(2), ["a"], generator())
    with pytest.raises(ValueError, match="two groups at least"):
        share_between(torch.zeros(2), ["a", "b"])
