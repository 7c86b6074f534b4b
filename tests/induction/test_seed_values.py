"""The values of chapter 3's claims on runs made up here, whose numbers are read off by eye, and on small real ones."""

from typing import Any

import pytest
import torch

from mechbook.core.presets import replace
from mechbook.core.training.loop import TrainingResult
from mechbook.induction import measurements, recorded, seed_values, values
from mechbook.induction.experiments import FREEZE
from mechbook.induction.preference import Preference
from mechbook.induction.presets import LAPTOP, PAPER

STEPS = [0, 10, 20, 30]
SETUP = replace(LAPTOP, steps=40, frozen_steps=20, released_steps=40, seeds=2, few_seeds=2)


class Made:
    """Settings whose run is made up."""

    def __init__(self, **rows: list[float]) -> None:
        self.rows = rows

    def run(self) -> TrainingResult:
        return TrainingResult(steps=STEPS, values=self.rows, checkpoints={}, final={}, seconds=0.0)


class MadeLong(Made):
    """The same of Figure 10's architecture, which measures its own accuracy."""

    def accuracy(self) -> float:
        return 0.875


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`made("frozen_settings", {arguments after the preset: Made(...)})` puts made-up runs in place of real ones."""

    def put(name: str, runs: dict[tuple[Any, ...], Made]) -> None:
        monkeypatch.setattr(seed_values, name, lambda setup, *given, **named: runs[(*given, *named.values())])

    return put


@pytest.fixture
def made_joint(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`made_joint(probe=[...])` puts a made-up run with these values in place of Figure 3's first column."""

    def put(**rows: list[float]) -> None:
        monkeypatch.setattr(seed_values, "joint_run", lambda setup, seed: Made(**rows).run())

    return put


def test_order_counts_the_steps_to_recall_and_one_more_than_the_last(made_joint: Any) -> None:
    made_joint(
        W_O2=[0.0, 0.6, 0.5, 1.0],
        W_K2=[0.0, 0.0, 0.0, 1.0],
        W_K2_weighted=[0.0, 0.59, 0.61, 1.0],
        W_K1=[0.6, 0.6, 0.6, 0.6],
        W_K1_early=[0.0, 0.0, 0.0, 0.6],
        W_K1_all_keys=[0.0, 0.0, 0.0, 0.59],
        W_K1_all_keys_used=[0.0, 0.7, 0.7, 0.7],
    )
    assert seed_values.order(SETUP, 1) == {
        "W_O2": 10, "W_K2": 30, "W_K1": 31, "W_K2_weighted": 20, "W_K1_weighted": 10, "W_K1_seen": 0, "W_K1_early": 30,
    }  # fmt: skip


def test_early_positions_are_compared_from_where_something_is_stored(made_joint: Any) -> None:
    """The gap is -1/64 at the start, where all is chance; -0.125 at step 20 is the smallest of recall 0.1 and more."""
    made_joint(
        W_K1_all_keys=[0.015625, 0.1, 0.5, 0.75],
        W_K1_all_keys_early=[0.0, 0.5, 0.25, 1.0],
        W_K1_all_keys_late=[0.015625, 0.0, 0.375, 0.5],
        W_K1_early=[0.25, 0.5, 0.75, 1.0],
        W_K1_late=[0.0, 0.375, 0.25, 0.5],
    )
    found = seed_values.early_positions(replace(SETUP, T=8), 0)
    # T = 8: query position 1 sees two keys; positions 2 to 7 see 3 to 8
    seen = 1 / 2 - (1 / 3 + 1 / 4 + 1 / 5 + 1 / 6 + 1 / 7 + 1 / 8) / 6
    assert found.pop("chance_gap_seen") == pytest.approx(seen, abs=1e-12)
    assert found == {
        "steps_early": 30, "steps_late": 31, "smallest_gap": -0.125, "gap_throughout": -0.125, "chance": 1 / 8,
        "gap_seen": 0.125,
    }  # fmt: skip


