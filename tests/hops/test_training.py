"""Training on hops. Oracles: Adam written out, each regime's definition, a draw made to measure."""

import dataclasses

import pytest
import torch

from mechbook.hops.model import HopConfig, HopTransformer
from mechbook.hops.task import draw_composition, hop_targets, sample_sigma
from mechbook.hops.training import HopTrainingSettings, hop_weights, train_hops

CONFIG = HopConfig(T=6, N=3, hops=2, d=12, n_layers=2, n_heads=2)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def composition(seed: int, B: int):
    task = draw_composition(3, 2, generator(seed))

    def draw(g: torch.Generator):
        sigma = sample_sigma(task, B, g)
        return sigma.reshape(B, 6), hop_targets(task, sigma).reshape(B, 6, 2)

    return draw


def settings(regime="mixture", **changes) -> HopTrainingSettings:
    return HopTrainingSettings(**{**dict(regime=regime, steps=20, batch_size=7, record_every=5, warmup=3), **changes})


def models(count: int) -> list[HopTransformer]:
    return [HopTransformer(CONFIG, generator(s)).double() for s in range(count)]


def test_what_is_recorded_is_measured_before_it_is_learned() -> None:
    """Oracle: by hand; with one step a record, the first is the untrained model's on the first batch."""
    # a step so long that the same batch would be answered otherwise after it
    draw, how = composition(5, 7), settings(steps=1, record_every=1, warmup=1, lr=1.0)
    model = models(1)[0]
    z, targets = draw(generator(4))
    expected = (model(z).argmax(-1) == targets).double().mean((0, 1))
    found = train_hops(model, draw, how, generator(4))
    assert found.accuracy == [expected.tolist()]
    assert found.step_of(1, -1.0) == 1 and found.step_of(2, 1.0) is None


def test_frozen_readouts_stay_and_everything_else_moves() -> None:
    model = models(1)[0]
    before = {n: t.clone() for n, t in model.state_dict().items()}
    final = train_hops(model, composition(0, 7), settings(), generator(1)).final
    assert [name for name in before if torch.equal(before[name], final[name])] == ["W_R"]


@pytest.mark.parametrize(
    ("regime", "stage", "expected"),
    [
        ("direct", 1, [0, 0, 0, 0, 1]),
        ("mixture", 1, [0.2] * 5),
        ("curriculum", 1, [1, 0, 0, 0, 0]),
        ("curriculum", 4, [0.25] * 4 + [0]),
        ("current", 3, [0, 0, 1, 0, 0]),
    ],
)
def test_what_each_regime_trains(regime: str, stage: int, expected: list[float]) -> None:
    """Oracle: the words of `HopTrainingSettings`, written out."""
    torch.testing.assert_close(hop_weights(regime, stage, 5), torch.tensor(expected, dtype=torch.float32))


def test_the_stage_advances_by_the_running_accuracy_of_its_own_hop() -> None:
    """Oracle: 0.9^m by hand. A constant target is soon right; from then on 1 - 0.9^m > 0.98 takes 38 steps."""

    def easy(g: torch.Generator):
        z, targets = composition(1, 7)(g)
        return z, torch.zeros_like(targets)

    found = train_hops(models(1)[0], easy, settings("current", steps=100, record_every=1, stop_at=None), generator(1))
    ((step, hop),) = found.stages
    assert hop == 2
    running = 0.0
    passed = []
    for at, row in zip(found.steps, found.accuracy, strict=True):
        running = 0.9 * running + 0.1 * row[0]
        passed += [at] if running > 0.98 else []
    assert passed[0] == step >= 38


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"regime": "anything"}, "regime is 'anything'; it must be one of direct, mixture, curriculum, current."),
        ({"steps": 0}, "steps is 0; it must be 1 or more."),
        ({"lr": 0.0}, "lr is 0.0; it must be positive."),
        ({"steps": 21}, "steps is 21; it must be a multiple of record_every = 5."),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(settings(), **changes)


@pytest.mark.parametrize("stage", [0, 3])
def test_a_stage_that_does_not_exist_is_refused(stage: int) -> None:
    with pytest.raises(ValueError, match=f"The stage is {stage}; with 2 hops it is 1 to 2."):
        hop_weights("curriculum", stage, 2)


def test_a_loss_that_is_not_finite_says_so() -> None:
    with pytest.raises(FloatingPointError, match="at step 1: lower the learning rate or warm up longer."):
        model = models(1)[0]
        with torch.no_grad():
            model.P.fill_(float("nan"))
        train_hops(model, composition(0, 7), settings(), generator(1))
