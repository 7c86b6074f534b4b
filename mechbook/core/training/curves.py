"""What is read off the curves of a run, be it trained or recorded."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable


@runtime_checkable
class Curves(Protocol):
    """At steps[i] the probe `name` was values[name][i]."""

    @property
    def steps(self) -> Sequence[int]: ...
    @property
    def values(self) -> Mapping[str, Sequence[float]]: ...


def steps_to(run: Curves, name: str, bar: float, *, op: str = ">=") -> int:
    """The first probe step at which `name` is at least `bar` (at most, with "<="); one more than the last if never."""
    if op not in (">=", "<="):
        raise ValueError(f"op is {op!r}; it must be '>=' or '<='.")
    if name not in run.values:
        raise ValueError(f"The run has no value {name!r}; it has {', '.join(run.values)}.")
    for step, value in zip(run.steps, run.values[name], strict=True):
        if (value >= bar) if op == ">=" else (value <= bar):
            return step
    return run.steps[-1] + 1
