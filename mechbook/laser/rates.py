"""Parts of a few dozen tries with their 95% intervals: of tries that succeed or not, and of parts of many each."""

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Generator

from mechbook.laser.association import Rewritten

RESAMPLES = 2000
Z = 1.959964  # the normal's 97.5% point
Rate = tuple[float, float, float]
"""A part and the ends of its 95% interval."""


def of_tries(outcomes: Sequence[bool]) -> Rate:
    """The part that succeeded, with Wilson's interval, which has a width where all did. ValueError for no try."""
    n = len(outcomes)
    if n == 0:
        raise ValueError("a part of no tries was asked for.")
    p = sum(outcomes) / n
    centre, half = p + Z**2 / (2 * n), Z * sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    low, high = ((centre + sign * half) / (1 + Z**2 / n) for sign in (-1, 1))
    # at 0 and 1 the interval ends there, but for rounding
    return p, min(low, p), max(high, p)


def of_parts(parts: Sequence[float], generator: Generator) -> Rate:
    """The mean part, with the interval of its resampled means. ValueError for no part."""
    if not parts:
        raise ValueError("a mean of no parts was asked for.")
    column = torch.tensor(parts, dtype=torch.float64)
    means = column[torch.randint(len(column), (RESAMPLES, len(column)), generator=generator)].mean(1)
    low, high = torch.quantile(means, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return float(column.mean()), low, high


def rewritten_rates(found: Sequence[Rewritten], generator: Generator) -> dict[str, tuple[Rate, Rate]]:
    """What edits do, by what is asked: with the first u, and with the one that keeps other cities apart.

    asked, kept: as `association.Rewritten`; what was measured for the first u alone has it twice.
    """
    start = of_tries([one.at_start for one in found])
    return {
        "asked": (of_tries([one.asked for one in found]), of_tries([one.asked_apart for one in found])),
        "at_start": (start, start),
        "kept": (
            of_parts([one.kept for one in found], generator),
            of_parts([one.kept_apart for one in found], generator),
        ),
    }
