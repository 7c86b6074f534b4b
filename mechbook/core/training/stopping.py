"""Asking a training run to stop at its next safe point, with its state kept.

    with stopping.at(time.monotonic() + 3600) as stop:     # or at(None), and stop.ask() where a signal comes
        train(...)                                         # raises Stopped once the hour is over

Only runs that keep a state (`state_path`) look: another one is finished first, as stopping it would lose it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path


class Stopped(Exception):
    """A run stopped as it was asked to: `step` updates are made and its state is kept at `path`."""

    def __init__(self, step: int, path: Path) -> None:
        super().__init__(f"The run stopped at step {step}; its state is kept in {path.name}.")
        self.step, self.path = step, path


class Stop:
    """When to stop: at `deadline` (of time.monotonic(); None: never by itself), or once somebody has asked."""

    def __init__(self, deadline: float | None) -> None:
        self.deadline, self.asked = deadline, False

    def ask(self) -> None:
        """Stop at the next safe point."""
        self.asked = True

    def due(self) -> bool:
        """Whether it is time to stop."""
        return self.asked or (self.deadline is not None and time.monotonic() >= self.deadline)


_CURRENT: ContextVar[Stop | None] = ContextVar("stop", default=None)


@contextmanager
def at(deadline: float | None) -> Iterator[Stop]:
    """Within it runs stop when the `Stop` that it gives says so."""
    stop = Stop(deadline)
    token = _CURRENT.set(stop)
    try:
        yield stop
    finally:
        _CURRENT.reset(token)


def due() -> bool:
    """Whether the run under way is to stop now; never outside of `at`."""
    stop = _CURRENT.get()
    return stop is not None and stop.due()
