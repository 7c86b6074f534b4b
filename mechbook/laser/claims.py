"""The criteria of chapter 5, one function for each `laser.*` claim, as `holds_when` in claims.csv words them.

What the chapter reports (a dict with exactly these names, one for each seed). "Ratio" is the mean probability of the
answer over the mean probability of "the"; `before` is the full model and `after` the truncated one, on half B of the
prompts, with the matrix, layer and rho chosen on half A. Layers are counted from 1, ranks too; low95 and high95 are the
ends of 95% intervals; probabilities, accuracies and falls are fractions:

| claim | values |
|---|---|
| laser.real_lm_facts | cities (in half B), before, after: ratio |
| laser.real_lm_ioi | sentences (in both halves), before, after: ratio; accuracy_before, accuracy_after: IO over S |
| laser.layer_map | layers (of the model), facts_layer, ioi_layer: the best layer; facts_rho, ioi_rho: its rho |
| laser.generic_words | facts_listed, ioi_listed: how many tokens' mean probability falls by more than FALL; |
| | facts_function, ioi_function: how many of those are function words |
| laser.dynamics | the, IO, gap: P(the), P(IO), |P(IO) - P(S)| at one checkpoint; gain_previous, gain_last: ratio |
| | after over ratio before at the last two checkpoints |
| laser.prepositions | words, sentences: steps to an average rank of "the" below 3; steps: of the whole training |
| laser.gpt2_fig1 | the_9, the_10, the_11, them_9, them_10, them_11: the largest probability over rho in [.1, .8], |
| | layer 9, 10 or 11, minus the full model's |
| laser.pythia_table1 | the_before, the_after, answer_before, answer_after: probabilities |
| laser.pythia_fig2 | ioi_before, ioi_after, facts_before, facts_after: ratio |
| laser.gsm8k | problems, accuracy_before, gain, gain_low95: paired gain in accuracy |
| laser.controls | facts_random, ioi_random: factor >= 1 by which removing random directions changes the ratio, the |
| | worst of the draws; facts_smallest, ioi_smallest: share of LASER's effect on the ratio's logarithm that |
| | removing the smallest few directions has |
| laser.cost | perplexity, perplexity_low95: after over before; candidates, candidates_low95: change of the accuracy |
| | among the candidate answers |
| laser.ioi_circuit | drop: of the mean logit difference IO - S, as a fraction of it, where S-inhibition and |
| | suppressor heads are ablated; random, random_worst: the mean and the largest of the absolute values of the |
| | same for random sets; copying: P(IO) without the copying heads over P(IO) with them; all on fresh prompts |
| laser.ioi_pabc | difference, difference_low95: drop (as above) with pABC means minus drop with pIOI means, of the |
| | heads found to notice the repetition, at S2; at_END, at_END_low95: the same of the S-inhibition and suppressor |
| | heads, at END |

Seeds are needed where a model is trained: 3 for laser.dynamics and laser.prepositions. Elsewhere the model is given.
"""

from mechbook.claims.criteria import Check, Measurement, criterion

# The change of a token's mean probability from which on it is listed among those that fall most.
FALL = 0.01
# "Early": within this part of the training. "A large part" of an effect: this share of it at least.
EARLY, LARGE_PART = 0.1, 1 / 3
LAST_LAYERS = (9, 10, 11)
TABLE_1 = {"the_before": 0.499, "answer_before": 0.079, "the_after": 0.027, "answer_after": 0.300}
FIGURE_2 = {"ioi_before": 2.3, "ioi_after": 12.3, "facts_before": 0.16, "facts_after": 11.3}


def between(m: Measurement, key: str, centre: float, reach: float) -> list[Check]:
    """Return the checks that a value is within `reach` of `centre`, the ends included."""
    # rounded: 0.027 + 0.03 is 0.056999999999999995 in floating point
    return [m.bar(key, ">=", round(centre - reach, 10)), m.bar(key, "<=", round(centre + reach, 10))]


@criterion("laser.real_lm_facts", keys=("cities", "before", "after"))
def real_lm_facts(m: Measurement) -> list[Check]:
    """At least 24 cities; the ratio rises by a factor above 10."""
    return [m.bar("cities", ">=", 24), m.compare("after", ">", "before", factor=10)]


@criterion("laser.real_lm_ioi", keys=("sentences", "before", "after", "accuracy_before", "accuracy_after"))
def real_lm_ioi(m: Measurement) -> list[Check]:
    """100 sentences at least; the ratio rises by a factor above 5; IO-over-S accuracy changes by at most 0.05."""
    # rounded: 0.93 - 0.88 is 0.050000000000000044 in floating point
    change = round(m.mean("accuracy_after") - m.mean("accuracy_before"), 10)
    return [
        m.bar("sentences", ">=", 100),
        m.compare("after", ">", "before", factor=5),
        Check("change of IO-over-S accuracy, absolute", abs(change), "<=", 0.05),
    ]


