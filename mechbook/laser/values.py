"""The values by which chapter 5's claims are judged: each name once, with what it means.

"Ratio" is the mean probability of the answer over the mean probability of "the"; before: of the whole model, after: of
the truncated one, on half B of the prompts, with the matrix, the layer and rho chosen on half A. Layers are counted
from 1, ranks too; low95 are the lower ends of 95% intervals; probabilities, accuracies and falls are fractions.
"""

from mechbook.claims.values import Values

REAL_LM_FACTS = Values(
    "laser.real_lm_facts", cities="cities in half B", before="ratio before LASER", after="ratio after LASER"
)
REAL_LM_IOI = Values(
    "laser.real_lm_ioi",
    sentences="sentences in both halves",
    before="ratio before LASER",
    after="ratio after LASER",
    accuracy_before="part of the prompts with IO over S, before",
    accuracy_after="the same after",
)
LAYER_MAP = Values(
    "laser.layer_map",
    layers="layers of the model",
    facts_layer="the best layer for facts",
    facts_rho="its rho",
    ioi_layer="the best layer for IOI",
    ioi_rho="its rho",
)
GENERIC_WORDS = Values(
    "laser.generic_words",
    facts_listed="facts: how many tokens' mean probability falls by more than a hundredth",
    facts_function="facts: how many of those are function words",
    ioi_listed="IOI: how many tokens' mean probability falls by more than a hundredth",
    ioi_function="IOI: how many of those are function words",
)
DYNAMICS = Values(
    "laser.dynamics",
    the="P(the) at one early checkpoint",
    IO="P(IO) there",
    gap="|P(IO) - P(S)| there",
    gain_previous="ratio after over ratio before at the last checkpoint but one",
    gain_last="the same at the last",
)
PREPOSITIONS = Values(
    "laser.prepositions",
    words='steps to an average rank of "the" below 3, after lone prepositions',
    sentences="the same after sentences that end in one",
    steps="steps of the whole training",
)
GPT2_FIG1 = Values(
    "laser.gpt2_fig1",
    the_9="largest P(the) over rho in [.1, .8] at layer 9, minus the whole model's",
    the_10="the same at layer 10",
    the_11="the same at layer 11",
    them_9="largest P(them) over rho in [.1, .8] at layer 9, minus the whole model's",
    them_10="the same at layer 10",
    them_11="the same at layer 11",
)
PYTHIA_TABLE1 = Values(
    "laser.pythia_table1",
    the_before="P(the) before LASER",
    answer_before="P(answer) before",
    the_after="P(the) after",
    answer_after="P(answer) after",
)
PYTHIA_FIG2 = Values(
    "laser.pythia_fig2",
    ioi_before="ratio of IOI before LASER",
    ioi_after="the same after",
    facts_before="ratio of facts before",
    facts_after="the same after",
)
GSM8K = Values(
    "laser.gsm8k",
    problems="problems asked",
    accuracy_before="accuracy before LASER",
    gain="paired gain in accuracy",
    gain_low95="its lower end",
)
CONTROLS = Values(
    "laser.controls",
    facts_random="facts: factor >= 1 by which removing random directions changes the ratio, the worst of the draws",
    ioi_random="the same for IOI",
    facts_smallest="facts: share of LASER's effect on the ratio's logarithm that removing the smallest few has",
    ioi_smallest="the same for IOI",
)
COST = Values(
    "laser.cost",
    perplexity="perplexity of the control text after LASER over before",
    perplexity_low95="its lower end",
    candidates="change of the accuracy among the candidate answers",
    candidates_low95="its lower end",
)
IOI_CIRCUIT = Values(
    "laser.ioi_circuit",
    drop="part of the mean logit difference IO - S that goes with S-inhibition and suppressor heads, on fresh prompts",
    random="mean of the absolute values of the same for random sets of heads",
    random_worst="the largest of them",
    copying="P(IO) without the copying heads over P(IO) with them",
)
IOI_PABC = Values(
    "laser.ioi_pabc",
    difference="drop with pABC means minus drop with pIOI means, of the heads that notice the repetition, at S2",
    difference_low95="its lower end",
    at_END="the same of the S-inhibition and suppressor heads, at END",
    at_END_low95="its lower end",
)
