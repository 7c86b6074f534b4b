"""How far each run is: recorded, of earlier code, computed, stopped with its state kept, or missing."""

from dataclasses import dataclass
from pathlib import Path

from mechbook.core.cache import entries, store
from mechbook.paper.estimate import hours_left
from mechbook.records.kept import load_run
from mechbook.records.wanted import PaperRun

DONE, EARLIER, COMPUTED, STOPPED, MISSING = "done", "of earlier code", "computed", "stopped", "missing"


@dataclass(frozen=True)
class Standing:
    """What there is of a run; `step`: how many updates a kept state has."""

    what: str
    step: int = 0


def standing(run: PaperRun) -> Standing:
    """What there is of a run, in its record and in this machine's cache.

    A run with a record of earlier code or of other settings is of earlier code, whatever the cache has.
    """
    record = load_run(run.name)
    key = run.settings.key()
    if record is not None:
        return Standing(EARLIER if record.earlier(key) else DONE)
    if computed(run):
        return Standing(COMPUTED)
    if states := entries.states(key, modules=run.modules):
        return Standing(STOPPED, sum(_step(path) for path in states))
    return Standing(MISSING)


def computed(run: PaperRun) -> bool:
    """Whether the run lies in this machine's cache."""
    return entries.found(run.settings.key(), modules=run.modules) is not None


def kept_step(run: PaperRun) -> int:
    """The step of the state that is kept of a run; 0 where none is."""
    return sum(_step(path) for path in entries.states(run.settings.key(), modules=run.modules))


def _step(path: Path) -> int:
    try:
        state, _ = store.load(path)
    except (store.DamagedFile, FileNotFoundError):
        # the run itself will say so and start over
        return 0
    return int(state["step"])


def line(run: PaperRun, *, times: bool) -> str:
    """One line for a run: its name, how far it is and, with `times`, about how many hours it takes on this device."""
    found = standing(run)
    words = found.what
    if found.what == STOPPED:
        words = f"state kept at {run.at(found.step)}"
    if found.what == COMPUTED:
        words = "computed, not recorded yet"
    if times and found.what in (STOPPED, MISSING):
        hours = hours_left(run, found.step)
        words += ", hours unknown" if hours is None else f", about {hours:.2g} h"
    return f"{run.name:<44} {words}"
