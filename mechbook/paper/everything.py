"""Every theme's runs and claims at the papers' size, the most wanted theme first."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from mechbook.facts import presets as facts_presets
from mechbook.facts import recorded as facts
from mechbook.hops import presets as hops_presets
from mechbook.hops import recorded as hops
from mechbook.induction import presets as induction_presets
from mechbook.induction import recorded as induction
from mechbook.laser.recorded import MODELS, ModelRecord
from mechbook.memories import presets as memories_presets
from mechbook.memories import recorded as memories
from mechbook.noisy import presets as noisy_presets
from mechbook.noisy import recorded as noisy
from mechbook.records.wanted import PaperClaim, PaperRun


@dataclass(frozen=True, kw_only=True)
class Theme:
    """What one theme wants recorded, with the preset `setup`."""

    name: str
    setup: Any
    runs: Callable[[Any], list[PaperRun]]
    claims: Sequence[PaperClaim]


THEMES: tuple[Theme, ...] = (
    Theme(name="induction", setup=induction_presets.PAPER, runs=induction.runs, claims=induction.CLAIMS),
    Theme(name="noisy", setup=noisy_presets.PAPER, runs=noisy.runs, claims=noisy.CLAIMS),
    Theme(name="hops", setup=hops_presets.PAPER, runs=hops.runs, claims=hops.CLAIMS),
    Theme(name="facts", setup=facts_presets.PAPER, runs=facts.runs, claims=facts.CLAIMS),
    Theme(name="memories", setup=memories_presets.PAPER, runs=memories.runs, claims=memories.CLAIMS),
)

# What is recorded when it is asked for by name alone, as it needs the network.
BY_NAME: dict[str, ModelRecord] = MODELS


def chosen(patterns: Sequence[str], themes: Sequence[Theme] = THEMES) -> list[PaperRun]:
    """The runs whose names fit one of `patterns` ("induction/frozen/*"), in the patterns' order; all without patterns.

    ValueError for a pattern that no run fits.
    """
    every = [run for theme in themes for run in theme.runs(theme.setup)]
    found: dict[str, PaperRun] = {} if patterns else {run.name: run for run in every}
    for pattern in patterns:
        fitting = [run for run in every if fnmatchcase(run.name, pattern)]
        if not fitting:
            near = difflib.get_close_matches(pattern, [run.name for run in every], n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ValueError(
                f"No run is named {pattern!r}{hint}: LIST=1 lists the names, and * stands for any part of one."
            )
        # the first place of a name stays
        found |= {run.name: run for run in fitting}
    return list(found.values())


def theme_of(run: PaperRun, themes: Sequence[Theme] = THEMES) -> Theme:
    """The theme that a run belongs to."""
    (found,) = [theme for theme in themes if theme.name == run.name.partition("/")[0]]
    return found
