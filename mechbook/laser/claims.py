"""The criteria of chapter 5, one function for each `laser.*` claim, as `holds_when` in claims.csv words them.

What they read is declared in `mechbook.laser.values`. Seeds are needed where a model is trained: 3 for laser.dynamics
and laser.prepositions. Elsewhere the model is given.
"""

from mechbook.claims.criteria import Check, Measurement, criterion
from mechbook.laser.values import (
    CONTROLS,
    COST,
    DYNAMICS,
    FACT_SITE,
    GENERIC_WORDS,
    GPT2_FIG1,
    GSM8K,
    IOI_CIRCUIT,
    IOI_PABC,
    LAYER_MAP,
    PREPOSITIONS,
    PYTHIA_FIG2,
    PYTHIA_TABLE1,
    QUANTISATION,
    RANK_ONE_EDIT,
    REAL_LM_FACTS,
    REAL_LM_IOI,
    RHO_CURVES,
)

# "Early": within this part of the training. "A large part" of an effect: this share of it at least.
EARLY, LARGE_PART = 0.1, 1 / 3
# "Small" rho is below this; "no change" of log P(right country | countries) is a tenth of a nat, a factor of 1.1
SMALL_RHO, NO_CHANGE = 0.2, 0.1
TASKS = ("facts", "ioi")
LAST_LAYERS = (9, 10, 11)
TABLE_1 = {"the_before": 0.499, "answer_before": 0.079, "the_after": 0.027, "answer_after": 0.300}
FIGURE_2 = {"ioi_before": 2.3, "ioi_after": 12.3, "facts_before": 0.16, "facts_after": 11.3}


def between(m: Measurement, key: str, centre: float, reach: float) -> list[Check]:
    """Return the checks that a value is within `reach` of `centre`, the ends included."""
    # rounded: 0.027 + 0.03 is 0.056999999999999995 in floating point
    return [m.bar(key, ">=", round(centre - reach, 10)), m.bar(key, "<=", round(centre + reach, 10))]


@criterion(REAL_LM_FACTS)
def real_lm_facts(m: Measurement) -> list[Check]:
    """At least 24 cities; the ratio rises by a factor above 10."""
    return [m.bar("cities", ">=", 24), m.compare("after", ">", "before", factor=10)]


@criterion(REAL_LM_IOI)
def real_lm_ioi(m: Measurement) -> list[Check]:
    """100 sentences at least; the ratio rises by a factor above 5; IO-over-S accuracy changes by at most 0.05."""
    # rounded: 0.93 - 0.88 is 0.050000000000000044 in floating point
    change = round(m.mean("accuracy_after") - m.mean("accuracy_before"), 10)
    return [
        m.bar("sentences", ">=", 100),
        m.compare("after", ">", "before", factor=5),
        Check("change of IO-over-S accuracy, absolute", abs(change), "<=", 0.05),
    ]


@criterion(LAYER_MAP)
def layer_map(m: Measurement) -> list[Check]:
    """For both tasks: the best layer, counted from 1, in the last third; its rho below 0.2; no attention matrix as
    good. What rates below 0.2 reach must be there, to be shown."""
    return [
        *(m.compare(f"{task}_layer", ">", "layers", factor=2 / 3) for task in TASKS),
        *(m.bar(f"{task}_rho", "<", SMALL_RHO) for task in TASKS),
        *(m.compare(f"{task}_mlp", ">", f"{task}_attention") for task in TASKS),
    ]


@criterion(GENERIC_WORDS)
def generic_words(m: Measurement) -> list[Check]:
    """For both tasks: function words lose most of all that is lost, over half of their probability, and a part of it
    more than twice as large as candidate answers do. The first reading must be there, to be shown."""
    checks = []
    for task in TASKS:
        checks += [m.bar(f"{task}_share", ">", 0.5), m.bar(f"{task}_words", ">", 0.5)]
        checks.append(m.compare(f"{task}_words", ">", f"{task}_answers", factor=2))
    return checks


@criterion(DYNAMICS, seeds=3)
def dynamics(m: Measurement) -> list[Check]:
    """P(the) > 0.3 where P(IO) < 0.1 and |P(IO) - P(S)| < 0.1; gain above 1.5 at the last two checkpoints."""
    return [
        m.bar("the", ">", 0.3),
        m.bar("IO", "<", 0.1),
        m.bar("gap", "<", 0.1),
        m.bar("gain_previous", ">", 1.5),
        m.bar("gain_last", ">", 1.5),
    ]


@criterion(PREPOSITIONS, seeds=3)
def prepositions(m: Measurement) -> list[Check]:
    """Average rank below 3 within the first tenth of the training, for both kinds of inputs."""
    return [m.compare(kind, "<=", "steps", factor=EARLY) for kind in ("words", "sentences")]


