"""Words of a drawing. Oracles: Pillow's widths of the same font, and what a formula's indices have to do."""

from pathlib import Path

import matplotlib
import pytest
from PIL import ImageFont

from mechbook.reader.circuits.words import DOWN, SMALL, UP, WIDE, advance, runs, width

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@pytest.mark.parametrize(("file", "italic"), [("DejaVuSans.ttf", False), ("DejaVuSans-Oblique.ttf", True)])
@pytest.mark.parametrize("text", ["i", "W", "previous token", "ȳ: 1 − α", "Mary", "π"])
def test_widths_are_the_fonts_own(text: str, file: str, italic: bool) -> None:
    # Letter by letter, as neither kerning nor ligatures are counted; large, so that Pillow's rounding is small.
    font = ImageFont.truetype(FONTS / file, 2000, layout_engine=ImageFont.Layout.BASIC)
    wanted = sum(font.getlength(sign) for sign in text) / 2000
    assert advance(text, italic) == pytest.approx(WIDE * wanted, rel=2e-3)


def test_a_formula_sets_letters_slanted_and_the_rest_upright() -> None:
    found = runs("a $w_E(b)$")
    assert [(run.text, run.italic) for run in found] == [
        ("a", False),
        ("w", True),
        ("E", True),
        ("(", False),
        ("b", True),
        (")", False),
    ]
    assert [run.scale for run in found] == [1, 1, SMALL, 1, 1, 1]
    assert found[2].y == DOWN and {run.y for run in found if run.text != "E"} == {0.0}


def test_runs_follow_one_another_and_spaces_take_room() -> None:
    found = runs("to $x$ of")
    assert found[1].x == pytest.approx(advance("to "))
    assert found[2].x == pytest.approx(advance("to ") + advance("x", True) + advance(" "))
    assert found[2].text == "of" and width("to $x$ of") == pytest.approx(found[2].x + advance("of"))


def test_two_indices_of_one_letter_stand_over_one_another() -> None:
    W, K, one, end = runs("$W_K^1z$")
    assert (K.x, one.x) == (W.width, W.width) and (K.y, one.y) == (DOWN, UP)
    assert end.x == pytest.approx(W.width + max(K.width, one.width))


def test_braces_hold_several_signs_and_a_hyphen_becomes_minus() -> None:
    _, *index = runs("$p_{s-1}$")
    assert "".join(run.text for run in index) == "s−1" and {run.scale for run in index} == {SMALL}


def test_spaces_in_a_formula_stand_between_runs_and_in_none() -> None:
    first, alpha = runs("$1 - α$")
    assert (first.text, alpha.text) == ("1 −", "α")
    assert first.width == pytest.approx(advance("1 −")) and alpha.x == pytest.approx(advance("1 − "))


@pytest.mark.parametrize("text", ["$a", "a$", "$a$ and $b"])
def test_a_dollar_needs_its_partner(text: str) -> None:
    with pytest.raises(ValueError, match="too many or too few"):
        runs(text)
