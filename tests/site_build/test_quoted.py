"""Numbers and verdicts quoted in text, from rows written out by hand."""

import pytest
from docutils import nodes

from mechbook.site import quoted

ROW = {
    "id": "ih.order",
    "chapter": 3,
    "statement": "W_O2 before W_K1",
    "measured": {"W_O2": 60.0, "W_O2_late": 61.0, "W_K1": 220.0},
    "spread": {"W_O2": 2.5, "W_O2_late": 0.5, "W_K1": 11.0},
    "seeds": [0, 1, 2],
    "status": "held",
    "marginal": False,
    "reason": None,
    "page": "book/03_a.html",
    "anchor": "claim-ih-order",
}
ONE = {**ROW, "id": "ih.one", "measured": 0.5, "spread": None, "seeds": [0]}
MISSED = {**ROW, "id": "ih.few", "measured": None, "status": "not run", "reason": "no model"}


def link(page: str, anchor: str | None) -> str:
    return f"{page}#{anchor}"


@pytest.mark.parametrize(
    ("row", "name", "text"),
    [
        (ROW, "W_O2", "60 ± 2.5"),
        (ROW, "W_O2_late", "61 ± 0.5"),
        (ROW, "W_K1", "220 ± 11"),
        (ONE, "", "0.5"),
        (ONE, "%", "50%"),
        ({**ROW, "measured": {"a": 0.256}, "spread": {"a": 0.031}}, "a %", "26% ± 3"),
        ({**ROW, "never": {"W_K1": [3, 300]}}, "W_K1", "> 300 in every seed"),
        (MISSED, "", "(not run: no model)"),
    ],
)
def test_a_value_is_quoted_with_its_spread_and_without_its_name(row: dict[str, object], name: str, text: str) -> None:
    assert quoted.measured_text(row, name) == text


@pytest.mark.parametrize(
    ("row", "name", "words"),
    [
        (ROW, "W_O", "ih.order has no value named 'W_O'; it has W_O2, W_O2_late, W_K1."),
        (ROW, "", "ih.order has no value named ''; it has W_O2"),
        (ONE, "W_O2", "ih.one has no value named 'W_O2'; it has one number without a name."),
    ],
)
def test_a_name_that_is_none_of_the_claims_is_refused(row: dict[str, object], name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace(".", r"\.")):
        quoted.measured_text(row, name)


@pytest.mark.parametrize(
    ("row", "name", "text"),
    [
        (ROW, "W_O2", "60"),
        ({**ROW, "measured": 395.33, "spread": 3.2}, "", "395"),
        ({**ROW, "measured": {"a": 0.3449}, "spread": {"a": 0.03}}, "a", "0.34"),
        ({**ROW, "measured": {"a": 0.9262}, "spread": {"a": 0.03}}, "a %", "93%"),
        ({**ROW, "never": {"W_K1": [3, 300]}}, "W_K1", "> 300 in every seed"),
        (MISSED, "", "(not run: no model)"),
    ],
)
def test_beside_its_card_a_value_is_rounded_and_alone(row: dict[str, object], name: str, text: str) -> None:
    assert quoted.about_text(row, name) == text


def test_places_are_filled_and_what_cannot_be_filled_is_told() -> None:
    doctree = nodes.paragraph()
    doctree += [
        quoted.QuotedPlace(id="ih.order", name="W_K1", what="measured"),
        quoted.QuotedPlace(id="ih.order", name="", what="verdict"),
        quoted.QuotedPlace(id="ih.nowhere", name="", what="verdict"),
    ]
    problems = quoted.fill(doctree, {"ih.order": ROW}, link)
    assert problems == ["ih.nowhere is quoted and is not in the list of claims."]
    number, verdict, missing = doctree.children
    assert (number.astext(), verdict.astext(), verdict["refuri"]) == (
        "220 ± 11",
        "held",
        "book/03_a.html#claim-ih-order",
    )
    assert "ih.nowhere is quoted" in missing.astext()


def test_the_list_has_each_claim_that_did_not_hold_and_no_other() -> None:
    failed = {**ROW, "id": "ih.few", "statement": "Few do", "status": "failed", "marginal": True}
    shown = quoted.failed_claims([ROW, failed, MISSED], link)
    assert [item.astext() for item in shown.children] == ["Few do. ih.few did not hold, marginally. Chapter 3."]
    assert "every claim that was judged held" in quoted.failed_claims([ROW, MISSED], link).astext()
