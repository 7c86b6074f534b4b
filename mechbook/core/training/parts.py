"""A run made of many short trainings, such as a search: each is kept when it is done, and none is done twice.

parts = Parts(scratch(key, modules=(__name__,)), key)
accuracy = parts.take(lambda: train(...))     # from an interrupted call where it is there, else computed
parts.over()                                  # when the run is whole: removes what was kept
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from mechbook.core.training.keeper import Keeper

T = TypeVar("T")


class Parts:
    """The results of a run's parts in the order in which they are taken, which must be the same in every call.

    A part is kept with the first one that is taken 30 seconds or more after the last writing, or where the run is asked
    to stop: within `stopping.at` Stopped is raised between two parts, with the number of parts that are kept. What a
    part gives nests dict, list and tuple over tensors and plain values. `start` is all that decides the run.
    """

    def __init__(self, path: Path | None, start: dict[str, Any], *, seconds: float | None = None) -> None:
        more = {} if seconds is None else {"seconds": seconds}
        self.path, self.keeper, self.taken = path, Keeper(path, {"parts of": start}, **more), 0
        state = self.keeper.read()
        self.done: list[Any] = [] if state is None else state["parts"]
        self.before: float = 0.0 if state is None else state["seconds"]
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the run has taken, interrupted calls included as far as they were kept."""
        return self.before + time.monotonic() - self.began

    def take(self, compute: Callable[[], T]) -> T:
        """The next part: as it was kept, else `compute()`."""
        self.taken += 1
        if self.taken <= len(self.done):
            found: T = self.done[self.taken - 1]
            return found
        self.keeper.turn(len(self.done), lambda: {"parts": self.done, "seconds": self.seconds})
        made = compute()
        self.done.append(made)
        return made

    def over(self) -> None:
        """Remove what was kept."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
