"""The settings of chapter 7's runs, and what is measured on them. Oracles: the chapter's words, closed forms."""

import dataclasses
import math

import pytest
import torch

from mechbook.core.presets import replace
from mechbook.hops import experiments as hops
from mechbook.hops.presets import LAPTOP, PAPER, HopsPreset
from mechbook.hops.training import HopTrainingResult
from mechbook.hops.values import DEPTHS, HEAD_HOPS, LAYERWISE

SCALES = pytest.mark.parametrize("setup", [LAPTOP, PAPER], ids=["laptop", "paper"])


def result(*, last: int = 100, solved: int | None = None, seen: int = 1) -> HopTrainingResult:
    steps = list(range(25, last + 1, 25))
    return HopTrainingResult(
        steps=steps, accuracy=[], loss=[], stages=[], solved=solved, seen=seen, final={}, seconds=0.0
    )


def test_steps_that_are_not_enough_count_with_one_more() -> None:
    """Oracle: by hand."""
    assert hops.steps_or_more(result(last=75, solved=75)) == 75
    assert hops.steps_or_more(result(last=100)) == 101
    assert hops.steps_needed([result(last=75, solved=75), result(last=100)]) == 88
    # 5 x 88 = 440, in records of 25
    assert hops.times_as_long(88.0, 5, 25) == 450


@SCALES
def test_regimes_differ_in_the_loss_alone(setup: HopsPreset) -> None:
    """Oracle: every other setting equal, field by field."""
    mixture = hops.mixture_settings(setup)
    for spec in (hops.curriculum_settings(setup), hops.current_settings(setup)):
        assert spec.training.regime != "mixture"
        training = dataclasses.replace(spec.training, regime="mixture")
        assert dataclasses.replace(spec, training=training, seeds=mixture.seeds) == mixture
    assert len(mixture.seeds) == len(hops.curriculum_settings(setup).seeds) == 5
    assert len(hops.current_settings(setup).seeds) == 3


@pytest.mark.parametrize(("setup", "direct"), [(LAPTOP, 2500), (PAPER, 5000)])
def test_direct_and_shallow_runs_get_their_times(setup: HopsPreset, direct: int) -> None:
    """Oracle: 5 x 500 (10 x at the larger scale) and 3 x 500 steps where the mixture needs 500."""
    spec = hops.direct_settings(setup, 500.0)
    assert (spec.training.steps, spec.training.regime, spec.n_layers) == (direct, "direct", 3)
    spec = hops.shallow_settings(setup, 500.0)
    assert (spec.training.steps, spec.training.regime, spec.n_layers) == (1500, "mixture", 2)


@SCALES
def test_the_control_differs_from_direct_training_in_its_hops_and_layers_alone(setup: HopsPreset) -> None:
    """Oracle: direct training's settings, field by field."""
    direct = hops.direct_settings(setup, 500.0)
    for k, layers in ((1, 1), (2, 2)):
        spec = hops.control_settings(setup, k)
        assert (spec.k, spec.n_layers, spec.training.steps) == (k, layers, setup.steps)
        training = dataclasses.replace(spec.training, steps=direct.training.steps)
        assert dataclasses.replace(spec, k=direct.k, n_layers=direct.n_layers, training=training) == direct


@SCALES
def test_layers_are_as_many_as_doubling_needs(setup: HopsPreset) -> None:
    """Oracle: by hand."""
    assert [hops.scaling_settings(setup, "direct", k).n_layers for k in (1, 2, 3, 4)] == [1, 2, 3, 3]
    assert [hops.scaling_settings(setup, "mixture", k).n_layers for k in (2, 3, 4, 5, 6, 8)] == [2, 3, 3, 4, 4, 4]
    assert hops.mixture_settings(replace(setup, k=5)).n_layers == 4
    assert {hops.head_settings(setup, L).n_layers for L in DEPTHS} == set(DEPTHS)


@SCALES
def test_numbers_of_hops_are_compared_with_nothing_else_changed(setup: HopsPreset) -> None:
    """Oracle: the settings of eight hops, field by field, but for k, the layers and the regime."""
    eight = hops.scaling_settings(setup, "mixture", 8)
    assert (eight.n, eight.training.batch_size * 2) == (3, hops.mixture_settings(setup).training.batch_size)
    for regime, k in [("direct", 1), ("direct", 4), ("mixture", 5), ("curriculum", 2)]:
        spec = hops.scaling_settings(setup, regime, k)
        assert (spec.k, spec.training.regime, len(spec.seeds)) == (k, regime, 3)
        training = dataclasses.replace(spec.training, regime="mixture")
        assert dataclasses.replace(spec, k=8, n_layers=4, training=training) == eight


@pytest.mark.parametrize("k", [1, 2, 8])
def test_the_construction_is_measured_exact(k: int) -> None:
    """Oracle: 1, the closed form of the claim."""
    assert hops.construction_accuracy(0, k, n=5, B=20) == 1.0


def test_what_is_carried_is_named_by_layer_and_hop() -> None:
    """Oracle: by hand, and the names that are declared."""
    accuracy = torch.tensor([[0.2, 0.2, 0.2, 0.2], [0.95, 0.3, 0.2, 0.2], [1.0, 0.92, 0.2, 0.2], [1.0, 1.0, 0.5, 0.4]])
    found = hops.carried(accuracy)
    assert (found["first_1"], found["first_2"], found["first_4"]) == (1, 2, 4)
    assert found["layer_1_hop_2"] == pytest.approx(0.3) and found["layer_3_hop_4"] == pytest.approx(0.4)
    assert found.keys() == LAYERWISE.names.keys()


def test_errors_with_and_without_the_undefined(monkeypatch) -> None:
    """Oracle: a model that always answers "undefined": wrong where an answer is defined, and nowhere else."""
    spec = hops.head_settings(LAPTOP, 2)

    def undefined(z):
        return torch.nn.functional.one_hot(torch.full((*z.shape, 4), spec.letters), spec.letters + 1).float()

    monkeypatch.setattr(hops, "trained", lambda spec, seed: undefined)
    everything, defined, share = hops.head_errors(spec, 0, B=50)
    torch.testing.assert_close(everything, 1 - share)
    torch.testing.assert_close(defined, torch.ones(len(HEAD_HOPS), dtype=torch.float64))
    assert bool((share.diff() > 0).all()) and math.isclose(float(share[0]), 0.12, abs_tol=0.02)
