"""What a chapter reports: means and spreads against numpy, and every misuse refused in a sentence."""

import json
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import torch

from mechbook.claims import report as module
from mechbook.claims.report import (
    MIME,
    as_html,
    as_text,
    format_number,
    measured_parts,
    measurement,
    report,
    reporter,
)
from mechbook.claims.values import Values


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MECHBOOK_SCALE", "MECHBOOK_SEED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MECHBOOK_DEVICE", "cpu")


def test_numbers_have_mean_and_sample_deviation() -> None:
    values = [0.91, 0.95, 0.97, 0.90, 0.93]
    row = measurement("ih.two_layer_random", values=values, seeds=[0, 1, 2, 3, 4], figure="fig-acc")
    assert row["measured"] == pytest.approx(np.mean(values), rel=1e-12)
    assert row["spread"] == pytest.approx(np.std(values, ddof=1), rel=1e-12)
    assert row == {
        "id": "ih.two_layer_random",
        "measured": row["measured"],
        "spread": row["spread"],
        "values": values,
        "seeds": [0, 1, 2, 3, 4],
        "scale": "laptop",
        "seed": 0,
        "device": "cpu",
        "reason": None,
        "figure": "fig-acc",
        "changed": [],
        "never": {},
    }


def test_names_are_summarised_one_by_one() -> None:
    values = [{"W_O2": 60, "W_K2": 90.5}, {"W_O2": 63, "W_K2": 80.0}, {"W_O2": 72, "W_K2": 100.0}]
    row = measurement("ih.order", values=values, seeds=[7, 8, 9])
    for name in ("W_O2", "W_K2"):
        column = [value[name] for value in values]
        assert row["measured"][name] == pytest.approx(np.mean(column), rel=1e-12)
        assert row["spread"][name] == pytest.approx(np.std(column, ddof=1), rel=1e-12)
    assert row["values"] == values


@dataclass(frozen=True, kw_only=True)
class Setup:
    alpha: float = 0.5
    seeds: int = 3


@pytest.mark.parametrize(
    ("setup", "said"), [(Setup(), []), (Setup(alpha=0.3), ["alpha = 0.3 (preset: 0.5)"]), (Setup(seeds=5), None)]
)
def test_a_reader_with_changed_settings_is_told_so(
    monkeypatch: pytest.MonkeyPatch, setup: Setup, said: list[str] | None
) -> None:
    """The preset of the scale counts: five seeds are the paper's here."""
    shown: list[dict[str, Any]] = []
    monkeypatch.setattr(module, "display", lambda data, raw: shown.append(data))
    monkeypatch.setenv("MECHBOOK_SCALE", "laptop" if said is not None else "paper")
    reporter(setup, Setup(), Setup(seeds=5))("ih.order", values=[1.0], seeds=[0])
    row = shown[0][MIME]
    assert row["changed"] == (said or [])
    assert ("settings changed by the reader: alpha = 0.3 (preset: 0.5)" in shown[0]["text/html"]) is bool(said)
    assert ("settings changed by the reader" in shown[0]["text/plain"]) is bool(said)


NAMED = Values("ih.order", W_O2="steps to W_O2", W_K1="steps to W_K1")
PLAIN = Values("ih.dimension", "recall")


def test_declared_values_name_the_claim() -> None:
    row = measurement(NAMED, values=[NAMED(W_O2=1, W_K1=2)], seeds=[0])
    assert (row["id"], row["measured"]) == ("ih.order", {"W_O2": 1.0, "W_K1": 2.0})
    assert measurement(PLAIN, values=[0.5], seeds=[0])["id"] == "ih.dimension"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NAMED(W_O2=1), "ih.order is reported with other names than it declares: 'W_K1' is missing."),
        (
            lambda: measurement(NAMED, values=[{"W_O2": 1, "W_K2": 2}], seeds=[0]),
            "ih.order is reported with other names than it declares: 'W_K2' is not declared; 'W_K1' is missing.",
        ),
        (
            lambda: measurement(NAMED, values=[0.5], seeds=[0]),
            "ih.order is reported with other names than it declares: 'W_O2' is missing; 'W_K1' is missing.",
        ),
        (
            lambda: measurement(PLAIN, values=[{"x": 0.5}], seeds=[0]),
            "ih.dimension is reported as one number for each seed, not by the names ['x'].",
        ),
    ],
)
def test_names_that_were_not_declared_are_refused(make: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        make()
    assert str(caught.value) == message


def test_values_are_declared_in_one_of_two_ways() -> None:
    for arguments, names in (((), {}), (("one",), {"x": "two"})):
        with pytest.raises(ValueError, match=r"^ih\.a is declared either with one description or with named values\.$"):
            Values("ih.a", *arguments, **names)


def test_settings_are_part_of_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECHBOOK_SCALE", "paper")
    monkeypatch.setenv("MECHBOOK_SEED", "11")
    row = measurement("ih.order", reason="later")
    assert (row["scale"], row["seed"], row["device"]) == ("paper", 11, "cpu")


def test_a_claim_says_where_it_was_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECHBOOK_DEVICE", "meta")
    assert measurement("ih.order", values=[1], seeds=[0])["device"] == "meta"
    assert measurement("ih.order", values=[1], seeds=[0], device="cpu")["device"] == "cpu"
    monkeypatch.setattr(module.settings, "device", lambda: torch.device("cuda"))
    monkeypatch.setenv("MECHBOOK_TF32", "1")
    assert measurement("ih.order", values=[1], seeds=[0])["device"] == "cuda (TF32)"


@pytest.mark.parametrize("chapter", [None, "cpu"])
def test_a_chapter_s_device_is_its_claims_unless_one_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, chapter: str | None
) -> None:
    rows: list[dict[str, Any]] = []
    monkeypatch.setattr(module, "display", lambda shown, raw: rows.append(shown[MIME]))
    monkeypatch.setenv("MECHBOOK_DEVICE", "meta")
    of_chapter = reporter(Setup(), Setup(), Setup(), device=chapter)
    of_chapter("ih.order", values=[1], seeds=[0])
    of_chapter("ih.order", values=[1], seeds=[0], device="cpu")
    of_chapter("ih.order", values=[1], seeds=[0], device=None)
    assert [row["device"] for row in rows] == ["meta" if chapter is None else "cpu", "cpu", "meta"]


