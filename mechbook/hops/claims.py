"""The criteria of chapter 7, one for each `khop.*` claim, on the values that `mechbook.hops.values` declares.

A criterion is applied to the mean over seeds unless its row counts seeds. At least 3 seeds, and 5 where seeds are
counted.
"""

from itertools import pairwise

from mechbook.claims.criteria import Check, Measurement, count_positive, criterion, mean_of, spread
from mechbook.hops.slopes import slopes_by_seed, solved_up_to
from mechbook.hops.values import (
    CONSTRUCTION,
    CONTROLS,
    CURRICULUM_SOLVES,
    DEPTH,
    DEPTHS,
    DIRECT_FAILS,
    EASY_HOPS,
    HEAD_HOPS,
    HOP_HEADS,
    LAYERWISE,
    MIXTURE_SOLVES,
    ORDER,
    ORDERED_HOPS,
    PROBED_HOPS,
    REGIMES,
    SCALING,
)

# Errors below it are those of a model that has solved its task and still moves with every batch.
SOLVED = 0.005


def times_as_long(m: Measurement, factor: int) -> Check:
    """The check that `steps` are `factor` times `mixture_steps`: a budget that was set, so without a spread."""
    return Check(f"steps >= {factor} x mixture_steps", m.mean("steps"), ">=", factor * m.mean("mixture_steps"))


@criterion(DIRECT_FAILS, seeds=3)
def direct_fails(m: Measurement) -> list[Check]:
    """Mean accuracy within 0.05 of chance, after at least five times the steps that the mixture needs.

    As a control, without which a model that is not trained at all would pass: direct training on 1 and on 2 hops, by
    the same code, is above 0.99.
    """
    gaps = [abs(gap) for gap in m.gaps("chance", "accuracy")]
    return [
        Check("distance of accuracy from chance", mean_of(gaps), "<=", 0.05, spread(gaps)),
        times_as_long(m, 5),
        *(m.bar(f"control_{k}", ">", 0.99) for k in CONTROLS),
    ]


@criterion(MIXTURE_SOLVES, seeds=5)
def mixture_solves(m: Measurement) -> list[Check]:
    """Accuracy above 0.99 in 4 of 5 seeds."""
    return [m.in_most_seeds("accuracy > 0.99", [accuracy - 0.99 for accuracy in m.per_seed()])]


@criterion(CURRICULUM_SOLVES, seeds=5)
def curriculum_solves(m: Measurement) -> list[Check]:
    """Accuracy above 0.99 in 4 of 5 seeds."""
    return [m.in_most_seeds("accuracy > 0.99", [accuracy - 0.99 for accuracy in m.per_seed()])]


@criterion(ORDER, seeds=5)
def order(m: Measurement) -> list[Check]:
    """Steps to accuracy 0.9 non-decreasing in the number of hops, a tie allowed, in every solved seed; one at least."""
    solved = [number > 0 for number in m.per_seed("solved")]
    columns = [m.gaps(first, second) for first, second in pairwise(f"hop_{r}" for r in ORDERED_HOPS)]
    smallest = [min(row) for row, done in zip(zip(*columns, strict=True), solved, strict=True) if done]
    if not smallest:
        return [Check("seeds that solved 4 hops", 0, ">=", 1)]
    # steps are whole numbers: a gap of 0 is in order, one of -1 is not
    return [count_positive("hops in order, among those solved", [gap + 0.5 for gap in smallest], len(smallest))]


@criterion(DEPTH, seeds=3)
def depth(m: Measurement) -> list[Check]:
    """Three layers above 0.99; two layers' highest accuracy below 0.5 in every seed, over three times the steps."""
    return [
        m.bar("three", ">", 0.99, "three layers"),
        m.in_every_seed("two layers < 0.5 throughout", [0.5 - highest for highest in m.per_seed("two")]),
        times_as_long(m, 3),
    ]


