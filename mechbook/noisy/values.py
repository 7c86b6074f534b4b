"""What chapter 4 reports for each claim, one seed at a time, and what each number is.

Probabilities are means over clean test sequences (alpha = 0) of what is predicted at the last position; losses are in
nats; steps to what is never reached are the number of steps + 1. Distances z are in standard errors, without sign;
exponents are slopes on log axes.
"""

from mechbook.claims.values import Values

# Percent of F_2's rank, and noise levels in percent.
RANKS = (0, 1, 5, 20, 100)
LEVELS = (20, 50, 80)

FULL_PREDICTS_NOISE = Values("noisy.full_predicts_noise", "P(noise) of the full model")
DROP_F2 = Values("noisy.drop_f2", correct="P(correct) with F_2 dropped", noise="P(noise) with F_2 dropped")
RANK_SWEEP = Values(
    "noisy.rank_sweep",
    **{f"noise_{rank}": f"P(noise) with {rank} percent of F_2's rank" for rank in RANKS},
    loss_0="clean loss with F_2 dropped",
    loss_100="clean loss of the full model",
)
NOISE_FIRST = Values(
    "noisy.noise_first",
    early="largest share of predictions whose first choice is noise, in the first 20 steps",
    final="P(noise) at the end",
    settled="share of predictions whose first choice is noise, at the end",
)
FINETUNE = Values(
    "noisy.finetune",
    early="largest share of predictions whose first choice is noise, in the first 20 steps of fine-tuning",
    before="attention on noise before fine-tuning",
    after="attention on noise after it",
)
ATTENTION_AVOIDS_NOISE = Values(
    "noisy.attention_avoids_noise", correct="attention of layer 2 on the correct token", noise="on the noise"
)
KQ_NOISE_SCORE = Values(
    "noisy.kq_noise_score",
    noise="score of the noise's embedding for the trigger's query in layer 2",
    lowest="lowest score of another token's",
)
F2_MARGIN = Values(
    "noisy.f2_margin",
    margin="steps to a margin above 0 that stays so",
    attention="steps to attention on the correct token above 0.5",
)
ALPHA_SWEEP = Values(
    "noisy.alpha_sweep",
    **{f"noise_{level}": f"P(noise) of the full model, alpha = {level} percent" for level in LEVELS},
    **{
        f"gain_{level}": f"P(correct) with F_2 dropped less the full model's, alpha = {level} percent"
        for level in LEVELS
    },
    **{f"dropped_{level}": f"P(noise) with F_2 dropped, alpha = {level} percent" for level in LEVELS},
)
COMPONENT_ROLES = Values(
    "noisy.component_roles",
    previous="layer 1's mean attention on the previous position, over all positions",
    used="the same where layer 2 looks, weighted by how much",
    noise="share of input tokens to which F_2 says noise",
    value="share of characters that W_V2 maps to themselves",
    noise_rank="place of the noise's own logit under W_V2, 1 the largest",
)
MULTIPLE_TRIGGERS = Values("noisy.multiple_triggers", "the smallest trigger's margin")
DROP_F1 = Values("noisy.drop_f1", full="P(noise) of the full model", dropped="P(noise) with F_1 dropped")
ARCH_MLP_LINEAR = Values(
    "noisy.arch_mlp_linear",
    correct_full="P(correct) of the full model",
    correct_F1="P(correct) with F_1 dropped",
    correct_F2="P(correct) with F_2 dropped",
    loss_F1="clean loss with F_1 dropped",
    loss_F2="clean loss with F_2 dropped",
)
ARCH_LINEAR_MLP = Values(
    "noisy.arch_linear_mlp",
    correct_full="P(correct) of the full model",
    correct_F2="P(correct) with F_2 dropped",
    noise_full="P(noise) of the full model",
    noise_F1="P(noise) with F_1 dropped",
)
ARCH_NONE = Values(
    "noisy.arch_none",
    gain="P(correct) at the best rho less the full model's",
    correct_5="P(correct) at rho = 0.05",
    correct_1="P(correct) at rho = 0.01",
    correct_full="P(correct) of the full model",
    mlp_gain="P(correct) with F_2 dropped less the full model's, in the model of Figure 3",
)

THEOREM_1 = Values(
    "noisy.theorem1",
    feed_forward_z="distance of the feed-forward block's mean margin from the exact one",
    attention_z="that of attention's",
    feed_forward_exponent="exponent in m of the spread of the feed-forward block's margin",
    attention_exponent="that of attention's",
    samples_more="times the samples that attention needs where the derivation says more (one repeated token, T << N)",
    samples_as_many="the same where it says as many (typical contexts, T = N)",
    samples_z="largest distance of such ratios from the exact ones, over lengths and contexts, at the largest N",
)
LEMMA_MOMENTS = Values(
    "noisy.lemma_moments",
    mean_z="largest distance of a mean from the exact one, over all cases",
    variance_z="that of a variance",
    printed_wrong="printed entries that differ from the derived ones",
)
KQ_SIGN = Values(
    "noisy.kq_sign",
    noise_largest="largest gradient along the noise, times N^2",
    noise_exponent="exponent in N of the gradient along the noise",
    others_short="the other tokens' largest gradient below the derived T / N, times N^3",
    others_long="their smallest gradient above it, times N^3",
    others_exponent="exponent in N of their gradient at T = N^2",
    crossing="T / N at which their measured gradient crosses zero",
    crossing_exact="T / N at which the exact one does",
)
KQ_FLIP = Values(
    "noisy.kq_flip",
    below="gradient along the noise at half the derived frequency elsewhere, times N^2",
    above="that at twice the derived frequency",
    flip="frequency elsewhere at which the measured gradient is zero, over the derived one",
)
THREE_SPEEDS = Values(
    "noisy.three_speeds",
    W_F="exponent in N of W_F's first update",
    W_V="that of W_V's",
    W_KQ="that of W_KQ's",
)
LINEAR_MEMORY = Values(
    "noisy.linear_memory",
    rank_2="median clean loss at rank 2, d = 12",
    full="median clean loss of the full model, d = 12",
    spread_12="distance between the quartiles at rank 2, d = 12",
    spread_8="the same, d = 8",
    wins_12="runs in which rank 2 has less than half of the full model's clean loss, d = 12",
    wins_8="the same, d = 8",
)
ALPHA_VS_N = Values(
    "noisy.alpha_vs_n",
    error="largest relative error of a singular value",
    cases="cases compared",
    agree="cases in which truncation helps or not, as derived",
    helps="cases in which it helps",
    law_error="largest relative error of the signal's law in time",
)
THEOREM_2 = Values(
    "noisy.theorem2",
    exponent="exponent in t of the rank-1 model's P(noise), at the noise level where it is farthest from -1/2",
    error="largest distance of a(t), b(t) from the right ODE",
    printed_error="largest distance from the printed one",
)
