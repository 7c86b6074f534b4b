"""LASER on a pretrained model, as chapter 5 does it: map, choice on half A, report on half B with controls and cost."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.core.training.loop import use_threads
from mechbook.laser.data.cities import one_token_facts
from mechbook.laser.data.control import control_text
from mechbook.laser.edits import (
    Edit,
    Measured,
    Prompt,
    laser,
    mean_distributions,
    measure,
    text_losses,
    without_largest,
    without_mlp,
    without_random,
    without_smallest,
)
from mechbook.laser.presets import LaserPreset
from mechbook.laser.prompts import Row, edit_rows, fact_prompts, ioi_prompts, split_halves, whole_rows
from mechbook.laser.shown import TOP, Shown, extra_prompts, packed, shown, unpacked
from mechbook.laser.streams import STREAMS
from mechbook.laser.sweep import sweep
from mechbook.pretrained.load import LanguageModel

TASKS = ("facts", "ioi")
# IO-over-S accuracy may fall by so much on half A for an edit to be chosen
ACCURACY_LOSS = 0.05
RANDOM_DRAWS = 4


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """What is tried. First the map, on a few prompts of half A; then more rates where it is best, on all of half A.

    per_template: IOI sentences of each template
    on_map: how many prompts of each task the map is made on
    mlp_rhos, attention_rhos: the map's rates
    finer_rhos: the rates of the second step; candidates: for how many (matrix, layer) of each task
    """

    per_template: int
    on_map: dict[str, int]
    mlp_rhos: tuple[float, ...]
    attention_rhos: tuple[float, ...]
    finer_rhos: tuple[float, ...]
    candidates: int

    def key(self, model: LanguageModel) -> dict[str, Any]:
        """All that decides the study besides its code and the machine, as JSON values."""
        return {"model": model.fingerprint, "seed": settings.seed(), "search": asdict(self)}

    def run(self, model: LanguageModel) -> "StudyResult":
        """The study of `model`, from the cache where it was made before."""
        use_threads()
        return _unpack(cached(self.key(model), lambda: _pack(_study(model, self)), modules=(__name__,)))


def study_settings(setup: LaserPreset) -> StudySettings:
    """The study of the chapter."""
    return StudySettings(
        per_template=setup.per_template,
        on_map={"facts": setup.facts_on_map, "ioi": setup.ioi_on_map},
        mlp_rhos=setup.mlp_rhos,
        attention_rhos=setup.attention_rhos,
        finer_rhos=setup.finer_rhos,
        candidates=setup.candidates,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyResult:
    """What was measured. Half A is where edits are chosen, half B where they are reported; rows are as `edit_rows`'s.

    sizes: how many prompts each task has, both halves together
    map_rows, map_whole: every point of the map, and the whole model on the map's prompts, by task
    shown: what follows a few of the map's prompts
    chosen: for each task its edit
    whole: the whole model on half B, by task
    controls: for each task the edits at its chosen matrix, with what they give on half B: rows of that task
    p, p_whole: for each task the watched probabilities on half B, of each control and of the whole model
    losses, losses_whole: nats for each token of the control text, for each task's controls and the whole model
    falls: for each task the tokens that fall most under the chosen edit, with the mean probability before and after
    right, right_whole: for each city of half B whether its country is the likeliest of all countries, under the edit
        chosen for facts and in the whole model
    table_1: P(Spain), P(the), P(a), P(southern), P(northern) after "Madrid is located in", whole and edited
    longer: P(Spain) and P(the) after "Madrid is located in the country of", whole and edited
    """

    sizes: dict[str, int]
    map_rows: list[Row]
    map_whole: dict[str, Row]
    shown: Shown
    chosen: dict[str, Edit]
    whole: dict[str, Row]
    controls: dict[str, list[Row]]
    p: dict[str, Float[Tensor, "m n k"]]
    p_whole: dict[str, Float[Tensor, "n k"]]
    losses: dict[str, Float[Tensor, "m t"]]
    losses_whole: Float[Tensor, "t"]
    falls: dict[str, list[tuple[str, float, float]]]
    right: Float[Tensor, "n"]
    right_whole: Float[Tensor, "n"]
    table_1: list[list[float]]
    longer: list[list[float]]
    seconds: float


def _study(model: LanguageModel, how: StudySettings) -> StudyResult:
    began = time.perf_counter()
    prompts = fact_prompts(model) + ioi_prompts(model, how.per_template, STREAMS.generator("IOI sentences"))
    in_A = split_halves(prompts, STREAMS.generator("halves"))
    half_A = [p for p, chosen in zip(prompts, in_A.tolist(), strict=True) if chosen]
    half_B = [p for p, chosen in zip(prompts, in_A.tolist(), strict=True) if not chosen]
    on_map = _some(half_A, how.on_map, STREAMS.generator("prompts of the map")) + extra_prompts(model)
    results = _map(model, on_map, how)
    map_rows = [row for result in results for row in edit_rows(result, on_map) if row.group in TASKS]
    chosen = _choose(model, half_A, map_rows, how)
    generator = STREAMS.generator("random directions")
    parts: dict[str, Any] = {name: {} for name in ("whole", "controls", "p", "p_whole", "losses", "falls")}
    text = model.tokens(control_text())
    for task in TASKS:
        own = [p for p in half_B if p.group == task]
        edits = control_edits(model, chosen[task], generator)
        result = measure(model, own, edits)
        parts["controls"][task] = edit_rows(result, own)
        parts["whole"][task] = whole_rows(result, own)[0]
        parts["p"][task], parts["p_whole"][task] = result.after, result.before
        losses_whole, losses = text_losses(model, text, edits)
        parts["losses"][task] = losses[:, 0]
        parts["falls"][task] = _falls(model, own, chosen[task])
    right_whole, right = _among_countries(model, [p for p in half_B if p.group == "facts"], chosen["facts"])
    return StudyResult(
        sizes={task: sum(p.group == task for p in prompts) for task in TASKS},
        map_rows=map_rows,
        map_whole={row.group: row for row in whole_rows(results[0], on_map) if row.group in TASKS},
        shown=shown(model, on_map, results),
        chosen=chosen,
        losses_whole=losses_whole[0],
        right=right,
        right_whole=right_whole,
        table_1=_madrid(model, "Madrid is located in", chosen["facts"], (" a", " southern", " northern")),
        longer=_madrid(model, "Madrid is located in the country of", chosen["facts"], ()),
        seconds=time.perf_counter() - began,
        **parts,
    )


def control_edits(model: LanguageModel, chosen: Edit, generator: Generator) -> list[Edit]:
    """The chosen edit; then, at its matrix, LASER at three rates, the MLP dropped, and other directions dropped:
    the smallest 1 percent, random 10 percent several times (of all, then of those away from both ends), the largest 10
    and 50 percent."""
    layer, name = chosen.layer, chosen.matrix
    full = min(model.adapter.matrix(layer, name).shape)
    few, tenth = max(1, round(full / 100)), round(full / 10)

    def random() -> Edit:
        edit = without_random(model, layer, name, tenth, generator)
        small, large = sum(i >= full - few for i in edit.dropped), sum(i < few for i in edit.dropped)
        # with a tenth of all directions a draw hits some of either end more often than not
        return replace(edit, kind=f"{edit.kind} ({small} of the {few} smallest, {large} of the {few} largest)")

    return [
        chosen,
        *(laser(model, layer, name, rho=rho) for rho in (0.3, 0.1, 0.01)),
        without_mlp(model, layer),
        without_smallest(model, layer, name, few),
        *(random() for _ in range(RANDOM_DRAWS)),
        *(without_random(model, layer, name, tenth, generator, spare=few) for _ in range(RANDOM_DRAWS)),
        without_largest(model, layer, name, tenth),
        without_largest(model, layer, name, full // 2),
    ]


def _map(model: LanguageModel, prompts: list[Prompt], how: StudySettings) -> list[Measured]:
    """The sweeps over MLP and over attention matrices."""
    names, layers = model.adapter.matrix_names, range(model.adapter.n_layers)
    mlp = [name for name in names if name.startswith("mlp")]
    return [
        sweep(model, prompts, matrices=matrices, layers=layers, rhos=rhos, top=TOP)
        for matrices, rhos in ((mlp, how.mlp_rhos), ([n for n in names if n not in mlp], how.attention_rhos))
    ]


def _choose(model: LanguageModel, half_A: list[Prompt], map_rows: list[Row], how: StudySettings) -> dict[str, Edit]:
    """For each task the edit with the largest ratio on half A, among finer rates at the map's best matrices."""
    chosen = {}
    for task in TASKS:
        own = [p for p in half_A if p.group == task]
        ranked = sorted((row for row in map_rows if row.group == task), key=lambda row: -row.ratio)
        places = list(dict.fromkeys((row.layer, row.matrix) for row in ranked))[: how.candidates]
        edits = [laser(model, layer, name, rho=rho) for layer, name in places for rho in how.finer_rhos]
        result = measure(model, own, edits)
        chosen[task] = pick(result, own, task)
    return chosen


