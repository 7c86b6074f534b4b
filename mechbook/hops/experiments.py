"""The training runs of chapter 7 that a preset decides, and what is measured on them."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from mechbook.hops.construction import hop_construction
from mechbook.hops.presets import HopsPreset
from mechbook.hops.probes import first_layer, keys_of_hops, landings_of_hops, mass_on, readable
from mechbook.hops.runs import CompositionSettings, HeadSettings, fresh, trained
from mechbook.hops.streams import STREAMS
from mechbook.hops.task import draw_composition, hop_targets, sample_sigma
from mechbook.hops.training import HopTrainingResult, HopTrainingSettings
from mechbook.hops.values import HEAD_HOPS, PROBED_HOPS


def layers_by_doubling(k: int) -> int:
    """The layers of a model for k hops: ceil(log2 k) + 1."""
    return math.ceil(math.log2(k)) + 1


def mixture_settings(setup: HopsPreset) -> CompositionSettings:
    """The mean loss over 1 to k hops."""
    return _composition(setup, "mixture", steps=setup.steps, seeds=setup.seeds)


def curriculum_settings(setup: HopsPreset) -> CompositionSettings:
    """From 1 hop up to k: at each stage all hops so far."""
    return _composition(setup, "curriculum", steps=setup.steps, seeds=setup.seeds)


def current_settings(setup: HopsPreset) -> CompositionSettings:
    """As the curriculum, but at each stage the newest hop alone."""
    return _composition(setup, "current", steps=setup.steps, seeds=setup.few_seeds)


def direct_settings(setup: HopsPreset, needed: float) -> CompositionSettings:
    """k hops alone, for `direct_factor` times the steps `needed` by the mixture."""
    steps = times_as_long(needed, setup.direct_factor, setup.record_every)
    return _composition(setup, "direct", steps=steps, seeds=setup.few_seeds)


def control_settings(setup: HopsPreset, hops: int) -> CompositionSettings:
    """Direct training on so few hops that it is to work: the same code, values and step size, the mixture's budget."""
    spec = _composition(setup, "direct", steps=setup.steps, seeds=setup.few_seeds)
    return replace(spec, k=hops, n_layers=layers_by_doubling(hops))


def shallow_settings(setup: HopsPreset, needed: float) -> CompositionSettings:
    """The mixture with one layer fewer, for `shallow_factor` times the steps `needed` by the mixture."""
    steps = times_as_long(needed, setup.shallow_factor, setup.record_every)
    deep = _composition(setup, "mixture", steps=steps, seeds=setup.seeds)
    return replace(deep, n_layers=deep.n_layers - 1)


def scaling_settings(setup: HopsPreset, regime: str, k: int) -> CompositionSettings:
    """Runs on k positions with as many layers as doubling needs; all else is the same for every k and regime."""
    own = setup.scaling
    spec = _composition(setup, regime, steps=own.steps, seeds=setup.few_seeds)
    training = replace(spec.training, batch_size=own.batch_size, lr=own.lr)
    return replace(spec, n=own.n, k=k, n_layers=layers_by_doubling(k), training=training)


def scaling_results(setup: HopsPreset, regime: str, k: int) -> list[HopTrainingResult]:
    """The runs of a regime on k positions, one for each of the few seeds."""
    return scaling_settings(setup, regime, k).run()


def head_settings(setup: HopsPreset, n_layers: int) -> HeadSettings:
    """k-hop induction heads (Sanford et al. 2024) by depth, 1, 2, 4 and 8 hops at once."""
    heads = setup.heads
    training = HopTrainingSettings(
        regime="mixture",
        steps=heads.steps,
        batch_size=heads.batch_size,
        lr=heads.lr,
        record_every=heads.record_every,
        stop_at=None,
    )
    return HeadSettings(
        letters=heads.letters,
        T=heads.T,
        hops=HEAD_HOPS,
        training=training,
        seeds=tuple(range(setup.few_seeds)),
        n_layers=n_layers,
        n_heads=heads.n_heads,
        d=setup.d,
    )


