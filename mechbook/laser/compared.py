"""What chapter 5's study found on one model, as plain numbers: those of a record, or of the model of the build.

numbers(model, study, closer, per_template, count)      # JSON values, the same for every model, so that two stand side
                                                        # by side (`mechbook.laser.second_model`)
"""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import Generator

from mechbook.laser import closer_values, intervals, study_values
from mechbook.laser.closer import Closer
from mechbook.laser.data.cities import one_token_facts
from mechbook.laser.directions import Directions, constancy, smallest_inputs
from mechbook.laser.edits import Edit
from mechbook.laser.held_out import held_out
from mechbook.laser.prompts import Row
from mechbook.laser.streams import STREAMS
from mechbook.laser.study import TASKS, StudyResult
from mechbook.laser.values import (
    CONTROLS,
    COST,
    FACT_SITE,
    GENERIC_WORDS,
    LAYER_MAP,
    QUANTISATION,
    REAL_LM_FACTS,
    REAL_LM_IOI,
    RHO_CURVES,
)
from mechbook.pretrained.load import LanguageModel


def numbers(model: LanguageModel, study: StudyResult, closer: Closer, per_template: int, count: int) -> dict[str, Any]:
    """All that is compared of a model; `per_template` IOI sentences, `count` prompts a task for what its matrix reads.

    sizes, whole, chosen: prompts of both halves; on half B the whole model's and the chosen edit's lines, by task
    right: the part of half B's cities whose country is the likeliest of all countries, whole and edited
    controls: by task what other edits of the same matrix do: name, factor on the ratio, factor on the perplexity
    shares: by task the part of LASER's log gain, with its 95% interval, that comes of dropping the smallest 1 percent,
        and of dropping the MLP
    values: what the claims judge, by the claim
    map: by task every point of the map: block (from 1), matrix, rho, factor on the ratio
    single: by task single directions that are dropped, the factor on the ratio and its 95% interval; tail: as `tail`
    noise: the noise's part of the chosen matrix for facts, and its size over the smallest singular values
    """
    generator, of_factors = STREAMS.generator("intervals of ratios"), _own_generator(9)
    lines = {task: study_values.lines(study, task, generator) for task in TASKS}
    found = closer.directions
    return {
        "layers": model.adapter.n_layers,
        "d": model.adapter.d_model,
        "sizes": dict(study.sizes),
        "whole": {task: _line(lines[task][0]) for task in TASKS},
        "chosen": {
            task: {"matrix": study.chosen[task].matrix, "layer_from_1": study.chosen[task].layer + 1}
            | {"rho": study.chosen[task].rho}
            | _line(lines[task][1])
            | {"factor": intervals.factor(study.p[task][0, :, :2], study.p_whole[task][:, :2], of_factors)}
            for task in TASKS
        },
        "right": [float(study.right_whole.mean()), float(study.right.mean()), len(study.right)],
        "controls": {
            task: [[line.row.kind, line.row.ratio / study.whole[task].ratio, line.gain[0]] for line in lines[task][1:]]
            for task in TASKS
        },
        "shares": {task: shares_of_gain(study, task) for task in TASKS},
        "values": claimed(model, study, closer),
        "map": {task: [_point(row, study.map_whole[task]) for row in _of(study.map_rows, task)] for task in TASKS},
        "single": {task: _singles(found, task) for task in TASKS},
        "tail": {task: tail(model, task, study.chosen[task], per_template, count) for task in TASKS},
        "noise": {"relative": closer.noise.relative, "over_singular": closer.noise.tail},
    }


def claimed(model: LanguageModel, study: StudyResult, closer: Closer) -> dict[str, dict[str, int | float]]:
    """The values of each claim on a given model that this study and this closer look give, by the claim's id."""
    countries = [fact.country for fact, _ in one_token_facts(model.encode_next)]  # in the order of its prompts
    return {
        REAL_LM_FACTS.claim: study_values.facts_values(study),
        REAL_LM_IOI.claim: study_values.ioi_values(study),
        LAYER_MAP.claim: closer_values.map_values(study, closer.attention),
        GENERIC_WORDS.claim: closer_values.generic_values(study, closer.classes, _own_generator(6)),
        CONTROLS.claim: closer_values.controls_values(study, closer.directions),
        COST.claim: closer_values.cost_values(study, closer.among, countries, _own_generator(0)),
        QUANTISATION.claim: closer_values.noise_values(closer.noise),
        RHO_CURVES.claim: closer_values.curve_values(closer.curves, _own_generator(7)),
        FACT_SITE.claim: closer_values.site_values(closer.site, _own_generator(8)),
    }


def tail(model: LanguageModel, task: str, edit: Edit, per_template: int, count: int) -> dict[str, int | float]:
    """Of what the edited matrix reads at END, on `count` of the task's held-out prompts: what its smallest few see.

    few, full: directions; energy: the part of the squared length along the smallest few; times: that over few / full;
    constant: the part of it that is one vector in all prompts; constant_all: the same of all directions together
    """
    full = min(model.adapter.matrix(edit.layer, edit.matrix).shape)
    few = max(1, round(full / 100))
    along = smallest_inputs(held_out(model, per_template, count=count, tasks=(task,)), edit, full)
    energy = float(along[:, -few:].square().sum(1).mean())
    return {
        "few": few,
        "full": full,
        "energy": energy,
        "times": energy / (few / full),
        "constant": constancy(along[:, -few:]),
        "constant_all": constancy(along),
    }


def shares_of_gain(study: StudyResult, task: str) -> dict[str, tuple[float, float, float]]:
    """The parts of LASER's log gain that two other edits have, each with its 95% interval."""
    smallest = next(row.kind for row in study.controls[task] if row.kind.endswith(" smallest"))
    kinds = {"smallest": smallest, "mlp": "without the MLP"}
    return {
        name: study_values.share_of_gain(study, task, kind, _own_generator(20)) for name, kind in kinds.items()
    }


def best_by_block(found: Mapping[str, Any], task: str) -> dict[str, list[float]]:
    """Of the map the largest factor in each block, first block first, of an MLP ("mlp") and an attention matrix."""
    best = {kind: [math.nan] * int(found["layers"]) for kind in ("mlp", "attention")}
    for layer_from_1, matrix, _, factor in found["map"][task]:
        row = best["mlp" if matrix.startswith("mlp") else "attention"]
        row[layer_from_1 - 1] = max(factor, row[layer_from_1 - 1]) if row[layer_from_1 - 1] > 0 else factor
    return best


def _line(line: study_values.Line) -> dict[str, Any]:
    row = asdict(line.row)
    kept = {name: row[name] for name in ("n", "answer", "generic", "ratio", "top1", "second")}
    return kept | {"low": line.low, "high": line.high, "perplexity": line.perplexity, "gain": list(line.gain)}


def _own_generator(number: int) -> Generator:
    return STREAMS.generator("intervals of the closer look", number)


def _singles(found: Directions, task: str) -> list[list[int | float]]:
    ends = found.single_intervals(task, _own_generator(10)).tolist()
    return [[i, f, *own] for i, f, own in zip(found.singles, found.single[task], ends, strict=True)]


def _of(rows: list[Row], task: str) -> list[Row]:
    return [row for row in rows if row.group == task]


def _point(row: Row, whole: Row) -> list[Any]:
    return [row.layer_from_1, row.matrix, row.rho, float(f"{row.ratio / whole.ratio:.4g}")]
