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
    slope="slope of the logits against the predicted ones",
)
OPTIMUM = Values("grad.optimum", "largest KL divergence from p, in nats")
IGNORES_POSITION = Values(
    "grad.ignores_position",
    accuracy="accuracy over all tokens and positions",
    positional="mean logit of a position",
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
    accuracy="accuracy with W_O2 and W_K2 learned and W_K1 at zero; to be shown, the criterion does not judge it",
)
SEQUENTIAL = Values("grad.sequential", "slope of log half time against log strength")

# The grid of Birth's Figure 9. Its sizes name the values, so they are no settings.
GRID_DIMENSIONS = (32, 64, 128, 512)
GRID_BATCHES = (2, 8, 32, 128)
ONE_STEP_DATA = Values(
    "grad.one_step_data",
    **{
        f"d{d}_b{b}": f"recall R_1 in {d} dimensions from {b} batches of 32 sequences"
        for d in GRID_DIMENSIONS
        for b in GRID_BATCHES
    },
)