@criterion("laser.layer_map", keys=("layers", "facts_layer", "ioi_layer", "facts_rho", "ioi_rho"))
def layer_map(m: Measurement) -> list[Check]:
    """The best layer, counted from 1, in the last third, for both tasks; its rho must be there, to be shown."""
    return [m.compare(f"{task}_layer", ">", "layers", factor=2 / 3) for task in ("facts", "ioi")]


@criterion("laser.generic_words", keys=("facts_listed", "facts_function", "ioi_listed", "ioi_function"))
def generic_words(m: Measurement) -> list[Check]:
    """All listed tokens are function words, for both tasks, and there are some."""
    checks = []
    for task in ("facts", "ioi"):
        checks += [m.bar(f"{task}_listed", ">=", 1), m.compare(f"{task}_function", ">=", f"{task}_listed")]
    return checks


@criterion("laser.dynamics", keys=("the", "IO", "gap", "gain_previous", "gain_last"), seeds=3)
def dynamics(m: Measurement) -> list[Check]:
    """P(the) > 0.3 where P(IO) < 0.1 and |P(IO) - P(S)| < 0.1; gain above 1.5 at the last two checkpoints."""
    return [
        m.bar("the", ">", 0.3),
        m.bar("IO", "<", 0.1),
        m.bar("gap", "<", 0.1),
        m.bar("gain_previous", ">", 1.5),
        m.bar("gain_last", ">", 1.5),
    ]


@criterion("laser.prepositions", keys=("words", "sentences", "steps"), seeds=3)
def prepositions(m: Measurement) -> list[Check]:
    """Average rank below 3 within the first tenth of the training, for both kinds of inputs."""
    return [m.compare(kind, "<=", "steps", factor=EARLY) for kind in ("words", "sentences")]


@criterion("laser.gpt2_fig1", keys=tuple(f"{word}_{layer}" for word in ("the", "them") for layer in LAST_LAYERS))
def gpt2_fig1(m: Measurement) -> list[Check]:
    """P(the) and P(them) below the full model's at every rho in [.1, .8], layers 9 to 11."""
    return [m.bar(f"{word}_{layer}", "<", 0) for word in ("the", "them") for layer in LAST_LAYERS]


@criterion("laser.pythia_table1", keys=tuple(TABLE_1))
def pythia_table1(m: Measurement) -> list[Check]:
    """Each probability within 0.03 of the table."""
    return [check for key, value in TABLE_1.items() for check in between(m, key, value, 0.03)]


@criterion("laser.pythia_fig2", keys=tuple(FIGURE_2))
def pythia_fig2(m: Measurement) -> list[Check]:
    """Each ratio within 20% of the paper's."""
    return [check for key, value in FIGURE_2.items() for check in between(m, key, value, 0.2 * value)]


@criterion("laser.gsm8k", keys=("problems", "accuracy_before", "gain", "gain_low95"))
def gsm8k(m: Measurement) -> list[Check]:
    """At least 200 problems, a base accuracy above 5%, and a gain whose 95% interval is above 0."""
    return [m.bar("problems", ">=", 200), m.bar("accuracy_before", ">", 0.05), m.bar("gain_low95", ">", 0)]


@criterion("laser.controls", keys=("facts_random", "ioi_random", "facts_smallest", "ioi_smallest"))
def controls(m: Measurement) -> list[Check]:
    """Random directions change the ratio by less than 2x; the smallest few have a third of the effect or more."""
    random = [m.bar(f"{task}_random", "<", 2) for task in ("facts", "ioi")]
    return [*random, *(m.bar(f"{task}_smallest", ">=", LARGE_PART) for task in ("facts", "ioi"))]


@criterion("laser.cost", keys=("perplexity", "perplexity_low95", "candidates", "candidates_low95"))
def cost(m: Measurement) -> list[Check]:
    """Perplexity rises (its interval above 1); candidate accuracy does not (its change's interval reaches 0)."""
    return [m.bar("perplexity_low95", ">", 1), m.bar("candidates_low95", "<=", 0)]


@criterion("laser.ioi_circuit", keys=("drop", "random", "random_worst", "copying"))
def ioi_circuit(m: Measurement) -> list[Check]:
    """Drop above 0.8, that of random sets below 0.05 on average; without the copying heads P(IO) at most half.

    `random_worst` is shown: the more sets are drawn, the larger it is.
    """
    return [m.bar("drop", ">", 0.8), m.bar("random", "<", 0.05), m.bar("copying", "<=", 0.5)]


@criterion("laser.ioi_pabc", keys=("difference", "difference_low95", "at_END", "at_END_low95"))
def ioi_pabc(m: Measurement) -> list[Check]:
    """The effect with pABC means larger, the difference's 95% interval above 0, for the heads at S2.

    What pIOI means leave is "the fact that a name is duplicated" (Wang et al.), which heads write at S2; what is left
    at END must be there, to be shown.
    """
    return [m.bar("difference_low95", ">", 0)]
