"""The training runs of chapter 7 at both scales, and what is measured on them."""

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from mechbook.core import settings
from mechbook.core.settings import choose
from mechbook.hops.construction import hop_construction
from mechbook.hops.probes import first_layer, keys_of_hops, landings_of_hops, mass_on, readable
from mechbook.hops.runs import CompositionRuns, HeadRuns, fresh, trained
from mechbook.hops.task import draw_composition, hop_targets, sample_sigma
from mechbook.hops.training import HopResult, HopTraining

REGIMES = ("direct", "mixture", "curriculum", "current")
# n and k of the main experiment.
N, K = 5, 4
# Depths and hops of the induction heads.
DEPTHS, HEAD_HOPS = (2, 3, 4), (1, 2, 4, 8)


def _training(regime: str, steps: int, *, lr: float = 4e-3, halved: bool = False) -> HopTraining:
    # "paper" has batches four times as large: fewer, steadier steps
    batch = choose(laptop=32, paper=128) // (2 if halved else 1)
    return HopTraining(regime=regime, steps=steps, batch_size=batch, lr=lr)


def seeds(regime: str) -> tuple[int, ...]:
    """The seeds of a regime: five, and three of those that only show what does not happen."""
    return tuple(range(5 if regime in ("mixture", "curriculum") else 3))


def budget() -> int:
    """The most steps that the mixture or a curriculum is given at k = 4."""
    return 2000


def mixture_runs() -> CompositionRuns:
    """The mean loss over 1 to 4 hops."""
    return CompositionRuns(n=N, k=K, training=_training("mixture", budget()), seeds=seeds("mixture"))


def curriculum_runs(*, forgets: bool = False) -> CompositionRuns:
    """From 1 hop up to 4: at each stage all hops so far, or (`forgets`) the newest alone."""
    regime = "current" if forgets else "curriculum"
    return CompositionRuns(n=N, k=K, training=_training(regime, budget()), seeds=seeds(regime))


def steps_needed(results: Sequence[HopResult]) -> float:
    """The mean number of steps to solve k hops; a run that did not counts with one more than its last step."""
    return float(np.mean([steps_or_more(result) for result in results]))


def steps_or_more(result: HopResult) -> int:
    """The step at which a run solved its last hop, one more than its last step where it did not."""
    return result.steps[-1] + 1 if result.solved is None else result.solved


def times_as_long(results: Sequence[HopResult], factor: int, every: int = 25) -> int:
    """A budget of `factor` times the steps that these runs needed on average, rounded up to a multiple of `every`."""
    return math.ceil(factor * steps_needed(results) / every) * every


def direct_runs() -> CompositionRuns:
    """4 hops alone, for five times as long as the mixture needs."""
    steps = times_as_long(mixture_runs().run(), choose(laptop=5, paper=10))
    return CompositionRuns(n=N, k=K, training=_training("direct", steps), seeds=seeds("direct"))


def shallow_runs() -> CompositionRuns:
    """The mixture with two layers, for three times as long as three layers need."""
    steps = times_as_long(mixture_runs().run(), 3)
    return CompositionRuns(n=N, k=K, training=_training("mixture", steps), seeds=seeds("mixture"), n_layers=2)


def scaling_runs(regime: str, k: int) -> CompositionRuns:
    """Runs on k positions with ceil(log2 k) + 1 layers, three seeds; three values at k = 8, five below.

    A sequence of k = 8 asks for 24 x 8 answers, one of k = 4 for 20 x 4: there the batches are half as large.
    """
    layers = math.ceil(math.log2(k)) + 1
    if k == 8:
        training = _training(regime, choose(laptop=2000, paper=20_000), lr=3e-3, halved=True)
        return CompositionRuns(n=3, k=8, training=training, seeds=(0, 1, 2), n_layers=layers)
    steps = choose(laptop=1500, paper=20_000) if regime == "direct" else budget()
    return CompositionRuns(n=N, k=k, training=_training(regime, steps), seeds=(0, 1, 2), n_layers=layers)


