"""A stand-in for the papers' sizes that takes a second, and a theme whose runs are numbers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mechbook.claims.values import Values
from mechbook.core.cache import entries
from mechbook.core.presets import replace
from mechbook.core.training.loop import TrainingResult
from mechbook.hops import recorded as hops
from mechbook.hops.presets import PAPER as HOPS_PAPER
from mechbook.hops.presets import HopsPreset
from mechbook.induction import recorded as induction
from mechbook.induction.presets import PAPER, InductionPreset
from mechbook.noisy import recorded as noisy
from mechbook.noisy.presets import PAPER as NOISY_PAPER
from mechbook.noisy.presets import NoisyPreset, Schedule
from mechbook.paper.everything import Theme
from mechbook.records.wanted import PaperClaim, PaperRun

TINY: InductionPreset = replace(
    PAPER,
    T=8,
    short_T=8,
    K=3,
    hand_d=16,
    d=8,
    batch_size=4,
    steps=40,
    frozen_steps=20,
    seeds=2,
    few_seeds=1,
    all_tokens=replace(PAPER.all_tokens, d=8, batch_size=4, trigger_steps=10, output_steps=10),
    dimension=replace(PAPER.dimension, batch_size=4, lrs=(0.2, 0.5), steps=5, wide_steps=5),
    vanilla=replace(PAPER.vanilla, d=8, batch_size=4, fixed_steps=4, random_steps=4, heads_steps=4),
)
INDUCTION = Theme(name="induction", setup=TINY, runs=induction.runs, claims=induction.CLAIMS)

HOPS_TINY: HopsPreset = replace(
    HOPS_PAPER,
    seeds=2,
    few_seeds=2,
    n=3,
    d=8,
    n_heads=1,
    steps=10,
    batch_size=4,
    record_every=5,
    direct_factor=1,
    shallow_factor=1,
    direct_steps=10,
    eight=replace(HOPS_PAPER.eight, n=3, steps=5, batch_size=2),
    heads=replace(HOPS_PAPER.heads, T=32, letters=3, steps=5, batch_size=2, record_every=5, n_heads=1),
)
HOPS = Theme(name="hops", setup=HOPS_TINY, runs=hops.runs, claims=hops.CLAIMS)

SHORT = Schedule(steps=6, batch=4, lr=0.03)
NOISY_TINY: NoisyPreset = replace(
    NOISY_PAPER,
    seeds=2,
    T=32,
    d=8,
    steps=6,
    batch=4,
    other_d=(16,),
    levels=tuple((alpha, SHORT) for alpha, _ in NOISY_PAPER.levels),
    several=SHORT,
    clean=SHORT,
    fine_tuned=SHORT,
    mlp_linear=SHORT,
    linear_mlp=SHORT,
    no_blocks=SHORT,
)
NOISY = Theme(name="noisy", setup=NOISY_TINY, runs=noisy.runs, claims=noisy.CLAIMS)

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
