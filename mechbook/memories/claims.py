"""The criteria of chapter 1, one function for each `am.*` claim, as `holds_when` in claims.csv words them.

A criterion is applied to the mean over at least 3 seeds, unless its claim says otherwise. A mean of measured variances
has the standard error of a mean of independent numbers.
"""

from math import sqrt

from mechbook.claims.criteria import Check, Measurement, criterion, spread
from mechbook.memories.values import (
    CAPACITY_MLP,
    CAPACITY_OUTER,
    CAPACITY_OUTER_SHARED,
    CAPACITY_TRAINED,
    FACTORISED,
    FORMS,
    MLP_FILTER,
    NEAR_ORTHOGONAL,
    ORTHOGONAL,
    RECALL_OUTER_PRODUCT,
    REMAP,
    REMAPPED,
    SCALING_LAW,
    SCHEMES,
    SETS,
)


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


@criterion(NEAR_ORTHOGONAL, seeds=3)
def near_orthogonal(m: Measurement) -> list[Check]:
    """sqrt(d) times the deviation within 5% of 1 for every d."""
    return [check for d in ORTHOGONAL for check in within(m, f"d{d}", 0.95, 1.05, f"sqrt(d) deviation, d = {d}")]


@criterion(REMAP, seeds=3)
def remap(m: Measurement) -> list[Check]:
    """The variance within 4 standard errors of (d + 2)/d^2, and not within 4 of the printed constant, for every d."""
    checks = []
    for d in REMAPPED:
        derived, printed = errors_off(m, str(d), "derived")[0], errors_off(m, str(d), "printed")[0]
        checks.append(Check(f"standard errors off the derived variance, d = {d}", derived, "<=", 4))
        checks.append(Check(f"standard errors off the printed variance, d = {d}", printed, ">", 4))
    return checks


@criterion(RECALL_OUTER_PRODUCT, seeds=3)
def recall_outer_product(m: Measurement) -> list[Check]:
    """Crosstalk variance within 4 standard errors of the closed form, for an injective and for a many-to-one map."""
    return [
        Check(f"standard errors off the closed form, {form}", errors_off(m, form, "derived")[0], "<=", 4)
        for form in FORMS
    ]


@criterion(CAPACITY_OUTER, seeds=3)
def capacity_outer(m: Measurement) -> list[Check]:
    """The slope of log(N log N) against log d in [1.8, 2.3]."""
    return within(m, None, 1.8, 2.3, "slope")


@criterion(CAPACITY_OUTER_SHARED, seeds=3)
def capacity_outer_shared(m: Measurement) -> list[Check]:
    """The slope of log N against log d in [0.8, 1.2]."""
    return within(m, None, 0.8, 1.2, "slope")


@criterion(CAPACITY_TRAINED, seeds=3)
def capacity_trained(m: Measurement) -> list[Check]:
    """The slope of log(N log N) against log d in [1.8, 2.2]."""
    return within(m, None, 1.8, 2.2, "slope")


@criterion(CAPACITY_MLP, seeds=3)
def capacity_mlp(m: Measurement) -> list[Check]:
    """The slope of log(N log N) against log(m d) in [0.9, 1.1]."""
    return within(m, None, 0.9, 1.1, "slope")


@criterion(FACTORISED, seeds=3)
def factorised(m: Measurement) -> list[Check]:
    """Recall 1.0 at d' = d, in every seed, where the full matrix also has 1.0."""
    return [m.bar("recall", ">=", 1.0), m.bar("full", ">=", 1.0)]


@criterion(MLP_FILTER, seeds=3)
def mlp_filter(m: Measurement) -> list[Check]:
    """The MLP's recall above the linear memory's by more than 0.2 at some N; recall 1.0 with sets as keys."""
    gaps = m.gaps("linear", "mlp")
    return [
        Check("mlp - linear", m.mean("mlp") - m.mean("linear"), ">", 0.2, spread(gaps)),
        m.bar("sets", ">=", 1.0),
    ]


@criterion(SETS, seeds=3)
def sets(m: Measurement) -> list[Check]:
    """Linear recall below 0.5, MLP recall 1.0."""
    return [m.bar("linear", "<", 0.5), m.bar("mlp", ">=", 1.0)]


@criterion(SCALING_LAW, seeds=3)
def scaling_law(m: Measurement) -> list[Check]:
    """The fitted exponent within 0.15 of the derived one, for each of the storage schemes used."""
    checks = []
    for scheme in SCHEMES:
        gaps = m.gaps(f"derived_{scheme}", f"fitted_{scheme}")
        gap = abs(m.mean(f"fitted_{scheme}") - m.mean(f"derived_{scheme}"))
        checks.append(Check(f"fitted - derived exponent, {scheme}", gap, "<=", 0.15, spread(gaps)))
    return checks
