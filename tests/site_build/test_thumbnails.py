"""The landing page's small pictures. Oracle: where each number has to lie, by hand; the size of letters on a phone."""

import math
import re
from xml.etree import ElementTree

import pytest

from mechbook.site import thumbnails as thumbnail

# What the style sheet gives a picture on a phone, in pixels (8rem), and the least height of letters there.
NARROW, LEAST = 128, 9
DRAWN = {
    "slopes": thumbnail.slopes(("the", 0.4, 0.1), ("Spain", 0.1, 0.2), "a & b"),
    "lanes": thumbnail.lanes(
        [("$W_O^2$", "W_O2", 50), ("$W_K^2$", "W_K2", 80), ("4", "correct", 100)], "words", never="4"
    ),
    "bars": thumbnail.bars([0.95, 0.05, 0.03], "words"),
    "falling": thumbnail.falling([0.5, 0.1, 0.0], "words"),
    "dots": thumbnail.dots(13, 395, "words"),
    "ring": thumbnail.ring(1.0, 0.125, "words", written="12%"),
}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", DRAWN)
def test_letters_can_be_read_on_a_phone_and_nothing_lies_outside(name: str) -> None:
    root = ElementTree.fromstring(DRAWN[name])
    assert root.get("viewBox") == f"0 0 {thumbnail.WIDE} {thumbnail.HIGH}" and root.get("aria-label")
    sizes = [float(str(text.get("font-size"))) for text in root.iter(f"{SVG}text")]
    assert all(size * NARROW / thumbnail.WIDE >= LEAST for size in sizes), sizes
    xs = [float(str(one.get(key))) for one in root.iter() for key in ("x", "cx") if one.get(key)]
    ys = [float(str(one.get(key))) for one in root.iter() for key in ("y", "cy") if one.get(key)]
    assert all(0 <= x <= thumbnail.WIDE for x in xs) and all(0 <= y <= thumbnail.HIGH for y in ys)


@pytest.mark.parametrize("name", DRAWN)
def test_colours_are_the_theme_s_so_that_none_glares_in_the_dark(name: str) -> None:
    assert not re.search(r"#[0-9a-f]{3}|white|rgb\(", DRAWN[name])
    assert "fill:var(" in DRAWN[name] or "stroke:var(" in DRAWN[name] or "color-mix(in srgb, var(" in DRAWN[name]


def dots_of(name: str) -> list[tuple[float, float]]:
    circles = ElementTree.fromstring(DRAWN[name]).iter(f"{SVG}circle")
    return [(float(str(one.get("cx"))), float(str(one.get("cy")))) for one in circles]


def test_slopes_are_as_high_as_their_probabilities() -> None:
    """0.4 fills the height; 0.1 is a quarter of it; both lines share it."""
    (_, the), (_, no_the), (_, spain), (_, more_spain) = dots_of("slopes")
    bottom = the + (no_the - the) * 4 / 3
    assert (the, bottom) == pytest.approx((10, 84), abs=0.1)
    assert spain == pytest.approx(no_the) and more_spain == pytest.approx((the + bottom) / 2)


def test_what_is_learned_later_begins_further_to_the_right_in_proportion() -> None:
    first, second, third = (x for x, _ in dots_of("lanes"))
    left = first - (third - first)  # step 50 is half of 100
    assert second == pytest.approx(left + 0.8 * (third - left), abs=0.1)


def test_there_is_a_dot_for_each_pair_and_for_every_few_where_they_are_many() -> None:
    many, few = re.findall(r'<path d="([^"]+)"', DRAWN["dots"])
    assert (many.count("M"), few.count("M")) == (395 - 13, 13)
    many, few = re.findall(r'<path d="([^"]+)"', thumbnail.dots(40, 1000, "words"))
    assert (many.count("M"), few.count("M")) == (320, 13)  # one for three


def test_the_ring_s_arc_is_its_part() -> None:
    around = 2 * math.pi * 42
    dashes = [float(one) for one in re.findall(r"stroke-dasharray:([\d.]+)", DRAWN["ring"])]
    assert dashes == pytest.approx([around, around / 8], abs=0.1)


def test_the_largest_bar_is_marked_and_shares_are_heights() -> None:
    root = ElementTree.fromstring(DRAWN["bars"])
    heights = [float(str(bar.get("height"))) for bar in root.iter(f"{SVG}rect")]
    assert heights[0] == pytest.approx(heights[1] * 19, rel=0.02)
    assert ["correct" in str(bar.get("style")) for bar in root.iter(f"{SVG}rect")] == [True, False, False]


def test_each_claim_has_its_square_in_its_chapter_s_row() -> None:
    root = ElementTree.fromstring(thumbnail.squares([["held", "failed"], ["not run"]], "words"))
    assert [one.get("class") for one in root] == ["mb-held", "mb-failed", "mb-other"]
    assert root[2].get("y") != root[0].get("y") and root[2].get("x") == root[0].get("x")


def test_a_role_that_figures_do_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="There is no role 'blue'"):
        thumbnail.lanes([("1", "blue", 3)], "words")
