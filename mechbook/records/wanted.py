"""What a theme wants recorded at the papers' size: its runs, most wanted first, and its claims with what gives values.

Each theme has one `recorded.py` that lists both:

    def runs(setup) -> list[PaperRun]
    CLAIMS: list[PaperClaim]
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, runtime_checkable

from mechbook.claims.values import Values
from mechbook.core import settings
from mechbook.core.presets import at_scale
from mechbook.core.progress import one_by_one
from mechbook.records.kept import Value, as_json, load_claim
from mechbook.records.machine import where


@runtime_checkable
class Settings(Protocol):
    """What decides a run, as every theme has it."""

    def key(self) -> dict[str, Any]: ...
    def run(self) -> Any: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class PaperRun:
    """One run to be recorded.

    name: theme, then the run's own name: "induction/frozen/joint/0"
    settings, modules: the run, and the modules whose code decides it, as its cache entry has them
    steps: its updates, 0 for a search, which trains as often as it takes and counts in parts
    kind: runs of one kind take equally long a step
    short: the same run cut to so many updates, to time it; None where it cannot be cut
    curves: steps and values of its result; final: what is measured at its end, by name
    keeps_state: whether it can be stopped and goes on later
    """

    name: str
    settings: Settings
    modules: tuple[str, ...]
    steps: int
    kind: str
    short: Callable[[int], Settings] | None = None
    curves: Callable[[Any], tuple[Sequence[int], Mapping[str, Sequence[float]]]] = lambda run: (run.steps, run.values)
    final: Callable[[], Mapping[str, float]] = dict
    keeps_state: bool = True

    def at(self, step: int) -> str:
        """A place in it, in words: "step 5 of 9", or of a search "part 5"."""
        return f"step {step} of {self.steps}" if self.steps else f"part {step}"


@dataclass(frozen=True, kw_only=True, eq=False)
class PaperClaim:
    """How the values of one claim come from runs.

    measure: the claim's values of (preset, seed), from `module`, whose code decides them with the runs
    seeds: over which it is reported with a preset
    runs: the names of the runs that the values of (preset, seed) stand on
    budgets: of the values that are steps to something, the steps there were: a larger one was never reached
    """

    values: Values
    measure: Callable[[Any, int], Value]
    module: str
    seeds: Callable[[Any], Iterable[int]]
    runs: Callable[[Any, int], Sequence[str]] = lambda setup, seed: ()
    budgets: Callable[[Any], dict[str, int]] = field(default=lambda setup: {})


def claimed(claims: Iterable[PaperClaim], values: Values, setup: Any, paper: Any) -> dict[str, Any]:
    """What a chapter reports a claim with, `values`, `seeds` and `budgets`: measured now, or read from a record.

    Read where the book runs with the preset `paper` at its scale: the seeds that a record of that preset, MECHBOOK_SEED
    and the present code has, beside which `from_record` says where they come from. Other seeds are measured from the
    runs. KeyError for a claim that is not among `claims`.
    """
    found = [claim for claim in claims if claim.values is values]
    if not found:
        raise KeyError(f"{values.claim} is not among the claims of recorded.py: add it there.")
    (claim,) = found
    seeds = list(claim.seeds(setup))
    record = load_claim(values.claim) if setup == at_scale(None, paper) else None
    budgets = claim.budgets(setup)

    def measured(seed: int) -> Value:
        return claim.measure(setup, seed)

    what = f"the claim {values.claim}"
    if record is None or record.seed != settings.seed() or record.earlier(setup_of(setup)):
        return {"values": one_by_one(measured, seeds, what, "seeds"), "seeds": seeds, "budgets": budgets}
    known = dict(zip(record.seeds, record.values, strict=True))
    read: dict[str, Any] = {
        "where": where(record.machines),
        "device": ", ".join(dict.fromkeys(machine.device for machine in record.machines)),
        "seeds": [seed for seed in seeds if seed in known],
    }
    rows = one_by_one(lambda seed: known[seed] if seed in known else measured(seed), seeds, what, "seeds")
    return {"values": rows, "seeds": seeds, "budgets": budgets, **({"from_record": read} if read["seeds"] else {})}


def setup_of(setup: Any) -> dict[str, Any]:
    """A preset as JSON values, with the constants that its module has beside it, such as PROBE_EVERY."""
    beside = vars(sys.modules[type(setup).__module__]).items()
    constants = {
        name: value for name, value in beside if name.isupper() and isinstance(value, bool | int | float | str)
    }
    return as_json(constants | asdict(setup))
