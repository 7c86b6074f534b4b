"""Presets: all that a theme can be run with, as one frozen dataclass, with one value for each scale.

    setup = replace(at_scale(LAPTOP, PAPER), alpha=0.3)

`LAPTOP` and `PAPER` are values of the theme's dataclass, to be read side by side in its `presets.py`.
"""

import dataclasses
import difflib
from typing import Any, TypeVar

from mechbook.core import settings

Preset = TypeVar("Preset")


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


def require(preset: Any, *rules: tuple[str, bool, str]) -> None:
    """Raise ValueError, one sentence, for the first broken rule: (setting, whether it fits, what is allowed)."""
    for name, fits, allowed in rules:
        if not fits:
            raise ValueError(f"{name} is {getattr(preset, name)!r}; it must be {allowed}.")
