"""The criteria of chapter 4's experiments, one function for each claim, as `holds_when` in claims.csv words them.

What the chapter reports for each seed (a plain number, or a dict with exactly these names). Probabilities are means
over clean test sequences (alpha = 0) of what is predicted at the last position; losses are in nats; "steps" to what is
never reached are the number of steps + 1; 20, 50 and 80 stand for alpha = 0.2, 0.5 and 0.8:

| claim | values |
|---|---|
| noisy.full_predicts_noise | a number: P(noise) of the full model |
| noisy.drop_f2 | correct, noise: probabilities with F_2 dropped |
| noisy.rank_sweep | noise_0, noise_1, noise_5, noise_20, noise_100: P(noise) with so many percent of F_2's rank; |
| | loss_0, loss_100: clean loss with F_2 dropped and of the full model |
| noisy.noise_first | early (largest share of predictions whose first choice is noise, in the first 20 steps), |
| | final (P(noise) at the end) |
| noisy.finetune | early (as above, in the first 20 steps of fine-tuning), before, after (attention on noise) |
| noisy.attention_avoids_noise | correct, noise: attention of layer 2 |
| noisy.f2_margin | margin (steps to a margin above 0 that stays so), attention (steps to attention above 0.5) |
| noisy.alpha_sweep | noise_20, noise_50, noise_80 (full model), gain_20, gain_50, gain_80 (P(correct) with F_2 |
| | dropped minus the full model's), dropped_20, dropped_50, dropped_80 (P(noise) with F_2 dropped) |
| noisy.component_roles | previous, noise, value: the three probes of Figure 7 |
| noisy.multiple_triggers | a number: the smallest trigger's margin |
| noisy.drop_f1 | full, dropped: P(noise) |
| noisy.arch_mlp_linear | correct_full, correct_F1, correct_F2 (F_1 or F_2 dropped), loss_F1, loss_F2 |
| noisy.arch_linear_mlp | correct_full, correct_F2, noise_full, noise_F1 |
| noisy.arch_none | gain (P(correct) at the best rho minus the full model's), mlp_gain (of dropping F_2 in the |
| | model of Figure 3), correct_1 (rho = 0.01), correct_full |

A criterion is applied to the mean over seeds unless its row counts seeds. At least 3 seeds.
"""

from collections.abc import Callable
from itertools import pairwise

from mechbook.claims.criteria import Check, CriterionFunction, Measurement, count_positive, criterion

RANKS = (0, 1, 5, 20, 100)
LEVELS = (20, 50, 80)


def seeds(id: str, *keys: str) -> Callable[[CriterionFunction], CriterionFunction]:
    """Register a criterion of this chapter: its floor is 3 seeds."""
    return criterion(id, keys=keys, seeds=3)


def within(m: Measurement, key: str | None, centre: float, reach: float) -> list[Check]:
    """Return the checks that the mean is within `reach` of `centre`, the bounds included."""
    # rounded: 0.8 - 0.07 is 0.7300000000000001 in floating point
    low, high = round(centre - reach, 10), round(centre + reach, 10)
    label = key or "P(noise)"
    return [m.bar(key, ">=", low, label), m.bar(key, "<=", high, label)]


