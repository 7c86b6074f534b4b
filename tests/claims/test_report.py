"""What a chapter reports: means and spreads against numpy, and every misuse refused in a sentence."""

import json
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import torch

from mechbook.claims import report as module
from mechbook.claims.report import MIME, as_html, as_text, format_number, measurement, report


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
    }


def test_names_are_summarised_one_by_one() -> None:
    values = [{"W_O2": 60, "W_K2": 90.5}, {"W_O2": 63, "W_K2": 80.0}, {"W_O2": 72, "W_K2": 100.0}]
    row = measurement("ih.order", values=values, seeds=[7, 8, 9])
    for name in ("W_O2", "W_K2"):
        column = [value[name] for value in values]
        assert row["measured"][name] == pytest.approx(np.mean(column), rel=1e-12)
        assert row["spread"][name] == pytest.approx(np.std(column, ddof=1), rel=1e-12)
    assert row["values"] == values


def test_settings_are_part_of_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECHBOOK_SCALE", "paper")
    monkeypatch.setenv("MECHBOOK_SEED", "11")
    row = measurement("ih.order", reason="later")
    assert (row["scale"], row["seed"], row["device"]) == ("paper", 11, "cpu")


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


def test_a_chapter_that_reports_depends_on_neither_list_nor_criteria() -> None:
    """The oracle is what a fresh interpreter has loaded."""
    code = "import sys, mechbook.claims.report; print(*(name for name in sys.modules if name.startswith('mechbook')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) <= {"mechbook", "mechbook.core.settings", "mechbook.claims", "mechbook.claims.report"}
