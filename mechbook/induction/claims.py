"""The criteria of chapter 3, one function for each `ih.*` claim, as `holds_when` in claims.csv words them.

What the chapter reports for each seed (a plain number, or a dict with exactly these names; "steps" to a threshold never
reached are the number of steps + 1; recalls, accuracies and attention masses are fractions):

| claim | values |
|---|---|
| ih.one_layer_fails, ih.two_layer_fixed, ih.two_layer_random | a number: in-context accuracy |
| ih.attention_maps | previous, induction: attention mass in layers 1 and 2 |
| ih.fixed_vs_random | fixed, random: induction mass on non-trigger repeats |
| ih.head_vs_bigram | outside, inside: P(retrieved) - pi_b(retrieved), retrieved token outside or inside pi_b's top 3 |
| ih.constructed | accuracy, kl_global, accuracy_after_layer_2 (W_F of eq. 8 reading layer 2's output) |
| ih.uniform_init | unit_norm, standard_normal: entropy of attention / log T |
| ih.order | W_O2, W_K2, W_K1, W_K1_early: steps to recall 0.6 |
| ih.joint_faster | recall_W_K2 (W_K1 frozen), recall_W_K1 (W_K2 frozen); steps_joint, steps_freeze_W_O2, |
| | steps_freeze_W_K1, steps_freeze_W_K2, steps_freeze_both: steps to accuracy 0.8 |
| ih.wo2_needed | drift_W_K1, drift_W_K2 (largest change while W_O2 is frozen), alone_W_O2, alone_accuracy |
| ih.early_positions | smallest_gap (first quarter's recall - the rest's, smallest over all probe steps), |
| | fraction (of the probe steps, with a gap above 0) |
| ih.global_first | kl_half, accuracy_half: steps to half the first KL, to accuracy 0.5 |
| ih.trigger_effects | base_accuracy, few_accuracy, rare_accuracy, random_accuracy: steps to 0.8; base_W_O2, few_W_O2, |
| | rare_W_O2: steps to recall 0.9; base_W_K2, random_W_K2: steps to recall 0.6 |
| ih.output_distribution | uu, ub, bu, bb: accuracy, trained/tested on uniform or bigram outputs; |
| | W_O2_u, W_O2_b, W_K2_u, W_K2_b: recalls at the end |
| ih.wf_competition | minimum, late (last tenth's mean) of KL(W_F, pi_b); ratio: late / minimum |
| ih.memory_maps | W_O2_separation (off-diagonal standard deviations), W_K2_correlation, W_K2_low95, W_K1_correlation, |
| | W_K1_low95 (lower ends of 95% intervals) |
| ih.dimension | tuned_32, tuned_64, tuned_128, tuned_256, fixed_32, fixed_64, fixed_128, fixed_256: steps of W_O2 |
| | to recall 0.9, learning rate tuned for each d or fixed |
| ih.realistic | accuracy, W_O2, W_K2, W_K1: accuracy at the end, steps to recall 0.6 |
| ih.multi_head | top, second (previous-token masses of layer 1's heads), induction_heads (heads of layer 2 whose |
| | induction mass is above half of the largest) |

A criterion is applied to the mean over seeds unless its row counts seeds; a tie is not an order. At least 3 seeds, and
5 where seeds are counted. Where two means are compared, the spread is that of their difference, seed by seed.
"""

from collections.abc import Callable
from itertools import pairwise

from mechbook.claims.criteria import Check, CriterionFunction, Measurement, criterion, spread

DIMENSIONS = (32, 64, 128, 256)
FROZEN = ("steps_freeze_W_O2", "steps_freeze_W_K1", "steps_freeze_W_K2", "steps_freeze_both")


def on_mean(id: str, *keys: str) -> Callable[[CriterionFunction], CriterionFunction]:
    """Register a criterion that is applied to the mean: chapter 3's own floor is 3 seeds."""
    return criterion(id, keys=keys, seeds=3)


def on_count(id: str, *keys: str) -> Callable[[CriterionFunction], CriterionFunction]:
    """Register a criterion that counts seeds: '4 of 5' needs 5."""
    return criterion(id, keys=keys, seeds=5)


def by_scale(m: Measurement, *, laptop: float, paper: float) -> float:
    """Return the bar that belongs to the scale of the measurement. Raises ValueError for another scale."""
    bars = {"laptop": laptop, "paper": paper}
    if m.scale not in bars:
        raise ValueError(f"{m.id} is reported at the scale {m.scale!r}, where 'laptop' or 'paper' is allowed.")
    return bars[m.scale]


@on_mean("ih.one_layer_fails")
def one_layer_fails(m: Measurement) -> list[Check]:
    """Accuracy between 0.40 and 0.70."""
    return [m.bar(None, ">=", 0.40, "accuracy"), m.bar(None, "<=", 0.70, "accuracy")]


