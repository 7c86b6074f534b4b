"""Searches whose points are measured together: several seeds, several candidates each, in one call."""

from collections.abc import Callable, Sequence

import numpy as np

Passes = Callable[[list[tuple[int, int]]], Sequence[bool]]


def largest_passing(
    first: Sequence[int], seeds: int, passes: Passes, *, points: int, ratio: float, most: int
) -> list[int]:
    """Return, for each seed, the largest size that passes, to within a factor `ratio` (or exactly, where that is less).

    `passes` takes (seed, size) pairs and says of each whether it passes. It is called first with the sizes `first` for
    every seed, then with up to `points` sizes, evenly spaced in logarithm, inside each seed's bracket: from the last
    size that passes below the first that fails, to that one. Size 1 is taken to pass. Where even the largest passes,
    larger ones by a factor 1.5 are tried. Raises ValueError where that leads beyond `most`.
    """
    low: list[int] = [1] * seeds
    high: list[int | None] = [None] * seeds
    asked = {seed: sorted(first) for seed in range(seeds)}
    while any(asked.values()):
        pairs = [(seed, size) for seed, sizes in asked.items() for size in sizes]
        for (seed, size), good in zip(pairs, passes(pairs), strict=True):
            top = high[seed]
            if not good and (top is None or size < top):
                high[seed] = size
            elif good and (top is None or size < top):
                low[seed] = max(low[seed], size)
        asked = {seed: _inside(low[seed], high[seed], points, ratio) for seed in range(seeds)}
        if beyond := [size for sizes in asked.values() for size in sizes if size > most]:
            raise ValueError(f"The search wants size {beyond[0]}, and the largest allowed is {most}.")
    return low


def _inside(low: int, high: int | None, points: int, ratio: float) -> list[int]:
    if high is None:
        return [max(low + 1, round(1.5 * low))]
    if high - low <= 1 or high / low <= ratio:
        return []
    spaced = np.geomspace(low, high, points + 2)[1:-1]
    return sorted({min(max(round(float(size)), low + 1), high - 1) for size in spaced})


def log_slope(x: Sequence[int | float], y: Sequence[int | float]) -> float:
    """Return the least-squares slope of log y against log x. Raises ValueError for fewer than two different x."""
    if len(set(x)) < 2:
        raise ValueError(f"A slope needs two different x; there are {sorted(set(x))}.")
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