def _composition(setup: HopsPreset, regime: str, *, steps: int, seeds: int) -> CompositionSettings:
    training = HopTrainingSettings(
        regime=regime,
        steps=steps,
        batch_size=setup.batch_size,
        lr=setup.lr,
        advance_at=setup.advance_at,
        record_every=setup.record_every,
    )
    return CompositionSettings(
        n=setup.n,
        k=setup.k,
        training=training,
        seeds=tuple(range(seeds)),
        n_layers=layers_by_doubling(setup.k),
        n_heads=setup.n_heads,
        d=setup.d,
    )


def steps_or_more(result: HopTrainingResult) -> int:
    """The step at which a run solved its last hop, one more than its last step where it did not."""
    return result.steps[-1] + 1 if result.solved is None else result.solved


def steps_needed(results: Sequence[HopTrainingResult]) -> float:
    """The mean number of steps to solve k hops; a run that did not counts with one more than its last step."""
    return float(np.mean([steps_or_more(result) for result in results]))


def times_as_long(needed: float, factor: int, every: int) -> int:
    """A budget of `factor` times the steps `needed`, rounded up to a multiple of `every`."""
    return math.ceil(factor * needed / every) * every


def construction_accuracy(seed: int, k: int, *, n: int, B: int = 200) -> float:
    """The accuracy of the hand-built weights on k hops, at every token of B sequences."""
    generator = STREAMS.generator("construction", k, seed)
    task = draw_composition(n, k, generator)
    sigma = sample_sigma(task, B, generator)
    found = hop_construction(task)(sigma.reshape(B, -1))[:, :, -1].argmax(-1)
    return float((found == hop_targets(task, sigma, (k,)).reshape(B, -1)).double().mean())


def readable_by_layer(spec: CompositionSettings, seed: int, B: int = 400) -> Tensor:
    """What linear probes read after each layer of a trained model: (layers + 1, k), held-out."""
    z, targets = fresh(spec, seed, B)
    streams = trained(spec, seed).trace(z).streams
    return readable(streams, targets, n=spec.n)


def carried(accuracy: Tensor) -> dict[str, int | float]:
    """For khop.layerwise: the first layer after which each hop is readable, and accuracies up to layer 3, by hop."""
    values: dict[str, int | float] = {f"first_{r}": first_layer(accuracy[:, r - 1]) for r in PROBED_HOPS}
    for layer in range(4):
        values |= {f"layer_{layer}_hop_{r}": float(accuracy[layer, r - 1]) for r in PROBED_HOPS}
    return values


def attention_by_layer(spec: CompositionSettings, seed: int, B: int = 200) -> list[dict[str, Tensor]]:
    """For each layer, its heads' mean attention (heads, k) on what hop r + 1 reads and on where r hops land, r < k."""
    task = spec.task(seed)
    z, _ = fresh(spec, seed, B)
    sigma = z.view(B, spec.k, spec.n)
    reads, lands = keys_of_hops(task, sigma), landings_of_hops(task, sigma)
    attention = trained(spec, seed).trace(z).attention
    return [{"reads": mass_on(a, reads), "lands": mass_on(a, lands)} for a in attention]


def head_errors(spec: HeadSettings, seed: int, B: int = 2048) -> tuple[Tensor, Tensor, Tensor]:
    """Each hop's error with and without the targets that are undefined, and these targets' share: three of (hops,)."""
    z, targets = fresh(spec, seed, B)
    wrong, targets = (trained(spec, seed)(z).argmax(-1) != targets).cpu().double(), targets.cpu()
    defined = (targets < spec.letters).double()
    return wrong.mean((0, 1)), (wrong * defined).sum((0, 1)) / defined.sum((0, 1)), 1 - defined.mean((0, 1))
