"""The criteria of chapter 2, one function for each `grad.*` claim, as `holds_when` in claims.csv words them.

What the chapter reports for each seed (a plain number, or a dict with exactly these names; recalls and accuracies are
fractions, logits are in units of eta / N):

| claim | values |
|---|---|
| grad.lemma1, grad.lemma2, grad.layer_norm, grad.lemma4, grad.lemma5 | a number: relative error against autograd |
| grad.span | plain, decayed: share of the weights outside the span after 100 steps, without and with weight decay |
| grad.one_step | accuracy at the largest d; slope of the logits against the predicted ones |
| grad.optimum | a number: largest KL divergence from p, in nats |
| grad.ignores_position | accuracy; positional: mean logit of a position |
| grad.three_steps | W_O2, W_K2, W_K1_early, accuracy: recalls and accuracy after the third step; after_first, |
| | after_second: accuracies after the first and the second |
| grad.spurious | ratio: measured; tau: predicted; accuracy: with both matrices learned and W_K1 at zero, to be shown |
| grad.sequential | a number: slope of log half time against log strength |
| grad.one_step_data | d32_b2, d32_b8, d32_b32, d32_b128, d64_b2, d64_b8, d64_b32, d64_b128, d128_b2, d128_b8, |
| | d128_b32, d128_b128, d512_b2, d512_b8, d512_b32, d512_b128: recall for each dimension and number of batches |

A criterion is applied to the mean over at least 3 seeds. A standard error is that of the mean over seeds; where the
list says "within error bars" it is within 4 of them, as elsewhere in the list. "Near chance" is at most 0.1.
"""

from itertools import pairwise

from mechbook.claims.criteria import Check, Measurement, criterion, mean_of, spread

IDENTITY = 1e-10
NEAR_CHANCE = 0.1
DIMENSIONS = (32, 64, 128, 512)
BATCHES = (2, 8, 32, 128)
GRID = tuple(f"d{d}_b{b}" for d in DIMENSIONS for b in BATCHES)
SEEDS = 3


def standard_error(column: list[float]) -> float:
    """Return the standard error of the mean; 0 for a single number, which the floor of 3 seeds refuses anyway."""
    return (spread(column) or 0.0) / len(column) ** 0.5


def within(label: str, gaps: list[float], errors: float = 4.0) -> Check:
    """Return the check that the mean of `gaps` is zero within so many standard errors."""
    error = standard_error(gaps)
    return Check(f"{label}, against {errors:g} standard errors", abs(mean_of(gaps)), "<=", errors * error, error)


def perfect(m: Measurement, name: str) -> Check:
    """Return the check that a fraction is 1 in every seed; it has no spread, as nothing is beyond 1."""
    return Check(name, m.mean(name), ">=", 1.0)


def identity(m: Measurement) -> list[Check]:
    """Autograd and formula agree to 1e-10 relative."""
    return [m.bar(None, "<", IDENTITY, "relative error")]


for _id in ("grad.lemma1", "grad.lemma2", "grad.layer_norm", "grad.lemma4", "grad.lemma5"):
    criterion(_id, seeds=SEEDS)(identity)


@criterion("grad.span", keys=("plain", "decayed"), seeds=SEEDS)
def span(m: Measurement) -> list[Check]:
    """Residual outside the span below 1e-10 after 100 steps, with and without weight decay."""
    return [m.bar("plain", "<", IDENTITY), m.bar("decayed", "<", IDENTITY)]


@criterion("grad.one_step", keys=("accuracy", "slope"), seeds=SEEDS)
def one_step(m: Measurement) -> list[Check]:
    """Accuracy at least 0.99 at large d; logits on the predicted line, slope 1 within 4 standard errors."""
    return [m.bar("accuracy", ">=", 0.99), within("|slope - 1|", [slope - 1 for slope in m.per_seed("slope")])]


@criterion("grad.optimum", seeds=SEEDS)
def optimum(m: Measurement) -> list[Check]:
    """Largest KL to p below 1e-3 for a non-deterministic p."""
    return [m.bar(None, "<", 1e-3, "largest KL")]


@criterion("grad.ignores_position", keys=("accuracy", "positional"), seeds=SEEDS)
def ignores_position(m: Measurement) -> list[Check]:
    """Accuracy at least 0.99 at large d; positional logits zero within 4 standard errors."""
    return [m.bar("accuracy", ">=", 0.99), within("|positional logit|", m.per_seed("positional"))]


@criterion(
    "grad.three_steps",
    keys=("W_O2", "W_K2", "W_K1_early", "accuracy", "after_first", "after_second"),
    seeds=SEEDS,
)
def three_steps(m: Measurement) -> list[Check]:
    """Recalls 1.0 (W_K1 on early positions), accuracy at least 0.9 after the third step and near chance before."""
    recalls = [perfect(m, name) for name in ("W_O2", "W_K2", "W_K1_early")]
    before = [m.bar(name, "<=", NEAR_CHANCE) for name in ("after_first", "after_second")]
    return [*recalls, m.bar("accuracy", ">=", 0.9), *before]


@criterion("grad.spurious", keys=("ratio", "tau", "accuracy"), seeds=SEEDS)
def spurious(m: Measurement) -> list[Check]:
    """Ratio within 4 standard errors of tau; `accuracy` must be there, to be shown."""
    return [within("|ratio - tau|", m.gaps("tau", "ratio"))]


@criterion("grad.sequential", seeds=SEEDS)
def sequential(m: Measurement) -> list[Check]:
    """Slope -1 +- 0.1."""
    return [m.bar(None, ">=", -1.1, "slope"), m.bar(None, "<=", -0.9, "slope")]


@criterion("grad.one_step_data", keys=GRID, seeds=SEEDS)
def one_step_data(m: Measurement) -> list[Check]:
    """No fall along d or along the batches by more than 4 standard errors of the difference; 1.0 at the top corner."""
    rows = [[f"d{d}_b{b}" for b in BATCHES] for d in DIMENSIONS]
    columns = [list(column) for column in zip(*rows, strict=True)]
    checks = [perfect(m, rows[-1][-1])]
    for label, lines in (("with batches", rows), ("with d", columns)):
        beyond = []
        for smaller, larger in (pair for line in lines for pair in pairwise(line)):
            falls = m.gaps(larger, smaller)
            beyond.append(mean_of(falls) - 4 * standard_error(falls))
        checks.append(Check(f"largest fall {label}, less 4 standard errors", max(beyond), "<=", 0.0))
    return checks
