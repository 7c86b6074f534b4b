"""A measurement over seeds, kept on disk with the seconds that it took."""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.core.progress import one_by_one


@dataclass(frozen=True, kw_only=True)
class Timed:
    """What a measurement gave for each of its seeds, and the seconds of all of them when they were computed."""

    results: list[Any]
    seconds: float


def timed(measure: Callable[..., Any], how: Any, seeds: Iterable[int], *more: Any) -> Timed:
    """`measure(how, seed, *more)` for each seed, from the cache where it was measured before.

    `measure` is a function of a module that gives tensors and plain values, `how` a preset or the part it reads, and
    `more` are JSON values; all of them, the code and the seeds decide what is taken from the cache.
    """
    seeds = list(seeds)

    def compute() -> dict[str, Any]:
        start = time.perf_counter()
        what = measure.__name__.replace("_", " ")
        results = one_by_one(lambda seed: measure(how, seed, *more), seeds, what, "seeds")
        return {"results": results, "seconds": time.perf_counter() - start}

    return Timed(**cached(key(measure, how, seeds, *more), compute, modules=(measure.__module__,)))


def key(measure: Callable[..., Any], how: Any, seeds: list[int], *more: Any) -> dict[str, Any]:
    """All that decides a measurement besides its code and the machine, as JSON values."""
    name = f"{measure.__module__}.{measure.__qualname__}"
    return {"measured": name, "settings": asdict(how), "seeds": [settings.seed(), *seeds], "more": list(more)}
