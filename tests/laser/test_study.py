"""Chapter 5's study on a tiny model against plain loops, and its values against numbers worked out by hand."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mechbook.laser import closer_values, study, study_values
from mechbook.laser.association import Rewritten
from mechbook.laser.data.cities import one_token_facts
from mechbook.laser.data.control import control_text
from mechbook.laser.data.function_words import is_function_word
from mechbook.laser.directions import Directions
from mechbook.laser.edits import Edit, Measured, Prompt, Terms, laser
from mechbook.laser.fact_site import FactSite
from mechbook.laser.plain import measure_plainly
from mechbook.laser.prompts import Row, fact_prompts, ioi_prompts, split_halves
from mechbook.laser.quantisation import Noised
from mechbook.laser.rho_curves import RhoCurves
from mechbook.laser.shown import Shown
from mechbook.laser.streams import STREAMS
from mechbook.laser.study import TASKS, StudyResult, StudySettings, control_edits, pick
from mechbook.laser.words import Classes
from mechbook.pretrained.load import LanguageModel, load

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
    countries = {token for _, token in one_token_facts(model.encode)}
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


SHOWN = Shown(
    texts=[], answers=[], tasks=[], places=[], words={}, top=torch.zeros(1, 0, 1, dtype=torch.long),
    p_top=torch.zeros(1, 0, 1), p_answer=torch.zeros(1, 0), p_the=torch.zeros(1, 0),
)  # fmt: skip


def made_up() -> StudyResult:
    def row(group: str, kind: str, ratio: float, layer: int = 1, rho: float | None = None, second: float = 1.0) -> Row:
        return Row(
            group=group, kind=kind, matrix="mlp_in", layer=layer, layer_from_1=layer + 1, rho=rho, dropped=0, n=30,
            answer=0.1, generic=0.1 / ratio, ratio=ratio, top1=0.5, second=second,
        )  # fmt: skip

    kinds = {"rho 0.1": 8.0, "without the 6 smallest": 2.0, "without 58 random (0)": 1.25, "without 58 random (1)": 0.4}
    return StudyResult(
        sizes={"facts": 60, "ioi": 100},
        map_whole={task: row(task, "none", 0.5) for task in ("facts", "ioi")},
        shown=SHOWN,
        map_rows=[row(g, "rho", r, i, rho) for g, r, i, rho in (
            ("facts", 2.0, 28, 0.1), ("facts", 3.0, 27, 0.3), ("ioi", 5.0, 4, 0.01), ("ioi", 4.0, 29, 0.1)
        )],
        chosen={task: Edit(layer=1, matrix="mlp_in", dropped=(), kind="rho 0.1") for task in ("facts", "ioi")},
        whole={task: row(task, "none", 0.5, second=0.9) for task in ("facts", "ioi")},
        controls={task: [row(task, kind, r) for kind, r in kinds.items()] for task in ("facts", "ioi")},
        p={task: torch.rand(4, 30, 5) for task in ("facts", "ioi")},
        p_whole={task: torch.rand(30, 5) * torch.tensor([5.0, 1, 1, 1, 1]) for task in ("facts", "ioi")},
        losses={"facts": torch.full((4, 50), 2.0), "ioi": torch.full((4, 50), 1.5)},
        losses_whole=torch.full((50,), 1.0),
        falls={"facts": [(" the", 0.4, 0.1), (" Europe", 0.2, 0.1), (" in", 0.02, 0.015)],
               "ioi": [(" The", 0.3, 0.2), (" a", 0.2, 0.1)]},
        right=torch.tensor([1.0] * 10 + [0.0] * 20),
        right_whole=torch.tensor([1.0] * 16 + [0.0] * 14),
        table_1=[], longer=[], seconds=1.0,
    )  # fmt: skip


def test_the_claims_values_are_worked_out_by_hand() -> None:
    made = made_up()
    assert study_values.facts_values(made) == {"cities": 30, "before": 0.5, "after": 8.0}
    assert study_values.ioi_values(made) == {
        "sentences": 100, "before": 0.5, "after": 8.0, "accuracy_before": 0.9, "accuracy_after": 1
    }  # fmt: skip
    assert math.isclose(study_values.worst_factor(made, "ioi", "random (0"), 2.5)


def test_the_map_s_values_are_the_best_of_mlp_and_of_attention() -> None:
    """Oracle: the made-up rows by eye. The wrong reading, the best of all rows, would name attention's layer."""
    made = made_up()
    attention = [replace(made.map_rows[0], matrix="q", layer_from_1=7, ratio=9.0), *made.map_rows]
    found = closer_values.map_values(replace(made, map_rows=attention), {"facts": [], "ioi": [(29, "k", 0.3, 1.25)]})
    by_hand = {
        "layers": 30, "facts_layer": 28, "facts_rho": 0.3, "facts_mlp": 6.0, "facts_attention": 18.0,
        "facts_small": math.log(4) / math.log(6), "ioi_layer": 5, "ioi_rho": 0.01, "ioi_mlp": 10.0,
        "ioi_attention": 1.25, "ioi_small": 1.0,
    }  # fmt: skip
    assert found == pytest.approx(by_hand)


