"""What chapter 2 reports for each claim, a number or named numbers for each seed.

Recalls and accuracies are fractions, logits are in units of eta / N.
"""

from mechbook.claims.values import Values

_IDENTITY = "relative error of the formula against autograd"
LEMMA_1 = Values("grad.lemma1", _IDENTITY)
LEMMA_2 = Values("grad.lemma2", _IDENTITY)
LEMMA_4 = Values("grad.lemma4", _IDENTITY)
LEMMA_5 = Values("grad.lemma5", _IDENTITY)
LAYER_NORM = Values("grad.layer_norm", _IDENTITY + ", the larger of the norm's and RMSNorm's")

SPAN = Values(
    "grad.span",
    plain="share of the weights that 100 steps left outside the span",
    decayed="the same with weight decay",
)
ONE_STEP = Values(
    "grad.one_step",
    accuracy="accuracy at the largest d",
    slope="mean right logit less the mean wrong one",
    wrong="N times the mean wrong logit, predicted -1",
)
OPTIMUM = Values("grad.optimum", "largest KL divergence from p, in nats")
IGNORES_POSITION = Values(
    "grad.ignores_position",
    accuracy="accuracy over all tokens and positions",
    positional="mean logit of a position",
    spread="root mean square of these logits over that of crosstalk alone",
)
THREE_STEPS = Values(
    "grad.three_steps",
    W_O2="recall of W_O2 after the third step",
    W_K2="recall of W_K2 after the third step",
    W_K1_early="recall of W_K1 after the third step, on the first quarter of the positions",
    accuracy="accuracy after the third step",
    after_first="accuracy after the first step",
    after_second="accuracy after the second step",
)
SPURIOUS = Values(
    "grad.spurious",
    ratio="strength of the spurious association over that of the right one, measured",
    tau="the same, predicted",
    accuracy="accuracy with W_O2 and W_K2 learned and W_K1 at zero",
)
SEQUENTIAL = Values(
    "grad.sequential",
    slope="slope of log half time against log strength",
    rise="time from 10% to 90% over the time to half strength, the largest of all associations",
    slope_one_layer="the slope in one layer, strength being the key's frequency",
    rise_one_layer="the smallest of these shares there",
)
TOP_DOWN = Values(
    "grad.top_down",
    right="accuracy after steps on W_O2, W_K2, W_K1",
    O2_K1_K2="accuracy after steps on W_O2, W_K1, W_K2",
    K2_O2_K1="accuracy after steps on W_K2, W_O2, W_K1",
    K1_K2_O2="accuracy after steps on W_K1, W_K2, W_O2",
    K2_K1_O2="accuracy after steps on W_K2, W_K1, W_O2",
    K1_O2_K2="accuracy after steps on W_K1, W_O2, W_K2",
)
STEP_TWO = Values(
    "grad.step_two",
    **{
        f"{name}{N}": f"measured gap over gamma_T in full, {words} T, {size}"
        for name, words in {"": "Theorem 3's", "short_": "a short"}.items()
        for N, size in {"small": "smallest N", "large": "largest N", "limit": "extrapolated to N without end"}.items()
    },
    printed_small="as first read: measured gap over gamma_T as printed, Theorem 3's T, smallest N",
    printed_large="the same, largest N",
    printed_short="the same, short T, largest N",
)

# The grid of Birth's Figure 9. Its sizes name the values, so they are no settings.
GRID_DIMENSIONS = (32, 64, 128, 512)
GRID_BATCHES = (2, 8, 32, 128)
ONE_STEP_DATA = Values(
    "grad.one_step_data",
    **{
        f"d{d}_b{b}": f"recall R_1 in {d} dimensions from {b} batches of 32 sequences, Shakespeare"
        for d in GRID_DIMENSIONS
        for b in GRID_BATCHES
    },
    random="the same with random bigrams, at the top corner",
)
