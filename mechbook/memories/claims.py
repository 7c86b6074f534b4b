"""The criteria of chapter 1, one function for each `am.*` claim, as `holds_when` in claims.csv words them.

A criterion is applied to the mean over at least 3 seeds, unless its claim says otherwise. A mean of measured variances
has the standard error of a mean of independent numbers.
"""

from math import sqrt

from scipy import stats

from mechbook.claims.criteria import Check, Measurement, criterion, spread
from mechbook.memories.values import (
    CAPACITY_MLP,
    CAPACITY_OUTER,
    CAPACITY_OUTER_SHARED,
    CAPACITY_TRAINED,
    DELTA_RULE,
    FACTORISED,
    FORMS,
    MLP_FILTER,
    MUON_WRITER,
    NEAR_ORTHOGONAL,
    ORTHOGONAL,
    RECALL_OUTER_PRODUCT,
    REMAP,
    REMAPPED,
    SCALING_LAW,
    SCHEMES,
    SETS,
)


def errors_off(m: Measurement, value: str, error: str, expected: str | float) -> float:
    """Return by how many standard errors the mean of `value` is off `expected`, a number or another value's name.

    Raises ValueError where a standard error is not positive.
    """
    errors = m.per_seed(error)
    if min(errors) <= 0:
        raise ValueError(f"{m.id} is reported with a standard error that is not positive.")
    wanted = m.per_seed(expected) if isinstance(expected, str) else [expected] * len(errors)
    gaps = [v - e for v, e in zip(m.per_seed(value), wanted, strict=True)]
    return abs(sum(gaps)) / sqrt(sum(e**2 for e in errors))


def within_errors(m: Measurement, label: str, value: str, error: str, expected: str | float) -> Check:
    """Return the check that a mean is within 4 standard errors of what is expected."""
    return Check(f"standard errors off {label}", errors_off(m, value, error, expected), "<=", 4)


def half_interval(column: list[float]) -> float:
    """Return half of the 95% interval of the mean over seeds (Student); 0 for a single number, too few in any case."""
    n = len(column)
    return float(stats.t.ppf(0.975, n - 1)) * (spread(column) or 0.0) / sqrt(n) if n > 1 else 0.0


def within(m: Measurement, key: str | None, low: float, high: float, label: str) -> list[Check]:
    """Return the checks that the mean lies in [low, high]."""
    return [m.bar(key, ">=", low, label), m.bar(key, "<=", high, label)]


@criterion(NEAR_ORTHOGONAL, seeds=3)
def near_orthogonal(m: Measurement) -> list[Check]:
    """sqrt(d) times the deviation of inner products, and sqrt(2d) times that of norms, within 5% of 1 for every d."""
    return [
        *(c for d in ORTHOGONAL for c in within(m, f"d{d}", 0.95, 1.05, f"sqrt(d) deviation, d = {d}")),
        *(c for d in ORTHOGONAL for c in within(m, f"norm_d{d}", 0.95, 1.05, f"sqrt(2d) deviation of norms, d = {d}")),
    ]


@criterion(REMAP, seeds=3)
def remap(m: Measurement) -> list[Check]:
    """The variance within 4 standard errors of (d + 2)/d^2, not within 4 of the printed constant; that of the norm."""
    checks = []
    for d in REMAPPED:
        at = f"variance, d = {d}"
        checks.append(within_errors(m, f"the derived {at}", f"variance_{d}", f"error_{d}", f"derived_{d}"))
        printed = errors_off(m, f"variance_{d}", f"error_{d}", f"printed_{d}")
        checks.append(Check(f"standard errors off the printed {at}", printed, ">", 4))
        norm = f"the derived {at}, of the squared norm"
        checks.append(within_errors(m, norm, f"norm_{d}", f"norm_error_{d}", f"norm_derived_{d}"))
    return checks


@criterion(RECALL_OUTER_PRODUCT, seeds=3)
def recall_outer_product(m: Measurement) -> list[Check]:
    """Wrong and right scores within 4 standard errors of the closed form, for both kinds of map and unequal weights."""
    checks = []
    for form in FORMS:
        checks.append(
            within_errors(m, f"the closed form, {form}", f"variance_{form}", f"error_{form}", f"derived_{form}")
        )
        for name, expected in (("wrong", 1.0), ("right", 1.0), ("centre", 0.0)):
            label = f"the closed form, unequal weights, {name}, {form}"
            checks.append(within_errors(m, label, f"{name}_{form}", f"{name}_error_{form}", expected))
    return checks


