"""Presets: all that a theme can be run with, as one frozen dataclass, with one value for each scale.

    setup = replace(at_scale(LAPTOP, PAPER), alpha=0.3)

`LAPTOP` and `PAPER` are values of the theme's dataclass, to be read side by side in its `presets.py`.
"""

import dataclasses
import difflib
from typing import Any, TypeVar

from mechbook.core import settings

Preset = TypeVar("Preset")
Rule = tuple[str, bool, str]
"""A setting, whether its value fits, and what is allowed, in words."""


def at_scale(laptop: Preset, paper: Preset) -> Preset:
    """The preset of the scale the book runs at (MECHBOOK_SCALE)."""
    return {"laptop": laptop, "paper": paper}[settings.scale()]


def replace(preset: Preset, /, **changes: Any) -> Preset:
    """A copy of the dataclass `preset` with some settings changed, which its class checks as it checks all values.

    TypeError, with the settings there are, for one that the class does not have.
    """
    known = [field.name for field in dataclasses.fields(preset) if field.init]  # type: ignore[arg-type]
    for name in changes:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise TypeError(f"{type(preset).__name__} has no setting {name!r}: it has {', '.join(known)}{hint}")
    return dataclasses.replace(preset, **changes)  # type: ignore[type-var]


def changed(preset: Any, original: Any) -> list[str]:
    """What a preset has otherwise than `original`, a line for each setting: "alpha = 0.3 (preset: 0.5)"."""
    return [
        f"{field.name} = {ours!r} (preset: {theirs!r})"
        for field in dataclasses.fields(original)
        if (ours := getattr(preset, field.name)) != (theirs := getattr(original, field.name))
    ]


def require(preset: Any, *rules: Rule) -> None:
    """Raise ValueError, one sentence, for the first broken rule."""
    for name, fits, allowed in rules:
        if not fits:
            raise ValueError(f"{name} is {getattr(preset, name)!r}; it must be {allowed}.")


def whole(value: object, least: int) -> bool:
    """Whether `value` is a whole number (True and False are none) and at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def rising(values: object, least: int, count: int = 1) -> bool:
    """Whether `values` is a tuple of `count` or more rising whole numbers, the first at least `least`."""
    return (
        isinstance(values, tuple)
        and len(values) >= count
        and all(whole(value, least) for value in values)
        and values == tuple(sorted(set(values)))
    )


def positive(value: float) -> bool:
    """Whether `value` is above 0 and finite."""
    return 0 < value < float("inf")


def counts(preset: Any, **least: int) -> list[Rule]:
    """Each named setting is a whole number, at least what is given for it."""
    return [(n, whole(getattr(preset, n), at), f"a whole number >= {at}") for n, at in least.items()]


def amounts(preset: Any, *names: str) -> list[Rule]:
    """Each named setting is positive and finite."""
    return [(n, positive(getattr(preset, n)), "a finite number > 0") for n in names]


def grids(preset: Any, *, count: int = 1, **least: int) -> list[Rule]:
    """Each named setting is a tuple of `count` or more rising whole numbers, the first at least what is given."""
    some = "" if count == 1 else f"{count} or more "
    return [
        (n, rising(getattr(preset, n), at, count), f"a tuple of {some}rising whole numbers >= {at}")
        for n, at in least.items()
    ]
