"""What a criterion function is made of: the measurement it reads and the checks it returns.

One function for each claim, registered with the values it reads, which name the claim (`mechbook.claims.values`):

    @criterion(ATTENTION_MAPS)
    def attention_maps(m: Measurement) -> list[Check]:
        return [m.bar("previous", ">", 0.8), m.bar("induction", ">", 0.8)]

A claim holds when all of its checks do.
"""

import math
import operator
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mechbook.claims.values import Values

Number = int | float

OPERATIONS: dict[str, Callable[[Number, Number], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True)
class Check:
    """One condition of a criterion: `value op bar`, with the spread over seeds of what is compared with zero or a bar.

    `margin` is given where the value is a count of seeds: the mean and the spread of what was counted when positive.
    """

    label: str
    value: Number
    op: str
    bar: Number
    spread: Number | None = None
    margin: tuple[Number, Number | None] | None = None

    @property
    def ok(self) -> bool:
        return OPERATIONS[self.op](self.value, self.bar)

    @property
    def marginal(self) -> bool:
        """Whether the mean is within two spreads of its bar; never so where there is no spread (one seed)."""
        distance, spread = self.margin or (self.value - self.bar, self.spread)
        return spread is not None and abs(distance) <= 2 * spread

    def as_dict(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "value": self.value,
            "op": self.op,
            "bar": self.bar,
            "spread": self.spread,
            "ok": self.ok,
        }


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What a chapter measured for one claim: a number for each seed, or named numbers."""

    id: str
    values: Sequence[Number | Mapping[str, Number]]
    scale: str

    def per_seed(self, key: str | None = None) -> list[Number]:
        """Return one number for each seed: the value itself, or the one named `key`. Raises ValueError without it."""
        column: list[Number] = []
        for value in self.values:
            named = isinstance(value, Mapping)
            if named != (key is not None) or (isinstance(value, Mapping) and key not in value):
                wanted = "a number for each seed" if key is None else f"a value named {key!r} for each seed"
                raise ValueError(f"{self.id} is to be reported with {wanted}.")
            column.append(value[key] if isinstance(value, Mapping) and key is not None else value)  # type: ignore[arg-type]
        return column

    def mean(self, key: str | None = None) -> float:
        return mean_of(self.per_seed(key))

    def bar(self, key: str | None, op: str, bar: Number, label: str | None = None) -> Check:
        """Return the check of the mean over seeds against a fixed bar."""
        column = self.per_seed(key)
        return Check(label or key or "mean over seeds", mean_of(column), op, bar, spread(column))

    def compare(self, left: str, op: str, right: str, factor: Number = 1.0) -> Check:
        """Return the check of one mean against `factor` times another; the spread is their paired difference's."""
        scaled = [factor * number for number in self.per_seed(right)]
        gaps = [a - b for a, b in zip(self.per_seed(left), scaled, strict=True)]
        times = "" if factor == 1 else f"{factor:g} x "
        return Check(f"{left} {op} {times}{right}", self.mean(left), op, mean_of(scaled), spread(gaps))

    def gaps(self, smaller: str, larger: str) -> list[Number]:
        """Return, for each seed, by how much the value named `larger` exceeds the one named `smaller`."""
        return [b - a for a, b in zip(self.per_seed(smaller), self.per_seed(larger), strict=True)]

    def perfect(self, key: str, label: str | None = None) -> Check:
        """Return the check that a fraction is 1 in every seed; it has no spread, as nothing is beyond 1."""
        return Check(label or key, self.mean(key), ">=", 1.0)

    def in_most_seeds(self, label: str, gaps: Sequence[Number]) -> Check:
        """Return the check that a gap is positive (a tie is not) in 4 of 5 seeds, in 80% where there are more."""
        return count_positive(label, gaps, max(4, -(-4 * len(gaps) // 5)))

    def in_every_seed(self, label: str, gaps: Sequence[Number]) -> Check:
        """Return the check that a gap is positive (a tie is not) in every seed."""
        return count_positive(label, gaps, len(gaps))


def mean_of(column: Sequence[Number]) -> float:
    """Return the mean, rounded once: three times 0.99 is 0.99, which `fmean` puts below a bar of 0.99."""
    return float(statistics.mean(column))


def spread(column: Sequence[Number]) -> float | None:
    """Return the sample standard deviation, None for a single number."""
    return statistics.stdev(column) if len(column) > 1 else None


def count_positive(label: str, gaps: Sequence[Number], needed: int) -> Check:
    """Return the check that at least `needed` of the gaps are positive, marginal where their mean is near zero."""
    count = sum(gap > 0 for gap in gaps)
    return Check(f"seeds with {label}, of {len(gaps)}", count, ">=", needed, margin=(mean_of(gaps), spread(gaps)))


CriterionFunction = Callable[[Measurement], list[Check]]


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """The criterion function of one claim, the names of the values it reads, and the fewest seeds it accepts."""

    function: CriterionFunction
    keys: tuple[str, ...]
    seeds: int

    def __call__(self, id: str, values: Sequence[Number | Mapping[str, Number]], scale: str) -> list[Check]:
        """Return the checks of the claim on what was reported; too few seeds are a check that fails.

        Raises ValueError where a value that the criterion names is not there or is not finite.
        """
        measured = Measurement(id=id, values=values, scale=scale)
        for key in self.keys or (None,):
            if not all(math.isfinite(number) for number in measured.per_seed(key)):
                raise ValueError(f"{id} is reported with a number that is not finite.")
        few = [Check("seeds reported", len(values), ">=", self.seeds)] if len(values) < self.seeds else []
        return [*few, *self.function(measured)]


CRITERIA: dict[str, Criterion] = {}


def criterion(
    claim: str | Values, *, keys: tuple[str, ...] = (), seeds: int = 1
) -> Callable[[CriterionFunction], CriterionFunction]:
    """Register the criterion of a claim, which reads its declared values (or those named `keys`; none: a number)."""
    id, keys = (claim.claim, tuple(claim.names)) if isinstance(claim, Values) else (claim, keys)

    def register(function: CriterionFunction) -> CriterionFunction:
        if id in CRITERIA:
            raise ValueError(f"{id} has two criterion functions.")
        CRITERIA[id] = Criterion(function=function, keys=keys, seeds=seeds)
        return function

    return register
