"""What of chapter 6 is recorded at the paper's size: its trainings, all seeds of one as one run.

A record has what a run ends with, and the curves of Figure 5. The chapter's claims are made on its page from whole
results, so there is none in `CLAIMS`: at the `paper` preset the chapter takes these runs from this machine's cache.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mechbook.facts import capacity, construction_size, dynamics, knowledge, sizes, tradeoff
from mechbook.facts.capacity import CapacitySettings
from mechbook.facts.dynamics import SCORES, DynamicsResult, DynamicsSettings
from mechbook.facts.experiments import (
    capacity_settings,
    fewest_settings,
    knowledge_settings,
    linear_settings,
    softmax_settings,
    swapped_settings,
    tradeoff_settings,
)
from mechbook.facts.knowledge import KnowledgeSettings
from mechbook.facts.presets import PAPER, FactsPreset
from mechbook.facts.tradeoff import TradeoffSettings
from mechbook.records import shown
from mechbook.records.kept import RunRecord
from mechbook.records.wanted import PaperClaim, PaperRun, Settings

Numbers = dict[str, int | float]

CLAIMS: list[PaperClaim] = []


def runs(setup: FactsPreset) -> list[PaperRun]:
    """The runs of a preset, most wanted first: Figures 3 and 5, the GPTs, the smallest constructions; sizes of GPTs."""
    found = []
    for d, alpha, beta in setup.capacity.points:
        spec = capacity_settings(setup, (d, alpha, beta))
        found.append(_run(f"capacity/{d},{alpha:g},{beta:g}", spec, capacity, final=partial(_sizes, spec)))
    grid = tradeoff_settings(setup)
    found.append(_run("tradeoff", grid, tradeoff, final=partial(_cells, grid)))
    descents = {f"softmax/{d}": softmax_settings(setup, d) for d in dict.fromkeys((setup.d, setup.d_narrow))}
    descents = {"linear": linear_settings(setup), **descents, "swapped": swapped_settings(setup)}
    found += [_descent(name, spec) for name, spec in descents.items()]
    for shape in setup.knowledge.shapes:
        for N in setup.knowledge.people:
            for exposures in setup.knowledge.exposures:
                gpt = knowledge_settings(setup, shape, N, exposures)
                name = f"knowledge/{'x'.join(map(str, shape))}/{N}/{exposures}"
                found.append(_gpt(name, gpt))
    fewest = fewest_settings(setup)
    found.append(_run("fewest", fewest, construction_size, final=partial(_fewest, fewest), keeps_state=False))
    # the same whatever the preset
    return [*found, *(_gpt(sizes.name(gpt).removeprefix("facts/"), gpt) for gpt in sizes.every())]


def _gpt(name: str, spec: KnowledgeSettings) -> PaperRun:
    steps = spec.exposures * math.ceil(spec.N / spec.batch_size)
    return _run(name, spec, knowledge, steps=steps, final=partial(_ratios, spec))


def _run(
    name: str, spec: Settings, module: Any, *, final: Callable[[], Mapping[str, float]], steps: int = 0, **more: Any
) -> PaperRun:
    return PaperRun(
        name=f"facts/{name}",
        settings=spec,
        modules=(module.__name__,),
        steps=steps,
        kind=name,
        final=final,
        **{"curves": lambda result: ([], {}), **more},
    )


def _descent(name: str, spec: DynamicsSettings) -> PaperRun:
    def short(steps: int) -> DynamicsSettings:
        return replace(spec, steps=steps)

    return _run(name, spec, dynamics, final=dict, steps=spec.steps, short=short, curves=curves)


def curves(result: DynamicsResult) -> tuple[list[int], dict[str, list[float]]]:
    """Each seed's scores, by "seed 0, loss"."""
    seeds = range(result.scores["loss"].shape[1])
    return result.steps, {f"seed {s}, {name}": result.scores[name][:, s].tolist() for s in seeds for name in SCORES}


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedLosses:
    """The curves of a recorded training of Figure 5: `scores[name]` is (probe steps, seeds), as in `DynamicsResult`."""

    record: RunRecord
    steps: list[int]
    scores: dict[str, Tensor]


def at_papers_size(setup: FactsPreset, name: str) -> RecordedLosses | None:
    """What is recorded of "facts/`name`", of whatever code; None where there is nothing, or where `setup` is PAPER."""
    record = None if setup == PAPER else shown.recorded(f"facts/{name}")
    if record is None:
        return None
    seeds = len(record.values) // len(SCORES)
    scores = {
        score: torch.tensor([record.values[f"seed {seed}, {score}"] for seed in range(seeds)]).T for score in SCORES
    }
    return RecordedLosses(record=record, steps=record.steps, scores=scores)


def _sizes(spec: CapacitySettings) -> Numbers:
    result = spec.run()
    return {"parameters": result.parameters, **{f"seed {seed}": size for seed, size in enumerate(result.sizes)}}


def _cells(spec: TradeoffSettings) -> Numbers:
    accuracy = spec.run().accuracy.tolist()
    return {
        f"{H} heads, width {m}, seed {seed}": value
        for H, row in zip(spec.H, accuracy, strict=True)
        for m, cell in zip(spec.m, row, strict=True)
        for seed, value in enumerate(cell)
    }


def _ratios(spec: KnowledgeSettings) -> Numbers:
    result = spec.run()
    found = {f"seed {seed}, bits a parameter": value for seed, value in enumerate(result.ratio)}
    found |= {f"seed {seed}, in 8 bits": value for seed, value in enumerate(result.ratio_int8)}
    return {"parameters": result.parameters, "most": result.most, **found}


def _fewest(spec: Any) -> Numbers:
    result = spec.run()
    return {
        f"{kind}, {facts} facts, seed {seed}": value
        for kind, rows in result.parameters.items()
        for seed, row in enumerate(rows)
        for facts, value in zip(result.facts, row, strict=True)
    }
