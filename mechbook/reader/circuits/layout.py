"""Where everything of a circuit lies: frames of boxes and texts, ways of arrows, and what is wrong with them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from mechbook.reader.circuits.elements import Arrow, Box, Circuit, Number, Side
from mechbook.reader.circuits.words import runs, width

Point = tuple[Number, Number]
# Of a letter, in its own ems: from the base line up and down, and from the middle of the line to the base line.
ASCENT, DESCENT, BASE = 0.76, 0.24, 0.35
_PAD, _HEIGHT, _CORNER = 7.0, 25.0, 9.0
_AWAY: dict[Side, Point] = {"top": (0, -1), "bottom": (0, 1), "left": (-1, 0), "right": (1, 0)}


@dataclass(frozen=True)
class Frame:
    """A rectangle by its edges."""

    left: Number
    top: Number
    right: Number
    bottom: Number

    @property
    def middle(self) -> Point:
        """Its centre."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def meets(self, other: "Frame", slack: Number = 0.0) -> bool:
        """Whether the two share more than a strip `slack` wide."""
        return (
            min(self.right, other.right) - max(self.left, other.left) > slack
            and min(self.bottom, other.bottom) - max(self.top, other.top) > slack
        )

    def holds(self, point: Point, slack: Number = 0.0) -> bool:
        """Whether a point lies inside, further than `slack` from every edge."""
        x, y = point
        return self.left + slack < x < self.right - slack and self.top + slack < y < self.bottom - slack

    def on_border(self, point: Point, slack: Number = 1e-6) -> bool:
        """Whether a point lies on one of the edges."""
        x, y = point
        inside = self.left - slack <= x <= self.right + slack and self.top - slack <= y <= self.bottom + slack
        return inside and not self.holds(point, slack)


@dataclass(frozen=True)
class Placed:
    """A text with its frame: `x` is where it begins and `y` the middle of its line."""

    text: str
    x: Number
    y: Number
    size: Number
    role: str | None
    bold: bool
    owner: str  # the id of the box it stands in, or ""

    @property
    def frame(self) -> Frame:
        """What it covers, its indices counted."""
        pieces = runs(self.text)
        top = min(BASE + run.y - ASCENT * run.scale for run in pieces)
        bottom = max(BASE + run.y + DESCENT * run.scale for run in pieces)
        right = self.x + self.size * width(self.text)
        return Frame(self.x, self.y + self.size * top, right, self.y + self.size * bottom)


@dataclass(frozen=True)
class Way:
    """An arrow's way: its corners, or the four points of an arc (a cubic Bézier curve)."""

    arrow: Arrow
    points: tuple[Point, ...]

    def samples(self, count: int = 200) -> list[Point]:
        """Points along it, from start to end, about evenly."""
        if self.arrow.curved:
            return [_bezier(self.points, number / count) for number in range(count + 1)]
        lengths = [math.dist(a, b) for a, b in zip(self.points, self.points[1:], strict=False)]
        total, found = sum(lengths), []
        for number in range(count + 1):
            rest, part = total * number / count, 0
            while part < len(lengths) - 1 and rest > lengths[part]:
                rest -= lengths[part]
                part += 1
            (ax, ay), (bx, by) = self.points[part], self.points[part + 1]
            share = rest / lengths[part] if lengths[part] else 0.0
            found.append((ax + share * (bx - ax), ay + share * (by - ay)))
        return found


def _bezier(points: tuple[Point, ...], t: Number) -> Point:
    s = 1 - t
    weights = (s**3, 3 * s * s * t, 3 * s * t * t, t**3)
    x, y = (sum(w * point[axis] for w, point in zip(weights, points, strict=True)) for axis in (0, 1))
    return x, y


def box_frame(box: Box) -> Frame:
    """What a box covers."""
    if box.kind in ("sum", "dot"):
        half = 9.0 if box.kind == "sum" else 3.0
        return Frame(box.x - half, box.y - half, box.x + half, box.y + half)
    wide = box.width if box.width is not None else max(box.size * width(box.text) + 2 * _PAD, 24.0)
    high = box.height if box.height is not None else _HEIGHT
    return Frame(box.x - wide / 2, box.y - high / 2, box.x + wide / 2, box.y + high / 2)


def frames(circuit: Circuit) -> dict[str, Frame]:
    """The frame of each box and group by its id."""
    found = {box.id: box_frame(box) for box in circuit.boxes}
    for group in circuit.groups:
        inside = [found[id] for id in group.boxes]
        found[group.id] = Frame(
            min(f.left for f in inside) - group.pad,
            min(f.top for f in inside) - group.pad,
            max(f.right for f in inside) + group.pad,
            max(f.bottom for f in inside) + group.pad,
        )
    return found


def _point(frame: Frame, side: Side, shift: Number) -> Point:
    x, y = frame.middle
    dx, dy = _AWAY[side]
    half_x, half_y = (frame.right - frame.left) / 2, (frame.bottom - frame.top) / 2
    return x + dx * half_x + (shift if dy else 0), y + dy * half_y + (shift if dx else 0)


