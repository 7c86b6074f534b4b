"""Means over prompts that come in groups, such as cities of one country: what varies is drawn by the group.

mean, low, high = interval_of_grouped_mean(change, countries, generator)
"""

from collections.abc import Hashable, Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from mechbook.laser.intervals import check_draws


def interval_of_grouped_mean(
    change: Float[Tensor, "n"],
    groups: Sequence[Hashable],
    generator: Generator,
    *,
    level: float = 0.95,
    draws: int = 2000,
) -> tuple[float, float, float]:
    """The mean of all n with its bootstrap interval, whole groups drawn with replacement, each with all of its rows.

    Rows of one group are no independent evidence: drawn one by one they give an interval that is too narrow.
    ValueError for no row, another number of groups than of rows, no draw, a level outside (0, 1).
    """
    check_draws(draws, level)
    if not len(change) or len(groups) != len(change):
        raise ValueError(f"there are {len(change)} changes and {len(groups)} groups; give as many, one or more.")
    sums, sizes = _sums(change.double(), groups)
    index = torch.randint(len(sums), (draws, len(sums)), generator=generator)
    means = sums[index].sum(1) / sizes[index].sum(1)
    low, high = torch.quantile(means, torch.tensor([(1 - level) / 2, (1 + level) / 2]).double()).tolist()
    return float(change.double().mean()), low, high


def share_between(change: Float[Tensor, "n"], groups: Sequence[Hashable]) -> float:
    """The intraclass correlation: what part of the variance lies between groups (one-way analysis of variance).

    0 where rows of one group are as unlike as any, 1 where they are the same; it may come out slightly below 0.
    ValueError for fewer than two groups, and where no group has two rows.
    """
    if len(set(groups)) < 2 or len(set(groups)) == len(groups):
        raise ValueError("there must be two groups at least, one of them with two rows or more.")
    x = change.double()
    sums, sizes = _sums(x, groups)
    n, k = float(sizes.sum()), len(sums)
    between = float((sums.square() / sizes).sum() - x.sum().square() / n) / (k - 1)
    within = float(x.square().sum() - (sums.square() / sizes).sum()) / (n - k)
    size = (n - float(sizes.square().sum()) / n) / (k - 1)
    return (between - within) / (between + (size - 1) * within)


def _sums(x: Float[Tensor, "n"], groups: Sequence[Hashable]) -> tuple[Float[Tensor, "g"], Float[Tensor, "g"]]:
    place = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    index = torch.tensor([place[group] for group in groups])
    zeros = torch.zeros(len(place), dtype=x.dtype)
    return zeros.index_add(0, index, x), zeros.index_add(0, index, torch.ones_like(x))
