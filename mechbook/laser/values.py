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
    facts_layer="the layer of the best MLP matrix for facts",
    facts_rho="its rho",
    facts_mlp="the factor by which it raises the ratio",
    facts_attention="the largest such factor of an attention matrix",
    facts_small="the best MLP matrix at rho below 0.2: its factor's logarithm over that of the best at any rho",
    ioi_layer="the layer of the best MLP matrix for IOI",
    ioi_rho="its rho",
    ioi_mlp="the factor by which it raises the ratio",
    ioi_attention="the largest such factor of an attention matrix",
    ioi_small="the same as for facts, at rho below 0.2",
)
GENERIC_WORDS = Values(
    "laser.generic_words",
    facts_share="facts: of all that tokens lose in mean probability, the part that function words lose",
    facts_words="facts: the part of their probability that function words lose",
    facts_answers="facts: the part of theirs that all countries lose together (negative: they gain)",
    ioi_share="IOI: of all that tokens lose in mean probability, the part that function words lose",
    ioi_words="IOI: the part of their probability that function words lose",
    ioi_answers="IOI: the part of theirs that all names lose together (negative: they gain)",
    facts_share_low95="facts: the lower end of the first number's 95% interval",
    facts_words_low95="facts: the lower end of the second's",
    facts_answers_high95="facts: the upper end of the third's",
    ioi_share_low95="IOI: the lower end of the first number's 95% interval",
    ioi_words_low95="IOI: the lower end of the second's",
    ioi_answers_high95="IOI: the upper end of the third's",
    facts_listed="first reading, facts: how many tokens' mean probability falls by more than a hundredth",
    facts_function="first reading, facts: how many of those are function words",
    ioi_listed="first reading, IOI: how many tokens' mean probability falls by more than a hundredth",
    ioi_function="first reading, IOI: how many of those are function words",
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
    words='first checkpoint (0, 1, 2, 4, 8, 16, ...) with an average rank of "the" below 3, after lone prepositions',
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
    facts_median="facts: factor >= 1 by which dropping a random tenth of the directions changes the ratio, the median",
    ioi_median="the same for IOI",
    facts_spared="facts: that factor among draws without any of the smallest few, the value that 90% stay below",
    ioi_spared="the same for IOI",
    facts_smallest="facts: share of LASER's effect on the ratio's logarithm that removing the smallest few has",
    ioi_smallest="the same for IOI",
    facts_above="facts: part of the random draws that change the ratio by more than 2x",
    ioi_above="the same for IOI",
    facts_random="first reading, facts: the worst of four random draws",
    ioi_random="first reading, IOI: the worst of four random draws",
)
COST = Values(
    "laser.cost",
    perplexity="perplexity of the control text after LASER over before, of the chosen edit that raises it less",
    perplexity_low95="its lower end",
    candidates="change of log P(right country | countries), all cities, in nats",
    candidates_low90="the lower end of its 90% interval, countries drawn with all their cities",
    candidates_high90="the upper end",
    countries="countries that these cities are in",
    between_countries="the part of the change's variance that lies between countries (intraclass correlation)",
    cities_low90="earlier reading: the lower end of the 90% interval where cities are drawn one by one",
    cities_high90="earlier reading: the upper end",
    accuracy="first reading: change of the accuracy among the countries, half B",
    accuracy_low95="first reading: its lower end",
)
QUANTISATION = Values(
    "laser.quantisation",
    draws="draws of noise on the edited matrix",
    change="by what part of itself the logarithm of LASER's gain changes, the largest of the draws and tasks",
    change_mean="the same, their mean",
    everywhere="noise on all matrices: the logarithm of the gain over that without noise, mean of draws and tasks",
    everywhere_least="the same, the least of them",
    facts_before="noise on all matrices, facts: the full model's ratio over that without noise, mean of the draws",
    ioi_before="the same for IOI",
)
RHO_CURVES = Values(
    "laser.rho_curves",
    rates="rates in [.1, .8]",
    the="largest P(the) over these rates, minus the full model's",
    the_high95="the upper end of its 95% interval, at that rate",
    pronouns='the same of P("them") and P("her") together',
    pronouns_high95="the upper end of its 95% interval",
    names="smallest P(IO) - P(S) over these rates",
    names_low95="the lower end of its 95% interval, at that rate",
)
RANK_ONE_EDIT = Values(
    "laser.rank_one_edit",
    edits="cities that are given another country",
    before="part of them with the new country above the old one before the edit",
    asked="the same after it, asked in other words (above the old one, not above all)",
    at_start="the same after it, asked with the city as the first word",
    kept="other cities' likeliest country stays: mean over edits of the part",
    neighbours="the same, of other cities of the old country alone",
    neighbours_tried="how many of those there were, in all edits",
    likeliest="part of the edits whose new country is the likeliest of all countries, asked in other words",
    likeliest_at_start="the same, asked with the city as the first word",
    likeliest_before="part of them whose old country was the likeliest before the edit, asked in other words",
    asked_apart="asked in other words, where u also keeps apart from the keys of the cities of half A",
    kept_apart="other cities' likeliest country stays, there",
)
FACT_SITE = Values(
    "laser.fact_site",
    pairs="pairs of held-out cities",
    subject_token="share recovered at the subject's last token as it enters the first block, before any MLP",
    subject_early="the same in a block of the first half after the first, the largest",
    subject_early_low95="the lower end of its 95% interval, in that block",
    subject_last="the same in the last block",
    subject_last_high95="the upper end of its 95% interval",
    end_early="share recovered at the last position, the largest in a block of the first half after the first",
    end_early_high95="the upper end of its 95% interval, in that block",
    end_last="the same in the last block",
    end_last_low95="the lower end of its 95% interval",
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
