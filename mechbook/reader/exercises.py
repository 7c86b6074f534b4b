"""Checkers for the book's exercises: they say what is wrong, and stay quiet about what is not answered yet.

    scores = Exercise("Exercise 3.1", number(0.25, tolerance=1e-3))
    scores.check(None)       # Exercise 3.1: not answered yet.
    scores.check(0.5)        # Exercise 3.1: not right yet. 0.5 is too large.
    scores.solution(0.25)    # Exercise 3.1: right. (a wrong solution fails the build)

A verifier takes an answer and returns what is wrong with it in a sentence, or None; `number`, `tensor` and `function`
make the usual ones.
"""

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Verifier = Callable[[Any], str | None]


@dataclass(frozen=True)
class Exercise:
    """An exercise's name and its verifier, which says what is wrong with an answer, or None where nothing is."""

    name: str
    verify: Verifier

    def check(self, answer: Any) -> None:
        """Print whether the answer is right, and what is wrong where it is not; never raise."""
        print(f"{self.name}: {self._verdict(answer)[1]}")

    def solution(self, answer: Any) -> None:
        """Check the book's own solution. Raises ValueError where it is wrong, so that the build fails."""
        right, words = self._verdict(answer)
        if not right:
            raise ValueError(f"The solution of {self.name} is wrong: {words}")
        print(f"{self.name}: {words}")

    def _verdict(self, answer: Any) -> tuple[bool, str]:
        if answer is None:
            return False, "not answered yet."
        try:
            wrong = self.verify(answer)
        # The answer is the reader's: whatever it raises is something to tell the reader.
        except Exception as error:
            return False, f"not right yet. Checking it raises {type(error).__name__}: {error}"
        return (True, "right.") if wrong is None else (False, f"not right yet. {wrong}")


def number(
    expected: int | float, *, tolerance: int | float, mistakes: Mapping[str, int | float] | None = None
) -> Verifier:
    """Return a verifier of a number within `tolerance`; `mistakes` maps what went wrong to the number that it gives."""

    def verify(answer: Any) -> str | None:
        value = answer.item() if isinstance(answer, Tensor) and answer.numel() == 1 else answer
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            return f"A number is wanted, not {_kind(answer)}."
        value = float(value)
        if abs(value - expected) <= tolerance:
            return None
        for words, wrong in (mistakes or {}).items():
            if abs(value - wrong) <= tolerance:
                return words
        if not math.isfinite(value):
            return f"{value} is not a finite number."
        return f"{value:.4g} is too {'large' if value > expected else 'small'}."

    return verify


def tensor(expected: Tensor, *, tolerance: float = 1e-5, axes: Sequence[str] = ()) -> Verifier:
    """Return a verifier of a tensor within `tolerance` everywhere; `axes` are the axes' names, used in its words."""

    def verify(answer: Any) -> str | None:
        if not isinstance(answer, Tensor):
            return f"A tensor is wanted, not {_kind(answer)}."
        return _difference(answer, expected, tolerance, axes)

    return verify


def function(
    reference: Callable[..., Any],
    cases: Sequence[tuple[Any, ...]],
    *,
    tolerance: float = 1e-5,
    axes: Sequence[str] = (),
) -> Verifier:
    """Return a verifier of a function: on each case (a tuple of arguments) it is to return what `reference` does.

    The arguments' tensors are copied for each call, so that neither function sees what the other changed in place.
    """

    def verify(answer: Any) -> str | None:
        if not callable(answer):
            return f"A function is wanted, not {_kind(answer)}."
        for case in cases:
            expected = reference(*_copies(case))
            try:
                given = answer(*_copies(case))
            # As above: the function is the reader's.
            except Exception as error:
                return f"Called with {_called(case)} it raises {type(error).__name__}: {error}"
            if given is None:
                return f"Called with {_called(case)} it returns nothing."
            if isinstance(expected, Tensor):
                wrong = tensor(expected, tolerance=tolerance, axes=axes)(given)
            else:
                wrong = number(expected, tolerance=tolerance)(given)
            if wrong is not None:
                return f"Called with {_called(case)}: {wrong}"
        return None

    return verify


def _difference(answer: Tensor, expected: Tensor, tolerance: float, axes: Sequence[str]) -> str | None:
    named = f" ({', '.join(axes)})" if axes else ""
    if answer.shape != expected.shape:
        flipped = answer.ndim == 2 and answer.T.shape == expected.shape
        turned = " The axes are the other way round." if flipped else ""
        return f"Its shape is {tuple(answer.shape)}, where {tuple(expected.shape)}{named} is wanted.{turned}"
    # Compared in double precision on the CPU: the reader may answer on any device, in any type.
    given, wanted = answer.detach().cpu().double(), expected.detach().cpu().double()
    if not bool(torch.isfinite(given).all()):
        return "It has entries that are not finite."
    gap = (given - wanted).abs()
    if bool((gap <= tolerance).all()):
        return None
    if given.ndim == 2 and given.shape[0] == given.shape[1] and bool(((given.T - wanted).abs() <= tolerance).all()):
        return "It is the transpose of what is wanted."
    wrong = int((gap > tolerance).sum())
    if gap.ndim == 0:
        return f"It is {float(given):.4g}, off by {float(gap):.2g}."
    place = tuple(int(index) for index in torch.unravel_index(gap.argmax(), gap.shape))
    at = ", ".join(f"{name} {index}" for name, index in zip(axes, place, strict=True)) if axes else f"index {place}"
    worst = f"the most at {at}, where it is {float(given[place]):.4g}, off by {float(gap.max()):.2g}"
    return f"{wrong} of {gap.numel()} entries differ; {worst}."


def _copies(case: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(argument.clone() if isinstance(argument, Tensor) else argument for argument in case)


def _called(case: tuple[Any, ...]) -> str:
    return ", ".join(_kind(argument) if isinstance(argument, Tensor) else repr(argument) for argument in case)


def _kind(thing: Any) -> str:
    if isinstance(thing, Tensor):
        return f"a tensor of shape {tuple(thing.shape)}"
    return f"{type(thing).__name__} {thing!r}" if isinstance(thing, (bool, str)) else type(thing).__name__