def pick(result: Measured, prompts: Sequence[Prompt], task: str) -> Edit:
    """The edit with the largest ratio; for IOI among those whose IO-over-S accuracy falls by `ACCURACY_LOSS` at most.

    ValueError where no edit keeps the accuracy.
    """
    rows, (whole,) = edit_rows(result, prompts), whole_rows(result, prompts)
    allowed = [i for i, row in enumerate(rows) if task != "ioi" or row.second >= whole.second - ACCURACY_LOSS]
    if not allowed:
        raise ValueError("every edit lowers the IO-over-S accuracy too much: there is nothing to choose.")
    return result.edits[max(allowed, key=lambda i: rows[i].ratio)]


def _some(prompts: list[Prompt], counts: dict[str, int], generator: Generator) -> list[Prompt]:
    found = []
    for task, count in counts.items():
        own = [p for p in prompts if p.group == task]
        found += [own[i] for i in torch.randperm(len(own), generator=generator)[:count].sort().values.tolist()]
    return found


def _falls(model: LanguageModel, prompts: list[Prompt], edit: Edit, count: int = 12) -> list[tuple[str, float, float]]:
    before, after = mean_distributions(model, prompts, [edit])
    order = (before - after[0]).argsort(descending=True)[:count]
    return [(model.text(int(i)), float(before[i]), float(after[0, i])) for i in order]


