"""What of chapter 7 is recorded at the `paper` preset: its runs, all seeds of one as one run, and its claims.

`claimed(ORDER, setup)` is what the chapter reports a claim with, `trainings(spec)` and `ends(spec, seed)` what it
shows of a run. Two runs, direct training on k hops and one layer fewer, last so many times as long as the mixture
needed: they are listed once that is known.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mechbook.claims.values import Values
from mechbook.core.cache import entries
from mechbook.core.training.loop import use_threads
from mechbook.hops import runs as training
from mechbook.hops import seed_values, values
from mechbook.hops.experiments import (
    control_settings,
    current_settings,
    curriculum_settings,
    direct_settings,
    head_settings,
    mixture_settings,
    scaling_settings,
    shallow_settings,
    steps_needed,
)
from mechbook.hops.presets import PAPER, HopsPreset
from mechbook.hops.runs import CompositionSettings, HeadSettings, fresh_accuracy
from mechbook.hops.training import HopTrainingResult
from mechbook.records import shown, wanted
from mechbook.records.kept import RunRecord
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
        **{f"control/{k}": control_settings(setup, k) for k in values.CONTROLS},
        **{f"heads/{L}": head_settings(setup, L) for L in values.DEPTHS},
        **{f"scaling/{name}/{k}": scaling_settings(setup, name, k) for name, k in sizes},
    }
    if (mixture := known(named["mixture"])) is not None:
        needed = steps_needed(mixture)
        named |= {"direct": direct_settings(setup, needed), "shallow": shallow_settings(setup, needed)}
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
    """Each hop's accuracy on fresh sequences; the steps at which a seed took up a hop and solved the last, else NaN."""
    found: dict[str, float] = {}
    for seed, result in zip(spec.seeds, spec.run(), strict=True):
        row = fresh_accuracy(spec, seed).tolist()
        found |= {f"seed {seed}, hop {r}": value for r, value in enumerate(row, 1)}
        found |= {f"seed {seed}, stage {hop}": float(step) for step, hop in result.stages}
        found[f"seed {seed}, solved"] = math.nan if result.solved is None else float(result.solved)
    return found


def known(spec: Settings) -> list[HopTrainingResult] | None:
    """A run's results from the cache, else from a record of the same settings and code; None where it is to be made.

    A record has no weights: `final` is then empty, and values have six digits.
    """
    if (record := shown.in_place_of("hops", spec, MODULES)) is not None:
        return [_from_record(spec, record, seed) for seed in spec.seeds]
    use_threads()
    return spec.run() if entries.found(spec.key(), modules=MODULES) is not None else None


def trainings(spec: Settings) -> list[HopTrainingResult]:
    """A run's results, one for each seed, as `known` has them, else by training."""
    found = known(spec)
    return spec.run() if found is None else found


def ends(spec: Settings, seed: int) -> Tensor:
    """Each hop's accuracy on fresh sequences, (hops,), from where `trainings` takes the run."""
    record = shown.in_place_of("hops", spec, MODULES)
    if record is None:
        return fresh_accuracy(spec, seed)
    names = [f"seed {seed}, hop {r}" for r in range(1, spec.config().hops + 1)]
    return torch.tensor([record.final[name] for name in names], dtype=torch.float64)


def at_papers_size(setup: HopsPreset, names: Sequence[str]) -> dict[str, tuple[RunRecord, list[HopTrainingResult]]]:
    """What is recorded of these runs at the `paper` preset, by name, of whatever code; nothing where `setup` is it."""
    if setup == PAPER:
        return {}
    listed = {run.name: run.settings for run in runs(PAPER)}
    found = {}
    for name in names:
        record, spec = shown.recorded(f"hops/{name}"), listed.get(f"hops/{name}")
        if record is not None and isinstance(spec, CompositionSettings):
            found[name] = record, [_from_record(spec, record, seed) for seed in spec.seeds]
    return found


def _from_record(spec: Settings, record: RunRecord, seed: int) -> HopTrainingResult:
    loss = [value for value in record.values[f"seed {seed}, loss"] if not math.isnan(value)]
    hops = [record.values[f"seed {seed}, hop {r}"][: len(loss)] for r in range(1, spec.config().hops + 1)]
    stages = {name.partition(", stage ")[2]: step for name, step in record.final.items()
              if name.startswith(f"seed {seed}, stage ")}  # fmt: skip
    solved = record.final[f"seed {seed}, solved"]
    steps = record.steps[: len(loss)]
    return HopTrainingResult(
        steps=steps,
        accuracy=[list(row) for row in zip(*hops, strict=True)],
        loss=loss,
        stages=sorted((int(step), int(hop)) for hop, step in stages.items()),
        solved=None if math.isnan(solved) else int(solved),
        seen=steps[-1] * spec.training.batch_size,
        final={},
        seconds=record.seconds / len(spec.seeds),
    )


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


_CONTROLS = tuple(f"control/{k}" for k in values.CONTROLS)
CLAIMS = [
    _claim(values.MIXTURE_SOLVES, seed_values.mixture_solves, "mixture"),
    _claim(values.CURRICULUM_SOLVES, seed_values.curriculum_solves, "curriculum"),
    _claim(values.ORDER, seed_values.order, "mixture", budgets=_order_budgets),
    _claim(values.LAYERWISE, seed_values.layerwise, "mixture"),
    _claim(values.HOP_HEADS, seed_values.hop_heads, *(f"heads/{L}" for L in values.DEPTHS), few=True),
    _claim(values.SCALING, seed_values.scaling, few=True, runs=_scaling, budgets=_scaling_budgets),
    _claim(values.DIRECT_FAILS, seed_values.direct_fails, "mixture", "direct", *_CONTROLS, few=True),
    _claim(values.DEPTH, seed_values.depth, "mixture", "shallow"),
    _claim(values.CONSTRUCTION, seed_values.construction, few=True),
]


def claimed(claim: Values, setup: HopsPreset) -> dict[str, Any]:
    """The values and seeds that a claim is reported with: measured, or at the `paper` preset read from a record."""
    return wanted.claimed(CLAIMS, claim, setup, PAPER)