@pytest.mark.parametrize("values", [[0.5], [{"a": 0.5}]])
def test_one_seed_has_no_spread(values: list[Any]) -> None:
    assert measurement("am.sets", values=values, seeds=[0])["spread"] is None


def test_scalars_of_torch_and_numpy_become_plain_numbers() -> None:
    given = [torch.tensor(0.5), np.float32(0.25), torch.tensor([3])[0], np.int64(4)]
    row = measurement("am.sets", values=given, seeds=[0, 1, 2, np.int64(3)])
    assert row["values"] == [0.5, 0.25, 3, 4]
    assert [type(value) for value in row["values"]] == [float, float, int, int]
    assert json.loads(json.dumps(row, allow_nan=False)) == row


def test_not_run_has_a_reason_and_nothing_measured() -> None:
    row = measurement("laser.gsm8k", reason="no such model", figure="fig-g")
    assert (row["measured"], row["spread"], row["values"], row["seeds"]) == (None, None, [], [])
    assert row["reason"] == "no such model"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"values": [float("nan")], "seeds": [0]}, "number of steps \\+ 1"),
        ({"values": [1.0, float("inf")], "seeds": [0, 1]}, "not finite"),
        ({"values": [10**400], "seeds": [0]}, "a value of 401 digits, which no float can hold"),
        ({"values": [{"a": float("-inf")}], "seeds": [0]}, "ih.x, a has the value -inf"),
        ({"values": [True], "seeds": [0]}, "True"),
        ({"values": ["0.5"], "seeds": [0]}, "'0.5'"),
        ({"values": [None], "seeds": [0]}, "None"),
        ({"values": [{"a": {"b": 1.0}}], "seeds": [0]}, "flat"),
        ({"values": [[0.5]], "seeds": [0]}, "flat"),
        ({"values": [{}], "seeds": [0]}, "empty"),
        ({"values": [{1: 0.5}], "seeds": [0]}, "names are strings"),
        ({"values": [{"a": 1.0}, {"b": 1.0}], "seeds": [0, 1]}, r"\['a'\] for one seed and \['b'\]"),
        ({"values": [{"a": 1.0}, {"a": 1.0, "b": 1.0}], "seeds": [0, 1]}, "for another"),
        ({"values": [{"a": 1.0}, 1.0], "seeds": [0, 1]}, "for another"),
        ({"values": [1.0, {"a": 1.0}], "seeds": [0, 1]}, "mixes"),
        ({"values": [0.5, 0.6], "seeds": [0]}, "2 values and 1 seeds"),
        ({"values": [0.5]}, "1 values and 0 seeds"),
        ({"values": [], "seeds": []}, "0 values"),
        ({"values": [0.5, 0.6], "seeds": [3, 3]}, "twice"),
        ({"values": [0.5], "seeds": [0.5]}, "integer"),
        ({"values": [0.5], "seeds": [True]}, "integer"),
        ({}, "either"),
        ({"values": [0.5], "seeds": [0], "reason": "no"}, "either"),
        ({"reason": "  "}, "reason in words"),
        ({"reason": "no", "seeds": [0]}, "without seeds"),
    ],
)
def test_misuse_is_refused_in_one_sentence(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        measurement("ih.x", **arguments)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


@pytest.mark.parametrize("id", ["", "order", "ih.", "IH.order", "ih.order ", "<b>.x"])
def test_an_id_of_another_form_is_refused(id: str) -> None:
    with pytest.raises(ValueError, match="written like"):
        measurement(id, reason="no")


def test_report_displays_the_measurement_beside_text_and_html(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[Any, Any]] = []
    monkeypatch.setattr(module, "display", lambda data, raw: shown.append((data, raw)))
    report("ih.order", values=[{"W_O2": 60}, {"W_O2": 62}], seeds=[0, 1])
    ((data, raw),) = shown
    assert raw is True and set(data) == {MIME, "text/plain", "text/html"}
    assert MIME == "application/vnd.mechbook.claim+json"
    assert data[MIME] == measurement("ih.order", values=[{"W_O2": 60}, {"W_O2": 62}], seeds=[0, 1])
    assert data["text/plain"] == "Measured for ih.order: W_O2 61 ± 1.41 (2 seeds, laptop scale)"


def test_html_is_escaped() -> None:
    """The oracle is the standard library's parser: one p, one code, and the text as it was given."""
    nasty = {"<script>alert(1)</script> & \"'": 1.0}
    tags: list[str] = []
    texts: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)

        def handle_data(self, data: str) -> None:
            texts.append(data)

    for row in (measurement("ih.x", values=[nasty], seeds=[0]), measurement("ih.x", reason="</p><b>&amp;")):
        tags.clear()
        texts.clear()
        Reader().feed(as_html(row))
        assert tags == ["p", "code"]
        assert "".join(texts) == as_text(row)