@criterion(CAPACITY_OUTER, seeds=3)
def capacity_outer(m: Measurement) -> list[Check]:
    """The slope of log(N log N) against log d in [1.8, 2.3]."""
    return within(m, None, 1.8, 2.3, "slope")


@criterion(CAPACITY_OUTER_SHARED, seeds=3)
def capacity_outer_shared(m: Measurement) -> list[Check]:
    """The slopes of log N against log d, and of log(N z^2 (1 + M/d)) against log M, in [0.8, 1.2]."""
    return [*within(m, "d", 0.8, 1.2, "slope in d"), *within(m, "M", 0.8, 1.2, "slope of N z^2 (1 + M/d) in M")]


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
    """Recall 1.0 at d' = d where the full matrix also has 1.0, and right scores as high as its: within 5%.

    And each factor's step alone stores half of it, within 0.05: one factor stepped twice as far has the right height.
    """
    recalls = [m.perfect("recall"), m.perfect("full")]
    halves = [check for name in ("by_U", "by_V") for check in within(m, name, 0.45, 0.55, name)]
    return [*recalls, *within(m, "strength", 0.95, 1.05, "right score over the full matrix'"), *halves]


@criterion(MLP_FILTER, seeds=3)
def mlp_filter(m: Measurement) -> list[Check]:
    """The MLP's recall at least 0.99 at an N where the linear memory's is below 0.5; recall 1.0 with sets as keys.

    Without a threshold an MLP has a recall above the linear memory's, too, by more than 0.2 at some N; not such a one.
    """
    return [m.bar("mlp", ">=", 0.99), m.bar("linear", "<", 0.5), m.perfect("sets")]


@criterion(SETS, seeds=3)
def sets(m: Measurement) -> list[Check]:
    """The best linear memory recalls 3/4 and no more, which is the bound for all of them; the MLP 1.0."""
    label = "recall by the linear memory of rank two"
    return [*(Check(label, m.mean("linear"), op, 0.75) for op in ("<=", ">=")), m.perfect("mlp")]


@criterion(SCALING_LAW, seeds=3)
def scaling_law(m: Measurement) -> list[Check]:
    """For each storage scheme the 95% interval of the fitted exponent has that of the expected errors in it.

    And the fitted one is within 0.03 of it; without a last input the expected exponent is within 0.01 of the derived.
    """
    checks = []
    for scheme in SCHEMES:
        gap = abs(m.mean(f"fitted_{scheme}") - m.mean(f"expected_{scheme}"))
        half = half_interval(m.per_seed(f"fitted_{scheme}"))
        checks.append(Check(f"fitted - expected exponent, against the interval, {scheme}", gap, "<=", half))
        checks.append(Check(f"fitted - expected exponent, {scheme}", gap, "<=", 0.03))
        off = abs(m.mean(f"endless_{scheme}") - m.mean(f"derived_{scheme}"))
        checks.append(Check(f"derived exponent, inputs without end, {scheme}", off, "<=", 0.01))
    return checks


@criterion(MUON_WRITER, seeds=3)
def muon_writer(m: Measurement) -> list[Check]:
    """The polar factor recalls 10 times the pairs, and its error's exponent is larger by 0.3."""
    gaps = m.gaps("exponent_gradient", "exponent_polar")
    gain = m.mean("exponent_polar") - m.mean("exponent_gradient")
    return [
        m.compare("polar", ">=", "gradient", 10),
        Check("exponent_polar - exponent_gradient", gain, ">=", 0.3, spread(gaps)),
    ]


@criterion(DELTA_RULE, seeds=3)
def delta_rule(m: Measurement) -> list[Check]:
    """The delta rule recalls 0.95 of the newest quarter and 0.3 of the oldest; Hebb's within 0.1; least squares 1.0."""
    gap = m.mean("hebb_high") - m.mean("hebb_low")
    return [
        m.bar("newest", ">=", 0.95),
        m.bar("oldest", "<=", 0.3),
        Check("Hebb's best quarter - its worst", gap, "<=", 0.1, spread(m.gaps("hebb_low", "hebb_high"))),
        m.perfect("least_squares"),
    ]
