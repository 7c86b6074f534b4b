"""Chapter 5's study on a tiny model against plain loops, and its values against numbers worked out by hand."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mechbook.laser import study, study_values
from mechbook.laser.data.cities import one_token_facts
from mechbook.laser.data.control import control_text
from mechbook.laser.data.function_words import is_function_word
from mechbook.laser.edits import Edit, Measured, Prompt, Terms, laser
from mechbook.laser.plain import measure_plainly
from mechbook.laser.prompts import fact_prompts, ioi_prompts, split_halves
from mechbook.laser.streams import STREAMS
from mechbook.laser.study import StudyResult, StudySettings, control_edits, pick
from mechbook.pretrained.load import LanguageModel, load
from tests.laser.made_up import made_up

SMALL = StudySettings(
    per_template=2,
    on_map={"facts": 3, "ioi": 4},
    mlp_rhos=(0.1, 0.5),
    attention_rhos=(0.3,),
    finer_rhos=(0.0, 0.5),
    candidates=2,
)


@pytest.fixture(scope="module")
def model(tiny_model: Callable[..., Path], chapter_5_words: str) -> LanguageModel:
    return load(str(tiny_model("llama", dtype="float32", corpus=chapter_5_words)))


@pytest.fixture(scope="module")
def found(model: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MECHBOOK_CACHE", str(tmp_path_factory.mktemp("cache")))
        made = SMALL.run(model)
        patch.setattr(study, "_study", lambda *_: pytest.fail("made again"))
        again = SMALL.run(model)
    assert again.chosen == made.chosen and again.controls == made.controls and again.falls == made.falls
    assert torch.equal(again.losses["ioi"], made.losses["ioi"]) and again.seconds == made.seconds
    return made


def halves(model: LanguageModel) -> tuple[list[Prompt], list[Prompt]]:
    prompts = fact_prompts(model) + ioi_prompts(model, 2, STREAMS.generator("IOI sentences"))
    in_A = split_halves(prompts, STREAMS.generator("halves")).tolist()
    A, B = ([p for p, chosen in zip(prompts, in_A, strict=True) if chosen == half] for half in (True, False))
    assert len(A) + len(B) == len(prompts) and not set(A) & set(B)
    return A, B


def ratio(p: torch.Tensor) -> float:
    return float(p[:, 0].double().mean() / p[:, 1].double().mean())


def test_the_map_has_every_matrix_of_every_block(model: LanguageModel, found: StudyResult) -> None:
    points = {(row.layer, row.matrix, row.rho) for row in found.map_rows if row.group == "ioi"}
    mlp = {(i, name, rho) for i in range(3) for name in ("mlp_in", "mlp_gate", "mlp_out") for rho in (0.1, 0.5)}
    assert points == mlp | {(i, name, 0.3) for i in range(3) for name in "qkvo"}
    assert all(row.n == SMALL.on_map[row.group] for row in found.map_rows)


def test_the_whole_model_stands_beside_the_map_and_shown_prompts_are_of_it(
    model: LanguageModel, found: StudyResult
) -> None:
    """Oracle: `measure_plainly` on the map's prompts; and the study's own rows."""
    A, _ = halves(model)
    on_map = study._some(A, SMALL.on_map, STREAMS.generator("prompts of the map"))
    for task, whole in found.map_whole.items():
        own = [p for p in on_map if p.group == task]
        assert whole.n == len(own) and math.isclose(
            whole.ratio, ratio(measure_plainly(model, own, []).before), rel_tol=1e-4
        )
    texts = [model.tokenizer.decode(list(p.tokens)) for p in on_map]
    assert all(
        text in texts
        for text, task in zip(found.shown.texts[1:], found.shown.tasks[1:], strict=True)
        if task in ("facts", "ioi")
    )
    assert found.shown.places == [(row.layer, row.matrix, row.rho) for row in found.map_rows if row.group == "ioi"]


def test_the_choice_is_the_best_on_half_A_and_its_report_is_that_of_half_B(
    model: LanguageModel, found: StudyResult
) -> None:
    """Oracle: `measure_plainly` of the candidates on half A, and of what was chosen on half B."""
    A, B = halves(model)
    own_A, own_B = ([p for p in half if p.group == "facts"] for half in (A, B))
    ranked = sorted((row for row in found.map_rows if row.group == "facts"), key=lambda row: -row.ratio)
    places = list(dict.fromkeys((row.layer, row.matrix) for row in ranked))[:2]
    edits = [laser(model, *place, rho=rho) for place in places for rho in SMALL.finer_rhos]
    result = measure_plainly(model, own_A, edits)
    assert found.chosen["facts"] == edits[max(range(4), key=lambda i: ratio(result.after[i]))]
    held_out = measure_plainly(model, own_B, [found.chosen["facts"]])
    row, whole = found.controls["facts"][0], found.whole["facts"]
    assert row.n == whole.n == len(own_B) and found.sizes == {"facts": len(own_A) + len(own_B), "ioi": 20}
    assert math.isclose(row.ratio, ratio(held_out.after[0]), rel_tol=1e-4)
    assert math.isclose(whole.ratio, ratio(held_out.before), rel_tol=1e-4)
    torch.testing.assert_close(found.p["facts"][0], held_out.after[0], rtol=0, atol=1e-5)


def test_edits_are_chosen_on_half_A(model: LanguageModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Oracle: the split made again; nothing of half B reaches the choice."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    seen: list[list[Prompt]] = []

    def choose(_: Any, prompts: list[Prompt], *__: Any) -> None:
        seen.append(prompts)
        raise InterruptedError

    monkeypatch.setattr(study, "_choose", choose)
    with pytest.raises(InterruptedError):
        study._study(model, SMALL)
    assert seen == [halves(model)[0]]


def test_cost_is_that_of_the_edited_model(model: LanguageModel, found: StudyResult) -> None:
    """Oracle: transformers' loss, and the likeliest country found prompt by prompt, with the edit made by hand."""
    _, B = halves(model)
    edit = found.chosen["facts"]
    countries = {token for _, token in one_token_facts(model.encode_next)}
    text = model.tokens(control_text())
    matrix = model.adapter.matrix(edit.layer, edit.matrix)
    original = matrix.read()
    try:
        for losses, right in ((found.losses_whole, found.right_whole), (found.losses["facts"][0], found.right)):
            inside = model.adapter.model
            with torch.no_grad():
                torch.testing.assert_close(losses.mean(), inside(text, labels=text).loss, rtol=0, atol=1e-4)
                hits = []
                for p in (p for p in B if p.group == "facts"):
                    logits = inside(torch.tensor([p.tokens])).logits[0, -1]
                    hits.append(float(max(countries, key=lambda token: float(logits[token])) == p.watch[0]))
            assert right.tolist() == hits
            matrix.write(Terms(original).without(edit.dropped))
    finally:
        matrix.write(original)


