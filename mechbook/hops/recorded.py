"""What of chapter 7 is recorded at the `paper` preset: its runs, all seeds of one as one run, and its claims.

`claimed(ORDER, setup)` is what the chapter reports a claim with. Runs whose budget follows from another run's result
(direct training on k hops, one layer fewer) are not recorded.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from mechbook.claims.values import Values
from mechbook.hops import runs as training
from mechbook.hops import seed_values, values
from mechbook.hops.experiments import (
    current_settings,
    curriculum_settings,
    head_settings,
    mixture_settings,
    scaling_settings,
)
from mechbook.hops.presets import PAPER, HopsPreset
from mechbook.hops.runs import CompositionSettings, HeadSettings, fresh_accuracy
from mechbook.hops.training import HopTrainingResult
from mechbook.records import wanted
from mechbook.records.wanted import PaperClaim, PaperRun

MODULES = (training.__name__,)

Settings = CompositionSettings | HeadSettings


def runs(setup: HopsPreset) -> list[PaperRun]:
    """The runs of a preset, most wanted first; where two names would be the same run it has the first."""
    sizes = [(name, k) for name, ks in seed_values.SIZES.items() for k in ks]
    named: dict[str, Settings] = {
        "mixture": mixture_settings(setup),
        "curriculum": curriculum_settings(setup),
        "current": current_settings(setup),
        **{f"heads/{L}": head_settings(setup, L) for L in values.DEPTHS},
        **{f"scaling/{name}/{k}": scaling_settings(setup, name, k) for name, k in sizes},
    }
    found: dict[Settings, str] = {}
    for name, spec in named.items():
        found.setdefault(spec, name)
    return [_run(name, spec) for spec, name in found.items()]


def _run(name: str, spec: Settings) -> PaperRun:
    return PaperRun(
        name=f"hops/{name}",
        settings=spec,
        modules=MODULES,
        steps=spec.training.steps,
        kind=f"{spec.config()} {spec.training.batch_size} {len(spec.seeds)}",
        short=partial(shortened, spec),
        curves=curves,
        final=partial(_final, spec),
    )


def shortened(spec: Settings, steps: int) -> Settings:
    """The runs cut to `steps` updates."""
    return replace(spec, training=replace(spec.training, steps=steps, record_every=1, stop_at=None))


def curves(results: Sequence[HopTrainingResult]) -> tuple[list[int], Mapping[str, list[float]]]:
    """Each seed's loss and accuracy on each number of hops, by "seed 0, hop 1"; NaN after its end."""
    steps = max((result.steps for result in results), key=len)
    rows: dict[str, list[float]] = {}
    for seed, result in enumerate(results):
        rows[f"seed {seed}, loss"] = result.loss
        for r in range(len(result.accuracy[0])):
            rows[f"seed {seed}, hop {r + 1}"] = [row[r] for row in result.accuracy]
    return steps, {name: row + [math.nan] * (len(steps) - len(row)) for name, row in rows.items()}


def _final(spec: Settings) -> dict[str, float]:
    accuracy = {seed: fresh_accuracy(spec, seed).tolist() for seed in spec.seeds}
    return {f"seed {seed}, hop {r}": value for seed, row in accuracy.items() for r, value in enumerate(row, 1)}


def _claim(claim: Values, measure: Any, *names: str, few: bool = False, **more: Any) -> PaperClaim:
    return PaperClaim(
        values=claim,
        measure=measure,
        module=seed_values.__name__,
        seeds=(lambda setup: range(setup.few_seeds)) if few else (lambda setup: range(setup.seeds)),
        **{"runs": lambda setup, seed: [f"hops/{name}" for name in names], **more},
    )


def _scaling(setup: HopsPreset, seed: int) -> list[str]:
    named = {run.settings: run.name for run in runs(setup)}
    return [named[scaling_settings(setup, name, k)] for name, ks in seed_values.SIZES.items() for k in ks]


def _scaling_budgets(setup: HopsPreset) -> dict[str, int]:
    sizes = [(name, k) for name, ks in seed_values.SIZES.items() for k in ks]
    return {f"{name}_{k}": scaling_settings(setup, name, k).training.steps for name, k in sizes}


def _order_budgets(setup: HopsPreset) -> dict[str, int]:
    return {f"hop_{r}": setup.steps for r in values.ORDERED_HOPS}


CLAIMS = [
    _claim(values.MIXTURE_SOLVES, seed_values.mixture_solves, "mixture"),
    _claim(values.CURRICULUM_SOLVES, seed_values.curriculum_solves, "curriculum"),
    _claim(values.ORDER, seed_values.order, "mixture", budgets=_order_budgets),
    _claim(values.LAYERWISE, seed_values.layerwise, "mixture"),
    _claim(values.HOP_HEADS, seed_values.hop_heads, *(f"heads/{L}" for L in values.DEPTHS), few=True),
    _claim(values.SCALING, seed_values.scaling, few=True, runs=_scaling, budgets=_scaling_budgets),
    _claim(values.CONSTRUCTION, seed_values.construction, few=True),
]


def claimed(claim: Values, setup: HopsPreset) -> dict[str, Any]:
    """The values and seeds that a claim is reported with: measured, or at the `paper` preset read from a record."""
    return wanted.claimed(CLAIMS, claim, setup, PAPER)