def _among_countries(
    model: LanguageModel, prompts: list[Prompt], edit: Edit
) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
    countries = sorted({token for _, token in one_token_facts(model.encode_next)})
    asked = [Prompt(tokens=p.tokens, watch=tuple(countries)) for p in prompts]
    truth = torch.tensor([countries.index(p.watch[0]) for p in prompts])
    result = measure(model, asked, [edit])
    whole, edited = ((p.argmax(-1) == truth).float() for p in (result.before, result.after[0]))
    return whole, edited


def _madrid(model: LanguageModel, text: str, edit: Edit, others: tuple[str, ...]) -> list[list[float]]:
    watch = tuple(model.token(word) for word in (" Spain", " the", *others))
    result = measure(model, [Prompt(tokens=tuple(model.prompt_tokens(text)), watch=watch)], [edit])
    return [result.before[0].tolist(), result.after[0, 0].tolist()]


def _pack(found: StudyResult) -> dict[str, Any]:
    plain = dict(vars(found))
    plain["map_rows"] = [asdict(row) for row in found.map_rows]
    plain["map_whole"] = {task: asdict(row) for task, row in found.map_whole.items()}
    plain["shown"] = packed(found.shown)
    plain["chosen"] = {task: asdict(edit) for task, edit in found.chosen.items()}
    plain["whole"] = {task: asdict(row) for task, row in found.whole.items()}
    plain["controls"] = {task: [asdict(row) for row in rows] for task, rows in found.controls.items()}
    return plain


def _unpack(stored: dict[str, Any]) -> StudyResult:
    plain = dict(stored)
    plain["map_rows"] = [Row(**row) for row in stored["map_rows"]]
    plain["map_whole"] = {task: Row(**row) for task, row in stored["map_whole"].items()}
    plain["shown"] = unpacked(stored["shown"])
    plain["chosen"] = {task: Edit(**edit) for task, edit in stored["chosen"].items()}
    plain["whole"] = {task: Row(**row) for task, row in stored["whole"].items()}
    plain["controls"] = {task: [Row(**row) for row in rows] for task, rows in stored["controls"].items()}
    return StudyResult(**plain)