def test_controls_drop_what_they_name(model: LanguageModel, found: StudyResult) -> None:
    edits = control_edits(model, found.chosen["ioi"], torch.Generator().manual_seed(0))
    full = min(model.adapter.matrix(edits[0].layer, edits[0].matrix).shape)
    sizes = [len(edit.dropped) for edit in edits]
    assert edits[0] == found.chosen["ioi"] and sizes[1:4] == [full - int(rho * full) for rho in (0.3, 0.1, 0.01)]
    assert edits[4].matrix == "mlp_out" and sizes[4] == 18
    assert edits[5].dropped == tuple(range(full - max(1, round(full / 100)), full))
    tenth = round(full / 10)
    assert sizes[6:] == [tenth] * 9 + [full // 2] and edits[14].dropped == tuple(range(tenth))
    assert len({edit.dropped for edit in edits[6:10]}) > 1
    few = len(edits[5].dropped)
    for edit in edits[6:10]:
        small, large = (len(set(edit.dropped) & set(end)) for end in (range(full - few, full), range(few)))
        assert edit.kind == f"without {tenth} random ({small} of the {few} smallest, {large} of the {few} largest)"
    ends = {*range(few), *range(full - few, full)}
    for edit in edits[10:14]:
        assert edit.kind == f"without {tenth} random between the {few} largest and smallest"
        assert len(set(edit.dropped)) == tenth and not ends & set(edit.dropped)
    assert len({edit.dropped for edit in edits[10:14]}) > 1


def test_an_edit_that_ruins_the_names_is_not_chosen_for_ioi() -> None:
    """Oracle: three edits made up: the largest ratio loses accuracy, the next is the choice."""
    prompts = [Prompt(tokens=(i,), watch=(0, 1, 2), group="ioi") for i in range(4)]
    before = torch.tensor([[0.4, 0.1, 0.2]]).expand(4, 3)
    ruined, good, small = (torch.tensor([[p, 0.01, 0.3]]).expand(4, 3) for p in (0.29, 0.28, 0.1))
    good = good.clone()
    good[:, 2] = 0.1
    edits = tuple(Edit(layer=i, matrix="mlp_in", dropped=(), kind=str(i)) for i in range(3))
    top = torch.zeros(4, 1, dtype=torch.long)
    result = Measured(
        edits=edits,
        before=before,
        after=torch.stack([ruined, good, small]),
        top_before=top,
        top_after=top.expand(3, 4, 1),
        p_top_before=before[:, :1],
        p_top_after=before[:, :1].expand(3, 4, 1),
    )
    assert pick(result, prompts, "ioi").layer == 1 and pick(result, prompts, "facts").layer == 0
    one = replace(result, edits=edits[:1], after=ruined[None], top_after=top[None], p_top_after=before[None, :, :1])
    with pytest.raises(ValueError, match="every edit lowers the IO-over-S accuracy too much"):
        pick(one, prompts, "ioi")


def test_the_claims_values_are_worked_out_by_hand() -> None:
    made = made_up()
    assert study_values.facts_values(made) == {"cities": 30, "before": 0.5, "after": 8.0}
    assert study_values.ioi_values(made) == {
        "sentences": 100, "before": 0.5, "after": 8.0, "accuracy_before": 0.9, "accuracy_after": 1
    }  # fmt: skip
    assert math.isclose(study_values.worst_factor(made, "ioi", "random (0"), 2.5)


def test_the_table_s_lines_stand_beside_their_own_numbers() -> None:
    """Oracle: the ratio of means of each line's own probabilities lies in its interval."""
    made = made_up()
    lines = study_values.lines(made, "ioi", torch.Generator().manual_seed(0))
    assert [line.row.kind for line in lines] == ["none", *(row.kind for row in made.controls["ioi"])]
    for line, p in zip(lines, (made.p_whole["ioi"], *made.p["ioi"]), strict=True):
        assert line.low < ratio(p) < line.high
    assert math.isclose(lines[0].perplexity, math.e, rel_tol=1e-6) and lines[0].gain == (1, 1, 1)
    assert math.isclose(lines[1].perplexity, math.exp(1.5), rel_tol=1e-6)
    assert math.isclose(lines[1].gain[0], math.exp(0.5), rel_tol=1e-6)


@pytest.mark.parametrize(("token", "is_one"), [(" the", True), ("The", True), (" Europe", False), (" her", True)])
def test_function_words(token: str, is_one: bool) -> None:
    assert is_function_word(token) is is_one


def test_madrid_is_read_off_both_models(model: LanguageModel, found: StudyResult) -> None:
    """Oracle: `measure_plainly`."""
    watch = tuple(model.token(word) for word in (" Spain", " the", " a", " southern", " northern"))
    prompt = Prompt(tokens=tuple(model.encode("Madrid is located in")), watch=watch)
    plain = measure_plainly(model, [prompt], [found.chosen["facts"]])
    expected: Any = torch.stack([plain.before[0], plain.after[0, 0]])
    torch.testing.assert_close(torch.tensor(found.table_1), expected, rtol=0, atol=1e-5)
    assert len(found.longer[0]) == 2 and found.longer[0] != found.table_1[0][:2]


def test_the_map_s_grid_has_every_point_in_its_place(found: StudyResult) -> None:
    """Oracle: each row of the table looked up in the grid."""
    names, grid = study_values.map_grid(found, "ioi")
    assert names[:2] == ["in 0.1", "in 0.5"] and names[-1] == "o 0.3" and grid.shape == (3, 10)
    for row in (row for row in found.map_rows if row.group == "ioi"):
        column = names.index(f"{row.matrix.removeprefix('mlp_')} {row.rho:g}")
        factor = row.ratio / found.map_whole["ioi"].ratio
        assert math.isclose(10 ** float(grid[row.layer, column]), factor, rel_tol=1e-5)
