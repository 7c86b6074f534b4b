"""Capacity searches of chapter 1 by their settings, kept in the cache."""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from scipy import stats
from torch import Generator, Tensor

from mechbook.core import settings
from mechbook.core.cache.entries import cached, scratch
from mechbook.core.progress import Line, one_by_one
from mechbook.core.training.loop import use_threads
from mechbook.core.training.parts import Parts
from mechbook.memories.outer_product import draw_embeddings, outer_product_memory, predicted_recall, recall, scores
from mechbook.memories.presets import MemoriesPreset
from mechbook.memories.streams import STREAMS
from mechbook.memories.trained import (
    MemoryTrainingSettings,
    Task,
    Weights,
    initial_weights,
    programs,
    train_memories,
)
from mechbook.shared.capacity_search import candidates, capacities_by_climbing, capacity_by_bisection


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
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

    def numbers(self) -> list[int]:
        """The candidates for the capacity."""
        return candidates(self.low, self.high, self.ratio)

    def targets(self, N: int) -> Int[Tensor, " N"]:
        """The map of N pairs: i mod M, or the injective one."""
        return torch.arange(N) % (self.M or N)

    def embeddings(self) -> tuple[Float[Tensor, "N d"], Float[Tensor, "M d"], Generator]:
        """Keys and values, of which N pairs take the first N; and the generator, for what else is drawn."""
        generator = STREAMS.generator("capacity", self.seed, self.d, self.width or 0, self.M or 0, self.replicate)
        keys = draw_embeddings(self.high, self.d, generator=generator, unit_norm=True)
        values = draw_embeddings(self.M or self.high, self.d, generator=generator, unit_norm=True)
        return keys, values, generator


def outer_capacity(search: SearchSettings, enough: float) -> int:
    """The largest N of which an outer-product memory recalls a share of at least `enough`, by bisection."""
    keys, values, _ = search.embeddings()

    def passes(N: int) -> bool:
        f, v = search.targets(N), values if search.M else values[:N]
        return recall(scores(outer_product_memory(keys[:N], v, f), keys[:N], v), f) >= enough

    return capacity_by_bisection(passes, search.numbers())


class TrainedSearches:
    """Tasks of several searches, each with its own embeddings and initial weights."""

    def __init__(self, searches: Sequence[SearchSettings], how: MemoryTrainingSettings) -> None:
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
        groups = programs(tasks)
        with Line("trained memories", len(groups), "programs") as line:
            for group in groups:
                starts = [self.starts[tried[place][0]] for place in group]
                found = train_memories([tasks[place] for place in group], starts, self.how)
                for place, (recalled, _) in zip(group, found, strict=True):
                    passed[place] = recalled >= self.how.enough
                line.advance()
        return passed

    def capacities(self, parts: Parts | None = None) -> list[int]:
        """Every search's capacity, all of them in step; `parts` keeps what each step found."""

        def passes(tried: Sequence[tuple[int, int]]) -> list[bool]:
            return self.pass_together(tried) if parts is None else parts.take(lambda: self.pass_together(tried))

        numbers = [search.numbers() for search in self.searches]
        return capacities_by_climbing(passes, numbers, [search.guess for search in self.searches])


@dataclass(frozen=True, kw_only=True)
class CapacitySettings:
    """What decides the capacities of one kind of memory: its searches, when pairs count as stored, and its training.

    training: None for outer products. Raises ValueError where it stops at another recall than `enough`.
    """

    searches: tuple[SearchSettings, ...]
    enough: float
    training: MemoryTrainingSettings | None = None

    def __post_init__(self) -> None:
        if self.training is not None and self.training.enough != self.enough:
            raise ValueError(
                f"enough is {self.enough}, and {self.training.enough} in the training; both must be the same recall."
            )

    def key(self) -> dict[str, Any]:
        """All that decides the capacities besides code and machine, as JSON values."""
        return {**asdict(self), "seed": settings.seed()}

    def run(self) -> "CapacityResult":
        """The capacities, all memories in step with one another, or read from the cache.

        Interrupted, trained ones go on after the last step that was kept.
        """
        use_threads()
        training = self.training

        def compute() -> dict[str, Any]:
            if training is None:
                start = time.perf_counter()
                what = "capacities of outer products"
                found = one_by_one(lambda search: outer_capacity(search, self.enough), self.searches, what, "searches")
                return {"found": found, "seconds": time.perf_counter() - start}
            parts = Parts(scratch(self.key(), modules=(__name__,)), self.key())
            found = TrainedSearches(self.searches, training).capacities(parts)
            parts.over()
            return {"found": found, "seconds": parts.seconds}

        return CapacityResult(self, **cached(self.key(), compute, modules=(__name__,)))


@dataclass(frozen=True)
class CapacityResult:
    """The capacity that each search found, and the seconds that all of them took when they were computed."""

    settings: CapacitySettings
    found: list[int]
    seconds: float

    def sizes(self) -> list[tuple[int, int | None]]:
        """Each (d, width) once, in the order of the searches."""
        return list(dict.fromkeys((search.d, search.width) for search in self.settings.searches))

    def by_seed(self) -> list[list[float]]:
        """The capacity by size, a row for each seed; of several memories, the geometric mean."""
        searches = self.settings.searches
        rows = []
        for seed in dict.fromkeys(search.seed for search in searches):
            logs: dict[tuple[int, int | None], list[float]] = {}
            for search, N in zip(searches, self.found, strict=True):
                if search.seed == seed:
                    logs.setdefault((search.d, search.width), []).append(math.log(N))
            rows.append([math.exp(sum(logs[size]) / len(logs[size])) for size in self.sizes()])
        return rows


