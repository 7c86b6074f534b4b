"""The criteria of chapter 4's theory, one function for each claim, as `holds_when` in claims.csv words them.

What the chapter reports for each seed, a dict with these names (z: distance from the exact value in standard errors,
without sign; exponents: slopes on log axes):

| claim | values |
|---|---|
| noisy.theorem1 | feed_forward_z, attention_z: mean margins; feed_forward_exponent, attention_exponent: of the spread |
| | in m; samples_more, samples_as_many: times the samples that attention needs, where the derivation says more |
| | (one repeated token, T << N) and where it says as many (typical contexts, T >= N) |
| noisy.lemma_moments | mean_z, variance_z: the largest over all cases; printed_wrong: printed entries that differ |
| noisy.kq_sign | noise_largest: the largest gradient along the noise, times N^2; noise_exponent; others_short, |
| | others_long: the other tokens' gradient times N^3 below and above the derived T / N; others_exponent at T = N^2 |
| noisy.kq_flip | below, above: the noise's gradient times N^2 at half and at twice the derived frequency elsewhere; |
| | flip: the measured frequency elsewhere at which it is zero, over the derived one |
| noisy.three_speeds | W_F, W_V, W_KQ: exponents in N of the first updates |
| noisy.linear_memory | rank_2, full: median clean loss at d = 12; spread_12, spread_8: rank 2's quartile distance |
| noisy.alpha_vs_n | error: the largest relative error of a singular value; cases; agree: cases where truncation helps |
| | or not as derived; helps: cases where it does |
| noisy.theorem2 | exponent (rank-1 P(noise) in t, the worst noise level's); error: the largest distance of a(t), b(t) |
| | from the right ODE; printed_error: from the printed one, to be shown |

Seeds: at least 3 where sampling decides; theorem2 is without randomness and has one.
"""

from mechbook.claims.criteria import Check, Measurement, criterion

# What "flips where the derivation says" and "more samples" are taken to mean: the list gives no number for these.
FLIP_WITHIN = 0.1
MORE, AS_MANY = 2.0, 1.5


def near(m: Measurement, key: str, value: int | float, within: int | float) -> list[Check]:
    """Return the checks that the mean of `key` is within a distance of a value."""
    return [m.bar(key, ">=", value - within), m.bar(key, "<=", value + within)]


def within_errors(m: Measurement, *keys: str) -> list[Check]:
    """Return the checks that every seed is within 4 standard errors."""
    return [m.in_every_seed(f"{key} below 4", [4 - z for z in m.per_seed(key)]) for key in keys]


@criterion(
    "noisy.theorem1",
    keys=(
        "feed_forward_z",
        "attention_z",
        "feed_forward_exponent",
        "attention_exponent",
        "samples_more",
        "samples_as_many",
    ),
    seeds=3,
)
def theorem1(m: Measurement) -> list[Check]:
    """Means within 4 standard errors, exponents within 0.1 of -1/2, more samples where derived and only there."""
    return [
        *within_errors(m, "feed_forward_z", "attention_z"),
        *near(m, "feed_forward_exponent", -0.5, 0.1),
        *near(m, "attention_exponent", -0.5, 0.1),
        m.bar("samples_more", ">", MORE),
        m.bar("samples_as_many", "<", AS_MANY),
    ]


@criterion("noisy.lemma_moments", keys=("mean_z", "variance_z", "printed_wrong"), seeds=3)
def lemma_moments(m: Measurement) -> list[Check]:
    """Monte Carlo within 4 standard errors in every case; the number of printed entries that differ is shown."""
    return within_errors(m, "mean_z", "variance_z")


@criterion(
    "noisy.kq_sign",
    keys=("noise_largest", "noise_exponent", "others_short", "others_long", "others_exponent"),
    seeds=3,
)
def kq_sign(m: Measurement) -> list[Check]:
    """Noise negative, exponent within 0.3 of -2; others turn positive with T / N, within 0.3 of -3 at T = N^2."""
    return [
        m.in_every_seed("noise direction negative", [-x for x in m.per_seed("noise_largest")]),
        *near(m, "noise_exponent", -2, 0.3),
        m.in_every_seed("others negative below the derived T / N", [-x for x in m.per_seed("others_short")]),
        m.in_every_seed("others positive above it", m.per_seed("others_long")),
        *near(m, "others_exponent", -3, 0.3),
    ]


@criterion("noisy.kq_flip", keys=("below", "above", "flip"), seeds=3)
def kq_flip(m: Measurement) -> list[Check]:
    """Negative below the derived frequency, positive above it, zero within 10% of it."""
    return [
        m.in_every_seed("negative below", [-x for x in m.per_seed("below")]),
        m.in_every_seed("positive above", m.per_seed("above")),
        *near(m, "flip", 1, FLIP_WITHIN),
    ]


@criterion("noisy.three_speeds", keys=("W_F", "W_V", "W_KQ"), seeds=3)
def three_speeds(m: Measurement) -> list[Check]:
    """Exponents within 0.3 of 0, -1 and -2."""
    return [*near(m, "W_F", 0, 0.3), *near(m, "W_V", -1, 0.3), *near(m, "W_KQ", -2, 0.3)]


@criterion("noisy.linear_memory", keys=("rank_2", "full", "spread_12", "spread_8"), seeds=3)
def linear_memory(m: Measurement) -> list[Check]:
    """Median rank-2 clean loss below half of the full model's at d = 12, and steadier there than at d = 8."""
    return [m.compare("rank_2", "<", "full", 0.5), m.compare("spread_12", "<", "spread_8")]


@criterion("noisy.alpha_vs_n", keys=("error", "cases", "agree", "helps"), seeds=3)
def alpha_vs_n(m: Measurement) -> list[Check]:
    """Singular values within 2%; truncation helps where the condition says, and not where not, both occurring."""
    misses = [agree - cases for agree, cases in zip(m.per_seed("agree"), m.per_seed("cases"), strict=True)]
    both = [min(h, c - h) for h, c in zip(m.per_seed("helps"), m.per_seed("cases"), strict=True)]
    return [
        m.bar("error", "<=", 0.02),
        m.in_every_seed("all cases as derived", [1 + x for x in misses]),
        m.in_every_seed("cases of either kind", both),
    ]


@criterion("noisy.theorem2", keys=("exponent", "error", "printed_error"))
def theorem2(m: Measurement) -> list[Check]:
    """Exponent within 0.05 of -0.5; a(t) and b(t) within 0.02 of the right ODE; the printed one's distance is shown."""
    return [*near(m, "exponent", -0.5, 0.05), m.bar("error", "<=", 0.02)]
