"""The drawn IOI heads. Oracle: what `HeadScores` and `Roles` say of each role, written out."""

from dataclasses import fields, replace

import pytest

from mechbook.laser.ioi.circuit import Roles
from mechbook.laser.ioi.drawing import heads_named, ioi_heads
from mechbook.reader.circuits.elements import Circuit
from mechbook.reader.circuits.layout import faults

ROLES = Roles(
    suppressors=((23, 3),),
    inhibition=((20, 1), (21, 7)),
    copying=((24, 2), (25, 1), (27, 8)),
    negative=((26, 0),),
    duplicate=((3, 1), (5, 6)),
    induction=((10, 2), (12, 5), (13, 8), (14, 0), (15, 1)),
    previous=((2, 3),),
)
# From the token attended to, to the token at which the head writes.
READS = {
    "previous token": ("S1", "next"),
    "duplicate token": ("S1", "S2"),
    "induction": ("next", "S2"),
    "S-inhibition": ("S2", "END"),
    "S suppressor": ("S2", "END"),
    "name mover": ("IO", "END"),
    "negative mover": ("IO", "END"),
}


def drawn(circuit: Circuit) -> dict[str, tuple[str, str]]:
    """The tokens of each row's arrow."""
    heads = [arrow for arrow in circuit.arrows if arrow.kind == "copy"]
    found = {}
    for arrow in heads:
        (row, start), (_, end) = arrow.start.split(", "), arrow.end.split(", ")
        found[row] = (start, end)
    return found


def test_every_role_reads_and_writes_where_it_was_measured() -> None:
    assert drawn(ioi_heads(ROLES)) == READS


def test_the_heads_stand_under_their_role() -> None:
    texts = [note.text for note in ioi_heads(ROLES).notes]
    wanted = {
        "previous token": "2.3",
        "duplicate token": "3.1, 5.6",
        "induction": "10.2, 12.5, 13.8 +2",
        "S-inhibition": "20.1, 21.7",
        "S suppressor": "23.3",
        "name mover": "24.2, 25.1, 27.8",
        "negative mover": "26.0",
    }
    assert {name: texts[texts.index(name) + 1] for name in wanted} == wanted
    assert all(f"{name} heads, {heads}:" in ioi_heads(ROLES).words for name, heads in wanted.items())


@pytest.mark.parametrize("empty", [None, *(field.name for field in fields(Roles))])
def test_nothing_lies_over_anything_even_without_a_role(empty: str | None) -> None:
    circuit = ioi_heads(replace(ROLES, **{empty: ()}) if empty else ROLES)
    assert faults(circuit) == []
    assert len(drawn(circuit)) == len(READS) - (empty is not None)


def test_many_heads_with_long_names_find_room() -> None:
    many = tuple((20 + number, 10 + number) for number in range(9))
    assert faults(ioi_heads(replace(ROLES, **{field.name: many for field in fields(Roles)}))) == []


def test_names_of_heads() -> None:
    assert heads_named(()) == "none" and heads_named(((0, 7),)) == "0.7"
    assert heads_named(((1, 2), (3, 4), (5, 6), (7, 8))) == "1.2, 3.4, 5.6 +1"