def outer_settings(setup: MemoriesPreset, *, shared: bool = False) -> CapacitySettings:
    """Searches of outer-product memories, several for each seed and dimension; shared: M values for all keys."""
    M, found = setup.M if shared else None, []
    for seed in range(setup.seeds):
        for d in setup.outer.d_shared if shared else setup.outer.d:
            high = max(32, solve_log(0.4 * d**2)) if M is None else max(2 * d, M * d // 4)
            memories = setup.outer.many if d <= 64 else setup.outer.few
            found += [SearchSettings(d=d, seed=seed, M=M, low=1, high=high, replicate=each) for each in range(memories)]
    return CapacitySettings(searches=tuple(found), enough=setup.enough)


def outer_settings_by_M(setup: MemoriesPreset) -> dict[int, CapacitySettings]:
    """Searches of outer-product memories in d_M dimensions, by the number M of shared values."""
    d, found = setup.outer.d_M, {}
    for M in setup.outer.M:
        searches = [
            SearchSettings(d=d, seed=seed, M=M, low=1, high=max(2 * d, M * d // 4), replicate=each)
            for seed in range(setup.seeds)
            for each in range(setup.outer.few)
        ]
        found[M] = CapacitySettings(searches=tuple(searches), enough=setup.enough)
    return found


def linear_settings(setup: MemoriesPreset, *, shared: bool = False, patient: bool = False) -> CapacitySettings:
    """Searches of linear memories trained by cross-entropy; their capacity is near N log N = d^2, or N = M d/2.

    patient: only the dimensions d_patient, with `patience` times the steps.
    """
    M = setup.M if shared else None
    searches = [
        SearchSettings(d=d, seed=seed, low=2, high=d * d // 2, guess=solve_log(0.85 * d**2))
        if M is None
        else SearchSettings(d=d, seed=seed, M=M, low=1, high=4 * M * d, guess=3 * M * d // 8)
        for seed in range(setup.seeds)
        for d in (setup.linear.d_patient if patient else setup.linear.d)
    ]
    steps = setup.linear_steps * (setup.linear.patience if patient else 1)
    training = MemoryTrainingSettings(lr=setup.linear.lr, steps=steps, enough=setup.enough)
    return CapacitySettings(searches=tuple(searches), enough=setup.enough, training=training)


def mlp_settings(setup: MemoriesPreset, *, shared: bool = False) -> CapacitySettings:
    """Searches of MLP memories, d and m/d both varied; their capacity is near N log N = 2.8 m d, or N = 1.2 m d."""
    M, found = setup.M if shared else None, []
    for seed in range(setup.seeds):
        for d, m in setup.mlp.sizes_shared if shared else setup.mlp.sizes:
            high, guess = (solve_log(8 * m * d), solve_log(2.3 * m * d)) if M is None else (4 * m * d, m * d)
            low = 1 if M else 2
            found.append(SearchSettings(d=d, width=m, seed=seed, M=M, low=low, high=high, guess=guess, ratio=1.04))
    training = MemoryTrainingSettings(lr=setup.mlp.lr, steps=setup.mlp_steps, enough=setup.enough)
    return CapacitySettings(searches=tuple(found), enough=setup.enough, training=training)


def quantile_of_one(M: int, enough: float) -> float:
    """z, the normal quantile of 1 - (1 - enough)/(M - 1): how far a right score must stand above each wrong one.

    With M shared values N = M d/(2 z^2), by the union bound. Raises ValueError for M < 2 or enough outside (0, 1).
    """
    if not 0 < enough < 1:
        raise ValueError(f"enough is {enough}; it must be strictly between 0 and 1.")
    if M < 2:
        raise ValueError(f"M is {M}; with fewer than 2 values nothing can be wrong.")
    return float(stats.norm.ppf(1 - (1 - enough) / (M - 1)))


def slope(x: Sequence[int | float], y: Sequence[int | float]) -> float:
    """The slope of log y against log x, by least squares.

    Raises ValueError unless there are two different x or more, as many y, and all are positive and finite.
    """
    if len(x) != len(y) or len(set(x)) < 2 or not all(0 < value < math.inf for value in (*x, *y)):
        raise ValueError(f"a slope of logarithms needs two x with their y, all positive, not {list(x)} and {list(y)}.")
    return float(stats.linregress([math.log(v) for v in x], [math.log(v) for v in y]).slope)


def solve_log(value: int | float) -> int:
    """The whole number below the N with N log N = value, at least 2."""
    low, high = 2.0, max(value, 3.0)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if middle * math.log(middle) < value else (low, middle)
    return int(low)


def predicted_outer_capacity(d: int, M: int | None, enough: float) -> int:
    """The median capacity of an outer-product memory with unit-norm embeddings, as `predicted_recall` has it.

    Errors among N pairs are taken as Poisson with mean N (1 - recall); the memory passes where at most a share
    1 - enough of the pairs are errors: for enough = 0.99, below N = 100 where there is none.
    """

    def passes(N: int) -> bool:
        recalled = predicted_recall(N, d, None if M is None else min(M, N), unit_norm=True)
        # a quadrature's recall may exceed 1 by rounding, and no number of errors has a negative mean
        errors = N * max(0.0, 1 - recalled)
        return bool(stats.poisson.cdf(math.floor((1 - enough) * N + 1e-9), errors) >= 0.5)

    return capacity_by_bisection(passes, candidates(1, d * d if M is None else 4 * M * d, 1.005))
