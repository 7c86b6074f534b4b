"""What the weights written by hand can do: accuracy, the fewest parameters needed, and how much a head can hold."""

import time
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.core.progress import Line
from mechbook.core.training.loop import use_threads
from mechbook.facts.construction import attention_and_mlp, attention_only, stored_parameters
from mechbook.facts.model import FactWeights, count_logits
from mechbook.facts.probes import log_slope
from mechbook.facts.streams import STREAMS
from mechbook.facts.task import FactTask, every_fact, random_task
from mechbook.shared.capacity_search import candidates, capacity_by_bisection

Kind = Literal["attention_only", "attention_mlp"]
KINDS: tuple[Kind, Kind] = ("attention_only", "attention_mlp")
ENOUGH = 0.99


def accuracy(weights: FactWeights, task: FactTask, contexts: int, generator: torch.Generator) -> float:
    """Share of sequences answered right, every fact asked in `contexts` noise contexts."""
    batch = every_fact(task, contexts, generator)
    best = count_logits(weights, batch.counts.to(weights.E.dtype)).argmax(-1)
    return float((best == batch.targets).double().mean())


@dataclass(frozen=True, kw_only=True)
class RecallSettings:
    """Both constructions, for several seeds, asked all of S^2 random facts in `contexts` contexts each.

    d, d_h, H: sizes of attention alone. d_mlp, m: dimension and width of the one with an MLP.
    """

    S: int
    D: int
    T: int
    contexts: int
    d: int
    d_h: int
    H: int
    d_mlp: int
    m: int
    seeds: int

    def run(self) -> "RecallResult":
        """Both accuracies, from the cache where they were measured before."""
        use_threads()
        key = {"recall": asdict(self), "seed": settings.seed()}
        return RecallResult(**cached(key, lambda: vars(_recall(self)), modules=(__name__,)))


@dataclass(frozen=True, kw_only=True)
class RecallResult:
    """`accuracy[kind]` has the share of questions answered right, for each seed."""

    accuracy: dict[Kind, list[float]]


def _recall(spec: RecallSettings) -> RecallResult:
    def one(number: int, seed: int) -> float:
        stream = STREAMS.generator("recall", number, seed)
        task = random_task(spec.S, stream, D=spec.D, T=spec.T)
        if KINDS[number] == "attention_only":
            weights = attention_only(task, d=spec.d, d_h=spec.d_h, H=spec.H, generator=stream)
        else:
            weights = attention_and_mlp(task, d=spec.d_mlp, m=spec.m, generator=stream)
        return accuracy(weights, task, spec.contexts, stream)

    with Line("recall of the constructions", len(KINDS) * spec.seeds, "models") as line:
        return RecallResult(accuracy={
            kind: [line.passed(one(number, seed)) for seed in range(spec.seeds)] for number, kind in enumerate(KINDS)
        })  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FewestSettings:
    """The search for the smallest constructions with accuracy 0.99, for tasks of several sizes S = R and several seeds.

    Attention alone has 4 heads of d_h = d / 2, and d is searched; with an MLP d = 4 S, the tokens less EOS, and m is.
    facts_asked: accuracy is the mean over as many draws of task and weights as have about that many facts, each asked
    twice; small tasks are drawn several times, for one draw of theirs says little.
    """

    sizes: tuple[int, ...]
    D: int
    T: int
    seeds: int
    facts_asked: int = 1024

    def key(self) -> dict[str, Any]:
        """All that decides the search besides its code and the machine, as JSON values."""
        return {"fewest": asdict(self), "seed": settings.seed()}

    def run(self) -> "FewestResult":
        """The smallest constructions, from the cache where they were found before."""
        use_threads()
        return FewestResult(**cached(self.key(), lambda: vars(_fewest(self)), modules=(__name__,)))


@dataclass(frozen=True, kw_only=True)
class FewestResult:
    """`parameters[kind]` has, for each seed, the fewest parameters at each of the sizes S; `facts` are the S^2."""

    facts: list[int]
    parameters: dict[Kind, list[list[int]]]
    seconds: float

    def slopes(self, kind: Kind) -> list[float]:
        """The slope of log(parameters) against log(S R), for each seed."""
        return [log_slope(self.facts, row) for row in self.parameters[kind]]


def _fewest(spec: FewestSettings) -> FewestResult:
    started = time.monotonic()
    with Line("the smallest constructions", len(KINDS) * spec.seeds * len(spec.sizes), "searches") as line:
        found = {
            kind: [[line.passed(smallest(spec, kind, n, s)) for n in spec.sizes] for s in range(spec.seeds)]
            for kind in KINDS
        }
    facts = [n * n for n in spec.sizes]
    return FewestResult(facts=facts, parameters=found, seconds=time.monotonic() - started)


def smallest(spec: FewestSettings, kind: Kind, n: int, seed: int) -> int:
    """The fewest parameters with which a construction recalls n^2 facts, by bisection."""

    def build(size: int, draw: int) -> tuple[FactWeights, float]:
        stream = STREAMS.generator("fewest parameters", KINDS.index(kind), n, seed, draw)
        task = random_task(n, stream, D=spec.D, T=spec.T)
        if kind == "attention_only":
            weights = attention_only(task, d=2 * size, d_h=size, H=4, generator=stream)
        else:
            weights = attention_and_mlp(task, d=4 * n, m=size, generator=stream)
        return weights, accuracy(weights, task, 2, stream)

    draws = max(1, round(spec.facts_asked / n**2))

    def too_small(size: int) -> bool:
        return sum(build(size, draw)[1] for draw in range(draws)) < ENOUGH * draws

    tried = candidates(n, 32 * n, 1.04)
    # the last size that is too small: the next one is enough
    short = capacity_by_bisection(too_small, tried)
    return stored_parameters(build(tried[tried.index(short) + 1], 0)[0])


@dataclass(frozen=True, kw_only=True)
class HeadLoadSettings:
    """Attention alone on S^2 random facts in dimension d, for head dimensions d_h and tokens that a head serves.

    d is wide, so that heads, not embeddings, are what is short.
    """

    S: int
    D: int
    T: int
    d: int
    d_h: tuple[int, ...]
    tokens: tuple[int, ...]
    seeds: int

    def run(self) -> "HeadLoadResult":
        """The accuracies, from the cache where they were measured before."""
        use_threads()
        key = {"head_load": asdict(self), "seed": settings.seed()}
        return HeadLoadResult(**cached(key, lambda: vars(_head_load(self)), modules=(__name__,)))


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadLoadResult:
    """Accuracy, (len(d_h), len(tokens), seeds)."""

    accuracy: Tensor


def _head_load(spec: HeadLoadSettings) -> HeadLoadResult:
    out = torch.zeros(len(spec.d_h), len(spec.tokens), spec.seeds, dtype=torch.float64)
    with Line("what a head can serve", out.numel(), "models") as line:
        for i, d_h in enumerate(spec.d_h):
            for j, tokens in enumerate(spec.tokens):
                for seed in range(spec.seeds):
                    stream = STREAMS.generator("head load", seed)
                    task = random_task(spec.S, stream, D=spec.D, T=spec.T)
                    weights = attention_only(task, d=spec.d, d_h=d_h, H=2 * spec.S // tokens, generator=stream)
                    out[i, j, seed] = line.passed(accuracy(weights, task, 2, stream))
    return HeadLoadResult(accuracy=out)
