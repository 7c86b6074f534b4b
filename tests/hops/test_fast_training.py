"""Models trained as one program. Oracle: `train_hops`, each model alone."""

import pytest
import torch

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