def scaling_results(regime: str, k: int) -> list[HopResult]:
    """The three runs of a regime on k positions; those of k = 4 are the first three of the main experiment."""
    if k == K and regime in ("mixture", "curriculum"):
        return (mixture_runs() if regime == "mixture" else curriculum_runs()).run()[:3]
    return scaling_runs(regime, k).run()


def head_runs(n_layers: int) -> HeadRuns:
    """k-hop induction heads (Sanford et al. 2024) by depth, 1, 2, 4 and 8 hops at once."""
    T, steps = choose(laptop=(32, 800), paper=(100, 20_000))
    training = HopTraining(regime="mixture", steps=steps, lr=3e-3, stop_at=None, record_every=50)
    return HeadRuns(letters=4, T=T, hops=HEAD_HOPS, training=training, seeds=(0, 1, 2), n_layers=n_layers)


def construction_accuracy(seed: int, k: int, *, n: int = N, B: int = 200) -> float:
    """The accuracy of the hand-built weights on k hops, at every token of B sequences."""
    generator = settings.generator(7, 3, k, seed)
    task = draw_composition(n, k, generator)
    sigma = sample_sigma(task, B, generator)
    found = hop_construction(task)(sigma.reshape(B, -1))[:, :, -1].argmax(-1)
    return float((found == hop_targets(task, sigma, (k,)).reshape(B, -1)).double().mean())


def readable_by_layer(spec: CompositionRuns, seed: int, B: int = 400) -> Tensor:
    """What linear probes read after each layer of a trained model: (layers + 1, k), held-out."""
    z, targets = fresh(spec, seed, B)
    streams = trained(spec, seed).trace(z).streams
    return readable(streams, targets, n=spec.n)


def carried(accuracy: Tensor, hops: Sequence[int] = (1, 2, 4)) -> dict[str, int | float]:
    """For khop.layerwise: the first layer after which each hop is readable, and every accuracy by layer and hop."""
    values: dict[str, int | float] = {f"first_{r}": first_layer(accuracy[:, r - 1]) for r in hops}
    for layer in range(len(accuracy)):
        values |= {f"layer_{layer}_hop_{r}": float(accuracy[layer, r - 1]) for r in hops}
    return values


def attention_by_layer(spec: CompositionRuns, seed: int, B: int = 200) -> list[dict[str, Tensor]]:
    """For each layer, its heads' mean attention (heads, k) on what hop r + 1 reads and on where r hops land, r < k."""
    task = spec.task(seed)
    z, _ = fresh(spec, seed, B)
    sigma = z.view(B, spec.k, spec.n)
    reads, lands = keys_of_hops(task, sigma), landings_of_hops(task, sigma)
    attention = trained(spec, seed).trace(z).attention
    return [{"reads": mass_on(a, reads), "lands": mass_on(a, lands)} for a in attention]


def head_errors(spec: HeadRuns, seed: int, B: int = 2048) -> tuple[Tensor, Tensor, Tensor]:
    """Each hop's error with and without the targets that are undefined, and these targets' share: three of (hops,)."""
    z, targets = fresh(spec, seed, B)
    wrong = (trained(spec, seed)(z).argmax(-1) != targets).double()
    defined = (targets < spec.letters).double()
    return wrong.mean((0, 1)), (wrong * defined).sum((0, 1)) / defined.sum((0, 1)), 1 - defined.mean((0, 1))


def log_log_slope(ks: Sequence[int], steps: Sequence[int], solved: Sequence[bool]) -> float:
    """The least-squares slope of log(steps) against log(k), over the k that were solved.

    Where fewer than two were, over all of them, unsolved ones with the steps given (one more than their budget).
    """
    chosen = [index for index, done in enumerate(solved) if done]
    if len(chosen) < 2:
        chosen = list(range(len(ks)))
    x, y = (np.log([values[index] for index in chosen]) for values in (ks, steps))
    return float(np.polyfit(x, y, 1)[0])