def way(arrow: Arrow, at: dict[str, Frame]) -> Way:
    """An arrow's way between its frames, leaving and entering at right angles."""
    start = _point(at[arrow.start], arrow.out, arrow.shift[0])
    end = _point(at[arrow.end], arrow.into, arrow.shift[1])
    (x0, y0), (x1, y1) = start, end
    if arrow.curved:
        reach = 0.5 * max(abs(x1 - x0), abs(y1 - y0))
        (ax, ay), (bx, by) = _AWAY[arrow.out], _AWAY[arrow.into]
        return Way(arrow, (start, (x0 + reach * ax, y0 + reach * ay), (x1 + reach * bx, y1 + reach * by), end))
    upright, level = arrow.out in ("top", "bottom"), arrow.into in ("left", "right")
    if upright and level:
        return Way(arrow, (start, (x0, y1), end))
    if not upright and not level:
        return Way(arrow, (start, (x1, y0), end))
    if abs(x1 - x0) < 1e-6 or abs(y1 - y0) < 1e-6:
        return Way(arrow, (start, end))
    if upright:
        bend = y0 + arrow.level * (y1 - y0)
        return Way(arrow, (start, (x0, bend), (x1, bend), end))
    bend = x0 + arrow.level * (x1 - x0)
    return Way(arrow, (start, (bend, y0), (bend, y1), end))


def ways(circuit: Circuit) -> list[Way]:
    """The ways of all arrows, in their order."""
    at = frames(circuit)
    return [way(arrow, at) for arrow in circuit.arrows]


def texts(circuit: Circuit) -> list[Placed]:
    """All that is written in a drawing: in boxes, beside arrows, and notes."""
    found = []
    for box in circuit.boxes:
        if box.text:
            found.append(_centred(box.text, box.x, box.y, box.size, None, box.id))
    for each in ways(circuit):
        arrow = each.arrow
        if arrow.label:
            x, y = each.samples()[round(200 * arrow.along)]
            dx, dy = arrow.label_at
            found.append(_centred(arrow.label, x + dx, y + dy, arrow.size, arrow.role, ""))
    for note in circuit.notes:
        back = {"start": 0.0, "middle": 0.5, "end": 1.0}[note.anchor] * note.size * width(note.text)
        found.append(Placed(note.text, note.x - back, note.y, note.size, note.role, note.bold, ""))
    return found


def _centred(text: str, x: Number, y: Number, size: Number, role: str | None, owner: str) -> Placed:
    return Placed(text, x - size * width(text) / 2, y, size, role, False, owner)


def faults(circuit: Circuit) -> list[str]:
    """A sentence for each thing drawn over another, sticking out of its box or of the drawing, or ending nowhere."""
    at = frames(circuit)
    return [*_boxes(circuit, at), *_texts(circuit, at), *_arrows(circuit, at)]


def _boxes(circuit: Circuit, at: dict[str, Frame]) -> Iterator[str]:
    members = {group.id: set(group.boxes) for group in circuit.groups}
    for (a, first), (b, second) in combinations(at.items(), 2):
        if first.meets(second) and a not in members.get(b, ()) and b not in members.get(a, ()):
            yield f"{a} lies over {b}"
    for id, frame in at.items():
        if not (0 < frame.left and frame.right < circuit.width and 0 < frame.top and frame.bottom < circuit.height):
            yield f"{id} sticks out of the drawing"


def _texts(circuit: Circuit, at: dict[str, Frame]) -> Iterator[str]:
    written = texts(circuit)
    for first, second in combinations(written, 2):
        if first.frame.meets(second.frame):
            yield f"{first.text!r} runs into {second.text!r}"
    for text in written:
        frame = text.frame
        if frame.left < 0 or frame.right > circuit.width or frame.top < 0 or frame.bottom > circuit.height:
            yield f"{text.text!r} sticks out of the drawing"
        if text.owner:
            box = at[text.owner]
            if frame.left < box.left + 1 or frame.right > box.right - 1:
                yield f"{text.text!r} sticks out of {text.owner}"
        yield from (f"{text.text!r} lies over {id}" for id, box in at.items() if id != text.owner and
                    frame.meets(box) and not _around(circuit, id, text.owner))  # fmt: skip
        for each in ways(circuit):
            if not text.owner and any(frame.holds(point, 1) for point in each.samples()):
                yield f"the arrow from {each.arrow.start} to {each.arrow.end} strikes {text.text!r} through"


def _around(circuit: Circuit, group: str, box: str) -> bool:
    return any(each.id == group and box in each.boxes for each in circuit.groups)


def _arrows(circuit: Circuit, at: dict[str, Frame]) -> Iterator[str]:
    for each in ways(circuit):
        arrow, points = each.arrow, each.samples()
        name = f"the arrow from {arrow.start} to {arrow.end}"
        for id, point in ((arrow.start, points[0]), (arrow.end, points[-1])):
            if not at[id].on_border(point):
                yield f"{name} does not end on {id}"
        for id, frame in at.items():
            ends = id in (arrow.start, arrow.end) or any(_around(circuit, id, end) for end in (arrow.start, arrow.end))
            if not ends and any(frame.holds(point) for point in points):
                yield f"{name} runs through {id}"
            if id in (arrow.start, arrow.end) and any(frame.holds(point, 0.5) for point in points):
                yield f"{name} runs through its own end {id}"