def test_a_matrix_that_stores_nothing_has_no_gap(made_joint: Any) -> None:
    row = [0.25] * 4
    made_joint(W_K1_all_keys=[0.09] * 4, W_K1_all_keys_early=row, W_K1_all_keys_late=[0.0] * 4, W_K1_early=row,
               W_K1_late=row)  # fmt: skip
    assert seed_values.early_positions(SETUP, 0)["smallest_gap"] == 0.0


def test_what_is_learned_before_the_release(made: Any) -> None:
    """The release is at step 20: the last probe does not count."""
    frozen = Made(W_K1=[0.25, 0.5, 0.125, 9.0], W_K2=[0.5, 0.25, 0.5, 9.0], W_K2_weighted=[0.5, 0.0, 0.25, 9.0])
    both = Made(W_O2=[0.0, 0.75, 0.5, 9.0], accuracy=[0.0, 0.25, 0.5, 9.0])
    made("frozen_settings", {(1, "freeze_W_O2"): frozen, (1, "freeze_both"): both})
    assert seed_values.W_O2_needed(SETUP, 1) == {
        "drift_W_K1": 0.25,
        "drift_W_K2": 0.25,
        "drift_W_K2_weighted": 0.5,
        "alone_W_O2": 0.75,
        "alone_accuracy": 0.5,
    }


def test_joint_training_against_each_frozen_column(made: Any) -> None:
    runs = {
        (0, condition): Made(
            accuracy=[0.8 if step >= 10 * number else 0.0 for step in STEPS],
            W_K1=[0.0, 0.0, 0.125, 1.0],
            W_K2=[0.0, 0.0, 0.25, 1.0],
            W_K2_weighted=[0.0, 0.0, 0.5, 1.0],
        )
        for number, condition in enumerate(FREEZE)
    }
    made("frozen_settings", runs)
    assert seed_values.joint_faster(SETUP, 0) == {
        "recall_W_K2": 0.25,
        "recall_W_K2_weighted": 0.5,
        "recall_W_K1": 0.125,
        "steps_joint": 0,
        "steps_freeze_W_O2": 10,
        "steps_freeze_W_K1": 20,
        "steps_freeze_W_K2": 30,
        "steps_freeze_both": 31,
    }


def test_triggers(made: Any) -> None:
    def run(*, kl: float = 4.0, late: int) -> Made:
        def at(bar: float, step: int) -> list[float]:
            return [bar if s >= step else 0.0 for s in STEPS]

        rows = {
            "W_F_kl": [kl, kl / 2, 0.1, 3.0],
            "accuracy": at(0.8, late),
            "W_O2": at(0.9, late),
            "W_K2": at(0.6, late),
        }
        return Made(**rows)

    made(
        "trigger_settings",
        {(0, "base"): run(late=0), (0, "few"): run(late=10), (0, "rare"): run(late=20), (0, "random"): run(late=30)},
    )
    assert seed_values.global_first(SETUP, 0) == {"kl_half": 10, "accuracy_half": 30, "reached": 1.0}
    found = seed_values.trigger_effects(SETUP, 0)
    steps = {"base": 0, "few": 10, "rare": 20, "random": 30}
    assert found == {name: steps[name.partition("_")[0]] for name in values.TRIGGER_EFFECTS.names}


