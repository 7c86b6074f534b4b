"""The exercises on chapter 4's theory with their checks, kept out of the chapter's cells."""

import math
from collections.abc import Callable
from typing import Any

from mechbook.noisy.theory.memory import noise_singular_value
from mechbook.reader.exercises import Exercise, function, number

_CASES = [(3, 8.0, 0.03), (2, 9.0, 0.25), (5, 6.0, 0.1)]


def _upper_block_only(n: int, a: float, alpha: float) -> float:
    return noise_singular_value(n, a, alpha) / math.sqrt(n + 1)


def _noise_row_only(n: int, a: float, alpha: float) -> float:
    return noise_singular_value(n, a, alpha) * math.sqrt(n / (n + 1))


# What a likely slip gives, and what to say about it.
_SLIPS: dict[str, Callable[[int, float, float], float]] = {
    "That is the part in the n correct rows; the noise's row adds n times its square.": _upper_block_only,
    "That is the part in the noise's row; the other rows add its square once more.": _noise_row_only,
    "That is the other singular value, the signal's.": lambda n, a, alpha: a,
}


def _verify(answer: Any) -> str | None:
    wrong = function(noise_singular_value, _CASES)(answer)
    if wrong is None or not callable(answer):
        return wrong
    for words, slip in _SLIPS.items():
        if function(slip, _CASES)(answer) is None:
            return words
    return wrong


noise_direction = Exercise("Where does the noise sit?", _verify)


def largest_alpha(n: int, a: float) -> float:
    """The alpha below which the noise is the smallest of n singular values: n L = (n - 1 - sqrt(n + 1)) a."""
    return 1 / (1 + math.exp(a * (n - 1 - math.sqrt(n + 1)) / n))


too_noisy = Exercise(
    "How much noise can be cut away?",
    number(
        largest_alpha(5, 6.0),
        tolerance=1e-3,
        mistakes={
            "That is where L = a; compare the singular values instead.": 1 / (1 + math.exp(6.0)),
            "That is where the noise's singular value is zero; it has to be smaller than a.": 1
            / (1 + math.exp(6.0 * 4 / 5)),
        },
    ),
)
