"""What is read off a run's curves, against values seen by eye."""

import pytest

from mechbook.core.training.curves import steps_to
from mechbook.core.training.loop import TrainingResult


@pytest.mark.parametrize(
    ("name", "bar", "op", "expected"),
    [
        ("up", 0.5, ">=", 4),
        ("up", 0.0, ">=", 0),
        ("up", 0.91, ">=", 10),
        ("down", 2.0, "<=", 4),
        ("down", 0.9, "<=", 10),
        ("down", 3.0, ">=", 0),
    ],
)
def test_steps_to_is_the_first_probe_step_at_the_bar_or_one_after_the_last(
    name: str, bar: float, op: str, expected: int
) -> None:
    values = {"up": [0.0, 0.5, 0.4, 0.9], "down": [3.0, 2.0, 2.5, 1.0]}
    run = TrainingResult(steps=[0, 4, 6, 9], values=values, checkpoints={}, final={}, seconds=0.0)
    assert steps_to(run, name, bar, op=op) == expected


def test_what_a_run_has_not_is_refused_in_one_sentence() -> None:
    run = TrainingResult(steps=[0], values={"loss": [1.0]}, checkpoints={}, final={}, seconds=0.0)
    with pytest.raises(ValueError, match=r"^The run has no value 'W_K1'; it has loss\.$"):
        steps_to(run, "W_K1", 0.5)
    with pytest.raises(ValueError, match=r"^op is '<'; it must be '>=' or '<='\.$"):
        steps_to(run, "loss", 0.5, op="<")