@on_mean("ih.two_layer_fixed")
def two_layer_fixed(m: Measurement) -> list[Check]:
    """Accuracy at least 0.97 at the laptop scale, 0.99 at the paper scale."""
    return [m.bar(None, ">=", by_scale(m, laptop=0.97, paper=0.99), "accuracy")]


@on_mean("ih.two_layer_random")
def two_layer_random(m: Measurement) -> list[Check]:
    """Accuracy at least 0.90 at the laptop scale, 0.95 at the paper scale."""
    return [m.bar(None, ">=", by_scale(m, laptop=0.90, paper=0.95), "accuracy")]


@on_mean("ih.attention_maps", "previous", "induction")
def attention_maps(m: Measurement) -> list[Check]:
    """Mass on the predicted positions above 0.8 in both layers (`previous`: layer 1, `induction`: layer 2)."""
    return [m.bar("previous", ">", 0.8), m.bar("induction", ">", 0.8)]


@on_mean("ih.fixed_vs_random", "fixed", "random")
def fixed_vs_random(m: Measurement) -> list[Check]:
    """Induction mass on non-trigger repeats below 0.3 for `fixed` triggers and above 0.6 for `random` ones."""
    return [m.bar("fixed", "<", 0.3), m.bar("random", ">", 0.6)]


@on_count("ih.head_vs_bigram", "outside", "inside")
def head_vs_bigram(m: Measurement) -> list[Check]:
    """P - pi_b of the retrieved token larger `outside` pi_b's top 3 than `inside`, in 4 of 5 seeds."""
    return [m.in_most_seeds("outside > inside", m.gaps("inside", "outside"))]


@on_mean("ih.constructed", "accuracy", "kl_global", "accuracy_after_layer_2")
def constructed(m: Measurement) -> list[Check]:
    """Accuracy at least 0.99 without training; `kl_global` and `accuracy_after_layer_2` must be there, to be shown."""
    return [m.bar("accuracy", ">=", 0.99)]


@on_mean("ih.uniform_init", "unit_norm", "standard_normal")
def uniform_init(m: Measurement) -> list[Check]:
    """Entropy above 0.98 log T for `unit_norm` embeddings; `standard_normal` must be there, to be shown."""
    return [m.bar("unit_norm", ">", 0.98)]


@on_count("ih.order", "W_O2", "W_K2", "W_K1", "W_K1_early")
def order(m: Measurement) -> list[Check]:
    """Steps to recall 0.6 with W_O2 < W_K2 < W_K1 in 4 of 5 seeds, both in the same seed; `W_K1_early` is shown.

    A W_K1 that never reaches 0.6 (steps + 1) comes last; two that never do are a tie, which is no order.
    """
    gaps = [min(pair) for pair in zip(m.gaps("W_O2", "W_K2"), m.gaps("W_K2", "W_K1"), strict=True)]
    return [m.in_most_seeds("W_O2 < W_K2 < W_K1", gaps)]


@on_count("ih.joint_faster", "recall_W_K2", "recall_W_K1", "steps_joint", *FROZEN)
def joint_faster(m: Measurement) -> list[Check]:
    """Recall of W_K2 (W_K1 frozen) > of W_K1 (W_K2 frozen); joint training before all others; each in 4 of 5 seeds."""
    first = [min(gaps) for gaps in zip(*(m.gaps("steps_joint", key) for key in FROZEN), strict=True)]
    return [
        m.in_most_seeds("recall_W_K2 > recall_W_K1", m.gaps("recall_W_K1", "recall_W_K2")),
        m.in_most_seeds("joint training first to accuracy 0.8", first),
    ]


@on_mean("ih.wo2_needed", "drift_W_K1", "drift_W_K2", "alone_W_O2", "alone_accuracy")
def wo2_needed(m: Measurement) -> list[Check]:
    """Largest change of either recall while W_O2 is frozen at most 0.15; W_O2 alone: recall > 0.9, accuracy < 0.5."""
    return [
        m.bar("drift_W_K1", "<=", 0.15),
        m.bar("drift_W_K2", "<=", 0.15),
        m.bar("alone_W_O2", ">", 0.9),
        m.bar("alone_accuracy", "<", 0.5),
    ]


@on_mean("ih.early_positions", "smallest_gap", "fraction")
def early_positions(m: Measurement) -> list[Check]:
    """The mean over seeds of each seed's smallest gap, over every probe step (the first included), above 0.

    'Throughout training' is read strictly: the mean of the smallest gaps is never above the smallest gap of the mean
    curve. `fraction` of probe steps with a positive gap is shown.
    """
    return [m.bar("smallest_gap", ">", 0.0)]


@on_mean("ih.global_first", "kl_half", "accuracy_half")
def global_first(m: Measurement) -> list[Check]:
    """KL(W_F, pi_b) halves before in-context accuracy reaches 0.5, in every seed."""
    return [m.in_every_seed("kl_half < accuracy_half", m.gaps("kl_half", "accuracy_half"))]


