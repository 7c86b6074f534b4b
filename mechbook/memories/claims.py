"""The criteria of chapter 1, one function for each `am.*` claim, as `holds_when` in claims.csv words them.

What the chapter reports for each seed (a plain number, or a dict with exactly these names):

| claim | values |
|---|---|
| am.near_orthogonal | d16, d32, ... d1024: sqrt(d) times the deviation of inner products |
| am.remap | for each d in 8, 16, 32, 64: variance_d, error_d (its standard error), derived_d, printed_d |
| am.recall_outer_product | for injective and many: variance_*, error_*, derived_* |
| am.capacity_outer, am.capacity_trained, am.capacity_mlp | a number: the slope of log(N log N) |
| am.capacity_outer_shared | a number: the slope of log N |
| am.factorised | recall (d' = d), full: of the full matrix on the same pairs |
| am.mlp_filter | mlp, linear: recalls at one N; sets: recall of the filter with sets as keys |
| am.sets | linear, mlp: recalls of set-to-token maps in the same d |
| am.scaling_law | for each scheme p, root, top: fitted_*, derived_* |

A criterion is applied to the mean over at least 3 seeds, unless its claim says otherwise. A mean of measured variances
has the standard error of a mean of independent numbers.
"""

from collections.abc import Callable
from math import sqrt

from mechbook.claims.criteria import Check, CriterionFunction, Measurement, criterion, spread

ORTHOGONAL = (16, 32, 64, 128, 256, 512, 1024)
REMAPPED = (8, 16, 32, 64)
SCHEMES = ("p", "root", "top")


def on_mean(id: str, *keys: str) -> Callable[[CriterionFunction], CriterionFunction]:
    """Register a criterion that is applied to the mean over 3 seeds or more."""
    return criterion(id, keys=keys, seeds=3)


def errors_off(m: Measurement, name: str, expected: str) -> tuple[float, float | None]:
    """Return by how many standard errors the mean of variance_`name` is off `expected`_`name`, and the seeds' spread.

    Raises ValueError where a standard error is not positive.
    """
    errors = m.per_seed(f"error_{name}")
    if min(errors) <= 0:
        raise ValueError(f"{m.id} is reported with a standard error that is not positive.")
    gaps = [v - e for v, e in zip(m.per_seed(f"variance_{name}"), m.per_seed(f"{expected}_{name}"), strict=True)]
    return abs(sum(gaps)) / sqrt(sum(error**2 for error in errors)), spread(
        [g / e for g, e in zip(gaps, errors, strict=True)]
    )


def within(m: Measurement, key: str | None, low: float, high: float, label: str) -> list[Check]:
    """Return the checks that the mean lies in [low, high]."""
    return [m.bar(key, ">=", low, label), m.bar(key, "<=", high, label)]


@on_mean("am.near_orthogonal", *(f"d{d}" for d in ORTHOGONAL))
def near_orthogonal(m: Measurement) -> list[Check]:
    """sqrt(d) times the deviation within 5% of 1 for every d."""
    return [check for d in ORTHOGONAL for check in within(m, f"d{d}", 0.95, 1.05, f"sqrt(d) deviation, d = {d}")]


@on_mean("am.remap", *(f"{name}_{d}" for d in REMAPPED for name in ("variance", "error", "derived", "printed")))
def remap(m: Measurement) -> list[Check]:
    """The variance within 4 standard errors of (d + 2)/d^2, and not within 4 of the printed constant, for every d."""
    checks = []
    for d in REMAPPED:
        derived, printed = errors_off(m, str(d), "derived")[0], errors_off(m, str(d), "printed")[0]
        checks.append(Check(f"standard errors off the derived variance, d = {d}", derived, "<=", 4))
        checks.append(Check(f"standard errors off the printed variance, d = {d}", printed, ">", 4))
    return checks


@on_mean(
    "am.recall_outer_product",
    *(f"{name}_{form}" for form in ("injective", "many") for name in ("variance", "error", "derived")),
)
def recall_outer_product(m: Measurement) -> list[Check]:
    """Crosstalk variance within 4 standard errors of the closed form, for an injective and for a many-to-one map."""
    return [
        Check(f"standard errors off the closed form, {form}", errors_off(m, form, "derived")[0], "<=", 4)
        for form in ("injective", "many")
    ]


@on_mean("am.capacity_outer")
def capacity_outer(m: Measurement) -> list[Check]:
    """The slope of log(N log N) against log d in [1.8, 2.3]."""
    return within(m, None, 1.8, 2.3, "slope")


@on_mean("am.capacity_outer_shared")
def capacity_outer_shared(m: Measurement) -> list[Check]:
    """The slope of log N against log d in [0.8, 1.2]."""
    return within(m, None, 0.8, 1.2, "slope")


@on_mean("am.capacity_trained")
def capacity_trained(m: Measurement) -> list[Check]:
    """The slope of log(N log N) against log d in [1.8, 2.2]."""
    return within(m, None, 1.8, 2.2, "slope")


@on_mean("am.capacity_mlp")
def capacity_mlp(m: Measurement) -> list[Check]:
    """The slope of log(N log N) against log(m d) in [0.9, 1.1]."""
    return within(m, None, 0.9, 1.1, "slope")


@on_mean("am.factorised", "recall", "full")
def factorised(m: Measurement) -> list[Check]:
    """Recall 1.0 at d' = d, in every seed, where the full matrix also has 1.0."""
    return [m.bar("recall", ">=", 1.0), m.bar("full", ">=", 1.0)]


@on_mean("am.mlp_filter", "mlp", "linear", "sets")
def mlp_filter(m: Measurement) -> list[Check]:
    """The MLP's recall above the linear memory's by more than 0.2 at some N; recall 1.0 with sets as keys."""
    gaps = m.gaps("linear", "mlp")
    return [
        Check("mlp - linear", m.mean("mlp") - m.mean("linear"), ">", 0.2, spread(gaps)),
        m.bar("sets", ">=", 1.0),
    ]


@on_mean("am.sets", "linear", "mlp")
def sets(m: Measurement) -> list[Check]:
    """Linear recall below 0.5, MLP recall 1.0."""
    return [m.bar("linear", "<", 0.5), m.bar("mlp", ">=", 1.0)]


@on_mean("am.scaling_law", *(f"{name}_{scheme}" for scheme in SCHEMES for name in ("fitted", "derived")))
def scaling_law(m: Measurement) -> list[Check]:
    """The fitted exponent within 0.15 of the derived one, for each of the storage schemes used."""
    checks = []
    for scheme in SCHEMES:
        gaps = m.gaps(f"derived_{scheme}", f"fitted_{scheme}")
        gap = abs(m.mean(f"fitted_{scheme}") - m.mean(f"derived_{scheme}"))
        checks.append(Check(f"fitted - derived exponent, {scheme}", gap, "<=", 0.15, spread(gaps)))
    return checks