@criterion(LAYERWISE, seeds=3)
def layerwise(m: Measurement) -> list[Check]:
    """1, 2 and 4 hops are first readable after layers 1, 2 and 3, as the claim says, in every seed.

    Their order alone would be met by a probe that is one layer off.
    """
    return [
        m.in_every_seed(
            f"{r} hops first read after layer {layer}", [0.5 - abs(f - layer) for f in m.per_seed(f"first_{r}")]
        )
        for layer, r in enumerate(PROBED_HOPS, 1)
    ]


@criterion(SCALING, seeds=3)
def scaling(m: Measurement) -> list[Check]:
    """Direct: steps grow from k = 1 to 2, and by a larger factor from 2 to 3. The other two: slopes at most 2.

    The ratios are those of the means; a direct run of three hops that was cut off makes its ratio larger only. A slope
    is that of log(steps) against log(k) over k = 2, 3, 4 and on, the same for both: as far as every seed of either of
    them solved. Each is to be solved up to 4 at least; beyond, what was not solved counts as one step more than the
    budget, which makes a slope smaller only, so that a regime that gets stuck early is not judged by less. Raises
    ValueError where a number of steps is not positive.
    """
    steps = {name: m.per_seed(name) for name in SCALING.names if name.rpartition("_")[2].isdigit()}
    if min(min(column) for column in steps.values()) <= 0:
        raise ValueError(f"{m.id} is reported with a number of steps that is not positive.")
    budget = m.mean("budget")
    first = [b / a for a, b in zip(steps["direct_1"], steps["direct_2"], strict=True)]
    second = [b / a for a, b in zip(steps["direct_2"], steps["direct_3"], strict=True)]
    one, two, three = (mean_of(steps[f"direct_{k}"]) for k in (1, 2, 3))
    paired = [b - a for a, b in zip(first, second, strict=True)]
    checks = [
        Check("most steps of direct_1 and direct_2", max(*steps["direct_1"], *steps["direct_2"]), "<=", budget),
        Check("direct_2 / direct_1", two / one, ">", 1.0, spread(first)),
        Check("direct_3 / direct_2 > direct_2 / direct_1", three / two, ">", two / one, spread(paired)),
    ]
    by_k = {regime: {k: steps[f"{regime}_{k}"] for k in EASY_HOPS} for regime in REGIMES}
    solved = {regime: solved_up_to(found, budget) for regime, found in by_k.items()}
    ks = max(solved.values(), key=len)
    for regime, found in by_k.items():
        reached = solved[regime][-1] if solved[regime] else 0
        checks.append(Check(f"{regime}: solved by every seed up to k", reached, ">=", 4))
        if len(ks) > 1:
            slopes = slopes_by_seed(found, ks)
            checks.append(Check(f"{regime}: slope up to k = {ks[-1]}", mean_of(slopes), "<=", 2.0, spread(slopes)))
    return checks


@criterion(CONSTRUCTION, seeds=3)
def construction(m: Measurement) -> list[Check]:
    """Accuracy exactly 1 for k = 2, 4 and 8: an identity, which is never marginal."""
    return [Check(f"accuracy_{k}", m.mean(f"accuracy_{k}"), ">=", 1.0) for k in (2, 4, 8)]


@criterion(HOP_HEADS, seeds=3)
def hop_heads(m: Measurement) -> list[Check]:
    """The published table's ordering of errors: smaller with each layer for every k, larger with each k at every depth.

    Two neighbours that are both below 0.005 are both solved, and no order is asked of them.
    """
    deeper = [
        in_order(m, f"layers_{more}_hop_{k}", f"layers_{fewer}_hop_{k}")
        for k in HEAD_HOPS
        for fewer, more in pairwise(DEPTHS)
    ]
    longer = [
        in_order(m, f"layers_{L}_hop_{fewer}", f"layers_{L}_hop_{more}")
        for L in DEPTHS
        for fewer, more in pairwise(HEAD_HOPS)
    ]
    return [*deeper, *longer]


def in_order(m: Measurement, smaller: str, larger: str) -> Check:
    """The check that one mean error is below another, or that both are solved."""
    errors = m.mean(smaller), m.mean(larger)
    if max(errors) < SOLVED:
        return Check(f"{smaller}, {larger} both solved", max(errors), "<", SOLVED)
    return m.compare(smaller, "<", larger)