@criterion(GPT2_FIG1)
def gpt2_fig1(m: Measurement) -> list[Check]:
    """P(the) and P(them) below the full model's at every rho in [.1, .8], layers 9 to 11."""
    return [m.bar(f"{word}_{layer}", "<", 0) for word in ("the", "them") for layer in LAST_LAYERS]


@criterion(PYTHIA_TABLE1)
def pythia_table1(m: Measurement) -> list[Check]:
    """Each probability within 0.03 of the table."""
    return [check for key, value in TABLE_1.items() for check in between(m, key, value, 0.03)]


@criterion(PYTHIA_FIG2)
def pythia_fig2(m: Measurement) -> list[Check]:
    """Each ratio within 20% of the paper's."""
    return [check for key, value in FIGURE_2.items() for check in between(m, key, value, 0.2 * value)]


@criterion(GSM8K)
def gsm8k(m: Measurement) -> list[Check]:
    """At least 200 problems, a base accuracy above 5%, and a gain whose 95% interval is above 0."""
    return [m.bar("problems", ">=", 200), m.bar("accuracy_before", ">", 0.05), m.bar("gain_low95", ">", 0)]


@criterion(CONTROLS)
def controls(m: Measurement) -> list[Check]:
    """The median random tenth changes the ratio by less than 2x, and so do 90% of those without the smallest few; the
    smallest few have a third of the effect or more. The first reading must be there, to be shown."""
    return [m.bar(f"{task}_{name}", "<", 2) for name in ("median", "spared") for task in TASKS] + [
        m.bar(f"{task}_smallest", ">=", LARGE_PART) for task in TASKS
    ]


@criterion(COST)
def cost(m: Measurement) -> list[Check]:
    """Perplexity rises (its interval above 1); log P(right country | countries) changes by less than 0.1 nats: its 90%
    interval, countries drawn, lies between -0.1 and 0.1, which is two one-sided tests at 5%.

    The earlier readings must be there, to be shown: cities drawn one by one; the accuracy.
    """
    return [
        m.bar("perplexity_low95", ">", 1),
        m.bar("candidates_low90", ">", -NO_CHANGE),
        m.bar("candidates_high90", "<", NO_CHANGE),
    ]


@criterion(QUANTISATION)
def quantisation(m: Measurement) -> list[Check]:
    """8 draws at least; in none the logarithm of the gain changes by a quarter. Noise everywhere is shown."""
    return [m.bar("draws", ">=", 8), m.bar("change", "<", 0.25)]


@criterion(RHO_CURVES)
def rho_curves(m: Measurement) -> list[Check]:
    """In the chosen block, at every rho in [.1, .8] P(the) and the pronouns' probability below the full model's, and
    P(IO) above P(S)."""
    return [m.bar("rates", ">=", 8), m.bar("the", "<", 0), m.bar("pronouns", "<", 0), m.bar("names", ">", 0)]


@criterion(RANK_ONE_EDIT)
def rank_one_edit(m: Measurement) -> list[Check]:
    """20 edits at least; asked in other words the new country is above the old one in 80%; others keep theirs, 90%."""
    return [m.bar("edits", ">=", 20), m.bar("asked", ">=", 0.8), m.bar("kept", ">=", 0.9)]


@criterion(FACT_SITE)
def fact_site(m: Measurement) -> list[Check]:
    """At the subject's last token more than half in some block of the first half after the first, and more than the
    token by itself gives; less than a fifth in the last block. At the last position less than a fifth in the first
    half and more than half in the last block."""
    return [
        m.bar("subject_early", ">", 0.5),
        m.compare("subject_early", ">", "subject_token"),
        m.bar("subject_last", "<", 0.2),
        m.bar("end_early", "<", 0.2),
        m.bar("end_last", ">", 0.5),
    ]


@criterion(IOI_CIRCUIT)
def ioi_circuit(m: Measurement) -> list[Check]:
    """Drop above 0.8, that of random sets below 0.05 on average; without the copying heads P(IO) at most half.

    `random_worst` is shown: the more sets are drawn, the larger it is.
    """
    return [m.bar("drop", ">", 0.8), m.bar("random", "<", 0.05), m.bar("copying", "<=", 0.5)]


@criterion(IOI_PABC)
def ioi_pabc(m: Measurement) -> list[Check]:
    """The effect with pABC means larger, the difference's 95% interval above 0, for the heads at S2.

    What pIOI means leave is "the fact that a name is duplicated" (Wang et al.), which heads write at S2; what is left
    at END must be there, to be shown.
    """
    return [m.bar("difference_low95", ">", 0)]
