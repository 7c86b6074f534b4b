"""What chapter 3 can be run with: impossible values are refused, each in one sentence, and so are unknown settings."""

import copy
from dataclasses import fields
from typing import Any

import pytest

from mechbook.core.presets import replace
from mechbook.induction import presets
from mechbook.induction.presets import LAPTOP, PAPER

PARTS = [LAPTOP, LAPTOP.all_tokens, LAPTOP.length, LAPTOP.dimension, LAPTOP.vanilla, LAPTOP.realistic]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seeds": 0}, "seeds is 0; it must be a whole number >= 1."),
        ({"few_seeds": 6}, "few_seeds is 6; it must be between 1 and seeds = 5."),
        ({"T": 7}, "T is 7; it must be 8 or more."),
        ({"short_T": 7}, "short_T is 7; it must be 8 or more."),
        ({"K": 61}, "K is 61; it must be between 1 and 60, as the 5 most frequent can be left out."),
        ({"d": 0}, "d is 0; it must be a whole number >= 1."),
        ({"hand_d": 0}, "hand_d is 0; it must be a whole number >= 1."),
        ({"batch_size": 0}, "batch_size is 0; it must be a whole number >= 1."),
        ({"lr": 0.0}, "lr is 0.0; it must be a finite number > 0."),
        ({"steps": 30}, "steps is 30; it must be 40 or more."),
        ({"steps": 200}, "frozen_steps is 300; it must be a multiple of 10, at most steps = 200."),
        ({"released_steps": 290}, "released_steps is 290; it must be frozen_steps = 300 or more."),
        ({"frozen_steps": 105}, "frozen_steps is 105; it must be a multiple of 10, at most steps = 320."),
    ],
)
def test_impossible_values_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        replace(LAPTOP, **changes)
    assert str(caught.value) == sentence


def test_another_initial_matrix_is_refused() -> None:
    # Past the annotation, which the tests check as well.
    other = copy.copy(LAPTOP)
    object.__setattr__(other, "matrix_init", "zero")
    with pytest.raises(ValueError, match=r"^matrix_init is 'zero'; it must be 'gaussian' or 'uniform'\.$"):
        other.__post_init__()


@pytest.mark.parametrize(
    ("part", "changes", "sentence"),
    [
        ("all_tokens", {"output_K": 0}, "output_K is 0; it must be a whole number >= 1."),
        ("all_tokens", {"trigger_lr": -1.0}, "trigger_lr is -1.0; it must be a finite number > 0."),
        ("dimension", {"bold_lr": 0.0}, "bold_lr is 0.0; it must be a finite number > 0."),
        ("dimension", {"lrs": ()}, "lrs is (); it must be one or more positive step sizes."),
        ("dimension", {"fixed_lr": 0.3}, "fixed_lr is 0.3; it must be one of lrs = (0.2, 0.5, 1.0)."),
        ("length", {"T": 7}, "T is 7; it must be 8 or more."),
        ("length", {"lr": 0.0}, "lr is 0.0; it must be a finite number > 0."),
        ("realistic", {"T": 7}, "T is 7; it must be 8 or more."),
        ("realistic", {"steps": 0}, "steps is 0; it must be a whole number >= 1."),
        ("vanilla", {"heads_steps": 0}, "heads_steps is 0; it must be a whole number >= 1."),
        ("vanilla", {"lr": 0.0}, "lr is 0.0; it must be a finite number > 0."),
    ],
)
def test_so_are_those_of_a_part(part: str, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        replace(getattr(LAPTOP, part), **changes)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("preset", PARTS)
def test_an_unknown_setting_is_refused(preset: Any) -> None:
    with pytest.raises(TypeError, match="has no setting 'warm_up'"):
        replace(preset, warm_up=3)


@pytest.mark.parametrize("preset", PARTS)
def test_every_setting_is_explained(preset: Any) -> None:
    # Oracle: the fields themselves; a docstring lists them before a colon.
    listed = {
        name.strip()
        for line in str(type(preset).__doc__).splitlines()
        for name in line.partition(":")[0].split(",")
        if ":" in line
    }
    assert {field.name for field in fields(preset)} <= listed


def test_what_is_left_out_as_frequent_is_what_the_task_leaves_out() -> None:
    most = presets.load_counts().N - presets.MOST_FREQUENT
    assert replace(PAPER, K=most).K == most
