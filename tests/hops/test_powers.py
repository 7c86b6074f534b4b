"""The mixture of 1, 2 and 4 hops: what is drawn and trained. Oracles: the mixture's settings, the plain loop."""

import pytest
import torch

from mechbook.core.presets import replace
from mechbook.hops import powers
from mechbook.hops.experiments import mixture_settings
from mechbook.hops.model import HopTransformer
from mechbook.hops.presets import LAPTOP
from mechbook.hops.training import train_hops

SMALL = replace(LAPTOP, n=3, d=16, n_heads=2, steps=40, record_every=10, batch_size=5, seeds=2, few_seeds=2,
                scaling=replace(LAPTOP.scaling, steps=40), heads=replace(LAPTOP.heads, n_heads=2))  # fmt: skip


def test_all_but_the_budget_is_the_mixture_s() -> None:
    """Oracle: the mixture's settings; half of its budget, in whole records."""
    mixture, spec = mixture_settings(LAPTOP), powers.powers_settings(LAPTOP)
    assert spec.training.steps == 1000
    assert replace(spec, training=replace(spec.training, steps=mixture.training.steps)) == mixture
    assert powers.powers_settings(replace(LAPTOP, steps=75)).training.steps == 25


def test_the_readouts_are_trained_on_1_2_and_4_hops_as_the_plain_loop_does(monkeypatch, tmp_path) -> None:
    """Oracle: `train_hops` on targets picked by hand: losses and accuracies; the first record, where chance solves."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    found, spec = powers.powers_alone(SMALL), powers.powers_settings(SMALL)
    assert found.solved == [None, None] and found.seconds > 0
    assert powers.powers_alone(SMALL) == found
    seen = []

    def draw(generator):
        z, targets = spec.sampler(1)(5, generator)
        seen.append(targets)
        return z, torch.stack([targets[..., 0], targets[..., 1], targets[..., 3]], -1)

    easy = replace(spec, training=replace(spec.training, stop_at=0.01))
    model = HopTransformer(powers.config(spec), spec.stream(1, "weights"))
    plain = train_hops(model, draw, easy.training, spec.stream(1, "batches"))
    results, train = [], powers.train_stacked
    monkeypatch.setattr(powers, "powers_settings", lambda setup: easy)
    monkeypatch.setattr(powers, "train_stacked", lambda *given: results.extend(train(*given)) or results)
    assert powers.powers_alone(SMALL).solved[1] == plain.solved == 10
    assert results[1].loss == pytest.approx(plain.loss, rel=1e-4)
    assert results[1].accuracy[0] == pytest.approx(plain.accuracy[0], abs=1e-6)
    assert seen[0].shape == (5, 12, 4)
