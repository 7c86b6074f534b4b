"""Arguments for a function of the package, drawn from its annotations, and what its answer may be.

An annotation such as `Float[Tensor, "B T d"]` says the shape: each axis has one size in a call, "N2" mostly that of
"N". Tensors are finite, and often all zeros, all equal or full of ties; sizes and numbers are what somebody might give
by mistake: none, negative, huge, not finite. What annotations do not tell (which numbers are tokens, what sums to one)
a `Case` says.
"""

import dataclasses
import importlib
import inspect
import math
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

COUNTS = st.integers(-1, 5) | st.sampled_from([0, 1])
NUMBERS = st.sampled_from([0.0, 1.0, -1.0, 0.5, 1e-9, 1e30, -1e30, math.nan, math.inf, -math.inf]) | st.floats(-3, 3)
TEXT = st.text(max_size=8) | st.sampled_from(["", " ", "\n", "<b>", "|", "nan", "1e400", "é", "\u2028"])
KINDS = ("zeros", "equal", "ties", "normal", "normal", "normal", "large")
Maker = Callable[["Drawn"], Any] | st.SearchStrategy[Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """A function, "module:name", with how to draw what its annotations do not tell.

    given: an argument's strategy, or a function of `Drawn`; axes: an axis' sizes, where they are not `least` to 4
    within: the least and the largest that its numbers may be; errors: what else it says it raises
    nan: why a number that is not finite may come back, as its docstring says
    fails: what is wrong with it and not mended, and why: it must fail
    """

    function: str
    given: Mapping[str, Maker] = dataclasses.field(default_factory=dict)
    axes: Mapping[str, st.SearchStrategy[int]] = dataclasses.field(default_factory=dict)
    least: int = 1
    within: tuple[float, float] | None = None
    errors: tuple[type[Exception], ...] = ()
    nan: str = ""
    fails: str = ""

    def __str__(self) -> str:
        return self.function.removeprefix("mechbook.")


def case(function: str, /, **given: Any) -> Case:
    """A `Case`; an argument is given by its name, an axis by "axis_" and its name."""
    own = {name: given.pop(name) for name in ("least", "within", "errors", "nan", "fails") if name in given}
    axes = {name.removeprefix("axis_"): given.pop(name) for name in list(given) if name.startswith("axis_")}
    return Case(function=f"mechbook.{function}", given=given, axes=axes, **own)


class Drawn:
    """One call's draws: sizes of axes, tensors, and whatever else a strategy gives."""

    def __init__(self, draw: Callable[[Any], Any], axes: Mapping[str, st.SearchStrategy[int]], least: int = 1) -> None:
        self.draw, self.axes, self.least = draw, axes, least
        self.sizes: dict[str, int] = {}

    def __call__(self, made: Maker) -> Any:
        return self.draw(made) if isinstance(made, st.SearchStrategy) else made(self)

    def size(self, axis: str) -> int:
        """The size of an axis, the same for the whole call."""
        axis = axis.strip("{}")
        if axis.isdecimal():
            return int(axis)
        if axis not in self.sizes:
            base = re.fullmatch(r"(.*[A-Za-z])[23]", axis)
            if axis in self.axes:
                self.sizes[axis] = self.draw(self.axes[axis])
            elif base and self.draw(st.integers(0, 5)):
                self.sizes[axis] = self.size(base[1])
            else:
                self.sizes[axis] = self.draw(st.integers(self.least, 4))
        return self.sizes[axis]

    def shape(self, *axes: str) -> list[int]:
        """The sizes of several axes."""
        return [self.size(axis) for axis in axes]

    def generator(self) -> torch.Generator:
        """A generator of random numbers."""
        return torch.Generator().manual_seed(self.draw(st.integers(0, 5)))

    def floats(self, *axes: str, dtype: torch.dtype = torch.float64) -> torch.Tensor:
        """A tensor of finite numbers: zeros, equal ones, ties, or normal ones."""
        shape, kind = self.shape(*axes), self.draw(st.sampled_from(KINDS))
        if kind in ("zeros", "equal"):
            return torch.full(shape, 0.0 if kind == "zeros" else 0.5, dtype=dtype)
        if kind == "ties":
            return torch.randint(-1, 2, shape, generator=self.generator()).to(dtype)
        return torch.randn(shape, generator=self.generator(), dtype=dtype) * (1e3 if kind == "large" else 1)

    def whole(self, limit: str | int, *axes: str) -> torch.Tensor:
        """Whole numbers from 0 up to a number or an axis' size."""
        top = self.size(limit) if isinstance(limit, str) else limit
        return torch.randint(0, max(top, 1), self.shape(*axes), generator=self.generator())

    def shares(self, *axes: str) -> torch.Tensor:
        """Probabilities that sum to one over the last axis; some of them zero."""
        raw = self.whole(4, *axes).double()
        raw[..., :1] += 1
        return raw / raw.sum(-1, keepdim=True)

    def joint(self, *axes: str) -> torch.Tensor:
        """Probabilities that sum to one over everything."""
        raw = self.whole(4, *axes).double() + 1
        return raw / raw.sum()

    def unit(self, *axes: str) -> torch.Tensor:
        """Rows of length 1."""
        x = torch.randn(self.shape(*axes), generator=self.generator(), dtype=torch.float64)
        return x / x.norm(dim=-1, keepdim=True)


def found(name: str) -> Callable[..., Any]:
    """The function of "module:name"."""
    module, _, attribute = name.partition(":")
    return typing.cast(Callable[..., Any], getattr(importlib.import_module(module), attribute))


def arguments(drawn: Drawn, each: Case, made: Mapping[Any, Maker]) -> dict[str, Any]:
    """An argument for each parameter; of those with a default value only some."""
    values = {}
    for name, parameter in inspect.signature(found(each.function)).parameters.items():
        if name in each.given:
            values[name] = drawn(each.given[name])
        elif parameter.annotation is Path:
            continue
        elif parameter.default is inspect.Parameter.empty or drawn(st.booleans()):
            values[name] = of_annotation(drawn, parameter.annotation, made)
    return values


def of_annotation(drawn: Drawn, annotation: Any, made: Mapping[Any, Maker]) -> Any:
    """A value of an annotation; TypeError for one that a case must give."""
    if hasattr(annotation, "dim_str"):
        return _tensor(drawn, annotation)
    if annotation in made:
        return drawn(made[annotation])
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        kept = [one for one in inner if one is not int or float not in inner]
        return of_annotation(drawn, drawn(st.sampled_from(kept)), made)
    if origin is typing.Literal:
        return drawn(st.sampled_from(inner))
    if origin in (list, Sequence):
        return [of_annotation(drawn, inner[0], made) for _ in range(drawn(st.integers(0, 3)))]
    if origin is tuple and Ellipsis not in inner:
        return tuple(of_annotation(drawn, one, made) for one in inner)
    simple: dict[Any, Any] = {int: COUNTS, float: NUMBERS, bool: st.booleans(), str: TEXT, type(None): st.none()}
    if annotation in simple:
        return drawn(simple[annotation])
    raise TypeError(f"nothing makes {annotation}")


def _tensor(drawn: Drawn, annotation: Any) -> Any:
    axes = [axis.lstrip("*#") for axis in annotation.dim_str.split() if axis[0] != "*" or drawn(st.booleans())]
    if all(kind.startswith("bool") for kind in annotation.dtypes):
        return drawn.whole(2, *axes).bool()
    value = drawn.floats(*axes) if "float64" in annotation.dtypes else drawn.whole(3, *axes)
    return value.numpy() if issubclass(annotation.array_type, np.ndarray) else value


def numbers_of(value: Any) -> Iterator[float]:
    """All numbers with a fraction in what a function returned."""
    if isinstance(value, torch.Tensor):
        yield from value.detach().double().flatten().tolist() if value.dtype.is_floating_point else ()
    elif isinstance(value, np.ndarray):
        yield from value.ravel().tolist() if value.dtype.kind == "f" else ()
    elif isinstance(value, float):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from numbers_of(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from numbers_of(one)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from numbers_of(getattr(value, field.name))


def sentence(error: Exception) -> bool:
    """Whether an error is the package's own: a ValueError of one line that ends as a sentence does."""
    own = type(error) is ValueError or (isinstance(error, ValueError) and type(error).__module__.startswith("mechbook"))
    words = str(error)
    return own and "\n" not in words and len(words) > 15 and words[-1] in ".)"


def wrong(each: Case, values: Mapping[str, Any]) -> str:
    """What is wrong with one call, in words; empty where nothing is."""
    try:
        result = found(each.function)(**values)
    except Exception as error:
        if sentence(error) or (each.errors and isinstance(error, each.errors)):
            return ""
        return f"{type(error).__name__}: {error}"
    numbers = list(numbers_of(result))
    if not each.nan and not all(map(math.isfinite, numbers)):
        return f"a number that is not finite: {result}"
    if each.within and any(one < each.within[0] - 1e-6 or one > each.within[1] + 1e-6 for one in numbers):
        return f"a number outside {each.within}: {result}"
    return ""


def floats(*axes: str) -> Maker:
    """Finite numbers."""
    return lambda drawn: drawn.floats(*axes)


def whole(limit: str | int, *axes: str) -> Maker:
    """Numbers from 0 up to a limit."""
    return lambda drawn: drawn.whole(limit, *axes)


def shares(*axes: str) -> Maker:
    """Probabilities that sum to one over the last axis."""
    return lambda drawn: drawn.shares(*axes)


def joint(*axes: str) -> Maker:
    """Probabilities that sum to one over everything."""
    return lambda drawn: drawn.joint(*axes)


def unit(*axes: str) -> Maker:
    """Rows of length 1."""
    return lambda drawn: drawn.unit(*axes)


def maybe(made: Maker) -> Maker:
    """That, or None."""
    return lambda drawn: drawn(made) if drawn(st.booleans()) else None
