"""What the landing page says was found, from rows written out by hand. Oracle: which sentence may stand."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from docutils import nodes

from mechbook.site import findings

ROW = {
    "id": "noisy.rank_sweep",
    "chapter": 4,
    "statement": "The lower the rank, the less noise",
    "measured": {"noise_100": 0.48, "noise_0": 0.03},
    "spread": None,
    "seeds": [0, 1, 2],
    "status": "held",
    "marginal": False,
    "reason": None,
    "changed": [],
    "page": "book/04_a.html",
    "anchor": "claim-noisy-rank-sweep",
}
ORDER = {**ROW, "id": "ih.order", "chapter": 3, "statement": "Copying first"}
ORDER["measured"] = {"W_O2": 56.0, "W_K2_weighted": 80.0, "W_K1_weighted": 118.0}
NEEDED = {**ROW, "id": "ih.wo2_needed", "chapter": 3, "statement": "None learns alone", "measured": {"alone": 0.9}}
TOLD = {"text": "Madrid is in", "answer": "Spain", "before": "the", "after": "Spain"}
TOLD |= {"p": {"the": [0.384, 0.08], "Spain": [0.09, 0.224]}}


def link(page: str, anchor: str | None) -> str:
    return f"{page}#{anchor}" if anchor else page


def said(
    *rows: dict[str, Any], beside: tuple[str, ...] = (), picture: str = "falling", told: Any = TOLD
) -> tuple[nodes.Element, list[str]]:
    """The finding of these claims, those named in `beside` beside it, as it is shown; and the problems."""
    needed = [row["id"] for row in rows if row["id"] not in beside]
    place = findings.FindingPlace(claims=needed, beside=list(beside), picture=picture)
    place += nodes.paragraph("", "It is so.")
    page = nodes.section("", place)
    problems = findings.fill(page, {row["id"]: row for row in rows}, told, link)
    return page, problems


def drawn(page: nodes.Element) -> str:
    return "".join(one.astext() for one in page.findall(nodes.raw))


def test_a_finding_whose_claim_holds_is_said_with_its_picture_and_its_card() -> None:
    page, problems = said(ROW)
    assert problems == [] and "<svg" in drawn(page)
    text = " ".join(one.astext() for one in page.findall(nodes.paragraph))
    assert text == "It is so. Chapter 4 · held: noisy.rank_sweep"
    links = [one["refuri"] for one in page.findall(nodes.reference)]
    assert links == ["book/04_a.html", "book/04_a.html#claim-noisy-rank-sweep"]


@pytest.mark.parametrize(
    ("changes", "verdict", "picture"),
    [
        ({"status": "failed", "marginal": True}, "did not hold, marginally", True),
        ({"status": "settings changed", "changed": ["alpha"]}, "not judged: settings changed by the reader", True),
        ({"status": "not run", "measured": None, "reason": "no model"}, "not run: no model", False),
        ({"status": "missing", "measured": None, "page": None}, "missing", False),
    ],
)
def test_one_whose_claim_does_not_hold_is_not_said(changes: dict[str, Any], verdict: str, picture: bool) -> None:
    page, problems = said({**ROW, **changes})
    text = page.astext()
    assert problems == [] and "It is so." not in text
    assert "Not so, or not known, in this build: The lower the rank, the less noise." in text
    assert verdict in text and ("<svg" in drawn(page)) == picture


def test_every_claim_that_it_stands_on_has_to_hold() -> None:
    assert "It is so." in said(ROW, {**ROW, "id": "noisy.drop_f2"})[0].astext()
    page, _ = said(ROW, {**ROW, "id": "noisy.drop_f2", "status": "failed", "statement": "Dropped, it is right"})
    assert "It is so." not in page.astext() and "Dropped, it is right." in page.astext()


def test_one_beside_it_need_not_hold_but_be_measured() -> None:
    page, _ = said(NEEDED, {**ORDER, "status": "failed"}, beside=("ih.order",), picture="order")
    assert "It is so." in page.astext() and "did not hold: ih.order" in page.astext()
    page, _ = said(NEEDED, {**ORDER, "status": "not run", "measured": None}, beside=("ih.order",), picture="order")
    assert "It is so." not in page.astext()


def test_what_the_numbers_contradict_is_not_said_though_its_claim_holds() -> None:
    late = {**ORDER, "measured": {**ORDER["measured"], "W_O2": 90.0}}
    page, problems = said(NEEDED, late, beside=("ih.order",), picture="order")
    assert problems == [] and "It is so." not in page.astext()
    assert "W_O2 is not learned first: W_O2 at step 90, W_K2 at step 80, W_K1 at step 118." in page.astext()
    page, _ = said(ROW, picture="slopes", told={**TOLD, "after": "Europe"})
    assert "It is so." not in page.astext() and "comes “the”, and “Europe” once the matrix is cut" in page.astext()
    assert "It is so." in said(ROW, picture="slopes")[0].astext()


def test_what_cannot_be_shown_is_a_problem_of_the_build() -> None:
    assert said(ROW, picture="none")[1] == ["The finding of noisy.rank_sweep cannot be shown: 'none'."]
    page = nodes.section("", findings.FindingPlace(claims=["no.such"], beside=[], picture="bars"))
    assert "no.such is not in the list of claims" in findings.fill(page, {}, TOLD, link)[0]
    assert "cannot be shown" in said(ORDER)[1][0]  # no rank at all


@pytest.mark.parametrize(
    ("what", "text"),
    [("text", "Madrid is in"), ("before", "the"), ("before %", "38%"), ("after", "Spain"), ("after %", "22%")],
)
def test_words_of_chapter_5_s_prompt_are_quoted(what: str, text: str) -> None:
    place = nodes.paragraph("", "", findings.LikeliestPlace(what=what))
    assert findings.fill(place, {}, TOLD, link) == [] and place.astext() == text


@pytest.mark.parametrize(("what", "told"), [("best", TOLD), ("text %", TOLD), ("before", {})])
def test_words_that_chapter_5_does_not_tell_are_a_problem(what: str, told: dict[str, Any]) -> None:
    place = nodes.paragraph("", "", findings.LikeliestPlace(what=what))
    assert findings.fill(place, {}, told, link) == [f"chapter 5 tells no {what!r} of its prompt."]


def test_what_chapter_5_tells_is_read_as_it_was_written_into_this_build(tmp_path: Any) -> None:
    """Oracle: a file in the form that myst-nb leaves; a page that is not in the book tells nothing."""
    path = tmp_path / "book" / "05_laser.glue.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"headline": {"data": {"text/plain": repr(json.dumps(TOLD))}}}), encoding="utf-8")
    env = SimpleNamespace(mystnb_config=SimpleNamespace(output_folder=str(tmp_path)), found_docs={"book/05_laser"})
    assert findings.headline(env) == TOLD
    env.found_docs = {"book/index"}
    assert findings.headline(env) == {}


def test_every_picture_says_its_numbers_unseen() -> None:
    """Oracle: the label that stands for it, from the numbers given."""
    values = {
        "noisy.rank_sweep": {"noise_100": 0.48, "noise_5": 0.04, "noise_20": 0.12, "loss_0": 9.0},
        "ih.order": ORDER["measured"],
        "grad.top_down": {"O2_K1_K2": 0.05, "right": 0.96},
        "am.muon_writer": {"gradient": 12.7, "polar": 395.3},
        "fact.hallucination": {"valid": 1.0, "correct": 0.123},
        "khop.order": {"hop_10": 515.0, "hop_2": 385.0, "solved": 1.0},
    }
    labels = {name: draw(values, TOLD) for name, draw in findings.PICTURES.items()}
    for name, words in {
        "slopes": "“the” falls from 38% to 8% as the matrix is cut, and “Spain” rises from 9% to 22%.",
        "falling": "48% at 100%, 12% at 20%, 4% at 5%.",
        "order": "W_O2 at step 56, W_K2 at step 80, W_K1 at step 118.",
        "bars": "96%, 5%.",
        "dots": "13 by the gradient&#x27;s step, 395 by its polar factor&#x27;s.",
        "ring": "Of the answers 100% are of the right kind, and 12% are right.",
        "hops": "2 at step 385, 10 at step 515. Alone, 10 are not learned.",
    }.items():
        assert words in labels[name], name
    assert set(labels) == set(findings.PICTURES)
