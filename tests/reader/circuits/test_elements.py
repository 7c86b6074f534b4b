"""What a circuit refuses. Oracle: the same circuit without the mistake, which it takes."""

from dataclasses import replace

import pytest

from mechbook.reader.circuits.elements import Arrow, Box, Circuit, Group, Note

GOOD = Circuit(
    name="good",
    title="One arrow",
    words="An arrow from a to b.",
    height=101,
    width=211,
    boxes=(Box("a", 37, 79, "a"), Box("b", 151, 23, "b"), Box("c", 151, 79, "c")),
    groups=(Group("both", ("b", "c")),),
    arrows=(Arrow("a", "b", "top", "left", label="moves"), Arrow("a", "c", "right", "left")),
    notes=(Note(60, 50, "words"),),
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"boxes": (*GOOD.boxes, Box("a", 1, 1))}, "the id 'a' is given twice"),
        ({"boxes": (*GOOD.boxes, Box("both", 1, 1))}, "the id 'both' is given twice"),
        ({"arrows": (Arrow("a", "z"),)}, "no box or group 'z'"),
        ({"groups": (Group("both", ("b", "y")),)}, "no box or group 'y'"),
        ({"arrows": (*GOOD.arrows, Arrow("b", "c", label="moves"))}, "the label 'moves' stands at two arrows"),
        ({"arrows": (Arrow("a", "b", role="W_Q"),)}, "no role 'W_Q'"),
        ({"notes": (Note(11, 13, "words", role="red"),)}, "no role 'red'"),
        ({"boxes": (Box("a", 1, 1, role="red"), *GOOD.boxes[1:])}, "no role 'red'"),
    ],
)
def test_a_mistake_is_told(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(GOOD, **change)  # type: ignore[arg-type]
