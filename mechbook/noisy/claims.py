"""The criteria of chapter 4's experiments, one function for each claim, as `holds_when` in claims.csv words them.

What the chapter reports is declared in `mechbook.noisy.values`. A criterion is applied to the mean over seeds unless
its row counts seeds. At least 3 seeds.
"""

from itertools import pairwise

from mechbook.claims.criteria import Check, Measurement, count_positive, criterion
from mechbook.noisy.values import (
    ALPHA_SWEEP,
    ARCH_LINEAR_MLP,
    ARCH_MLP_LINEAR,
    ARCH_NONE,
    ATTENTION_AVOIDS_NOISE,
    COMPONENT_ROLES,
    DROP_F1,
    DROP_F2,
    F2_MARGIN,
    FINETUNE,
    FULL_PREDICTS_NOISE,
    KQ_NOISE_SCORE,
    LEVELS,
    MULTIPLE_TRIGGERS,
    NOISE_FIRST,
    RANK_SWEEP,
    RANKS,
)


def within(m: Measurement, key: str | None, centre: float, reach: float) -> list[Check]:
    """Return the checks that the mean is within `reach` of `centre`, the bounds included."""
    # rounded: 0.8 - 0.07 is 0.7300000000000001 in floating point
    low, high = round(centre - reach, 10), round(centre + reach, 10)
    label = key or "P(noise)"
    return [m.bar(key, ">=", low, label), m.bar(key, "<=", high, label)]


def in_majority(label: str, gaps: list[float]) -> Check:
    """Return the check that a gap is positive in more than half of the seeds."""
    return count_positive(label, gaps, len(gaps) // 2 + 1)


@criterion(FULL_PREDICTS_NOISE, seeds=3)
def full_predicts_noise(m: Measurement) -> list[Check]:
    """P(noise) 0.5 +- 0.07 on clean test data."""
    return within(m, None, 0.5, 0.07)


@criterion(DROP_F2, seeds=3)
def drop_f2(m: Measurement) -> list[Check]:
    """P(correct) at least 0.90 at the laptop scale, 0.95 at the paper scale; P(noise) below 0.05."""
    bars = {"laptop": 0.90, "paper": 0.95}
    if m.scale not in bars:
        raise ValueError(f"{m.id} is reported at the scale {m.scale!r}, where 'laptop' or 'paper' is allowed.")
    return [m.bar("correct", ">=", bars[m.scale]), m.bar("noise", "<", 0.05)]


@criterion(RANK_SWEEP, seeds=3)
def rank_sweep(m: Measurement) -> list[Check]:
    """P(noise) larger at each larger rho; the trained model's clean loss at rho = 0 below the full model's."""
    rising = [m.compare(f"noise_{b}", ">", f"noise_{a}") for a, b in pairwise(RANKS)]
    return [*rising, m.compare("loss_0", "<", "loss_100")]


@criterion(NOISE_FIRST, seeds=3)
def noise_first(m: Measurement) -> list[Check]:
    """The noise is the first choice in over 0.9 of cases at one of the first 20 steps, and in fewer at the end.

    P(noise) ends at 0.5 +- 0.07.
    """
    return [m.bar("early", ">", 0.9), m.bar("settled", "<", 0.9), *within(m, "final", 0.5, 0.07)]


@criterion(FINETUNE, seeds=3)
def finetune(m: Measurement) -> list[Check]:
    """Noise fraction > 0.9 within 20 fine-tuning steps; attention on noise after it < 0.1 and below that before."""
    return [m.bar("early", ">", 0.9), m.bar("after", "<", 0.1), m.compare("after", "<", "before")]


@criterion(ATTENTION_AVOIDS_NOISE, seeds=3)
def attention_avoids_noise(m: Measurement) -> list[Check]:
    """Attention above 0.8 on the correct token, below 0.05 on the noise."""
    return [m.bar("correct", ">", 0.8), m.bar("noise", "<", 0.05)]


@criterion(F2_MARGIN, seeds=3)
def f2_margin(m: Measurement) -> list[Check]:
    """F_2's margin is above 0 before attention on the correct token passes 0.5, in every seed."""
    return [m.in_every_seed("margin > 0 before attention > 0.5", m.gaps("margin", "attention"))]


@criterion(ALPHA_SWEEP, seeds=3)
def alpha_sweep(m: Measurement) -> list[Check]:
    """At each alpha: P(noise) = alpha +- 0.07; F_2 dropped: P(correct) up by more than 0.1, P(noise) below 0.1."""
    checks = []
    for level in LEVELS:
        checks += within(m, f"noise_{level}", level / 100, 0.07)
        checks += [m.bar(f"gain_{level}", ">", 0.1), m.bar(f"dropped_{level}", "<", 0.1)]
    return checks


@criterion(COMPONENT_ROLES, seeds=3)
def component_roles(m: Measurement) -> list[Check]:
    """The three shares of the figure and the one where layer 2 looks above 0.9; the noise not copied in any seed."""
    return [
        *(m.bar(name, ">", 0.9) for name in ("previous", "used", "noise", "value")),
        m.in_every_seed("the noise's own logit not the largest", [place - 1 for place in m.per_seed("noise_rank")]),
    ]


@criterion(KQ_NOISE_SCORE, seeds=3)
def kq_noise_score(m: Measurement) -> list[Check]:
    """The noise's score is below that of every other token, in every seed."""
    return [m.in_every_seed("the noise's score below every other", m.gaps("noise", "lowest"))]


@criterion(MULTIPLE_TRIGGERS, seeds=3)
def multiple_triggers(m: Measurement) -> list[Check]:
    """The margin of the trigger diagonal over the rest is positive for every trigger (so its smallest is)."""
    return [m.bar(None, ">", 0.0, "smallest trigger's margin")]


@criterion(DROP_F1, seeds=3)
def drop_f1(m: Measurement) -> list[Check]:
    """P(noise) with F_1 dropped above the full model's."""
    return [m.compare("dropped", ">", "full")]


@criterion(ARCH_MLP_LINEAR, seeds=3)
def arch_mlp_linear(m: Measurement) -> list[Check]:
    """Both raise P(correct), and the clean loss without F_1 is below that without F_2: each in most seeds."""
    return [
        in_majority("P(correct) up without F_1", m.gaps("correct_full", "correct_F1")),
        in_majority("P(correct) up without F_2", m.gaps("correct_full", "correct_F2")),
        in_majority("clean loss lower without F_1 than without F_2", m.gaps("loss_F1", "loss_F2")),
    ]


@criterion(ARCH_LINEAR_MLP, seeds=3)
def arch_linear_mlp(m: Measurement) -> list[Check]:
    """Dropping F_2 raises P(correct), dropping F_1 raises P(noise): both, in most seeds."""
    return [
        in_majority("P(correct) up without F_2", m.gaps("correct_full", "correct_F2")),
        in_majority("P(noise) up without F_1", m.gaps("noise_full", "noise_F1")),
    ]


@criterion(ARCH_NONE, seeds=3)
def arch_none(m: Measurement) -> list[Check]:
    """rho = 0.05 gains, even the best rho less than dropping F_2 in the MLP model, and rho = 0.01 loses."""
    return [
        m.compare("correct_5", ">", "correct_full"),
        m.compare("gain", "<", "mlp_gain"),
        m.compare("correct_1", "<", "correct_full"),
    ]
