"""Capacity searches of chapter 1 by their settings, at both scales, kept in the cache."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from scipy import stats
from torch import Generator, Tensor

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.core.training.loop import use_threads
from mechbook.memories import memory
from mechbook.memories.experiments import seeds
from mechbook.memories.trained import MemoryTraining, Task, Weights, initial_weights, programs, train_memories
from mechbook.shared.capacity_search import candidates, capacities_by_climbing, capacity_by_bisection

ENOUGH = 0.99  # the recall at which pairs count as stored
SHARED = 8  # values of a memory whose outputs are shared
_CHAPTER = 1


@dataclass(frozen=True, kw_only=True)
class Search:
    """The search for one memory's capacity: its dimension, width (MLP), number of shared values, and the numbers tried.

    guess: where a search of trained memories begins; replicate: the number of the memory among those of one seed
    """

    d: int
    seed: int
    width: int | None = None
    M: int | None = None
    low: int
    high: int
    guess: int = 0
    replicate: int = 0
    ratio: float = 1.02

    def parameters(self) -> int:
        """d^2 of a matrix, m d (one of the two layers) of an MLP."""
        return self.d * (self.width or self.d)

    def numbers(self) -> list[int]:
        """The candidates for the capacity."""
        return candidates(self.low, self.high, self.ratio)

    def targets(self, N: int) -> Int[Tensor, " N"]:
        """The map of N pairs: i mod M, or the injective one."""
        return torch.arange(N) % (self.M or N)

    def embeddings(self) -> tuple[Float[Tensor, "N d"], Float[Tensor, "M d"], Generator]:
        """Keys and values, of which N pairs take the first N; and the generator, for what else is drawn."""
        key = (_CHAPTER, 4, self.seed, self.d, self.width or 0, self.M or 0, self.replicate)
        generator = settings.generator(*key)
        keys = memory.draw_embeddings(self.high, self.d, generator=generator, unit_norm=True)
        values = memory.draw_embeddings(self.M or self.high, self.d, generator=generator, unit_norm=True)
        return keys, values, generator


def outer_capacity(search: Search) -> int:
    """The capacity of an outer-product memory, by bisection."""
    keys, values, _ = search.embeddings()

    def passes(N: int) -> bool:
        f, v = search.targets(N), values if search.M else values[:N]
        return memory.recall(memory.scores(memory.outer_product_memory(keys[:N], v, f), keys[:N], v), f) >= ENOUGH

    return capacity_by_bisection(passes, search.numbers())


class TrainedSearches:
    """Tasks of several searches, each with its own embeddings and initial weights."""

    def __init__(self, searches: Sequence[Search], how: MemoryTraining) -> None:
        self.searches, self.how, self.drawn = searches, how, [search.embeddings() for search in searches]
        self.device = settings.device()
        self.starts = [
            Weights(*(None if w is None else w.to(self.device) for w in initial_weights(each.d, each.width, generator)))
            for each, (_, _, generator) in zip(searches, self.drawn, strict=True)
        ]

    def task(self, number: int, N: int) -> Task:
        """What memory `number` is to store at N pairs."""
        search, (keys, values, _) = self.searches[number], self.drawn[number]
        where = self.device
        values = values if search.M else values[:N]
        return Task(keys[:N].to(where), values.to(where), search.targets(N).to(where), search.width)

    def pass_together(self, tried: Sequence[tuple[int, int]]) -> list[bool]:
        """Whether each memory stores its number of pairs, trained in as few programs as pays."""
        tasks, passed = [self.task(*each) for each in tried], [False] * len(tried)
        for group in programs(tasks):
            starts = [self.starts[tried[place][0]] for place in group]
            for place, (recall, _) in zip(
                group, train_memories([tasks[p] for p in group], starts, self.how), strict=True
            ):
                passed[place] = recall >= self.how.enough
        return passed

    def capacities(self) -> list[int]:
        """Every search's capacity, all of them in step."""
        numbers = [search.numbers() for search in self.searches]
        return capacities_by_climbing(self.pass_together, numbers, [search.guess for search in self.searches])


def linear_training() -> MemoryTraining:
    """How linear memories are trained."""
    return MemoryTraining(lr=1.0, steps=settings.choose(laptop=400, paper=4096), enough=ENOUGH)


def mlp_training() -> MemoryTraining:
    """How MLP memories are trained."""
    return MemoryTraining(lr=0.03, steps=settings.choose(laptop=1500, paper=6000), enough=ENOUGH)


def outer_searches(M: int | None = None) -> list[Search]:
    """Searches of outer-product memories, the same at both scales: they need no training, and several give one size."""
    sizes = (8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256) if M is None else (32, 45, 64, 91, 128, 181, 256, 362, 512)
    found = []
    for seed in seeds():
        for d in sizes:
            high = max(32, solve_log(0.4 * d**2)) if M is None else 2 * d
            # where the capacity is a small number it depends much on the draw, and is cheap to find
            memories = 16 if d <= 64 else 4
            found += [Search(d=d, seed=seed, M=M, low=1, high=high, replicate=each) for each in range(memories)]
    return found


