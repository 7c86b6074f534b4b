"""The vocabulary of a drawn circuit: boxes, groups, arrows, notes and bands, placed by hand and named.

    Circuit(
        name="copy", title="One head copies", words="The head of token b reads token a.", height=120,
        boxes=(Box("a", 60, 90, "a", kind="token"), Box("h", 180, 30, "$W_O$", role="W_O2", kind="part")),
        arrows=(Arrow("a", "h", out="top", into="left"),),
    )

Units are those of the drawing, `width` of which fill the column; x grows to the right and y downwards. Texts may hold
formulas, as `mechbook.reader.circuits.words` reads them; roles are those of `mechbook.reader.figures`.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from mechbook.reader.figures import style_of

Number = int | float
Side = Literal["top", "bottom", "left", "right"]


@dataclass(frozen=True)
class Box:
    """Something in the circuit, its middle at (x, y).

    kind: a token; a chip, which is a vector in the stream; a part, which is a matrix or a block of the model; a sum in
        the stream; or a dot, where something is read from the stream
    width, height: where None, as its text needs
    """

    id: str
    x: Number
    y: Number
    text: str = ""
    role: str | None = None
    kind: Literal["token", "chip", "part", "sum", "dot"] = "chip"
    width: Number | None = None
    height: Number | None = None
    size: Number = 14


@dataclass(frozen=True)
class Group:
    """A frame around boxes: what one token's stream holds at one place."""

    id: str
    boxes: tuple[str, ...]
    pad: Number = 5


@dataclass(frozen=True)
class Arrow:
    """A way from one box or group to another, from the side `out` to the side `into`, each shifted along its side.

    kind: copy, what is moved (solid); look, from a query to the key it asks for (dashed); stream, what stays (grey,
        without a head); weak, what hardly counts (dotted)
    label, along, label_at: words beside it; their middle lies `label_at` from the point at that share of the way
    level: how far along an arrow with two corners bends, as a share; curved: an arc in place of corners
    """

    start: str
    end: str
    out: Side = "top"
    into: Side = "bottom"
    role: str | None = None
    kind: Literal["copy", "look", "stream", "weak"] = "copy"
    label: str = ""
    label_at: tuple[Number, Number] = (0, -16)
    along: Number = 0.5
    shift: tuple[Number, Number] = (0, 0)
    level: Number = 0.5
    curved: bool = False
    size: Number = 14


@dataclass(frozen=True)
class Note:
    """Words at (x, y), the middle of their line: they begin there, end there or have their middle there."""

    x: Number
    y: Number
    text: str
    anchor: Literal["start", "middle", "end"] = "start"
    role: str | None = None
    size: Number = 13
    bold: bool = False


@dataclass(frozen=True)
class Band:
    """A tinted strip across the drawing, for a layer."""

    top: Number
    bottom: Number


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """A drawing: `title` names it and `words` say all that it shows, for whoever does not see it.

    Raises ValueError for an id or a label that occurs twice, an end that is no box or group, and an unknown role.
    """

    name: str
    title: str
    words: str
    height: Number
    width: Number = 360
    boxes: tuple[Box, ...]
    groups: tuple[Group, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    notes: tuple[Note, ...] = ()
    bands: tuple[Band, ...] = field(default=())

    def __post_init__(self) -> None:
        counted = Counter([*(box.id for box in self.boxes), *(group.id for group in self.groups)])
        if twice := [id for id, count in counted.items() if count > 1]:
            raise ValueError(f"{self.name}: the id {twice[0]!r} is given twice; each box and group has its own.")
        named = [(arrow.start, arrow.end) for arrow in self.arrows] + [group.boxes for group in self.groups]
        if lost := sorted({id for ids in named for id in ids} - set(counted)):
            raise ValueError(f"{self.name}: there is no box or group {lost[0]!r}, which an arrow or a group names.")
        labels = Counter(arrow.label for arrow in self.arrows if arrow.label)
        if again := [label for label, count in labels.items() if count > 1]:
            raise ValueError(f"{self.name}: the label {again[0]!r} stands at two arrows; leave one without.")
        roles = [box.role for box in self.boxes] + [arrow.role for arrow in self.arrows]
        for role in [*roles, *(note.role for note in self.notes)]:
            if role is not None:
                style_of(role)
