"""The criteria of chapter 4's theory, one function for each claim, as `holds_when` in claims.csv words them.

What the chapter reports is declared in `mechbook.noisy.values`. At least 3 seeds where sampling decides; theorem2 is
without randomness and has one.
"""

from mechbook.claims.criteria import Check, Measurement, criterion
from mechbook.noisy.values import (
    ALPHA_VS_N,
    KQ_FLIP,
    KQ_SIGN,
    LEMMA_MOMENTS,
    LINEAR_MEMORY,
    THEOREM_1,
    THEOREM_2,
    THREE_SPEEDS,
)

# What "flips where the derivation says" and "more samples" are taken to mean: the list gives no number for these.
# No typical context needs more than 1.5 times the samples at alpha = 1/2, so that bar would judge nothing.
FLIP_WITHIN = 0.1
MORE, AS_MANY = 2.0, 1.1


def near(m: Measurement, key: str, value: int | float, within: int | float) -> list[Check]:
    """Return the checks that the mean of `key` is within a distance of a value."""
    return [m.bar(key, ">=", value - within), m.bar(key, "<=", value + within)]


def within_errors(m: Measurement, *keys: str) -> list[Check]:
    """Return the checks that every seed is within 4 standard errors."""
    return [m.in_every_seed(f"{key} below 4", [4 - z for z in m.per_seed(key)]) for key in keys]


@criterion(THEOREM_1, seeds=3)
def theorem1(m: Measurement) -> list[Check]:
    """Means within 4 standard errors, exponents within 0.1 of -1/2, more samples where derived and only there."""
    return [
        *within_errors(m, "feed_forward_z", "attention_z"),
        *near(m, "feed_forward_exponent", -0.5, 0.1),
        *near(m, "attention_exponent", -0.5, 0.1),
        m.bar("samples_more", ">", MORE),
        m.bar("samples_as_many", "<", AS_MANY),
        *within_errors(m, "samples_z"),
    ]


@criterion(LEMMA_MOMENTS, seeds=3)
def lemma_moments(m: Measurement) -> list[Check]:
    """Monte Carlo within 4 standard errors in every case; the number of printed entries that differ is shown."""
    return within_errors(m, "mean_z", "variance_z")


@criterion(KQ_SIGN, seeds=3)
def kq_sign(m: Measurement) -> list[Check]:
    """Noise negative, exponent within 0.3 of -2; others turn positive with T / N, within 0.3 of -3 at T = N^2."""
    return [
        m.in_every_seed("noise direction negative", [-x for x in m.per_seed("noise_largest")]),
        *near(m, "noise_exponent", -2, 0.3),
        m.in_every_seed("others negative below the derived T / N", [-x for x in m.per_seed("others_short")]),
        m.in_every_seed("others positive above it", m.per_seed("others_long")),
        *near(m, "others_exponent", -3, 0.3),
    ]


@criterion(KQ_FLIP, seeds=3)
def kq_flip(m: Measurement) -> list[Check]:
    """Negative below the derived frequency, positive above it, zero within 10% of it."""
    return [
        m.in_every_seed("negative below", [-x for x in m.per_seed("below")]),
        m.in_every_seed("positive above", m.per_seed("above")),
        *near(m, "flip", 1, FLIP_WITHIN),
    ]


@criterion(THREE_SPEEDS, seeds=3)
def three_speeds(m: Measurement) -> list[Check]:
    """Exponents within 0.3 of 0, -1 and -2."""
    return [*near(m, "W_F", 0, 0.3), *near(m, "W_V", -1, 0.3), *near(m, "W_KQ", -2, 0.3)]


@criterion(LINEAR_MEMORY, seeds=3)
def linear_memory(m: Measurement) -> list[Check]:
    """Median rank-2 clean loss below half of the full model's at d = 12, and steadier there than at d = 8."""
    return [m.compare("rank_2", "<", "full", 0.5), m.compare("spread_12", "<", "spread_8")]


@criterion(ALPHA_VS_N, seeds=3)
def alpha_vs_n(m: Measurement) -> list[Check]:
    """Singular values within 2%; truncation helps where the condition says, and not where not, both occurring."""
    misses = [agree - cases for agree, cases in zip(m.per_seed("agree"), m.per_seed("cases"), strict=True)]
    both = [min(h, c - h) for h, c in zip(m.per_seed("helps"), m.per_seed("cases"), strict=True)]
    return [
        m.bar("error", "<=", 0.02),
        m.in_every_seed("all cases as derived", [1 + x for x in misses]),
        m.in_every_seed("cases of either kind", both),
    ]


@criterion(THEOREM_2)
def theorem2(m: Measurement) -> list[Check]:
    """Exponent within 0.05 of -0.5; a(t) and b(t) within 0.02 of the right ODE; the printed one's distance is shown."""
    return [*near(m, "exponent", -0.5, 0.05), m.bar("error", "<=", 0.02)]
