"""The plateau of a run: where it lies, when the loss passes halfway, what is guessed on it. Oracle: by hand."""

import math

import pytest
import torch

from mechbook.facts.dynamics import DynamicsResult
from mechbook.facts.plateau import best_guesses, halfway, longest_stretch, plateau
from mechbook.facts.task import FactTask, structured_answers

TASK = FactTask(S=6, R=5, D=3, T=9, n_noise=7, answers=structured_answers(6, 5, 3))


def run(*losses: list[float]) -> DynamicsResult:
    """Scores at steps 0, 10, 20, ... with these losses, one list for each seed; the other scores number the steps."""
    steps, none = [10 * i for i in range(len(losses[0]))], torch.zeros(0)
    rising = torch.arange(len(steps)).double().unsqueeze(1).expand(-1, len(losses))
    scores = {"loss": torch.tensor(losses).double().T, "valid": rising + 0.5, "accuracy": rising + 0.25}
    scores["relation_only"] = rising / 100
    return DynamicsResult(
        steps=steps, scores=scores, checkpoint_steps=[], values=none, weights=none, final_values=none,
        final_weights=none, seconds=0.0,
    )  # fmt: skip


LEVEL = math.log(3)
FALLS = [math.log(15), 2.0, LEVEL + 0.04, LEVEL, LEVEL - 0.03, LEVEL + 0.02, LEVEL - 0.04, 0.5, 0.0]


def test_the_longest_stretch_is_found() -> None:
    """Oracle: by hand."""
    steps = [0, 10, 20, 30, 40, 50, 60]
    assert longest_stretch(steps, [True, True, False, True, True, True, False]) == (30, 50)
    assert longest_stretch(steps, [False] * 6 + [True]) == (0, 0)
    assert longest_stretch(steps, [True] * 7) == (0, 60)


def test_the_plateau_is_where_the_loss_is_near_log_d() -> None:
    """Oracle: by hand; of the second seed too, and 0 to 0 where there is none."""
    found = run([3.0] * 9, FALLS)
    flat = plateau(found, TASK, 0.05, 1)
    assert (flat.start, flat.end, flat.places, flat.quarter) == (20, 60, [2, 3, 4, 5, 6], 3)
    assert flat.middle == 4
    assert plateau(found, TASK, 0.025, 1).places == [3] or plateau(found, TASK, 0.025, 1).end == 0
    none = plateau(found, TASK, 0.05, 0)
    assert (none.start, none.end, none.places) == (0, 0, [0])


def test_best_guesses_are_those_a_quarter_of_the_way_along() -> None:
    """Oracle: the scores at the place 3 of the test above."""
    found = best_guesses(run([3.0] * 9, FALLS), TASK, 0.05, 1)
    by_hand = {"valid": 3.5, "correct": 3.25, "preferred": -0.03, "uneven": 0.0}
    assert found == pytest.approx(by_hand, abs=1e-6)


def test_halfway_is_the_first_probe_below_the_middle() -> None:
    """Oracle: the middle of log 15 and log 3 is 1.90, that of log 3 and 0 is 0.55; one that never gets there."""
    assert halfway(run(FALLS), TASK, 0) == (20, 70)
    assert halfway(run([3.0] * 9), TASK, 0) == (81, 81)
