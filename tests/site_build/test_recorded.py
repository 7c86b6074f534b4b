"""The scorecard's column of records, on records made by hand. Oracles: the verdicts of a criterion known by heart."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docutils import nodes

from mechbook.claims.catalogue import Claim
from mechbook.claims.criteria import Check, Criterion, Measurement
from mechbook.claims.report import measurement
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


@dataclass
class Setup:
    """The preset that the records above were made with."""

    T: int = 11


@pytest.mark.parametrize(
    ("values", "held", "marginal", "words"),
    [
        ([{"a": 2.0}, {"a": 2.5}], True, False, "held"),
        ([{"a": 4.0}, {"a": 5.0}], True, True, "held, marginally"),
        ([{"a": 8.0}, {"a": 8.5}], False, False, "did not hold"),
        ([{"a": 2.0}], None, False, "not judged yet, with 1 of 2 seeds: so far it holds"),
        ([{"a": 8.0}], None, False, "not judged yet, with 1 of 2 seeds: so far it does not hold"),
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


def test_fewer_seeds_than_the_preset_s_are_judged_and_said() -> None:
    column = judged(record({"a": 2.0}, {"a": 2.5}), CRITERION, NOW, 5)
    assert (column["held"], column["of"], column["so_far"]) == (True, 5, None)
    assert scorecard.recorded_verdict(column) == "held (2 of 5 seeds)"
    assert scorecard.measured(column) == "a 2.25 ± 0.354 (2 of 5 seeds)"


WORDS = {True: "held, marginally", False: "did not hold, marginally"}


def counted(m: Measurement) -> list[Check]:
    """b is above a in 4 of 5 seeds."""
    return [m.in_most_seeds("a < b", m.gaps("a", "b"))]


@pytest.mark.parametrize(
    ("gaps", "so_far", "held"),
    [
        ((1, 1, 1), True, None),
        ((1, -1, 1), False, None),  # of 3 seeds 3 are needed, as 2 are less than 4 of 5
        ((1, 1, 1, -1), False, None),
        ((1, 1, 1, -1, 1), None, True),
        ((1, 1, -1, -1, 1), None, False),
    ],
)
def test_a_count_of_seeds_is_asked_of_those_there_are(gaps: tuple[int, ...], so_far: Any, held: Any) -> None:
    criterion = Criterion(function=counted, keys=("a", "b"), seeds=5)
    column = judged(record(*({"a": 10.0, "b": 10.0 + gap} for gap in gaps)), criterion, NOW, 5)
    assert (column["so_far"], column["held"]) == (so_far, held)
    told = f"not judged yet, with {len(gaps)} of 5 seeds: so far it {'holds' if so_far else 'does not hold'}"
    assert scorecard.recorded_verdict(column) == (told if held is None else WORDS[held])
    (check,) = column["checks"]
    assert check["value"] == sum(gap > 0 for gap in gaps) and check["ok"] is (so_far if held is None else held)


def test_a_partial_record_is_on_card_and_scorecard_and_in_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = SimpleNamespace(values=SimpleNamespace(claim="ih.order"), seeds=lambda setup: range(5))
    theme = SimpleNamespace(setup=Setup(), claims=[claim])
    monkeypatch.setattr("mechbook.site.recorded.THEMES", [theme])
    save(record({"a": 2.0}, {"a": 2.5}, {"a": 2.0}))
    both = rows()
    assert (both[0]["recorded"]["status"], both[0]["recorded"]["of"]) == ("held", 5)
    assert both[0]["recorded"]["earlier"] is False
    words = "held (3 of 5 seeds)\n\na 2.17 ± 0.289 (3 of 5 seeds)\n\nRecorded on Abacus 3, 2031-05-17."
    assert words in scorecard.card({**both[0], "measured": None}, None).astext()
    shown = nodes.container("", *scorecard.scorecard(both, lambda page, anchor: page)).astext()
    assert words in shown and "1 of these with fewer seeds than are asked for." in shown


def test_a_report_that_was_read_from_a_record_shows_its_device_and_not_the_build_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MECHBOOK_SCALE", "paper")
    save(record({"a": 2.0}, {"a": 2.5}))
    read = {"where": "Abacus 3, 2031-05-17", "device": "Abacus 3", "seeds": [0, 1]}
    report = measurement("ih.order", values=[{"a": 2.0}, {"a": 2.5}], seeds=[0, 1], from_record=read)
    place = {"page": "p", "anchor": "x"}
    (row, _), problems = judge([{**report, **place}], (), claims=CLAIMS, criteria={"ih.order": CRITERION}, record={})
    assert problems == [] and row["device"] == "Abacus 3" and row["held"] is True
    card = scorecard.card(row, None).astext()
    assert "a 2.25 ± 0.354 (2 seeds)\n\nRecorded on Abacus 3, 2031-05-17." in card
    # once: the column of records would say the same
    assert card.count("Recorded on") == 1 and "At the papers' size" not in card


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
    words = "\n\n".join(
        [
            "held (2 of 5 seeds, of earlier code)",
            "a 2.25 ± 0.354 (2 of 5 seeds)",
            "Recorded on Abacus 3, 2031-05-17.",
        ]
    )
    assert first[3].astext() == words and second[3].astext() == "–"
    counts = (
        "At the papers' size 1 are recorded: 1 held, 0 did not hold; 1 of these with fewer seeds than are asked for."
    )
    assert counts in shown.astext()
    card = scorecard.card({**both[0], "measured": None}, None)
    assert "At the papers' size" in card.astext() and "Recorded on Abacus 3" in card.astext()


def test_machines_are_named_once() -> None:
    other = replace(MACHINE, date="2031-06-01")
    column = judged(record({"a": 2.0}, {"a": 2.0}, machines=[MACHINE, other]), CRITERION, NOW)
    assert (column["device"], column["date"]) == ("Abacus 3", "2031-06-01")
    assert asdict(other)["device"] == "Abacus 3" and files.files() == []
