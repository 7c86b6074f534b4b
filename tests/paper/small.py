"""A theme whose runs are numbers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mechbook.claims.values import Values
from mechbook.core.cache import entries
from mechbook.core.training.loop import TrainingResult
from mechbook.paper.everything import Theme
from mechbook.records.wanted import PaperClaim, PaperRun

# The code that the runs below stand on.
MODULES = ("mechbook.records.machine",)
DOUBLE = Values("am.double", "twice the number")


@dataclass(frozen=True)
class Number:
    """A run whose one value is a number; `before` is called when it is computed."""

    number: int
    ran: list[int] = field(compare=False)
    before: Callable[[int], None] = field(compare=False)

    def key(self) -> dict[str, Any]:
        return {"number": self.number}

    def compute(self) -> dict[str, Any]:
        self.before(self.number)
        self.ran.append(self.number)
        values = {"number": [0.0, float(self.number)]}
        return vars(TrainingResult(steps=[0, 9], values=values, checkpoints={}, final={}, seconds=2.5))

    def run(self) -> TrainingResult:
        return TrainingResult(**entries.cached(self.key(), self.compute, modules=MODULES))


@dataclass(frozen=True)
class Setup:
    """The preset of the theme of numbers."""

    seeds: int = 3


def numbers(
    ran: list[int], *, before: Callable[[int], None] = lambda number: None, setup: Setup | None = None, **more: Any
) -> Theme:
    """A theme "memories" of the runs memories/number/0 .. 2, and the claim that doubles each."""

    def run(seed: int) -> Number:
        return Number(seed, ran, before)

    def runs(setup: Setup) -> list[PaperRun]:
        return [
            PaperRun(
                name=f"memories/number/{seed}",
                settings=run(seed),
                modules=MODULES,
                steps=9,
                kind="number",
                short=run,
                final=lambda: {"end": 1.0},
                **more,
            )
            for seed in range(setup.seeds)
        ]

    claim = PaperClaim(
        values=DOUBLE,
        measure=lambda setup, seed: 2 * run(seed).run().values["number"][-1],
        module=MODULES[0],
        seeds=lambda setup: range(setup.seeds),
        runs=lambda setup, seed: [f"memories/number/{seed}"],
    )
    return Theme(name="memories", setup=setup or Setup(), runs=runs, claims=[claim])
