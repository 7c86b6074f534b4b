"""Two lists of claims, compared by hand."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from mechbook.site.compare import differences, main

ROW: dict[str, Any] = {"id": "a.one", "measured": {"x": 0.1}, "values": [{"x": 0.1}], "held": True, "page": "01.html"}
NEXT = math.nextafter(0.1, 1.0)


def test_equal_builds_have_no_differences() -> None:
    assert differences([ROW], [{**ROW, "page": "other.html"}]) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"values": [{"x": 0.1}]}, []),
        ({"values": [{"x": NEXT}]}, [f"a.one: values was [{{'x': 0.1}}] and is [{{'x': {NEXT!r}}}]."]),
        ({"held": False}, ["a.one: held was True and is False."]),
        ({"id": "a.two"}, ["a.one: only before.", "a.two: only after."]),
    ],
)
def test_the_last_digit_counts(change: dict[str, Any], said: list[str]) -> None:
    assert differences([ROW], [{**ROW, **change}]) == said


def test_the_command_tells_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, rows in (("a", [ROW]), ("b", [{**ROW, "held": None}])):
        (tmp_path / name).write_text(json.dumps(rows))
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert main([a, a]) == 0 and "0 differences" in capsys.readouterr().out
    assert main([a, b]) == 1 and "1 differences" in capsys.readouterr().out
    assert main([a]) == 2
