"""The drawn noisy recall. Oracle: which part of the model the chapter says adds what, written out."""

import pytest

from mechbook.noisy.drawing import NOISY_RECALL
from mechbook.reader.circuits.layout import box_frame, faults


def test_nothing_lies_over_anything() -> None:
    assert faults(NOISY_RECALL) == []


def test_attention_brings_the_answer_and_F_2_the_noise() -> None:
    found = {(a.start, a.end): (a.role, a.kind) for a in NOISY_RECALL.arrows if a.kind != "stream"}
    assert found == {
        ("q", "note on y"): ("W_K1", "copy"),
        ("q again", "note on noise"): ("W_K1", "copy"),
        ("note on y", "attention"): ("W_K2", "copy"),
        ("note on noise", "attention"): (None, "weak"),
        ("read", "F_2"): ("W_F", "copy"),
        ("F_2", "feed forward"): ("W_F", "copy"),
        ("feed forward", "full noise"): ("noise", "copy"),
    }


def test_tokens_and_their_bars_have_one_colour() -> None:
    roles = {box.id: box.role for box in NOISY_RECALL.boxes}
    assert {roles[id] for id in ("y", "attention", "full y", "cut y")} == {"correct"}
    assert {roles[id] for id in ("noise", "feed forward", "full noise")} == {"noise"}


def test_the_bars_are_probabilities_at_alpha_one_half() -> None:
    at = {box.id: box_frame(box) for box in NOISY_RECALL.boxes}
    wide = {id: at[id].right - at[id].left for id in ("full y", "full noise", "cut y")}
    assert wide["full y"] == wide["full noise"]
    assert at["full y"].left == at["cut y"].left and at["full noise"].right == pytest.approx(at["cut y"].right)
