"""Capacity: how many pairs a memory stores, found by search over the number N of pairs.

Searches go over a list of candidate numbers, and take for granted that a memory which stores N pairs also stores fewer:
then there is one last candidate that passes, and every search finds it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mechbook.core.progress import Line


def candidates(low: int, high: int, ratio: float = 1.02) -> list[int]:
    """Whole numbers from low to high, at most a factor `ratio` (or 1) apart: the resolution of a search.

    Raises ValueError unless 1 <= low < high and ratio > 1.
    """
    if not 1 <= low < high:
        raise ValueError(f"low is {low} and high {high}; they must have 1 <= low < high.")
    if not (math.isfinite(ratio) and ratio > 1):
        raise ValueError(f"ratio is {ratio}; it must be a finite number > 1.")
    found = [low]
    while found[-1] < high:
        found.append(min(high, max(found[-1] + 1, int(found[-1] * ratio))))
    return found


def capacity_by_bisection(passes: Callable[[int], bool], numbers: Sequence[int]) -> int:
    """The last of the candidates that passes, by bisection (the definition).

    Raises ValueError where the first does not pass or the last does: the capacity is outside the candidates; and for
    none of them.
    """
    if not numbers:
        raise ValueError("There are no candidates; a search needs some.")
    if not passes(numbers[0]):
        raise ValueError(f"Already {numbers[0]} pairs are not stored; the search must begin lower.")
    if passes(numbers[-1]):
        raise ValueError(f"Even {numbers[-1]} pairs are stored; the search must go higher.")
    low, high = 0, len(numbers) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if passes(numbers[middle]) else (low, middle)
    return numbers[low]


@dataclass
class _Climb:
    """One search: the last candidate known to pass, the first known to fail, the next to try, how far to step."""

    numbers: Sequence[int]
    next: int
    low: int = -1
    high: int | None = None
    stride: int = 1

    def learn(self, passed: bool) -> None:
        """Take in what the candidate tried did, and choose the next."""
        if passed:
            self.low = self.next
            if self.low == len(self.numbers) - 1:
                raise ValueError(f"Even {self.numbers[-1]} pairs are stored; the search must go higher.")
        else:
            self.high = self.next
            if self.high == 0:
                raise ValueError(f"Already {self.numbers[0]} pairs are not stored; the search must begin lower.")
        if self.low >= 0 and self.high is not None:
            self.next = (self.low + self.high) // 2
        elif passed:
            self.next = min(self.low + self.stride, len(self.numbers) - 1)
        else:
            assert self.high is not None
            self.next = max(self.high - self.stride, 0)
        # outwards in ever larger steps downwards, where each try is dear; upwards they stay small
        self.stride = min(2 * self.stride, 3) if passed else 2 * self.stride

    @property
    def left(self) -> int:
        """About how many tries it still takes: bisections, and while one end is unknown, as if it came next."""
        if self.low >= 0 and self.high is not None:
            return math.ceil(math.log2(self.high - self.low))
        return 1 + math.ceil(math.log2(1 + self.stride))

    @property
    def done(self) -> bool:
        return self.high is not None and self.high - self.low == 1


def capacities_by_climbing(
    passes: Callable[[Sequence[tuple[int, int]]], Sequence[bool]],
    numbers: Sequence[Sequence[int]],
    guesses: Sequence[int],
) -> list[int]:
    """What `capacity_by_bisection` finds for each search, all of them in step with one another.

    passes: given (which search, N) for every search not yet done, whether each passes; so that they can be computed
    together. numbers: each search's candidates. guesses: where each begins. A memory that trains to the end in vain
    costs far more than one that soon stores its pairs, so a search climbs from below in small steps.
    Raises ValueError as `capacity_by_bisection` does, and where the numbers of searches and guesses differ.
    """
    if len(numbers) != len(guesses):
        raise ValueError(f"There are {len(numbers)} searches and {len(guesses)} guesses; each search has one.")
    climbs = [
        _Climb(each, next=max(int(np.searchsorted(each, guess, side="right")) - 1, 0))
        for each, guess in zip(numbers, guesses, strict=True)
    ]
    with Line("a search for capacities", 0, "rounds") as line:
        while waiting := [number for number, climb in enumerate(climbs) if not climb.done]:
            line.total = line.done + max(climbs[number].left for number in waiting)
            tried = [(number, climbs[number].numbers[climbs[number].next]) for number in waiting]
            for number, passed in zip(waiting, passes(tried), strict=True):
                climbs[number].learn(bool(passed))
            line.advance()
    return [climb.numbers[climb.low] for climb in climbs]
