"""The values of chapter 4's claims on measurements made up here, read off by eye."""

from typing import Any

import pytest

from mechbook.core.training.loop import TrainingResult
from mechbook.noisy import after_training, experiments, layer_2, recorded, seed_values, values
from mechbook.noisy.experiments import DROP_F1, DROP_F2, OUTPUT_RHOS, dropped
from mechbook.noisy.presets import LAPTOP, PAPER
from mechbook.noisy.runs import value_name

STEPS = [0, 10, 20, 30]


class Made:
    """Settings whose run and whose measurements at the end are made up."""

    def __init__(self, end: dict[str, float], **rows: list[float]) -> None:
        self.end, self.rows = end, rows

    def run(self) -> TrainingResult:
        return TrainingResult(steps=STEPS, values=self.rows, checkpoints={}, final={}, seconds=0.0)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`made(main_settings={arguments after the preset: Made(...)})` puts made-up runs in place of real ones."""
    monkeypatch.setattr(seed_values, "end_values", lambda spec: spec.end)

    def put(**runs: dict[tuple[Any, ...], Made]) -> None:
        for name, by in runs.items():
            monkeypatch.setattr(experiments, name, lambda setup, *given, by=by: by[given])

    return put


def test_the_main_models(made: Any) -> None:
    end = {"noise": 0.5, "clean_loss": 2.0, "correct": 0.4, "attention_correct": 0.9, "attention_noise": 0.1}
    end |= {value_name("correct", DROP_F2): 0.95, value_name("clean_loss", DROP_F2): 0.2}
    end |= {value_name("noise", ("F2.W_in", rho)): rho / 2 for rho in (0.0, 0.01, 0.05, 0.2)}
    end |= {value_name("noise", DROP_F1): 0.99}
    rows = {
        "noise_first": [0.1, 0.8, 0.7, 1.0],
        "margin": [1.0, -1.0, 2.0, 3.0],
        "attention_correct": [0.0, 0.0, 0.49, 0.5],
    }
    made(main_settings={(7,): Made(end, **rows)})
    assert seed_values.full_predicts_noise(LAPTOP, 7) == 0.5
    assert seed_values.drop_F2(LAPTOP, 7) == {"correct": 0.95, "noise": 0.0}
    assert seed_values.rank_sweep(LAPTOP, 7) == {
        "noise_0": 0.0, "noise_1": 0.005, "noise_5": 0.025, "noise_20": 0.1, "noise_100": 0.5, "loss_0": 0.2,
        "loss_100": 2.0,
    }  # fmt: skip
    # within the first 20 steps, that step included
    assert seed_values.noise_first(LAPTOP, 7) == {"early": 0.8, "final": 0.5, "settled": 1.0}
    # above zero for good from step 20 on; attention at 0.5 at the last probe
    assert seed_values.F2_margin(LAPTOP, 7) == {"margin": 20, "attention": 30}
    assert seed_values.attention_avoids_noise(LAPTOP, 7) == {"correct": 0.9, "noise": 0.1}
    assert seed_values.drop_F1(LAPTOP, 7) == {"full": 0.5, "dropped": 0.99}


def test_fine_tuning_compares_the_first_probe_with_the_end(made: Any) -> None:
    run = Made({"attention_noise": 0.25}, noise_first=[0.0, 0.0, 0.9, 1.0], attention_noise=[0.75, 0.5, 0.3, 0.2])
    made(fine_tuned_settings={(1,): run})
    assert seed_values.finetune(LAPTOP, 1) == {"early": 0.9, "before": 0.75, "after": 0.25}


def test_noise_levels_are_named_in_percent(made: Any) -> None:
    levels = {
        (alpha, 0): Made(
            {
                "noise": alpha,
                "correct": 0.25,
                value_name("correct", DROP_F2): 0.75,
                value_name("noise", DROP_F2): alpha / 2,
            }
        )
        for alpha in (0.2, 0.5, 0.8)
    }
    made(level_settings=levels)
    assert seed_values.alpha_sweep(LAPTOP, 0) == {
        **{f"noise_{level}": level / 100 for level in (20, 50, 80)},
        **{f"gain_{level}": 0.5 for level in (20, 50, 80)},
        **{f"dropped_{level}": level / 200 for level in (20, 50, 80)},
    }


def test_other_blocks(made: Any) -> None:
    def whole(F1: Any, F2: Any) -> dict[str, float]:
        named = {"correct": 0.5, "noise": 0.4}
        for number, cut in enumerate((dropped("F1", F1), dropped("F2", F2)), 1):
            named |= {value_name(what, cut): number / 10 for what in ("correct", "noise", "clean_loss")}
        return named

    gains = dict(zip(OUTPUT_RHOS, (0.1, 0.2, 0.9, 0.3, 0.4, 0.5), strict=True))
    without = {"correct": 0.5} | {value_name("correct", ("W_O1", rho)): gain for rho, gain in gains.items()}
    made(
        architecture_settings={
            ("mlp_linear", 0): Made(whole("mlp", "linear")),
            ("linear_mlp", 0): Made(whole("linear", "mlp")),
            ("no_blocks", 0): Made(without),
        },
        main_settings={(0,): Made({"correct": 0.25, value_name("correct", DROP_F2): 1.0})},
    )
    assert seed_values.mlp_linear(LAPTOP, 0) == {
        "correct_full": 0.5, "correct_F1": 0.1, "correct_F2": 0.2, "loss_F1": 0.1, "loss_F2": 0.2,
    }  # fmt: skip
    assert seed_values.linear_mlp(LAPTOP, 0) == {
        "correct_full": 0.5, "correct_F2": 0.2, "noise_full": 0.4, "noise_F1": 0.1,
    }  # fmt: skip
    assert seed_values.without_blocks(LAPTOP, 0) == {
        "gain": pytest.approx(0.4), "correct_5": 0.9, "correct_1": 0.1, "correct_full": 0.5, "mlp_gain": 0.75,
    }  # fmt: skip


def test_roles_and_margins_are_those_of_their_runs(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    main, several = Made({}), Made({})
    made(main_settings={(3,): main}, several_settings={(3,): several})
    shares = {"previous": 0.1, "noise": 0.2, "value": 0.3, "used": 0.4, "noise_rank": 60.0}
    monkeypatch.setattr(after_training, "roles", {main: {**shares, "early": 9}}.get)
    monkeypatch.setattr(layer_2, "noise_score", {main: {"noise": -5.0, "lowest": -3.0, "trigger": -2.0}}.get)
    monkeypatch.setattr(after_training, "matching_margin", {several: 1.5}.get)
    assert seed_values.component_roles(LAPTOP, 3) == shares
    assert seed_values.kq_noise_score(LAPTOP, 3) == {"noise": -5.0, "lowest": -3.0}
    assert seed_values.multiple_triggers(LAPTOP, 3) == 1.5


def test_every_claim_about_a_run_is_listed() -> None:
    """Oracle: the declared values, less those of the theory."""
    theory = (
        "theorem1",
        "lemma_moments",
        "kq_sign",
        "kq_flip",
        "three_speeds",
        "linear_memory",
        "alpha_vs_n",
        "theorem2",
    )
    declared = {value.claim for value in vars(values).values() if isinstance(value, values.Values)}
    assert {claim.values.claim for claim in recorded.CLAIMS} == declared - {f"noisy.{name}" for name in theory}
    names = [run.name for run in recorded.runs(PAPER)]
    assert names[:5] == [f"noisy/{name}" for name in ("main/0", "main/1", "main/2", "clean/0", "fine_tuned/0")]


def test_a_run_cut_short_is_the_same_model_on_fewer_steps() -> None:
    spec = experiments.fine_tuned_settings(PAPER, 0)
    short = recorded.shortened(spec, 3)
    assert (short.steps, short.probe_steps, short.start, short.cool_down) == (3, (3,), None, None)
    assert (short.model, short.training.batch_size, short.T) == (spec.model, spec.training.batch_size, spec.T)
