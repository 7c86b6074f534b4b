"""The slope by which chapter 7 judges how training steps grow with the number of hops."""

import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import takewhile


def log_log_slope(ks: Sequence[int], steps: Sequence[int | float]) -> float:
    """Return the least-squares slope of log(steps) against log(k): the exponent where steps are a power of k.

    Raises ValueError for fewer than two k, another number of steps, all k alike, and what is not positive and finite.
    """
    fine = len(set(ks)) >= 2 and len(ks) == len(steps) and all(0 < each < math.inf for each in (*ks, *steps))
    if not fine:
        given = f"k = {list(ks)}, steps = {list(steps)}"
        raise ValueError(f"a slope needs two k or more, as many steps, and positive numbers; it was given {given}.")
    slope, _ = statistics.linear_regression([math.log(k) for k in ks], [math.log(each) for each in steps])
    return slope


def solved_up_to(steps: Mapping[int, Sequence[int | float]], budget: int | float) -> list[int]:
    """Return the numbers of hops k, from the least on, that every seed solved within the budget, up to a first gap."""
    return list(takewhile(lambda k: max(steps[k]) <= budget, sorted(steps)))


def slopes_by_seed(steps: Mapping[int, Sequence[int | float]], ks: Sequence[int]) -> list[float]:
    """Return each seed's slope over `ks`; `steps` has the steps of all seeds by k.

    A run that did not solve k has one step more than its budget there. Such a number is a lower bound, and so is the
    slope, where only numbers of hops above the geometric mean of `ks` were not solved. Raises ValueError as
    `log_log_slope` does.
    """
    return [log_log_slope(ks, row) for row in zip(*(steps[k] for k in ks), strict=True)]
