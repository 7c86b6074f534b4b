"""The drawn induction head. Oracle: the look-ups and copies of Birth's equation 7, written out."""

from mechbook.reader.circuits.induction_head import INDUCTION_HEAD
from mechbook.reader.circuits.layout import faults


def test_nothing_lies_over_anything() -> None:
    assert faults(INDUCTION_HEAD) == []


def test_the_arrows_are_the_three_memories_and_the_first_layers_copy() -> None:
    text = {box.id: box.text for box in INDUCTION_HEAD.boxes}
    found = {
        (text[arrow.start], text[arrow.end], arrow.role, arrow.kind)
        for arrow in INDUCTION_HEAD.arrows
        if arrow.kind != "stream"
    }
    assert found == {
        ("$p_s$", "$p_{s-1}$", "W_K1", "look"),  # W_K1 = sum of p_t p_{t-1}^T, the query first
        ("$w_E$($a$)", "$w_1$($a$)", None, "copy"),  # W_O1 W_V1 is random and has no role
        ("$w_E$($a$)", "$w_1$($a$)", "W_K2", "look"),  # W_K2 = sum of w_E(k) w_1(k)^T
        ("$w_E$($b$)", "$w_U$($b$)", "W_O2", "copy"),  # W_O2 = sum of w_U(k) (W_V2 w_E(k))^T
        ("$w_U$($b$)", "b", "correct", "copy"),
    }


def test_streams_stay_in_their_column_and_go_up() -> None:
    place = {box.id: (box.x, box.y) for box in INDUCTION_HEAD.boxes}
    for group in INDUCTION_HEAD.groups:
        (x,) = {place[id][0] for id in group.boxes}
        place[group.id] = (x, min(place[id][1] for id in group.boxes))
    ends = [(place[a.start], place[a.end]) for a in INDUCTION_HEAD.arrows if a.kind == "stream"]
    assert ends and all(below[0] == above[0] and below[1] > above[1] for below, above in ends)


def test_embeddings_have_their_roles() -> None:
    roles = {"$w_E": "input", "$p_": "position", "$w_U": "output", "$w_1": None}
    for box in INDUCTION_HEAD.boxes:
        for begin, role in roles.items():
            if box.text.startswith(begin):
                assert box.role == role, box.id
