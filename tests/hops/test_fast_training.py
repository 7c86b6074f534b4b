"""Models trained as one program. Oracle: `train_hops`, each model alone; of stopped ones, those left alone."""

from pathlib import Path

import pytest
import torch

from mechbook.core import devices
from mechbook.core.training import stopping
from mechbook.hops.fast_training import train_stacked
from mechbook.hops.training import train_hops
from tests.hops.test_training import composition, generator, models, settings


@pytest.mark.parametrize("regime", ["direct", "mixture", "curriculum", "current"])
def test_stacked_training_is_each_model_s_training(regime: str) -> None:
    """Oracle: `train_hops` with torch.optim.AdamW and clip_grad_norm_, float64; weights after 20 steps to 1e-10."""
    how = settings(regime, advance_at=0.1, clip_norm=0.3)
    stacked = train_stacked(models(3), [composition(s, 7) for s in range(3)], how, [generator(9 + s) for s in range(3)])
    for s, model in enumerate(models(3)):
        alone = train_hops(model, composition(s, 7), how, generator(9 + s))
        assert alone.steps == stacked[s].steps == [5, 10, 15, 20]
        assert alone.accuracy == stacked[s].accuracy
        assert alone.stages == stacked[s].stages
        assert bool(alone.stages) == (regime in ("curriculum", "current"))
        assert alone.loss == pytest.approx(stacked[s].loss, abs=1e-10)
        for name, values in alone.final.items():
            torch.testing.assert_close(stacked[s].final[name], values, rtol=0, atol=1e-10)


def test_a_model_that_is_done_leaves_and_the_others_go_on_as_before() -> None:
    """Oracle: each alone. One has a constant for its target, and is done at once."""

    def easy(g: torch.Generator):
        z, targets = composition(1, 7)(g)
        return z, torch.zeros_like(targets)

    how = settings(steps=40, stop_at=0.99)
    draws = [composition(0, 7), easy, composition(2, 7)]
    stacked = train_stacked(models(3), draws, how, [generator(9 + s) for s in range(3)])
    assert stacked[1].solved is not None and stacked[1].solved < 40
    assert stacked[1].steps[-1] == stacked[1].solved and stacked[1].seen == 7 * stacked[1].solved
    for s, model in enumerate(models(3)):
        alone = train_hops(model, draws[s], how, generator(9 + s))
        assert (alone.solved, alone.steps) == (stacked[s].solved, stacked[s].steps)
        for name, values in alone.final.items():
            torch.testing.assert_close(stacked[s].final[name], values, rtol=0, atol=1e-10)


def test_the_models_given_stay_as_they_are() -> None:
    given = models(2)
    before = [{n: t.clone() for n, t in m.state_dict().items()} for m in given]
    train_stacked(given, [composition(0, 7)] * 2, settings(), [generator(1), generator(2)])
    for model, old in zip(given, before, strict=True):
        assert all(torch.equal(old[name], values) for name, values in model.state_dict().items())


@pytest.mark.parametrize("accelerated", [False, True])
@pytest.mark.parametrize("number", [3, 7, 37])
def test_stopped_they_go_on_to_the_same_numbers(
    tmp_path: Path, number: int, accelerated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after one of them has left; stages, accuracies and weights are the same bit for bit."""
    if accelerated:
        monkeypatch.setattr(devices, "is_accelerator", lambda device: True)
    how = settings("curriculum", steps=40, advance_at=0.1, stop_at=0.99)
    path, asked = tmp_path / "state", [0]

    def run(stop: stopping.Stop | None, state: Path | None):
        def draw(g: torch.Generator):
            asked[0] += 1
            if stop is not None and asked[0] == number:
                stop.ask()
            return composition(0, 7)(g)

        def easy(g: torch.Generator):
            z, targets = composition(1, 7)(g)
            return z, torch.zeros_like(targets)

        draws = [draw, easy, composition(2, 7)]
        return train_stacked(models(3), draws, how, [generator(9 + s) for s in range(3)], state_path=state)

    plain = run(None, None)
    assert 7 < plain[1].steps[-1] < 37 < plain[0].steps[-1] == 40
    asked[0] = 0
    with stopping.at(None) as stop, pytest.raises(stopping.Stopped) as caught:
        run(stop, path)
    assert caught.value.step == number
    for one, other in zip(run(None, path), plain, strict=True):
        for name in ("steps", "accuracy", "loss", "stages", "solved", "seen"):
            assert getattr(one, name) == getattr(other, name), name
        assert all(torch.equal(one.final[name], other.final[name]) for name in other.final)


def test_a_state_of_other_settings_is_not_taken_up(tmp_path: Path) -> None:
    path = tmp_path / "state"

    def run(**changes: float):
        generators = [generator(1), generator(2)]
        return train_stacked(models(2), [composition(0, 7)] * 2, settings(**changes), generators, state_path=path)

    with stopping.at(None) as stop:
        draws = iter(range(100))

        def draw(g: torch.Generator):
            if next(draws) == 5:
                stop.ask()
            return composition(0, 7)(g)

        with pytest.raises(stopping.Stopped):
            train_stacked(models(2), [draw] * 2, settings(), [generator(1), generator(2)], state_path=path)
    with pytest.warns(RuntimeWarning, match="The training starts over: state belongs to another run"):
        other = run(lr=0.01)
    path.unlink()
    assert all(torch.equal(a, b) for a, b in zip(other[0].final.values(), run(lr=0.01)[0].final.values(), strict=True))
