"""The criteria of chapter 6, one function for each `fact.*` claim, as `holds_when` in claims.csv words them.

`mechbook.facts.values` says what each reads for each seed.
A criterion is applied to the mean over seeds unless its row says otherwise. At least 3 seeds; 5 for fact.convergence.
"""

from math import log, sqrt

from mechbook.claims.criteria import Check, Measurement, criterion
from mechbook.facts.values import (
    CAPACITY,
    CAPACITY_SIZE,
    CONSTRUCTION_SIZE,
    CONSTRUCTIONS,
    CONVERGENCE,
    HALLUCINATION,
    INT8,
    KNOWLEDGE_CAPACITY,
    PLATEAU_LINEAR,
    PLATEAU_SOFTMAX,
    TOO_FEW,
    TRADEOFF,
)

SHAPES = (1, 2, 3)
PREFERRED = 1.2


@criterion(CAPACITY, seeds=3)
def capacity(m: Measurement) -> list[Check]:
    """Slope of log(facts) against log(parameters) in [0.85, 1.15], of all shapes together and of each family."""
    return [
        m.bar("pooled", ">=", 0.85, "slope"),
        m.bar("pooled", "<=", 1.15, "slope"),
        m.bar("least", ">=", 0.85, "least slope of a family"),
        m.bar("most", "<=", 1.15, "largest slope of a family"),
    ]


@criterion(TRADEOFF, seeds=3)
def tradeoff(m: Measurement) -> list[Check]:
    """A point without an MLP reaches 0.99; some H has at most 0.95 without and 0.99 with one; the smallest H < 0.9.

    That H and its MLP are picked on the map's runs and judged on fresh facts; the map's own are judged beside them.
    """
    return [
        m.bar("attention_only", ">=", 0.99),
        m.bar("without", "<=", TOO_FEW),
        m.bar("attention_mlp", ">=", 0.99),
        m.bar("few_heads", "<", 0.9),
        m.bar("chosen_without", "<=", TOO_FEW),
        m.bar("chosen_mlp", ">=", 0.99),
    ]


@criterion(CONSTRUCTIONS, seeds=3)
def constructions(m: Measurement) -> list[Check]:
    """Accuracy 1.0 of both constructions."""
    return [m.perfect("attention_only"), m.perfect("attention_mlp")]


@criterion(CONSTRUCTION_SIZE, seeds=3)
def construction_size(m: Measurement) -> list[Check]:
    """Slopes of the smallest parameter counts against S R in [0.8, 1.3]; 0.99 at fewer than d_h tokens a head only,
    and at more of them where d_h is larger. A head with d_h tokens or more below 0.99 is the earlier reading."""
    keys = ("attention_only", "attention_mlp", "mlp_alone")
    slopes = [m.bar(key, op, bar, f"slope, {key}") for key in keys for op, bar in ((">=", 0.8), ("<=", 1.3))]
    return [*slopes, m.bar("border", "<", 1), m.bar("border_rises", ">=", 2), m.bar("crowded", "<", 0.99)]


@criterion(PLATEAU_LINEAR, seeds=3)
def plateau_linear(m: Measurement) -> list[Check]:
    """Loss within 0.05 of log |A| at first, of log D for at least 500 consecutive steps; below 0.02 at the end."""
    return [m.bar("start_gap", "<=", 0.05), m.bar("plateau_steps", ">=", 500), m.bar("final_loss", "<", 0.02)]


@criterion(PLATEAU_SOFTMAX, seeds=3)
def plateau_softmax(m: Measurement) -> list[Check]:
    """Loss within 0.1 of log D for 200 steps; relation-only < 0.1 there, < 0.05 in the middle, and subject-only > 1.5;
    accuracy > 0.9."""
    return [
        m.bar("plateau_steps", ">=", 200),
        m.bar("relation_middle", "<", 0.05),
        m.bar("relation_only", "<", 0.1),
        m.bar("subject_only", ">", 1.5),
        m.bar("final_accuracy", ">", 0.9),
    ]


