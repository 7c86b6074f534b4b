"""A mixture of 1, 2 and 4 hops alone: enough for doubling, which needs no other number of hops."""

import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.core.training.loop import use_threads
from mechbook.hops.experiments import mixture_settings
from mechbook.hops.fast_training import train_stacked
from mechbook.hops.model import HopConfig, HopTransformer
from mechbook.hops.presets import HopsPreset
from mechbook.hops.runs import CompositionSettings

POWERS = (1, 2, 4)
"""The numbers of hops that are asked for."""
BUDGET = 2
"""A run has at most half of the mixture's budget, about twice what the mixture needs."""


@dataclass(frozen=True)
class PowersResult:
    """By seed, the step at which 4 hops were solved, None where the budget was not enough; and the seconds of all."""

    solved: list[int | None]
    seconds: float


def config(spec: CompositionSettings) -> HopConfig:
    """The mixture's model with a readout for each of POWERS."""
    T, heads = spec.n * spec.k, spec.n_heads
    return HopConfig(T=T, N=spec.n, hops=len(POWERS), n_layers=spec.n_layers, n_heads=heads, d=spec.d)


def powers_alone(setup: HopsPreset) -> PowersResult:
    """Train the mixture's models on hops 1, 2 and 4: all else is the mixture's; cached.

    On the CPU, whatever the settings' device is.
    """
    use_threads()
    spec = powers_settings(setup)
    key = {"powers": asdict(spec), "hops": POWERS, "seed": settings.seed()}
    return PowersResult(**cached(key, lambda: _train(spec), modules=(__name__,)))


def powers_settings(setup: HopsPreset) -> CompositionSettings:
    """The mixture's settings with about twice as many steps as it needs, not the whole of its budget."""
    spec = mixture_settings(setup)
    every = spec.training.record_every
    steps = max(1, spec.training.steps // BUDGET // every) * every
    return replace(spec, training=replace(spec.training, steps=steps))


def _train(spec: CompositionSettings) -> dict[str, Any]:
    start = time.perf_counter()

    def drawing(seed: int) -> Any:
        sample, places = spec.sampler(seed), [r - 1 for r in POWERS]

        def draw(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
            z, targets = sample(spec.training.batch_size, generator)
            return z, targets[..., places]

        return draw

    models = [HopTransformer(config(spec), spec.stream(s, "weights")) for s in spec.seeds]
    batches = [spec.stream(s, "batches") for s in spec.seeds]
    # attention that learns nothing gets sharp all the same: weights fall below 1e-38, where arithmetic is slower
    torch.set_flush_denormal(True)
    try:
        results = train_stacked(models, [drawing(s) for s in spec.seeds], spec.training, batches)
    finally:
        torch.set_flush_denormal(False)
    return {"solved": [result.solved for result in results], "seconds": time.perf_counter() - start}