def test_competition_is_the_mean_of_the_last_tenth_over_the_minimum(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = list(range(0, 101, 5))
    W_O2 = [0.0] * 10 + [0.75] + [0.5] * 10
    with_head = Made(W_F_kl=[4.0] * 10 + [0.5] + [1.0] * 7 + [2.0, 3.0, 4.0], W_O2=W_O2)
    made("output_settings", {(2, "uniform"): with_head})
    made("bag_settings", {(2,): Made(W_F_kl=[4.0] * 10 + [0.5] + [1.0] * 10)})
    monkeypatch.setattr("tests.induction.test_seed_values.STEPS", steps)
    monkeypatch.setattr(measurements, "accuracy", lambda spec: 0.75 if spec is with_head else 0.25)
    assert seed_values.competition(SETUP, 2) == {
        "accuracy": 0.75, "minimum": 0.5, "late": 3.0, "ratio": 6.0, "bag_ratio": 2.0, "bag_accuracy": 0.25,
        "W_O2_best": 0.75, "W_O2_end": 0.5,
    }  # fmt: skip


def made_recall(reached: int | None, last: float) -> TrainingResult:
    row = [0.9 if reached is not None and step >= reached else 0.1 for step in STEPS[:-1]] + [last]
    return Made(W_O2=row).run()


def test_the_tuned_rate_is_the_fastest_on_the_mean_then_the_highest_then_the_first() -> None:
    never = [made_recall(None, 0.4), made_recall(None, 0.6)]
    assert (
        seed_values.tuned_rate({0.1: [made_recall(10, 1.0)] * 2, 0.2: [made_recall(0, 1.0), made_recall(10, 1.0)]}, 0.9)
        == 0.2
    )
    assert seed_values.tuned_rate({0.1: [made_recall(None, 0.3)] * 2, 0.2: never}, 0.9) == 0.2
    assert seed_values.tuned_rate({0.1: never, 0.2: list(reversed(never))}, 0.9) == 0.1
    # which one is faster depends on the recall asked for
    soon = {0.1: [Made(W_O2=[0.0, 0.0, 1.0, 1.0]).run()], 0.2: [Made(W_O2=[0.0, 0.3, 0.3, 0.3]).run()]}
    assert [seed_values.tuned_rate(soon, bar) for bar in (0.9, 0.3)] == [0.1, 0.2]


def test_dimension_takes_each_seed_s_steps_at_the_rate_tuned_on_all(made: Any) -> None:
    setup = replace(SETUP, dimension=replace(SETUP.dimension, lrs=(0.2, 0.5), fixed_lr=0.2))

    def run(reached: int) -> Made:
        # recall 0.3 one probe step before 0.9
        return Made(W_O2=[0.9 if step >= reached else 0.3 if step + 10 >= reached else 0.0 for step in STEPS])

    # at 0.5 seed 0 is slower and both together are faster
    runs = {(s, d, lr): run({(0, 0.2): 10, (1, 0.2): 30, (0, 0.5): 20, (1, 0.5): 10}[s, lr]) for s in (0, 1)
            for d in values.DIMENSIONS for lr in (0.2, 0.5)}  # fmt: skip
    made("dimension_settings", runs)
    for seed, tuned, fixed in ((0, 20, 10), (1, 10, 30)):
        expected = {
            f"{rate}_{d}{end}": steps - before
            for rate, steps in (("tuned", tuned), ("fixed", fixed))
            for d in values.DIMENSIONS
            for end, before in (("", 10), ("_to_0.9", 0))
        }
        assert seed_values.dimension(setup, seed) == expected


def test_what_is_measured_on_vanilla_models(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each claim asks for its own model: triggers, layers and heads."""
    run = Made(W_O2=[0.6] * 4, W_K2_weighted=[0.0, 0.6, 0.6, 0.6], W_K1=[0.0] * 4)
    long = MadeLong(W_O2=[0.6] * 4, W_K2=[0.0] * 4, W_K2_weighted=[0.0, 0.6, 0.6, 0.6], W_K1=[0.0, 0.0, 0.0, 0.6],
                    W_K1_all_keys=[0.0, 0.0, 0.6, 0.6])  # fmt: skip
    models = {
        (0, "frequent"): "fixed", (0, "random"): run, (0, "frequent", 1): "one layer", (0, "random", 4): "four heads",
    }  # fmt: skip
    made("vanilla_settings", models)
    made("realistic_settings", {(0,): long})
    accuracies = {"fixed": 0.25, run: 0.5, "one layer": 0.75}
    masses = {
        "fixed": {"previous": [0.1], "induction": [0.2], "repeats": [0.3]},
        run: {"previous": [0.4], "induction": [0.5], "repeats": [0.6]},
        "four heads": {"previous": [0.1, 0.7, 0.2, 0.0], "induction": [0.8, 0.4, 0.41, 0.1], "repeats": [0.0] * 4},
    }
    preference = Preference(*torch.tensor([0.5, 0.25, 0.125, 0.0625]))
    monkeypatch.setattr(measurements, "accuracy", accuracies.get)
    monkeypatch.setattr(measurements, "head_masses", masses.get)
    monkeypatch.setattr(measurements, "preference", {run: preference}.get)
    assert seed_values.one_layer(SETUP, 0) == 0.75
    assert (seed_values.two_layers_fixed(SETUP, 0), seed_values.two_layers_random(SETUP, 0)) == (0.25, 0.5)
    assert seed_values.attention_maps(SETUP, 0) == {"previous": 0.4, "induction": 0.5}
    assert seed_values.fixed_vs_random(SETUP, 0) == {"fixed": 0.3, "random": 0.6}
    assert seed_values.head_vs_bigram(SETUP, 0) == {
        "outside": 0.5, "inside": 0.25, "raised_outside": 0.125, "raised_inside": 0.0625,
    }  # fmt: skip
    assert seed_values.realistic(SETUP, 0) == {
        "accuracy": 0.875, "W_O2": 0, "W_K2": 31, "W_K1": 20, "W_K2_weighted": 10, "W_K1_seen": 30,
        "short_W_O2": 0, "short_W_K2_weighted": 10, "short_W_K1_seen": 31,
    }  # fmt: skip
    # 0.4 is not above half of 0.8, 0.41 is
    monkeypatch.setattr(measurements, "uniform_induction", lambda spec: 0.15)
    assert seed_values.multi_head(SETUP, 0) == {
        "top": 0.7, "second": 0.2, "induction_heads": 2, "second_induction": 0.41, "uniform_induction": 0.15,
    }  # fmt: skip


def test_outputs_are_tested_on_both_kinds(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    uniform, bigram = (Made(W_O2=[0.0, 0.0, 0.0, x], W_K2=[0.0, 0.0, 0.0, x / 2]) for x in (1.0, 0.5))
    made("output_settings", {(0, "uniform"): uniform, (0, "bigram"): bigram})
    found = {(uniform, "uniform"): 0.1, (uniform, "bigram"): 0.2, (bigram, "uniform"): 0.3, (bigram, "bigram"): 0.4}
    monkeypatch.setattr(measurements, "accuracy", lambda spec, *, outputs: found[spec, outputs])
    assert seed_values.by_outputs(SETUP, 0) == {
        "uu": 0.1, "ub": 0.2, "bu": 0.3, "bb": 0.4, "W_O2_u": 1.0, "W_O2_b": 0.5, "W_K2_u": 0.5, "W_K2_b": 0.25,
    }  # fmt: skip


def test_memory_maps_read_their_diagonals(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: W_K2's diagonal is pi_u itself, W_K1's subdiagonal falls: both rank correlations are 1."""
    pi_u = seed_values.load_counts().pi_u
    W_K1 = torch.diag(-torch.arange(10.0), -1)
    maps = {"W_O2": torch.eye(65) + 0.1 * torch.randn(65, 65), "W_K2": torch.diag(pi_u), "W_K1": W_K1}
    made("frozen_settings", {(0,): Made()})
    monkeypatch.setattr(measurements, "trained", lambda spec: None)
    monkeypatch.setattr(seed_values, "induction_memory_maps", lambda model: maps)
    found = seed_values.memory_maps(SETUP, 0)
    assert found["W_K2_correlation"] == pytest.approx(1) and found["W_K1_correlation"] == pytest.approx(1)
    assert found["W_O2_separation"] == measurements.diagonal_separation(maps["W_O2"])
    assert found["W_K2_separation"] == measurements.diagonal_separation(maps["W_K2"])
    assert found["W_K1_separation"] == measurements.subdiagonal_separation(W_K1)


def test_the_chapter_reports_every_claim_of_the_list() -> None:
    declared = {value.claim for value in vars(values).values() if isinstance(value, values.Values)}
    assert {claim.values.claim for claim in recorded.CLAIMS} == declared
    assert [run.name for run in recorded.runs(PAPER)][:5] == [f"induction/frozen/{name}/0" for name in FREEZE]