TRIGGER_COMPARISONS = (
    ("base_accuracy", "few_accuracy"),
    ("base_accuracy", "rare_accuracy"),
    ("base_accuracy", "random_accuracy"),
    ("base_W_O2", "few_W_O2"),
    ("base_W_O2", "rare_W_O2"),
    ("base_W_K2", "random_W_K2"),
)


@on_count("ih.trigger_effects", *dict.fromkeys(key for pair in TRIGGER_COMPARISONS for key in pair))
def trigger_effects(m: Measurement) -> list[Check]:
    """Each number of steps larger than the baseline's, in 4 of 5 seeds for each of the six comparisons."""
    return [m.in_most_seeds(f"{slow} > {base}", m.gaps(base, slow)) for base, slow in TRIGGER_COMPARISONS]


@on_mean("ih.output_distribution", "uu", "ub", "bu", "bb", "W_O2_u", "W_O2_b", "W_K2_u", "W_K2_b")
def output_distribution(m: Measurement) -> list[Check]:
    """The 2x2 table's ordering and the recalls', on the mean (first letter: trained on, second: tested on).

    Uniform training generalises to bigram outputs better than the reverse: it loses less (uu - ub < bb - bu), and is
    better on the outputs it was not trained on (ub > bu). Recalls of W_O2 and W_K2 are higher under uniform outputs.
    """
    loss_u, loss_b = m.gaps("ub", "uu"), m.gaps("bu", "bb")
    paired = [b - u for u, b in zip(loss_u, loss_b, strict=True)]
    return [
        Check("uu - ub < bb - bu", m.mean("uu") - m.mean("ub"), "<", m.mean("bb") - m.mean("bu"), spread(paired)),
        m.compare("ub", ">", "bu"),
        m.compare("W_O2_u", ">", "W_O2_b"),
        m.compare("W_K2_u", ">", "W_K2_b"),
    ]


@on_mean("ih.wf_competition", "minimum", "late", "ratio")
def wf_competition(m: Measurement) -> list[Check]:
    """Mean KL over the last tenth of training at least 10% above its minimum; each seed's `ratio` is shown."""
    return [m.compare("late", ">=", "minimum", factor=1.1)]


@on_mean("ih.memory_maps", "W_O2_separation", "W_K2_correlation", "W_K2_low95", "W_K1_correlation", "W_K1_low95")
def memory_maps(m: Measurement) -> list[Check]:
    """W_O2's diagonal more than 5 off-diagonal deviations above the rest; both correlations' lower 95% ends above 0."""
    return [m.bar("W_O2_separation", ">", 5.0), m.bar("W_K2_low95", ">", 0.0), m.bar("W_K1_low95", ">", 0.0)]


@on_mean("ih.dimension", *(f"{rate}_{d}" for rate in ("tuned", "fixed") for d in DIMENSIONS))
def dimension(m: Measurement) -> list[Check]:
    """Steps decrease with each doubling of d, tuned and fixed rate; the fixed rate's ratio from 32 to 256 is larger.

    The ratios are those of the means. Raises ValueError where a number of steps is not positive.
    """
    smallest, largest = DIMENSIONS[0], DIMENSIONS[-1]
    if min(min(m.per_seed(f"{rate}_{largest}")) for rate in ("tuned", "fixed")) <= 0:
        raise ValueError(f"{m.id} is reported with a number of steps that is not positive.")
    falls = [
        m.compare(f"{rate}_{large}", "<", f"{rate}_{small}")
        for rate in ("tuned", "fixed")
        for small, large in pairwise(DIMENSIONS)
    ]
    per_seed = {
        rate: [a / b for a, b in zip(m.per_seed(f"{rate}_{smallest}"), m.per_seed(f"{rate}_{largest}"), strict=True)]
        for rate in ("tuned", "fixed")
    }
    tuned, fixed = (m.mean(f"{rate}_{smallest}") / m.mean(f"{rate}_{largest}") for rate in ("tuned", "fixed"))
    paired = [a - b for a, b in zip(per_seed["fixed"], per_seed["tuned"], strict=True)]
    label = f"fixed_{smallest}/fixed_{largest} > tuned_{smallest}/tuned_{largest}"
    return [*falls, Check(label, fixed, ">", tuned, spread(paired))]


@on_mean("ih.realistic", "accuracy", "W_O2", "W_K2", "W_K1")
def realistic(m: Measurement) -> list[Check]:
    """Accuracy at least 0.9 and mean steps to recall 0.6 in the order W_O2, W_K2, W_K1."""
    return [m.bar("accuracy", ">=", 0.9), m.compare("W_O2", "<", "W_K2"), m.compare("W_K2", "<", "W_K1")]


@on_mean("ih.multi_head", "top", "second", "induction_heads")
def multi_head(m: Measurement) -> list[Check]:
    """Top previous-token mass > 0.6 and > twice the second's; at least 2 heads of layer 2 share the induction."""
    return [m.bar("top", ">", 0.6), m.compare("top", ">", "second", factor=2.0), m.bar("induction_heads", ">=", 2.0)]
