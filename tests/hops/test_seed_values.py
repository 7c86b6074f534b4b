"""The values of chapter 7's claims on results made up here, read off by eye."""

from typing import Any

import pytest
import torch

from mechbook.hops import recorded, seed_values, values
from mechbook.hops.presets import LAPTOP, PAPER
from mechbook.hops.training import HopTrainingResult


def result(*accuracy: list[float], solved: int | None = None, every: int = 25) -> HopTrainingResult:
    steps = [every * (number + 1) for number in range(len(accuracy))]
    return HopTrainingResult(
        steps=steps,
        accuracy=list(accuracy),
        loss=[1.0] * len(steps),
        stages=[],
        solved=solved,
        seen=1,
        final={},
        seconds=0.0,
    )


class Made:
    """Settings whose results are made up."""

    def __init__(self, *results: HopTrainingResult) -> None:
        self.results = list(results)

    def run(self) -> list[HopTrainingResult]:
        return self.results


def test_order_is_the_first_record_above_nine_tenths(monkeypatch: pytest.MonkeyPatch) -> None:
    run = result([0.9, 0.1, 0.1, 0.1], [0.95, 0.91, 0.1, 0.1], [1.0, 1.0, 0.95, 0.9], solved=75)
    monkeypatch.setattr(seed_values, "mixture_settings", lambda setup: Made(result([0.0] * 4), run))
    assert seed_values.order(LAPTOP, 1) == {"hop_1": 50, "hop_2": 50, "hop_3": 75, "hop_4": 76, "solved": 1}
    assert seed_values.order(LAPTOP, 0) == {"hop_1": 26, "hop_2": 26, "hop_3": 26, "hop_4": 26, "solved": 0}


def test_scaling_has_the_steps_and_the_slopes_of_what_was_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps grow as k for the mixture and as k squared for the curriculum, which does not solve 8.

    The first reading's slopes are of k = 2, 4, 8 alone, without the 8 that was not solved.
    """
    found = {("direct", k): result([1.0], solved=10 * k) for k in values.DIRECT_HOPS}
    found |= {("mixture", k): result([1.0], solved=100 * k) for k in values.EASY_HOPS}
    found |= {("curriculum", k): result([1.0], solved=100 * k * k if k < 8 else None) for k in values.EASY_HOPS}
    monkeypatch.setattr(seed_values, "scaling_results", lambda setup, name, k: [None, found[name, k]])
    assert seed_values.scaling(LAPTOP, 1) == {
        **{f"direct_{k}": 10 * k for k in (1, 2, 3, 4)},
        **{f"mixture_{k}": 100 * k for k in (2, 3, 4, 5, 6, 8)},
        **{f"curriculum_{k}": 100 * k * k for k in (2, 3, 4, 5, 6)},
        "curriculum_8": 26,
        "budget": 2000,
        "mixture_slope": pytest.approx(1.0),
        "curriculum_slope": pytest.approx(2.0),
    }


def test_errors_by_depth_keep_defined_answers_and_all_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed_values, "head_settings", lambda setup, L: L)
    rows = torch.arange(4, dtype=torch.float64) / 8
    monkeypatch.setattr(seed_values, "head_errors", lambda L, seed: (rows + L, rows - L, rows + 10 * L))
    found = seed_values.hop_heads(LAPTOP, 0)
    for c, k in enumerate((1, 2, 4, 8)):
        for L in (2, 3, 4):
            assert (found[f"all_{L}_hop_{k}"], found[f"layers_{L}_hop_{k}"]) == (c / 8 + L, c / 8 - L)
        assert found[f"share_{k}"] == c / 8 + 20


def test_accuracies_are_those_of_the_last_hop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed_values, "mixture_settings", lambda setup: "mixture")
    monkeypatch.setattr(seed_values, "curriculum_settings", lambda setup: "curriculum")
    rows: dict[Any, Any] = {("mixture", 1): torch.tensor([0.25, 0.5]), ("curriculum", 1): torch.tensor([0.5, 0.75])}
    monkeypatch.setattr(seed_values, "fresh_accuracy", lambda spec, seed: rows[spec, seed])
    assert (seed_values.mixture_solves(LAPTOP, 1), seed_values.curriculum_solves(LAPTOP, 1)) == (0.5, 0.75)


def test_two_layers_are_judged_by_their_best_step_and_not_their_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: by eye; the last hop alone, at its highest, of the seed asked for."""
    mixture = Made(result([1.0, 1.0], solved=25), result([1.0, 1.0], solved=75))
    shallow = Made(result([0.9, 0.9]), result([0.1, 0.2], [1.0, 0.625], [0.7, 0.5]))
    monkeypatch.setattr(seed_values, "mixture_settings", lambda setup: mixture)
    monkeypatch.setattr(seed_values, "shallow_settings", lambda setup, needed: shallow)
    monkeypatch.setattr(seed_values, "fresh_accuracy", lambda spec, seed: torch.tensor([0.25, 0.75]))
    assert seed_values.depth(LAPTOP, 1) == {"three": 0.75, "two": 0.625, "steps": 75, "mixture_steps": 50.0}


def test_curves_of_seeds_that_end_at_other_times_are_filled_up() -> None:
    steps, rows = recorded.curves([result([0.1, 0.2]), result([0.3, 0.4], [0.5, 0.6])])
    assert steps == [25, 50] and set(rows) == {
        f"seed {s}, {what}" for s in (0, 1) for what in ("loss", "hop 1", "hop 2")
    }
    assert rows["seed 1, hop 2"] == [0.4, 0.6] and rows["seed 0, hop 1"][0] == 0.1
    assert rows["seed 0, hop 1"][1] != rows["seed 0, hop 1"][1]


def test_every_run_is_listed_once_and_claims_name_them() -> None:
    names = [run.name for run in recorded.runs(PAPER)]
    assert names[:3] == ["hops/mixture", "hops/curriculum", "hops/current"]
    (scaling,) = [claim for claim in recorded.CLAIMS if claim.values is values.SCALING]
    stands_on = scaling.runs(PAPER, 0)
    assert len(stands_on) == 4 + 6 + 6 and set(stands_on) <= set(names) and scaling.budgets(PAPER)["direct_4"] == 20_000
