"""The slope by which chapter 7 judges how training steps grow with the number of hops."""

import math
import statistics
from collections.abc import Sequence


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
