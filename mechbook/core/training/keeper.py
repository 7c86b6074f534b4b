"""The kept state of a loop that trains many models side by side, which `mechbook.core.training.loop` cannot.

keeper = Keeper(path, {"settings": ..., "weights": ..., "generators": ...})
if (state := keeper.read()) is not None: ...        # take it up
keeper.turn(step, lambda: {...})                     # at each step's start: kept now and then, and where it stops
"""

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mechbook.core.cache import store
from mechbook.core.training import stopping
from mechbook.core.training.loop import STATE_SECONDS
from mechbook.core.training.resume import read_state


class Keeper:
    """Keeps a state at `path` (None: nowhere) for the run that `start` decides: settings, weights, generators' states.

    Torch's version and the number of threads belong to the run too: with others it would come out differently.
    """

    def __init__(self, path: Path | None, start: dict[str, Any], *, seconds: float = STATE_SECONDS) -> None:
        self.path, self.seconds = path, seconds
        machine = [torch.__version__, torch.get_num_threads()]
        self.identity = store.checksum({"start": start, "machine": machine}) if path else ""
        self.saved = time.monotonic()
        self.first = True

    def read(self) -> dict[str, Any] | None:
        """The state that a run with the same start has left; None, with a warning for another's or a damaged one."""
        return read_state(self.path, self.identity) if self.path else None

    def turn(self, step: int, state: Callable[[], dict[str, Any]]) -> None:
        """Where `state()` is all that the rest depends on: keep it if that is due, raise Stopped if that was asked."""
        if self.path is None:
            return
        stop = stopping.due()
        if (stop or time.monotonic() - self.saved > self.seconds) and not self.first:
            try:
                store.save(self.path, {"step": step, **state()}, self.identity)
            except OSError as error:
                warnings.warn(f"The training goes on without its state: {error}.", RuntimeWarning, stacklevel=3)
                self.path = None
                return
            self.saved = time.monotonic()
        self.first = False
        if stop:
            raise stopping.Stopped(step, self.path)
