"""Recorded runs as a chapter reads them: by name for its figures, or in place of a run that nobody has to train again.

    record = recorded("induction/frozen/joint/0")          # None where there is none
    curve(ax, record.steps, record.values["W_O2"], ...)
    caption = told(records)                                # "NVIDIA H100 80GB HBM3, 2026-01-31"

With no record at all a page looks as it would without this module.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from mechbook.core.cache import entries
from mechbook.core.training.loop import TrainingResult, use_threads
from mechbook.records import files, kept
from mechbook.records.kept import RunRecord
from mechbook.records.machine import where
from mechbook.records.wanted import PaperRun, Settings


def recorded(name: str) -> RunRecord | None:
    """The record of the run `name`: its steps, values and provenance; None where there is none.

    BadRecord, one sentence, where the file is not as it was written.
    """
    return kept.load_run(name)


def recorded_seeds(name: str, seeds: Iterable[int]) -> list[RunRecord]:
    """The records there are of the runs `name`/seed, those with the same steps as the first."""
    found = [record for seed in seeds if (record := recorded(f"{name}/{seed}")) is not None]
    return [record for record in found if record.steps == found[0].steps]


def told(records: Iterable[RunRecord], now: Iterable[PaperRun] = ()) -> str:
    """Where and when records come from: "NVIDIA H100 80GB HBM3, 2026-01-31".

    "of earlier code" is added where code has changed since, or a record's settings are not those `now` has by its name.
    """
    records, settings = list(records), {run.name: run.settings for run in now}
    old = any(record.earlier(settings[record.name].key() if record.name in settings else None) for record in records)
    return where(record.machine for record in records) + ("; of earlier code" if old else "")


def beside(records: Sequence[RunRecord], now: Iterable[PaperRun] = (), where: str = "Below") -> str:
    """The sentence of a caption about recorded runs drawn `where` of a build's own; empty where there are none.

    Where `now` has more seeds of these runs it says so: "3 of 5 seeds".
    """
    if not records:
        return ""
    now = list(now)
    return f" {where}: the same at the paper's own size, {counted(records, now)}, recorded on {told(records, now)}."


def counted(records: Sequence[RunRecord], now: Iterable[PaperRun] = ()) -> str:
    """How many seeds of each run there are, of those that `now` has under its name: "one seed", "3 of 5 seeds".

    Of several runs with different numbers of seeds: "2 to 3 of 5 seeds".
    """
    there = Counter(record.name.rpartition("/")[0] for record in records)
    wanted = Counter(run.name.rpartition("/")[0] for run in now)
    least, most = min(there.values(), default=0), max(there.values(), default=0)
    number = str(least) if least == most else f"{least} to {most}"
    if least < (asked := max((wanted[family] for family in there), default=0)):
        return f"{number} of {asked} seeds"
    return "one seed" if most == 1 else f"{number} seeds"


def curves_of(theme: str, settings: Settings, modules: tuple[str, ...]) -> TrainingResult:
    """The curves of a run: from the cache, else from a record of the same settings and code, else by running it.

    A record has no weights: `checkpoints` and `final` are then empty, and values have six digits.
    """
    record = in_place_of(theme, settings, modules)
    if record is None:
        result: TrainingResult = settings.run()
        return result
    return TrainingResult(steps=record.steps, values=record.values, checkpoints={}, final={}, seconds=record.seconds)


def final_of(
    theme: str, settings: Settings, modules: tuple[str, ...], measure: Callable[[], dict[str, float]]
) -> dict[str, float]:
    """What is measured at a run's end, from where `curves_of` takes the run: `measure()`, or a record's `final`."""
    record = in_place_of(theme, settings, modules)
    return measure() if record is None else record.final


def in_place_of(theme: str, settings: Settings, modules: tuple[str, ...]) -> RunRecord | None:
    """The record of a run, where that takes its place: it is not in the cache, and neither it nor its code changed.

    None where the run itself is to be read or made.
    """
    if not files.files(theme):
        return None
    use_threads()
    key = settings.key()
    record = _by_settings(str(files.folder()), theme, files.digest(theme)).get(_text(key))
    if record is None or record.earlier() or entries.found(key, modules=modules) is not None:
        return None
    return record


@lru_cache(maxsize=16)
def _by_settings(root: str, theme: str, digest: str) -> dict[str, RunRecord]:
    """The records of a theme by their settings, once for what the files hold."""
    loaded = [kept.load(path) for path in files.files(theme)]
    return {_text(record.settings): record for record in loaded if isinstance(record, RunRecord)}


def _text(settings: dict[str, Any]) -> str:
    return json.dumps(kept.as_json(settings), sort_keys=True)
