"""Cards and scorecard from rows written out by hand; the style sheet's colours against the figures'."""

import re

import pytest
from docutils import nodes

from mechbook.core.cache.closure import PACKAGE
from mechbook.reader.figures import ROLE
from mechbook.site import scorecard

ROW = {
    "id": "ih.order",
    "chapter": 3,
    "source": "Birth fig. 3",
    "statement": "W_O2 before W_K1",
    "paper": "order",
    "criterion": "in order",
    "measured": {"W_O2": 60.0, "W_K1": 220.0},
    "spread": {"W_O2": 2.5, "W_K1": 11.0},
    "values": [],
    "seeds": [0, 1, 2],
    "status": "held",
    "held": True,
    "marginal": False,
    "reason": None,
    "page": "book/03_a.html",
    "anchor": "claim-ih-order",
    "figure": "fig-order",
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "held"),
        ({"marginal": True}, "held, marginally"),
        ({"status": "failed", "held": False}, "did not hold"),
        ({"status": "not run", "held": None, "reason": "no model"}, "not run: no model"),
        ({"status": "missing", "held": None}, "missing: its chapter does not report it"),
        (
            {"status": "settings changed", "held": None, "changed": ["T = 8 (preset: 64)", "seeds = 1 (preset: 3)"]},
            "not judged: settings changed by the reader: T = 8 (preset: 64), seeds = 1 (preset: 3)",
        ),
    ],
)
def test_a_verdict_is_told_in_words(changes: dict[str, object], words: str) -> None:
    assert scorecard.verdict({**ROW, **changes}) == words
    assert f"Claim ih.order: {words}" in scorecard.card({**ROW, **changes}, None).astext()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "W_O2 60 ± 2.5; W_K1 220 ± 11 (3 seeds)"),
        ({"measured": 0.98765, "spread": None, "seeds": [4]}, "0.988 (1 seed)"),
        ({"measured": 0.98765, "spread": 0.012, "seeds": [0, 1]}, "0.988 ± 0.012 (2 seeds)"),
        ({"measured": None}, "–"),
    ],
)
def test_a_measurement_is_shown_with_its_spread_and_seeds(changes: dict[str, object], words: str) -> None:
    assert scorecard.measured({**ROW, **changes}) == words


def test_a_card_lists_many_numbers_and_says_a_few_in_a_line() -> None:
    many = {f"d{d}": 0.5 for d in (2, 3, 5, 7, 11)}
    for spread, head in ((dict.fromkeys(many, 0.01), "mean ± spread over 3 seeds:"), (None, "mean over 3 seeds:")):
        card = scorecard.card({**ROW, "measured": many, "spread": spread}, None)
        (numbers,) = card.findall(nodes.bullet_list)
        end = " ± 0.01" if spread else ""
        assert [item.astext() for item in numbers.findall(nodes.list_item)] == [f"{name} 0.5{end}" for name in many]
        assert head in card.astext()
    few = scorecard.card(ROW, None)
    assert not list(few.findall(nodes.bullet_list))
    assert scorecard.measured(ROW) in few.astext()


def test_the_scorecard_has_a_row_for_every_claim_and_links_the_reported_ones() -> None:
    blank = {"id": "am.x", "chapter": 1, "status": "chapter not written yet", "held": None}
    rows = [ROW, {**ROW, **blank, "measured": None, "page": None}]
    shown = nodes.container("", *scorecard.scorecard(rows, lambda page, anchor: f"{page}#{anchor}"))
    assert [section["ids"] for section in shown.findall(nodes.section)] == [["chapter-1"], ["chapter-3"]]
    assert [row["ids"] for row in shown.findall(nodes.row) if row["ids"]] == [["row-am-x"], ["row-ih-order"]]
    links = [reference["refuri"] for reference in shown.findall(nodes.reference)]
    assert links == ["book/03_a.html#claim-ih-order", "book/03_a.html#fig-order"]
    assert shown.astext().startswith("Of 2 claims 1 are reported: 1 held, 0 did not hold, 0 not run; 0 of the verdicts")


def test_the_pages_roles_have_the_figures_colours() -> None:
    css = (PACKAGE.parent / "book/_static/mechbook.css").read_text(encoding="utf-8")
    root = re.search(r":root \{(.*?)\}", css, re.S)
    assert root is not None
    assert dict(re.findall(r"--mb-(\w+): (#\w{6});", root[1])) == {role: style.colour for role, style in ROLE.items()}