@criterion(HALLUCINATION, seeds=3)
def hallucination(m: Measurement) -> list[Check]:
    """Argmax in A_r for at least 0.99; right for 1/D of all seeds' sequences, within 4 standard errors; p even.

    With balanced answers any guess that depends on r alone is right for 1/D. That none is preferred is the loss, which
    is log D, the relation-only loss, and the divergence of even answers within A_r from those predicted. The bar is
    that of one answer 1.2 times as likely as D even ones, in every relation. Near log D alone, as the plateau is
    defined, an answer may be twice as likely.
    """
    D = m.mean("D")
    favoured = PREFERRED / D
    even = -log(favoured * D) / D - (D - 1) / D * log((1 - favoured) * D / (D - 1))
    chance = 1 / m.mean("D")
    error = sqrt(chance * (1 - chance) / sum(m.per_seed("sequences")))
    return [
        m.bar("valid", ">=", 0.99),
        m.bar("correct", ">=", chance - 4 * error, "correct, against 1/D - 4 standard errors"),
        m.bar("correct", "<=", chance + 4 * error, "correct, against 1/D + 4 standard errors"),
        m.bar("preferred", "<=", even),
        m.bar("uneven", "<=", 0.05),
    ]


@criterion(CONVERGENCE, seeds=5)
def convergence(m: Measurement) -> list[Check]:
    """Loss below 0.02 at the end and below 0.7 of that at three quarters, from each of 5 seeds or more."""
    final, earlier = m.per_seed("final"), m.per_seed("earlier")
    still = [0.7 * before - loss for loss, before in zip(final, earlier, strict=True)]
    return [
        m.in_every_seed("final loss < 0.02", [0.02 - loss for loss in final]),
        m.in_every_seed("loss still falling", still),
    ]


@criterion(KNOWLEDGE_CAPACITY, seeds=3)
def knowledge_capacity(m: Measurement) -> list[Check]:
    """Laptop: the best over N rises with exposures and exceeds 1.5 for 3 shapes. Paper: 1 at 100, 2 at 1000.

    No run exceeds its R_max, and some run comes to nine tenths of it: bits are counted as they should be.
    """
    counted = [m.bar("fullest", "<=", 1.0), m.bar("fullest", ">=", 0.9)]
    if m.scale == "laptop":
        rises = [m.compare(f"many_{k}", ">", f"few_{k}") for k in SHAPES]
        return [*rises, *(m.bar(f"many_{k}", ">", 1.5) for k in SHAPES), *counted]
    if m.scale == "paper":
        quoted = [m.bar(f"{name}_{k}", ">=", bar) for name, bar in (("few", 1.0), ("many", 2.0)) for k in SHAPES]
        return [*quoted, *counted]
    raise ValueError(f"{m.id} is reported at the scale {m.scale!r}, where 'laptop' or 'paper' is allowed.")


@criterion(CAPACITY_SIZE, seeds=3)
def capacity_size(m: Measurement) -> list[Check]:
    """Peaks within a factor 1.5 over sizes that span 4 or more, each above both ends of its N, in every seed.

    And nearly without a trend: over such sizes the factor alone would let bits grow as a power of them.
    """
    peaks = list(zip(*(m.per_seed(name) for name in ("small", "medium", "large")), strict=True))
    return [
        m.in_every_seed("largest peak <= 1.5 times the smallest", [1.5 * min(each) - max(each) for each in peaks]),
        m.in_every_seed("each peak above both ends", m.per_seed("below")),
        m.in_every_seed("|slope of log(peak)| < 0.15", [0.15 - abs(slope) for slope in m.per_seed("slope")]),
        m.bar("span", ">=", 4),
    ]


@criterion(INT8, seeds=3)
def int8(m: Measurement) -> list[Check]:
    """Capacity ratio within 5% after int8 rounding of the rows, which changes it at all."""
    return [m.bar("largest_gap", "<=", 0.05), m.bar("largest_gap", ">", 0)]
