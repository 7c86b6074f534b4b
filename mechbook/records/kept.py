"""Records of runs and of claims: what they hold, how they are kept, and when one belongs to earlier code.

save(RunRecord(...))                       # True where it was written, False where it was there already
load_run("induction/frozen/joint/0")       # None where there is none
load_claim("ih.order")
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from mechbook.records import code, files
from mechbook.records.machine import Machine

DIGITS = 6
RUN, CLAIM = files.FORMS

Number = int | float
Value = Number | dict[str, Number]


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run at the papers' size.

    name: theme, then the run's own name: "induction/frozen/joint/0"
    settings: all that decides the run besides code and machine, as JSON; MECHBOOK_SEED is in it as "seed"
    modules, code: the modules whose code decides it, and the SHA-256 of that code then
    steps, values: at steps[i] the probe `name` was values[name][i], to six digits; NaN where it was undefined
    final: what was measured at the end, by name
    seconds: what the run took on `machine`
    """

    name: str
    settings: dict[str, Any]
    modules: tuple[str, ...]
    code: str
    steps: list[int]
    values: dict[str, list[float]]
    final: dict[str, float]
    seconds: float
    machine: Machine

    @property
    def path(self) -> Path:
        """The file it is kept in."""
        return files.place(self.name)

    def same(self, other: "Record") -> bool:
        """Whether another record is of the same settings and code."""
        return (
            isinstance(other, RunRecord)
            and self.code == other.code
            and as_json(self.settings) == as_json(other.settings)
        )

    def earlier(self, settings: dict[str, Any] | None = None) -> bool:
        """Whether code has changed since, or the settings are no longer `settings` (None: those are not compared)."""
        changed = settings is not None and as_json(self.settings) != as_json(settings)
        return changed or self.code != code.of_run(self.modules)

    def content(self) -> dict[str, Any]:
        """The record as JSON values."""
        found = asdict(self) | {"modules": list(self.modules)}
        found["values"] = {name: [rounded(value) for value in row] for name, row in self.values.items()}
        found["final"] = {name: rounded(value) for name, value in self.final.items()}
        return found | {"seconds": rounded(self.seconds)}


@dataclass(frozen=True, kw_only=True)
class ClaimRecord:
    """The values of one claim at the papers' size, a value for each of `seeds`, as a chapter would report them.

    setup: the preset they were measured with (`wanted.setup_of`), as JSON; seed: MECHBOOK_SEED
    code: the SHA-256 of the code that decides them with `setup` (`code.of_claim`)
    budgets: of the values that are steps to something, the steps there were: a larger one was never reached
    runs: the names of the runs they stand on; seconds: what those took together; machines: where, without repetition
    """

    claim: str
    setup: dict[str, Any]
    seed: int
    modules: tuple[str, ...]
    code: str
    values: list[Value]
    seeds: list[int]
    budgets: dict[str, int]
    runs: list[str]
    seconds: float
    machines: list[Machine]

    @property
    def path(self) -> Path:
        """The file it is kept in."""
        return files.place(f"claims/{self.claim}")

    def same(self, other: "Record") -> bool:
        """Whether another record is of the same claim, MECHBOOK_SEED and code, and of a preset that fits this one's."""
        return (
            isinstance(other, ClaimRecord)
            and (self.claim, self.seed, self.code) == (other.claim, other.seed, other.code)
            and fits(self.setup, as_json(other.setup))
        )

    def earlier(self, setup: dict[str, Any] | None = None) -> bool:
        """Whether code has changed since, or the preset is no longer one that `setup` fits (None: not compared)."""
        return (setup is not None and not fits(self.setup, as_json(setup))) or self.code != code.of_claim(self.modules)

    def content(self) -> dict[str, Any]:
        """The record as JSON values; what is judged is not rounded."""
        return asdict(self) | {"modules": list(self.modules), "seconds": rounded(self.seconds)}


Record = RunRecord | ClaimRecord


def save(record: Record, *, replace: bool = False) -> bool:
    """Keep a record; False where the same one is there already, which is left alone.

    A claim's record gives way to one of the same settings and code with more seeds. `Refused`, one sentence, where
    another one lies there (other settings or code) and `replace` is False.
    """
    path = record.path
    if path.exists():
        there = load(path)
        same = there.same(record)
        more = (
            isinstance(there, ClaimRecord) and isinstance(record, ClaimRecord) and set(there.seeds) < set(record.seeds)
        )
        if same and not more:
            return False
        if not same and not replace:
            raise files.Refused(f"{path.name} holds a record of other settings or code: ask to replace it (REPLACE=1).")
    files.write(path, RUN if isinstance(record, RunRecord) else CLAIM, record.content())
    return True


def load(path: Path) -> Record:
    """The record in a file. FileNotFoundError where there is none, BadRecord where it is not as written."""
    form, content = files.read(path)
    kind: type[Record] = RunRecord if form == RUN else ClaimRecord
    if set(content) != {field.name for field in fields(kind)}:
        raise files.BadRecord(f"{path.name} has other parts than a record of the form {form!r}: remove it.")
    content |= {"modules": tuple(content["modules"])}
    if kind is RunRecord:
        content["machine"] = Machine(**content["machine"])
        content["values"] = {name: [_number(v) for v in row] for name, row in content["values"].items()}
        content["final"] = {name: _number(v) for name, v in content["final"].items()}
    else:
        content["machines"] = [Machine(**machine) for machine in content["machines"]]
    return kind(**content)


def load_run(name: str) -> RunRecord | None:
    """The record of a run by its name, None where there is none."""
    found = _load(files.place(name))
    if found is not None and not isinstance(found, RunRecord):
        raise files.BadRecord(f"{files.place(name).name} is no record of a run: remove it.")
    return found


def load_claim(id: str) -> ClaimRecord | None:
    """The record of a claim by its id, None where there is none."""
    found = _load(files.place(f"claims/{id}"))
    if found is not None and not isinstance(found, ClaimRecord):
        raise files.BadRecord(f"{files.place(f'claims/{id}').name} is no record of a claim: remove it.")
    return found


def _load(path: Path) -> Record | None:
    return load(path) if path.exists() else None


def as_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """A dict as it comes back from JSON: tuples are lists, keys are strings."""
    found: dict[str, Any] = json.loads(json.dumps(value, allow_nan=False))
    return found


def fits(recorded: Any, now: Any) -> bool:
    """Whether every value that a recorded preset has is the same in a preset of now, both as JSON values.

    What only the one of now has is new since, and was of no account then, or the code that reads it has changed too.
    """
    if isinstance(recorded, dict) and isinstance(now, dict):
        return all(name in now and fits(value, now[name]) for name, value in recorded.items())
    if isinstance(recorded, list) and isinstance(now, list):
        return len(recorded) == len(now) and all(map(fits, recorded, now))
    return bool(recorded == now)


def rounded(value: float) -> float | None:
    """A number to six significant digits, None where it is not finite."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value