def in_majority(label: str, gaps: list[float]) -> Check:
    """Return the check that a gap is positive in more than half of the seeds."""
    return count_positive(label, gaps, len(gaps) // 2 + 1)


@seeds("noisy.full_predicts_noise")
def full_predicts_noise(m: Measurement) -> list[Check]:
    """P(noise) 0.5 +- 0.07 on clean test data."""
    return within(m, None, 0.5, 0.07)


@seeds("noisy.drop_f2", "correct", "noise")
def drop_f2(m: Measurement) -> list[Check]:
    """P(correct) at least 0.90 at the laptop scale, 0.95 at the paper scale; P(noise) below 0.05."""
    bars = {"laptop": 0.90, "paper": 0.95}
    if m.scale not in bars:
        raise ValueError(f"{m.id} is reported at the scale {m.scale!r}, where 'laptop' or 'paper' is allowed.")
    return [m.bar("correct", ">=", bars[m.scale]), m.bar("noise", "<", 0.05)]


@seeds("noisy.rank_sweep", *(f"noise_{rank}" for rank in RANKS), "loss_0", "loss_100")
def rank_sweep(m: Measurement) -> list[Check]:
    """P(noise) larger at each larger rho; the trained model's clean loss at rho = 0 below the full model's."""
    rising = [m.compare(f"noise_{b}", ">", f"noise_{a}") for a, b in pairwise(RANKS)]
    return [*rising, m.compare("loss_0", "<", "loss_100")]


@seeds("noisy.noise_first", "early", "final")
def noise_first(m: Measurement) -> list[Check]:
    """The noise is the first choice in over 0.9 of cases at one of the first 20 steps; P(noise) ends at 0.5 +- 0.07."""
    return [m.bar("early", ">", 0.9), *within(m, "final", 0.5, 0.07)]


@seeds("noisy.finetune", "early", "before", "after")
def finetune(m: Measurement) -> list[Check]:
    """Noise fraction > 0.9 within 20 fine-tuning steps; attention on noise after it < 0.1 and below that before."""
    return [m.bar("early", ">", 0.9), m.bar("after", "<", 0.1), m.compare("after", "<", "before")]


@seeds("noisy.attention_avoids_noise", "correct", "noise")
def attention_avoids_noise(m: Measurement) -> list[Check]:
    """Attention above 0.8 on the correct token, below 0.05 on the noise."""
    return [m.bar("correct", ">", 0.8), m.bar("noise", "<", 0.05)]


@seeds("noisy.f2_margin", "margin", "attention")
def f2_margin(m: Measurement) -> list[Check]:
    """F_2's margin is above 0 before attention on the correct token passes 0.5, in every seed."""
    return [m.in_every_seed("margin > 0 before attention > 0.5", m.gaps("margin", "attention"))]


@seeds("noisy.alpha_sweep", *(f"{name}_{level}" for name in ("noise", "gain", "dropped") for level in LEVELS))
def alpha_sweep(m: Measurement) -> list[Check]:
    """At each alpha: P(noise) = alpha +- 0.07; F_2 dropped: P(correct) up by more than 0.1, P(noise) below 0.1."""
    checks = []
    for level in LEVELS:
        checks += within(m, f"noise_{level}", level / 100, 0.07)
        checks += [m.bar(f"gain_{level}", ">", 0.1), m.bar(f"dropped_{level}", "<", 0.1)]
    return checks


@seeds("noisy.component_roles", "previous", "noise", "value")
def component_roles(m: Measurement) -> list[Check]:
    """Three probes as in the figure, each above 0.9."""
    return [m.bar(name, ">", 0.9) for name in ("previous", "noise", "value")]


@seeds("noisy.multiple_triggers")
def multiple_triggers(m: Measurement) -> list[Check]:
    """The margin of the trigger diagonal over the rest is positive for every trigger (so its smallest is)."""
    return [m.bar(None, ">", 0.0, "smallest trigger's margin")]


@seeds("noisy.drop_f1", "full", "dropped")
def drop_f1(m: Measurement) -> list[Check]:
    """P(noise) with F_1 dropped above the full model's."""
    return [m.compare("dropped", ">", "full")]


@seeds("noisy.arch_mlp_linear", "correct_full", "correct_F1", "correct_F2", "loss_F1", "loss_F2")
def arch_mlp_linear(m: Measurement) -> list[Check]:
    """Both raise P(correct), and the clean loss without F_1 is below that without F_2: each in most seeds."""
    return [
        in_majority("P(correct) up without F_1", m.gaps("correct_full", "correct_F1")),
        in_majority("P(correct) up without F_2", m.gaps("correct_full", "correct_F2")),
        in_majority("clean loss lower without F_1 than without F_2", m.gaps("loss_F1", "loss_F2")),
    ]


@seeds("noisy.arch_linear_mlp", "correct_full", "correct_F2", "noise_full", "noise_F1")
def arch_linear_mlp(m: Measurement) -> list[Check]:
    """Dropping F_2 raises P(correct), dropping F_1 raises P(noise): both, in most seeds."""
    return [
        in_majority("P(correct) up without F_2", m.gaps("correct_full", "correct_F2")),
        in_majority("P(noise) up without F_1", m.gaps("noise_full", "noise_F1")),
    ]


@seeds("noisy.arch_none", "gain", "mlp_gain", "correct_1", "correct_full")
def arch_none(m: Measurement) -> list[Check]:
    """The best rho gains less than dropping F_2 in the MLP model; rho = 0.01 is below the full model."""
    return [m.compare("gain", "<", "mlp_gain"), m.compare("correct_1", "<", "correct_full")]
