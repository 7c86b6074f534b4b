"""Where things lie. Oracles: de Casteljau, arithmetic by hand, and drawings with one planted fault each."""

import math
from dataclasses import replace

import pytest

from mechbook.reader.circuits.elements import Arrow, Box, Circuit, Group, Note
from mechbook.reader.circuits.layout import Frame, Point, faults, frames, texts, way, ways
from mechbook.reader.circuits.words import width
from tests.reader.circuits.test_elements import GOOD


def drawn(*arrows: Arrow, boxes: tuple[Box, ...] = GOOD.boxes) -> Circuit:
    """Boxes and arrows alone."""
    return replace(GOOD, boxes=boxes, groups=(), arrows=arrows, notes=())


def test_a_box_is_as_wide_as_its_text_needs() -> None:
    box = Box("x", 100, 50, "$w_E(a)$", size=17)
    frame = frames(drawn(boxes=(box,)))["x"]
    assert frame.right - frame.left == pytest.approx(17 * width("$w_E(a)$") + 14) and frame.middle == (100, 50)


def test_a_group_frames_its_boxes() -> None:
    at = frames(GOOD)
    b, c, both = at["b"], at["c"], at["both"]
    assert (both.left, both.top) == (min(b.left, c.left) - 5, b.top - 5)
    assert (both.right, both.bottom) == (max(b.right, c.right) + 5, c.bottom + 5)


@pytest.mark.parametrize(
    ("arrow", "corners"),
    [
        (Arrow("a", "b", "top", "left"), [(37, 23)]),
        (Arrow("a", "b", "right", "bottom"), [(151, 79)]),
        (Arrow("a", "b", "top", "bottom", level=0.25), [(37, 58.75), (151, 58.75)]),
        (Arrow("a", "c", "right", "left"), []),
    ],
)
def test_arrows_turn_at_right_angles(arrow: Arrow, corners: list[Point]) -> None:
    circuit = drawn(arrow)
    start, *found, end = way(arrow, frames(circuit)).points
    assert len(found) == len(corners)
    assert all(corner == pytest.approx(wanted) for corner, wanted in zip(found, corners, strict=True))
    at = frames(circuit)
    assert at[arrow.start].on_border(start) and at[arrow.end].on_border(end)


def test_an_arc_is_the_curve_of_its_four_points() -> None:
    (each,) = ways(drawn(Arrow("a", "b", curved=True)))

    def casteljau(points: list[Point], t: float) -> Point:
        if len(points) == 1:
            return points[0]
        pairs = zip(points, points[1:], strict=False)
        return casteljau([((1 - t) * a + t * c, (1 - t) * b + t * d) for (a, b), (c, d) in pairs], t)

    for number, point in enumerate(each.samples(7)):
        assert point == pytest.approx(casteljau(list(each.points), number / 7), abs=1e-10)


def test_samples_are_even_along_a_way_with_corners() -> None:
    (each,) = ways(drawn(Arrow("a", "b", "top", "left")))
    total = sum(math.dist(p, q) for p, q in zip(each.points, each.points[1:], strict=False))
    samples = each.samples(13)
    assert samples[0] == each.points[0] and samples[-1] == pytest.approx(each.points[-1])
    gone = [abs(y - each.points[0][1]) + abs(x - each.points[0][0]) for x, y in samples]
    assert gone == pytest.approx([total * number / 13 for number in range(14)], abs=1e-10)


def test_a_texts_frame_counts_its_indices() -> None:
    plain, both = (texts(replace(drawn(), notes=(Note(20, 50, text),)))[-1].frame for text in ("$W$", "$W_K^1$"))
    assert both.top < plain.top and both.bottom > plain.bottom and both.right > plain.right


def test_frames_that_touch_do_not_meet() -> None:
    assert not Frame(0, 0, 7, 7).meets(Frame(7, 0, 9, 7)) and Frame(0, 0, 7, 7).meets(Frame(6.5, 6.5, 9, 9))
    assert Frame(0, 0, 7, 7).on_border((7, 3)) and not Frame(0, 0, 7, 7).on_border((8, 3))


def test_a_good_drawing_has_no_fault() -> None:
    assert faults(GOOD) == []


A, B, C = GOOD.boxes


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"boxes": (A, B, replace(C, y=37))}, "b lies over c"),
        ({"boxes": (replace(A, x=11), B, C)}, "a sticks out of the drawing"),
        ({"boxes": (replace(A, text="far too long", width=30), B, C)}, "'far too long' sticks out of a"),
        ({"notes": (Note(11, 79, "over"),)}, "'over' lies over a"),
        ({"notes": (Note(190, 13, "outside"),)}, "'outside' sticks out of the drawing"),
        ({"notes": (Note(60, 50, "words"), Note(66, 54, "more"))}, "'words' runs into 'more'"),
        ({"notes": (Note(20, 45, "struck"),)}, "the arrow from a to b strikes 'struck' through"),
        ({"arrows": (Arrow("a", "c", "right", "right"),)}, "the arrow from a to c runs through its own end c"),
        ({"boxes": (*GOOD.boxes, Box("d", 90, 79, "d"))}, "the arrow from a to c runs through d"),
        ({"arrows": (Arrow("a", "b", "top", "left", shift=(0, 40)),)}, "the arrow from a to b does not end on b"),
        ({"groups": (Group("both", ("b", "c"), pad=97),)}, "a lies over both"),
    ],
)
def test_a_fault_is_found(change: dict[str, object], said: str) -> None:
    assert said in faults(replace(GOOD, **change))  # type: ignore[arg-type]
