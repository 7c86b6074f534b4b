"""The scorecard's column of records, on records made by hand. Oracles: the verdicts of a criterion known by heart."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from docutils import nodes

from mechbook.claims.catalogue import Claim
from mechbook.claims.criteria import Check, Criterion, Measurement
from mechbook.records import files
from mechbook.records.code import of_claim
from mechbook.records.kept import ClaimRecord, RunRecord, save
from mechbook.records.machine import Machine
from mechbook.site import scorecard
from mechbook.site.judge import judge
from mechbook.site.recorded import judged, recorded_claims

MACHINE = Machine(device="Abacus 3", kind="cuda", torch="9.9", tf32=False, threads=7, date="2031-05-17", commit=None)
MODULES = ("mechbook.records.machine",)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MECHBOOK_RECORDS", str(tmp_path))
    return tmp_path


def record(*values: Any, code: str | None = None, budgets: dict[str, int] | None = None, **more: Any) -> ClaimRecord:
    known: dict[str, Any] = {
        "claim": "ih.order",
        "setup": {"T": 11},
        "seed": 0,
        "modules": MODULES,
        "code": of_claim(MODULES) if code is None else code,
        "values": list(values),
        "seeds": list(range(len(values))),
        "budgets": budgets or {},
        "runs": ["induction/frozen/joint/0"],
        "seconds": 90.0,
        "machines": [MACHINE],
    }
    return ClaimRecord(**{**known, **more})


def below(m: Measurement) -> list[Check]:
    """The mean of a is below the paper scale's 5, or the laptop's 1."""
    return [m.bar("a", "<", 5.0 if m.scale == "paper" else 1.0)]


CRITERION = Criterion(function=below, keys=("a",), seeds=2)
NOW = {"T": 11}


@pytest.mark.parametrize(
    ("values", "held", "marginal", "words"),
    [
        ([{"a": 2.0}, {"a": 2.5}], True, False, "held"),
        ([{"a": 4.0}, {"a": 5.0}], True, True, "held, marginally"),
        ([{"a": 8.0}, {"a": 8.5}], False, False, "did not hold"),
        ([{"a": 2.0}], None, False, "not judged: 1 of 2 seeds"),
        ([{"b": 2.0}, {"b": 2.0}], False, False, "did not hold"),
    ],
)
def test_a_record_is_judged_at_the_papers_scale(values: Any, held: bool | None, marginal: bool, words: str) -> None:
    column = judged(record(*values), CRITERION, NOW)
    assert (column["held"], column["marginal"], scorecard.recorded_verdict(column)) == (held, marginal, words)
    assert (column["device"], column["date"], column["where"]) == ("Abacus 3", "2031-05-17", "Abacus 3, 2031-05-17")
    assert (column["seconds"], column["tf32"], column["torch"]) == (90.0, False, "9.9")


def test_a_record_without_a_criterion_gets_no_verdict() -> None:
    column = judged(record({"a": 1.0}, {"a": 1.0}), None, NOW)
    assert scorecard.recorded_verdict(column) == "not judged: no criterion judges it"


@pytest.mark.parametrize(("code", "now"), [("other", NOW), (None, {"T": 12})])
def test_earlier_code_is_said_and_changes_no_verdict(code: str | None, now: dict[str, Any]) -> None:
    column = judged(record({"a": 2.0}, {"a": 2.5}, code=code), CRITERION, now)
    assert column["held"] is True and scorecard.recorded_verdict(column) == "held (of earlier code)"


def test_steps_never_reached_make_a_bound() -> None:
    # c is reached at the last step there is
    rows = [{"a": 101, "b": 101, "c": 100}, {"a": 60, "b": 101, "c": 98}]
    column = judged(record(*rows, budgets={"a": 100, "b": 100, "c": 100}), CRITERION, NOW)
    assert column["never"] == {"a": [1, 100], "b": [2, 100]}
    assert scorecard.measured_parts(column) == [
        "a ≥ 80.5, not within 100 in 1 of 2 seeds",
        "b > 100 in every seed",
        "c 99 ± 1.41",
    ]


def test_a_single_number_has_a_verdict_too() -> None:
    plain = Criterion(function=lambda m: [m.bar(None, ">", 1.0)], keys=(), seeds=1)
    column = judged(record(2.0, 3.0), plain, NOW)
    assert column["held"] is True and scorecard.measured(column) == "2.5 ± 0.707 (2 seeds)"


def test_a_spoilt_file_is_one_problem_and_the_others_are_shown(folder: Path) -> None:
    save(record({"a": 2.0}, {"a": 2.5}))
    path = folder / "induction" / "x.json"
    path.parent.mkdir()
    path.write_text("{", encoding="utf-8")
    found, problems = recorded_claims({"ih.order": CRITERION})
    assert list(found) == ["ih.order"]
    assert len(problems) == 1 and problems[0].startswith("induction/x.json cannot be read (")


def test_a_run_s_record_is_no_row(folder: Path) -> None:
    run = RunRecord(
        name="induction/a/0",
        settings={},
        modules=MODULES,
        code="",
        steps=[0],
        values={"x": [0.0]},
        final={},
        seconds=0.0,
        machine=MACHINE,
    )
    save(run)
    assert recorded_claims({}) == ({}, [])


CLAIMS = {
    id: Claim(id=id, chapter=3, source="s", statement=f"statement of {id}", paper="p", criterion="c")
    for id in ("ih.order", "ih.other")
}


def rows(**more: Any) -> list[dict[str, Any]]:
    found, problems = judge([], (), claims=CLAIMS, criteria={"ih.order": CRITERION}, record={}, **more)
    assert problems == []
    return found


def test_without_records_rows_and_tables_are_as_before() -> None:
    without = rows()
    assert all("recorded" not in row for row in without)
    shown = nodes.container("", *scorecard.scorecard(without, lambda page, anchor: page))
    heads = [entry.astext() for entry in next(iter(shown.findall(nodes.thead))).findall(nodes.entry)]
    assert heads == list(scorecard.COLUMNS) and "recorded" not in shown.astext()


def test_with_a_record_each_row_has_its_column(folder: Path) -> None:
    save(record({"a": 2.0}, {"a": 2.5}))
    both = rows()
    assert [row.get("recorded", {}).get("status") for row in both] == ["held", None]
    shown = nodes.container("", *scorecard.scorecard(both, lambda page, anchor: page))
    heads = [entry.astext() for entry in next(iter(shown.findall(nodes.thead))).findall(nodes.entry)]
    assert heads == list(scorecard.COLUMNS_WITH_RECORDS)
    first, second = next(iter(shown.findall(nodes.tbody))).findall(nodes.row)
    # the record's preset is not the chapter's, so it is of earlier code
    words = "held (of earlier code)\n\na 2.25 ± 0.354 (2 seeds)\n\nRecorded on Abacus 3, 2031-05-17."
    assert first[3].astext() == words and second[3].astext() == "–"
    assert "At the papers' size 1 are recorded: 1 held, 0 did not hold." in shown.astext()
    card = scorecard.card({**both[0], "measured": None}, None)
    assert "At the papers' size" in card.astext() and "Recorded on Abacus 3" in card.astext()


def test_machines_are_named_once() -> None:
    other = replace(MACHINE, date="2031-06-01")
    column = judged(record({"a": 2.0}, {"a": 2.0}, machines=[MACHINE, other]), CRITERION, NOW)
    assert (column["device"], column["date"]) == ("Abacus 3", "2031-06-01")
    assert asdict(other)["device"] == "Abacus 3" and files.files() == []
