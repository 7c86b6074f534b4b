"""Chapter 6's hand-built weights: their accuracy, the fewest parameters they need, and how much a head can hold."""

import time
from dataclasses import dataclass

import torch

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.core.training.loop import use_threads
from mechbook.facts.capacity import random_task
from mechbook.facts.construction import attention_and_mlp, attention_only, stored_parameters
from mechbook.facts.model import FactWeights, count_logits
from mechbook.facts.probes import log_slope
from mechbook.facts.task import FactTask, every_fact
from mechbook.shared.capacity_search import candidates, capacity_by_bisection

KINDS = ("attention_only", "attention_mlp")
TOKENS_PER_HEAD = (1, 2, 4, 8, 16)
HEAD_DIMENSIONS = (16, 32, 64, 128)
# facts asked of each size that a search tries: small tasks are drawn several times, for one draw of theirs says little
FACTS_ASKED = 1024
# of the crosstalk experiment: wide enough that heads, not embeddings, are what is short
WIDE = 768


def accuracy(weights: FactWeights, task: FactTask, contexts: int, generator: torch.Generator) -> float:
    """Share of sequences answered right, every fact asked in `contexts` noise contexts."""
    batch = every_fact(task, contexts, generator)
    best = count_logits(weights, batch.counts.to(weights.E.dtype)).argmax(-1)
    return float((best == batch.targets).double().mean())


def recall(kind: str, seed: int) -> float:
    """Accuracy on 256 random facts, ten contexts each: attention only (d = 1024), or with an MLP (d = 64, m = 256)."""
    stream = settings.generator(6, 1, KINDS.index(kind), seed)
    task = random_task(16, stream)
    if kind == "attention_only":
        weights = attention_only(task, d=1024, d_h=256, H=8, generator=stream)
    else:
        weights = attention_and_mlp(task, d=64, m=256, generator=stream)
    return accuracy(weights, task, 10, stream)


def sizes() -> tuple[int, ...]:
    """S = R of the size experiment; above D = 8, for a head superposes R + D answers and it is R that is to grow."""
    return settings.choose(laptop=(11, 16, 23, 32), paper=(11, 16, 23, 32, 45, 64))


@dataclass(frozen=True, kw_only=True)
class FewestParameters:
    """`parameters[kind]` has, for each seed, the fewest parameters at each of `sizes()`."""

    parameters: dict[str, list[list[int]]]
    seconds: float

    def slopes(self, kind: str) -> list[float]:
        """The slope of log(parameters) against log(S R), for each seed."""
        return [log_slope([n * n for n in sizes()], row) for row in self.parameters[kind]]


def fewest_parameters(seeds: int = 3) -> FewestParameters:
    """The smallest constructions with accuracy 0.99, by bisection of d (attention only) or m (with an MLP); cached.

    Accuracy is the mean over as many draws of task and weights as have about 1024 facts in all, each asked twice.
    Attention only has H = 4 heads with d_h = d / 2; with an MLP d = 4 S, the number of tokens less EOS.
    """
    use_threads()
    key = {"fewest": [*sizes(), seeds], "seed": settings.seed()}
    return FewestParameters(**cached(key, lambda: vars(_fewest(seeds)), modules=(__name__,)))


def _fewest(seeds: int) -> FewestParameters:
    started = time.monotonic()
    found = {kind: [[_smallest(kind, n, seed) for n in sizes()] for seed in range(seeds)] for kind in KINDS}
    return FewestParameters(parameters=found, seconds=time.monotonic() - started)


def _smallest(kind: str, n: int, seed: int) -> int:
    def build(size: int, draw: int) -> tuple[FactWeights, float]:
        stream = settings.generator(6, 2, KINDS.index(kind), n, seed, draw)
        task = random_task(n, stream)
        if kind == "attention_only":
            weights = attention_only(task, d=2 * size, d_h=size, H=4, generator=stream)
        else:
            weights = attention_and_mlp(task, d=4 * n, m=size, generator=stream)
        return weights, accuracy(weights, task, 2, stream)

    draws = max(1, round(FACTS_ASKED / n**2))

    def too_small(size: int) -> bool:
        return sum(build(size, draw)[1] for draw in range(draws)) < 0.99 * draws

    tried = candidates(n, 32 * n, 1.04)
    # the last size that is too small: the next one is enough
    short = capacity_by_bisection(too_small, tried)
    return stored_parameters(build(tried[tried.index(short) + 1], 0)[0])


def head_load(seeds: int = 3) -> torch.Tensor:
    """Accuracy, (d_h, tokens per head, seeds), of attention-only constructions on 256 facts in d = 768; cached."""
    use_threads()
    key = {"head_load": [HEAD_DIMENSIONS, TOKENS_PER_HEAD, WIDE, seeds], "seed": settings.seed()}
    found: torch.Tensor = cached(key, lambda: _head_load(seeds), modules=(__name__,))
    return found


def _head_load(seeds: int) -> torch.Tensor:
    out = torch.zeros(len(HEAD_DIMENSIONS), len(TOKENS_PER_HEAD), seeds, dtype=torch.float64)
    for i, d_h in enumerate(HEAD_DIMENSIONS):
        for j, tokens in enumerate(TOKENS_PER_HEAD):
            for seed in range(seeds):
                stream = settings.generator(6, 7, seed)
                task = random_task(16, stream)
                weights = attention_only(task, d=WIDE, d_h=d_h, H=32 // tokens, generator=stream)
                out[i, j, seed] = accuracy(weights, task, 2, stream)
    return out