def test_the_values_of_words_controls_and_cost_are_worked_out_by_hand() -> None:
    made = made_up()
    classes = {task: Classes(words=[0.4, 0.1, 0.2], answers=[0.2, 0.22, 0.1], share=[0.7, 0.6]) for task in TASKS}
    generic = closer_values.generic_values(made, classes)
    assert generic["facts_words"] == pytest.approx(0.75) and generic["ioi_answers"] == pytest.approx(-0.1)
    assert (generic["facts_share"], generic["facts_listed"], generic["facts_function"]) == (0.7, 2, 1)
    assert (generic["ioi_listed"], generic["ioi_function"]) == (2, 2)
    draws = [[1, 2], [3, 9], [4, 5], [6, 7]]
    random = Directions(
        full=10, few=1, draws={t: draws for t in TASKS}, random={t: [2.0, 8.0, 0.25, 1.0] for t in TASKS}, singles=[],
        single={}, energy={}, constant={},
    )  # fmt: skip
    controls = closer_values.controls_values(made, random)
    # factors 2, 8, 4, 1; without the direction 9: 2, 4, 1, of which 90% stay below 2 + 0.8 x 2
    assert controls["facts_median"] == pytest.approx(3) and controls["ioi_spared"] == pytest.approx(3.6)
    assert controls["facts_above"] == 0.5
    assert math.isclose(controls["facts_random"], 2.5) and math.isclose(controls["ioi_smallest"], 0.5)
    among = (torch.zeros(50), torch.tensor([0.05, -0.01]).repeat(25))
    cost = closer_values.cost_values(made, among, torch.Generator().manual_seed(0))
    # all losses differ by the same: the interval is a point, and the smaller of the two rises counts
    assert math.isclose(cost["perplexity"], math.exp(0.5)) and math.isclose(cost["perplexity_low95"], math.exp(0.5))
    assert math.isclose(cost["accuracy"], -0.2) and -0.4 < cost["accuracy_low95"] < -0.05
    # 90% of a mean of 50 values of spread 0.03 lie within 1.645 of its standard error
    assert cost["candidates"] == pytest.approx(0.02)
    reach = 1.645 * 0.03 / math.sqrt(50)
    assert cost["candidates_low90"] == pytest.approx(0.02 - reach, abs=0.2 * reach)
    assert cost["candidates_high90"] == pytest.approx(0.02 + reach, abs=0.2 * reach)


def test_the_values_of_the_new_claims_are_worked_out_by_hand() -> None:
    e = math.e
    noise = Noised(
        whole={t: (1.0, e**2) for t in TASKS}, one={"facts": [(2.0, 2 * e**2), (1.0, e)], "ioi": [(1.0, e**2)] * 3},
        everywhere={"facts": [(0.5, 0.5 * e**2)], "ioi": [(0.25, 0.25 * e)]}, relative=0.1, tail=[],
    )  # fmt: skip
    assert closer_values.noise_values(noise) == pytest.approx(
        {"draws": 2, "change": 0.5, "change_mean": 0.1, "everywhere": 0.75, "everywhere_least": 0.5,
         "facts_before": 0.5, "ioi_before": 0.25}
    )  # fmt: skip
    rows = [
        [0.1, 0.9, 0.6, 0.5, 0.5],
        [0.4, 0.02, 0.1, 0.01, 0.02],
        [0.5, 0.05, 0.1, 0.0, 0.01],
        [0.1, 0.9, 0.9, 0.9, 0.9],
    ]
    curves = RhoCurves(
        place=(1, "mlp_in"), rhos=[0.05, 0.1, 0.8, 0.9], n=3, whole=[0.5, 0.1, 0.1, 0.05, 0.05], chosen=rows,
        whole_few=[], blocks={},
    )  # fmt: skip
    by_hand = {"rates": 2, "the": -0.05, "pronouns": -0.07, "names": 0.3}
    assert closer_values.curve_values(curves) == pytest.approx(by_hand)
    patched = torch.tensor([[0.5, 0.1], [0.8, 0.2], [0.9, 0.9], [0.0, 1.0]])[..., None].expand(4, 2, 7) - 1
    site = FactSite(
        n_layers=7, blocks=[0, 2, 4, 6], words=["subject", "in"], base=-torch.ones(7), own=torch.zeros(7), patched=patched,
        lens=torch.zeros(8, 2),
    )  # fmt: skip
    by_hand = {"pairs": 7, "subject_early": 0.8, "subject_last": 0.0, "end_early": 0.2, "end_last": 1.0}
    assert closer_values.site_values(site) == pytest.approx(by_hand, abs=1e-6)
    low, high = site.interval(1, 0, torch.Generator().manual_seed(0))
    assert low == pytest.approx(0.8, abs=1e-6) and high == pytest.approx(0.8, abs=1e-6)
    one = Rewritten(
        city="Rome", old="Italy", new="Japan", before=False, asked=True, at_start=False, kept=0.5, neighbours=[True]
    )
    other = replace(one, asked=False, kept=1.0, neighbours=[False, False])
    assert closer_values.rewritten_values([one, other]) == pytest.approx(
        {"edits": 2, "before": 0, "asked": 0.5, "at_start": 0, "kept": 0.75, "neighbours": 1 / 3}
    )


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
