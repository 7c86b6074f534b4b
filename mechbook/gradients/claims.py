"""The criteria of chapter 2, one function for each `grad.*` claim, as `holds_when` in claims.csv words them.

A criterion is applied to the mean over at least 3 seeds. A standard error is that of the mean over seeds; where the
list says "within error bars" it is within 4 of them, as elsewhere in the list. "Near chance" is at most 0.1.
"""

from itertools import pairwise

from mechbook.claims.criteria import Check, Measurement, criterion, mean_of, spread
from mechbook.gradients.values import (
    GRID_BATCHES,
    GRID_DIMENSIONS,
    IGNORES_POSITION,
    LAYER_NORM,
    LEMMA_1,
    LEMMA_2,
    LEMMA_4,
    LEMMA_5,
    ONE_STEP,
    ONE_STEP_DATA,
    OPTIMUM,
    SEQUENTIAL,
    SPAN,
    SPURIOUS,
    STEP_TWO,
    THREE_STEPS,
    TOP_DOWN,
)

IDENTITY = 1e-10
NEAR_CHANCE = 0.1
SEEDS = 3


def standard_error(column: list[float]) -> float:
    """Return the standard error of the mean; 0 for a single number, which the floor of 3 seeds refuses anyway."""
    return (spread(column) or 0.0) / len(column) ** 0.5


def within(label: str, gaps: list[float], errors: float = 4.0) -> Check:
    """Return the check that the mean of `gaps` is zero within so many standard errors."""
    error = standard_error(gaps)
    return Check(f"{label}, against {errors:g} standard errors", abs(mean_of(gaps)), "<=", errors * error, error)


def identity(m: Measurement) -> list[Check]:
    """Autograd and formula agree to 1e-10 relative."""
    return [m.bar(None, "<", IDENTITY, "relative error")]


for _identity in (LEMMA_1, LEMMA_2, LAYER_NORM, LEMMA_4, LEMMA_5):
    criterion(_identity, seeds=SEEDS)(identity)


@criterion(SPAN, seeds=SEEDS)
def span(m: Measurement) -> list[Check]:
    """Residual outside the span below 1e-10 after 100 steps, with and without weight decay."""
    return [m.bar("plain", "<", IDENTITY), m.bar("decayed", "<", IDENTITY)]


@criterion(ONE_STEP, seeds=SEEDS)
def one_step(m: Measurement) -> list[Check]:
    """Accuracy at least 0.99 at large d; right logits 1 above wrong ones, these -1/N, within 4 standard errors."""
    return [
        m.bar("accuracy", ">=", 0.99),
        within("|slope - 1|", [slope - 1 for slope in m.per_seed("slope")]),
        within("|N times the wrong logit + 1|", [wrong + 1 for wrong in m.per_seed("wrong")]),
    ]


@criterion(OPTIMUM, seeds=SEEDS)
def optimum(m: Measurement) -> list[Check]:
    """Largest KL to p below 1e-3 for a non-deterministic p."""
    return [m.bar(None, "<", 1e-3, "largest KL")]


@criterion(IGNORES_POSITION, seeds=SEEDS)
def ignores_position(m: Measurement) -> list[Check]:
    """Accuracy at least 0.99 at large d; positional logits of mean zero and of crosstalk's size, 4 standard errors."""
    return [
        m.bar("accuracy", ">=", 0.99),
        within("|mean positional logit|", m.per_seed("positional")),
        within("|their root mean square / crosstalk's - 1|", [spread - 1 for spread in m.per_seed("spread")]),
    ]


@criterion(THREE_STEPS, seeds=SEEDS)
def three_steps(m: Measurement) -> list[Check]:
    """Recalls 1.0 (W_K1 on early positions), accuracy at least 0.9 after the third step and near chance before."""
    recalls = [m.perfect(name) for name in ("W_O2", "W_K2", "W_K1_early")]
    before = [m.bar(name, "<=", NEAR_CHANCE) for name in ("after_first", "after_second")]
    return [*recalls, m.bar("accuracy", ">=", 0.9), *before]


@criterion(SPURIOUS, seeds=SEEDS)
def spurious(m: Measurement) -> list[Check]:
    """Ratio within 4 standard errors of tau; near chance with W_K1 at zero."""
    return [within("|ratio - tau|", m.gaps("tau", "ratio")), m.bar("accuracy", "<=", NEAR_CHANCE)]


@criterion(SEQUENTIAL, seeds=SEEDS)
def sequential(m: Measurement) -> list[Check]:
    """Slope -1 +- 0.1, and a plateau: the rise takes less than half of the time to half strength."""
    return [m.bar("slope", ">=", -1.1), m.bar("slope", "<=", -0.9), m.bar("rise", "<", 0.5)]


@criterion(ONE_STEP_DATA, seeds=SEEDS)
def one_step_data(m: Measurement) -> list[Check]:
    """No fall along d or along the batches by more than 4 standard errors of the difference; 1.0 at the top corner."""
    rows = [[f"d{d}_b{b}" for b in GRID_BATCHES] for d in GRID_DIMENSIONS]
    columns = [list(column) for column in zip(*rows, strict=True)]
    checks = [m.perfect(rows[-1][-1])]
    for label, lines in (("with batches", rows), ("with d", columns)):
        beyond = []
        for smaller, larger in (pair for line in lines for pair in pairwise(line)):
            falls = m.gaps(larger, smaller)
            beyond.append(mean_of(falls) - 4 * standard_error(falls))
        checks.append(Check(f"largest fall {label}, less 4 standard errors", max(beyond), "<=", 0.0))
    return checks


@criterion(TOP_DOWN, seeds=SEEDS)
def top_down(m: Measurement) -> list[Check]:
    """From a random start: accuracy at least 0.9 in the right order, at most 0.1 in each of the five others."""
    others = [m.bar(name, "<=", NEAR_CHANCE) for name in TOP_DOWN.names if name != "right"]
    return [m.bar("right", ">=", 0.9), *others]


@criterion(STEP_TWO, seeds=SEEDS)
def step_two(m: Measurement) -> list[Check]:
    """Against gamma_T in full, at two T: within 3% at the largest N, closer than at the smallest, and 1% in the limit.

    What is left falls as 1/N only if the extrapolation to N without end is 1; that of gamma_T as printed is not.
    """
    checks = []
    for name, words in (("", ""), ("short_", ", short T")):
        off = {N: abs(m.mean(f"{name}{N}") - 1) for N in ("small", "large", "limit")}
        checks += [
            Check(f"|gap / gamma_T - 1| at the largest N{words}", off["large"], "<=", 0.03),
            Check(f"the same, less that at the smallest N{words}", off["large"] - off["small"], "<", 0.0),
            Check(
                f"the same, extrapolated to N without end{words}",
                off["limit"],
                "<=",
                0.01,
                spread(m.per_seed(f"{name}limit")),
            ),
        ]
    return checks