@pytest.mark.parametrize(
    ("number", "text"), [(None, "-"), (0.97349, "0.973"), (901, "901"), (12345.6, "12346"), (-0.00012349, "-0.000123")]
)
def test_numbers_are_printed_with_three_digits(number: float | None, text: str) -> None:
    assert format_number(number) == text


def test_a_number_that_misses_its_bar_is_not_printed_as_the_bar() -> None:
    """Oracle: by hand; a number on its bar, far from it, or without one is as ever."""
    assert [format_number(x, 0.9) for x in (0.899626, 0.9000004, 0.9, 0.85, 0.1 + 0.8)] == [
        "0.8996", "0.9000004", "0.9", "0.85", "0.9",
    ]  # fmt: skip
    row = measurement(
        "ih.order", values=[{"accuracy": 0.89, "other": 0.9}, {"accuracy": 0.9092, "other": 0.9}], seeds=[0, 1]
    )
    assert measured_parts(row)[0] == "accuracy 0.9 ± 0.0136"
    row["checks"] = [{"label": "accuracy", "bar": 0.9}, {"label": "other > accuracy", "bar": 0.9}]
    assert measured_parts(row) == ["accuracy 0.8996 ± 0.0136", "other 0.9 ± 0"]
    plain = measurement("ih.order", values=[0.8996], seeds=[0]) | {"checks": [{"label": "mean over seeds", "bar": 0.9}]}
    assert measured_parts(plain) == ["0.8996"]


def test_a_chapter_that_reports_depends_on_neither_list_nor_criteria() -> None:
    """The oracle is what a fresh interpreter has loaded."""
    code = "import sys, mechbook.claims.report; print(*(name for name in sys.modules if name.startswith('mechbook')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    core = {"mechbook.core", "mechbook.core.settings", "mechbook.core.presets"}
    assert set(loaded) <= {"mechbook", "mechbook.claims", "mechbook.claims.report", "mechbook.claims.values", *core}


STEPS = Values("ih.order", W_O2="steps to W_O2", W_K1="steps to W_K1")


def test_steps_that_were_never_reached_are_printed_as_bounds() -> None:
    """One seed of three stops at 100 without getting there; a value at the budget itself was reached."""
    rows = [STEPS(W_O2=100, W_K1=101), STEPS(W_O2=90, W_K1=60), STEPS(W_O2=80, W_K1=58)]
    row = measurement(STEPS, values=rows, seeds=range(3), budgets={"W_O2": 100, "W_K1": 100})
    assert row["never"] == {"W_K1": [1, 100]}
    words = "W_O2 90 ± 10; W_K1 ≥ 73, not within 100 in 1 of 3 seeds (3 seeds, laptop scale)"
    assert as_text(row) == f"Measured for ih.order: {words}" and words.replace(">", "&gt;") in as_html(row)


def test_what_no_seed_reached_has_no_mean() -> None:
    rows = [STEPS(W_O2=101, W_K1=101)] * 2
    row = measurement(STEPS, values=rows, seeds=range(2), budgets={"W_O2": 100, "W_K1": 100})
    assert measured_parts(row) == ["W_O2 > 100 in every seed", "W_K1 > 100 in every seed"]
    one = measurement("ih.two_layer_random", values=[101], seeds=[0], budgets={"steps": 100})
    assert one["never"] == {"steps": [1, 100]}


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a budget for 'W_K2', which is not among its values"):
        measurement(STEPS, values=[STEPS(W_O2=1, W_K1=1)], seeds=[0], budgets={"W_K2": 100})
