"""The heads of the IOI circuit over their sentence, by the roles that were measured: who reads which token where."""

from collections.abc import Sequence

from mechbook.laser.ioi.circuit import Roles
from mechbook.laser.ioi.probes import Head
from mechbook.reader.circuits.elements import Arrow, Band, Box, Circuit, Note
from mechbook.reader.circuits.words import width

_IO, _S1, _NEXT, _S2, _END = 136.0, 180.0, 224.0, 268.0, 312.0  # the columns
_TOKENS, _FIRST, _ROW = 378.0, 326.0, 44.0  # the tokens' row, the lowest row of heads, and how far the next is above
# How many heads of a role are named, and in how much room; of more the number is said.
_NAMED, _ROOM, _SIZE = 3, 114.0, 12


def heads_named(heads: Sequence[Head]) -> str:
    """The heads as the chapter writes them, layer.head: three or as many as there is room for, and how many more."""
    if not heads:
        return "none"
    for named in range(min(len(heads), _NAMED), 0, -1):
        rest = f" +{len(heads) - named}" if len(heads) > named else ""
        text = ", ".join(f"{layer}.{head}" for layer, head in heads[:named]) + rest
        if _SIZE * width(text) <= _ROOM:
            break
    return text


def ioi_heads(roles: Roles) -> Circuit:
    """The drawing for the roles found: a row for each, from the token read to the token that the head writes at.

    A role without a head keeps its row, without an arrow.
    """
    rows = (
        ("previous token", roles.previous, "S1", "next", "W_K1", ""),
        ("duplicate token", roles.duplicate, "S1", "S2", None, ""),
        ("induction", roles.induction, "next", "S2", "W_K2", ""),
        ("S-inhibition", roles.inhibition, "S2", "END", None, ""),
        ("S suppressor", roles.suppressors, "S2", "END", None, "−John"),
        ("name mover", roles.copying, "IO", "END", "correct", "+Mary"),
        ("negative mover", roles.negative, "IO", "END", None, "−Mary"),
    )
    columns = {"IO": _IO, "S1": _S1, "next": _NEXT, "S2": _S2, "END": _END}
    tokens = {"IO": "Mary", "S1": "John", "next": "went", "S2": "John", "END": "to"}
    heights = [_FIRST - _ROW * number for number in range(len(rows))]
    dots: list[Box] = []
    arrows: list[Arrow] = []
    notes: list[Note] = []
    below = {column: column for column in columns}  # the highest box of each column so far
    for (name, heads, start, end, role, does), y in zip(rows, heights, strict=True):
        notes += [Note(8, y - 8, name, bold=True, size=12.5), Note(8, y + 8, heads_named(heads), size=_SIZE)]
        if not heads:
            continue
        for column in (start, end):
            dots.append(Box(f"{name}, {column}", columns[column], y, kind="dot"))
            arrows.append(Arrow(below[column], f"{name}, {column}", kind="stream"))
            below[column] = f"{name}, {column}"
        arrows.append(Arrow(f"{name}, {start}", f"{name}, {end}", "right", "left", role))
        if does:
            notes.append(Note(_END + 6, y, does, size=11.5))
    top = heights[-1] - 44
    arrows.append(Arrow(below["END"], "predicted", kind="stream"))
    return Circuit(
        name="ioi-heads",
        title="The heads that find the name",
        words=(
            "The sentence: When Mary and John went to the store, John gave a drink to. "
            + " ".join(
                f"{name} heads, {heads_named(heads)}: from {start} to {end}{', ' + does if does else ''}."
                for name, heads, start, end, _, does in rows
            )
        ),
        height=430,
        bands=tuple(Band(y - 18, y + 18) for y in heights),
        boxes=(
            *(
                Box(id, columns[id], _TOKENS, text, "correct" if id == "IO" else None, "token", size=12.5, width=39)
                for id, text in tokens.items()
            ),
            Box("predicted", _END, top, "Mary", "correct", "token", size=12.5, width=39),
            *dots,
        ),
        arrows=tuple(arrows),
        notes=(
            *notes,
            *(
                Note(columns[id], _TOKENS + 26, label, "middle", size=12)
                for id, label in {"IO": "IO", "S1": "S1", "next": "S1+1", "S2": "S2", "END": "END"}.items()
            ),
            Note(_END - 26, top, "predicts", "end"),
        ),
    )