def linear_searches(M: int | None = None) -> list[Search]:
    """Searches of linear memories trained by cross-entropy; their capacity is near N log N = d^2, or N = M d/2."""
    sizes = settings.choose(laptop=(8, 11, 16, 23, 32, 45, 64), paper=(8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256))
    return [
        Search(d=d, seed=seed, low=2, high=d * d // 2, guess=solve_log(0.85 * d**2))
        if M is None
        else Search(d=d, seed=seed, M=M, low=1, high=4 * M * d, guess=3 * d)
        for seed in seeds()
        for d in sizes
    ]


def mlp_searches(M: int | None = None) -> list[Search]:
    """Searches of MLP memories, d and m/d both varied; their capacity is near N log N = 2.8 m d, or N = 1.2 m d."""
    sizes = settings.choose(
        laptop=((6, 24), (8, 32), (11, 44), (16, 64), (8, 16), (8, 64), (11, 22), (16, 32)),
        # with more parameters the scores of all pairs, N^2, are too many for one machine
        paper=tuple((d, a * d) for a in (1, 2, 4, 8) for d in (16, 32, 64, 91, 128, 181) if a * d * d <= 33_000),
    )
    if M is not None:
        sizes = settings.choose(laptop=((6, 12), (6, 24), (8, 16), (8, 32)), paper=sizes)
    found = []
    for seed in seeds():
        for d, m in sizes:
            high, guess = (solve_log(8 * m * d), solve_log(2.3 * m * d)) if M is None else (4 * m * d, m * d)
            found.append(Search(d=d, width=m, seed=seed, M=M, low=1 if M else 2, high=high, guess=guess, ratio=1.04))
    return found


SEARCHES: dict[str, tuple[Callable[[int | None], list[Search]], Callable[[], MemoryTraining] | None]] = {
    "outer": (outer_searches, None),
    "linear": (linear_searches, linear_training),
    "mlp": (mlp_searches, mlp_training),
}


@dataclass(frozen=True)
class Capacities:
    """The searches of one kind, what each found, and the seconds that all of them took."""

    searches: list[Search]
    found: list[int]
    seconds: float

    def sizes(self) -> list[tuple[int, int | None]]:
        """Each (d, width) once, in the order of the searches."""
        return list(dict.fromkeys((search.d, search.width) for search in self.searches))

    def by_seed(self) -> list[list[float]]:
        """The capacity by size, a row for each seed; of several memories, the geometric mean."""
        rows = []
        for seed in dict.fromkeys(search.seed for search in self.searches):
            logs: dict[tuple[int, int | None], list[float]] = {}
            for search, N in zip(self.searches, self.found, strict=True):
                if search.seed == seed:
                    logs.setdefault((search.d, search.width), []).append(math.log(N))
            rows.append([math.exp(sum(logs[size]) / len(logs[size])) for size in self.sizes()])
        return rows


def capacities(kind: str, *, shared: bool = False) -> Capacities:
    """The capacities of one kind of memory, for all seeds, from the cache where they were found before.

    kind: "outer", "linear" or "mlp"; shared: with M = SHARED values for all keys, instead of one for each.
    Raises KeyError for another kind.
    """
    make, training = SEARCHES[kind]
    searches, how = make(SHARED if shared else None), training and training()
    use_threads()

    def compute() -> dict[str, Any]:
        start = time.perf_counter()
        found = (
            [outer_capacity(each) for each in searches] if how is None else TrainedSearches(searches, how).capacities()
        )
        return {"found": found, "seconds": time.perf_counter() - start}

    key = {"searches": [asdict(search) for search in searches], "how": how and asdict(how), "seed": settings.seed()}
    return Capacities(searches, **cached(key, compute, modules=(__name__,)))


def slope(x: Sequence[int | float], y: Sequence[int | float]) -> float:
    """The slope of log y against log x, by least squares."""
    return float(stats.linregress([math.log(v) for v in x], [math.log(v) for v in y]).slope)


def solve_log(value: int | float) -> int:
    """The whole number below the N with N log N = value, at least 2."""
    low, high = 2.0, max(value, 3.0)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if middle * math.log(middle) < value else (low, middle)
    return int(low)


def predicted_outer_capacity(d: int, M: int | None = None) -> int:
    """The median capacity of an outer-product memory with unit-norm embeddings, as `predicted_recall` has it.

    Errors among N pairs are taken as Poisson with mean N (1 - recall); the memory passes where at most a share
    1 - ENOUGH of the pairs are errors, so below N = 100 where there is none.
    """

    def passes(N: int) -> bool:
        recall = memory.predicted_recall(N, d, None if M is None else min(M, N), unit_norm=True)
        return bool(stats.poisson.cdf(math.floor((1 - ENOUGH) * N + 1e-9), N * (1 - recall)) >= 0.5)

    return capacity_by_bisection(passes, candidates(1, d * d if M is None else 4 * M * d, 1.005))
