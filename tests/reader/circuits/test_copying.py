"""The induction head at a glance. Oracle: who looks where and what is copied, written out, in the widget's letters."""

import pytest

from mechbook.induction.widgets.trainer import SMALL
from mechbook.reader.circuits.copying import copying
from mechbook.reader.circuits.layout import faults


@pytest.mark.parametrize("letters", [("k", "b"), ("m", "w")])
def test_nothing_lies_over_anything(letters: tuple[str, str]) -> None:
    assert faults(copying(*letters)) == []


def test_the_arrows_are_the_three_memories() -> None:
    drawn = copying("k", "b")
    text = {box.id: box.text for box in drawn.boxes}
    found = [(text[a.start], text[a.end], a.role, a.kind) for a in drawn.arrows if a.kind != "stream"]
    assert found == [
        ("k", "after k", "W_K1", "copy"),
        ("k", "after k", "W_K2", "look"),
        ("after k", "b", "W_O2", "copy"),
    ]
    ends = {box.id: (box.x, box.y) for box in drawn.boxes}
    # the note stands above the letter that it is about, the answer above the one that asks
    assert ends["note"][0] == ends["second"][0] and ends["predicted"][0] == ends["last"][0]


def test_the_widget_asks_for_a_letter_that_came_before_and_not_last() -> None:
    """Whose letters the landing page's circuit takes."""
    read = str(SMALL["seq"])
    assert read.index(read[-1]) < len(read) - 2 and read[read.index(read[-1]) + 1] != read[-1]
