"""Chapter 3's training on a stand-in for an accelerator: no waits within a step, no float64, few kernels."""

from dataclasses import replace

import pytest
from torch import Generator

from mechbook.core.training import loop
from mechbook.core.training.ahead import batches_ahead
from mechbook.core.training.settings import TrainingSettings
from mechbook.induction import presets
from mechbook.induction.experiments import (
    dimension_settings,
    frozen_settings,
    output_settings,
    trigger_settings,
    vanilla_settings,
)
from mechbook.induction.runs import InductionSettings
from mechbook.shared import bigrams_device
from mechbook.shared.simplified import SimplifiedConfig
from mechbook.shared.vanilla import VanillaConfig
from tests.devices import DEVICE, Seen, launches_a_step, standing_in

SMALL = {"T": 17, "K": 3, "seed_key": (3, 1), "probe_every": 40}
HOW = TrainingSettings(steps=5, batch_size=4, optimizer="sgd", lr=0.1)
MODELS = {
    "two layers": SimplifiedConfig(N=65, T=17, d=13),
    "one layer": SimplifiedConfig(N=65, T=17, d=13, n_layers=1, trained=("W_K1", "W_O1")),
    "W_F after": SimplifiedConfig(N=65, T=17, d=13, feed_forward="after_layer_2", trained=("W_K1", "W_O2", "W_F")),
    "W_F before": SimplifiedConfig(N=65, T=17, d=13, feed_forward="before_attention", trained=("W_K2", "W_F")),
    "vanilla": VanillaConfig(N=65, T=17, d=12),
    "vanilla, one layer, heads": VanillaConfig(N=65, T=17, d=12, n_layers=1, n_heads=3),
}
PAPER = presets.PAPER
PAPERS = {
    "Figure 3": frozen_settings(PAPER, 0, "joint"),
    "Figure 4, triggers": trigger_settings(PAPER, 0, "random"),
    "Figure 4, outputs": output_settings(PAPER, 0, "bigram"),
    "Figure 8": dimension_settings(PAPER, 0, 256, 0.2),
}
VANILLAS = {
    "Figure 2": vanilla_settings(PAPER, 0, "random"),
    "Figure 11": vanilla_settings(PAPER, 0, "random", n_heads=4),
    "Figure 10": vanilla_settings(PAPER, 0, "random", n_layers=1),
}


def run(spec: InductionSettings, seen: Seen) -> None:
    """A run as `InductionSettings` makes it, without the probes and without the cache."""
    model, draw = spec.build().to(DEVICE), spec._draw(spec.task(), DEVICE)
    seen.clear()
    loop.train(model, draw, spec.training, Generator(), probe_steps=())


@pytest.mark.parametrize("name", MODELS)
def test_a_run_waits_only_where_losses_are_looked_at(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    how = replace(HOW, optimizer="adamw", loss_on="all", clip_norm=1.0) if name in ("vanilla", "W_F after") else HOW
    spec = InductionSettings(**SMALL, model=MODELS[name], training=how)
    monkeypatch.setattr(loop, "ACCELERATOR_CHECK_STEPS", 2)
    with standing_in(monkeypatch) as seen:
        run(spec, seen)
    # after steps 2, 4 and 5; then each parameter comes to the CPU once
    seen.nothing_wrong(waits=3 + len(list(spec.build().parameters())))


@pytest.mark.parametrize("name", [*PAPERS, *VANILLAS])
def test_a_step_at_the_papers_size_starts_few_kernels(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    spec = {**PAPERS, **VANILLAS}[name]
    with standing_in(monkeypatch) as seen:
        draw, generator = bigrams_device.sampler(spec.task(), spec.training.batch_size, DEVICE), Generator()
        seen.clear()
        batch = draw(generator)
        sampling = seen.launches / batches_ahead(spec.training.batch_size, spec.T)
        launches = launches_a_step(spec.build().to(DEVICE), batch, spec.training, seen)
    print(f"{name}: {launches} launches a step, and {sampling:.1f} to draw its batch")
    assert launches + sampling <= 120


@pytest.mark.parametrize("outputs", ["uniform", "bigram"])
@pytest.mark.parametrize("triggers", ["random", "frequent"])
def test_the_sampler_draws_on_the_device_alone(monkeypatch: pytest.MonkeyPatch, triggers: str, outputs: str) -> None:
    spec = InductionSettings(**SMALL, model=MODELS["vanilla"], training=HOW, triggers=triggers, outputs=outputs)
    with standing_in(monkeypatch) as seen:
        draw, generator = bigrams_device.sampler(spec.task(), 4, DEVICE, batches=3), Generator()
        seen.clear()
        batch = [draw(generator) for _ in range(4)][-1]
        seen.nothing_wrong()
    assert batch.z.device == DEVICE and tuple(batch.z.shape) == (4, 18)
