"""Chapter 5's exercises: their references against other ways to the same numbers, and wrong answers that are caught."""

import math

import pytest
import torch
from torch import nn

from mechbook.laser import exercises


def test_lowering_a_logit_is_softmax_of_the_changed_logits() -> None:
    """Oracle: torch's softmax over three tokens, one of them changed."""
    p = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    changed = (p.log() - torch.tensor([0.0, 1.3, 0.0], dtype=torch.float64)).softmax(0)
    assert exercises.lowered(0.5, 1.3) == pytest.approx(float(changed[1]), abs=1e-12)
    # the odds, and so the ratio of what is left, change by the factor e^c
    q = exercises.lowered(0.4, 0.7)
    assert ((1 - q) / q) / (0.6 / 0.4) == pytest.approx(math.exp(0.7))


def test_heads_and_the_rest_add_up_to_the_logit_difference() -> None:
    """Oracle: torch's RMSNorm and unembedding on the sum of two heads and a rest."""
    draw = torch.Generator().manual_seed(3)
    z1, z2 = torch.randn(2, 3, generator=draw, dtype=torch.float64)
    W1, W2 = torch.randn(2, 7, 3, generator=draw, dtype=torch.float64)
    rest, gain, u, v = torch.randn(4, 7, generator=draw, dtype=torch.float64)
    x = W1 @ z1 + W2 @ z2 + rest
    norm = nn.RMSNorm(7, eps=0.0, dtype=torch.float64)
    norm.weight.data = gain
    whole = float((norm(x) @ (u - v)).detach())
    parts = [exercises.direct(z, W, x, gain, u, v) for z, W in ((z1, W1), (z2, W2))]
    parts.append(exercises.direct(rest, torch.eye(7, dtype=torch.float64), x, gain, u, v))
    assert float(sum(parts)) == pytest.approx(whole, abs=1e-10)


def test_the_cost_is_a_count_of_positions_and_blocks() -> None:
    """Oracle: loops that count."""
    whole = sum(1 for _ in range(30) for _ in range(18))
    knockout = sum(1 for block in range(30) if block >= 23)
    assert exercises.work_saved(18, 30, 23) == pytest.approx(whole / knockout)


@pytest.mark.parametrize(
    ("exercise", "right", "wrong"),
    [
        (exercises.logit, exercises.lowered, lambda alpha, c: alpha * math.exp(-c)),
        (exercises.attribution, exercises.direct, lambda z, W_O, x, gain, a, b: ((W_O @ z) * gain) @ (a - b)),
        (exercises.prefix, exercises.work_saved, lambda T, n_layers, first: T),
    ],
)
def test_right_answers_pass_and_near_misses_do_not(exercise, right, wrong, capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: the reference, and one that forgets something: the sum to 1, the scale, the blocks."""
    exercise.solution(right)
    exercise.check(None)
    exercise.check(wrong)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("right.") and "not answered yet" in lines[1] and "not right yet" in lines[2]
    with pytest.raises(ValueError, match="is wrong"):
        exercise.solution(wrong)
