"""What chapter 3 reports for each claim and seed: the names of the values, and what they mean.

Steps to a threshold that is never reached are the number of steps + 1; `recorded.py` has the budgets by which a card
tells them from steps that were measured. Where it is not said over which keys W_K1's recall is, it is over those that
attention sees. Recalls, accuracies and attention masses are fractions.
"""

from mechbook.claims.values import Values

# Figure 8's dimensions, which the names of its values hold.
DIMENSIONS = (32, 64, 128, 256)

ONE_LAYER_FAILS = Values("ih.one_layer_fails", "in-context accuracy")
TWO_LAYER_FIXED = Values("ih.two_layer_fixed", "in-context accuracy")
TWO_LAYER_RANDOM = Values("ih.two_layer_random", "in-context accuracy")
ATTENTION_MAPS = Values(
    "ih.attention_maps",
    previous="attention of layer 1 on the previous token",
    induction="attention of layer 2, at in-context positions, on what followed earlier occurrences of the query",
)
FIXED_VS_RANDOM = Values(
    "ih.fixed_vs_random",
    fixed="induction mass on repeats that are no triggers, triggers fixed",
    random="the same, triggers random",
)
HEAD_VS_BIGRAM = Values(
    "ih.head_vs_bigram",
    outside="P(retrieved) where the retrieved token is outside pi_b's top 3",
    inside="the same where it is inside",
    raised_outside="P(retrieved) - pi_b(retrieved) outside pi_b's top 3",
    raised_inside="the same inside",
)
CONSTRUCTED = Values(
    "ih.constructed",
    accuracy_after_layer_2="(7) and (8) as printed: W_F reads layer 2's output",
    accuracy="(7) alone, without W_F",
    accuracy_all_sequences="the same, also on sequences that start with a trigger",
    accuracy_before_attention="W_F of (8) reads the stream before attention",
    accuracy_orthonormal="(7) and (8) as printed, embeddings that do not interfere",
    kl_global="KL from pi_b at positions without a trigger, W_F reading before attention, in nats",
)
UNIFORM_INIT = Values(
    "ih.uniform_init",
    unit_norm="entropy of attention / log T, embeddings of unit norm",
    standard_normal="the same, embeddings from N(0, 1)",
)
ORDER = Values(
    "ih.order",
    W_O2="steps to recall 0.6",
    W_K2="steps to recall 0.6, every token alike",
    W_K1="steps to recall 0.6, every position alike, over all keys",
    W_K2_weighted="steps to recall 0.6, weighted by how often a token is a trigger",
    W_K1_weighted="steps to recall 0.6, weighted by how often a position is looked for",
    W_K1_seen="steps to recall 0.6, every position alike, over the keys that attention sees",
    W_K1_early="the same, over the first quarter of the positions",
)
JOINT_FASTER = Values(
    "ih.joint_faster",
    recall_W_K2="at the release, W_K1 frozen, every token alike",
    recall_W_K2_weighted="the same, weighted by how often a token is a trigger",
    recall_W_K1="at the release, W_K2 frozen, over the keys that attention sees",
    steps_joint="steps to accuracy 0.8, nothing frozen",
    steps_freeze_W_O2="steps to accuracy 0.8, W_O2 frozen until the release",
    steps_freeze_W_K1="the same, W_K1 frozen",
    steps_freeze_W_K2="the same, W_K2 frozen",
    steps_freeze_both="the same, W_K1 and W_K2 frozen",
)
WO2_NEEDED = Values(
    "ih.wo2_needed",
    drift_W_K1="largest change of W_K1's recall while W_O2 is frozen",
    drift_W_K2="largest change of W_K2's recall while W_O2 is frozen, every token alike",
    drift_W_K2_weighted="the same, weighted by how often a token is a trigger",
    alone_W_O2="largest recall of W_O2 before the release, trained alone",
    alone_accuracy="largest accuracy before the release, W_O2 trained alone",
)
EARLY_POSITIONS = Values(
    "ih.early_positions",
    steps_early="steps to recall 0.6 over all keys, first quarter of the positions",
    steps_late="the same, the rest of the positions",
    smallest_gap="recall over the first quarter less that over the rest, the smallest from recall 0.1 on",
    gap_throughout="the smallest over all probe steps, the first included",
    chance="recall of a random matrix over all keys",
    gap_seen="as gap_throughout, over the keys that attention sees",
    chance_gap_seen="the gap of a random matrix over the keys that attention sees",
)
GLOBAL_FIRST = Values(
    "ih.global_first",
    kl_half="steps to half the first KL of W_F",
    accuracy_half="steps to accuracy 0.5",
    reached="whether it got there, 1 or 0",
)
TRIGGER_EFFECTS = Values(
    "ih.trigger_effects",
    base_accuracy="steps to accuracy 0.8, five frequent triggers",
    few_accuracy="the same, one frequent trigger",
    rare_accuracy="the same, five rarer ones",
    random_accuracy="the same, five random ones",
    base_W_O2="steps to W_O2's recall 0.9, five frequent triggers",
    few_W_O2="the same, one frequent trigger",
    rare_W_O2="the same, five rarer ones",
    base_W_K2="steps to W_K2's recall 0.6, five frequent triggers",
    random_W_K2="the same, five random ones",
)
OUTPUT_DISTRIBUTION = Values(
    "ih.output_distribution",
    uu="accuracy, trained and tested on uniform outputs",
    ub="trained on uniform, tested on bigram outputs",
    bu="trained on bigram, tested on uniform outputs",
    bb="trained and tested on bigram outputs",
    W_O2_u="recall of W_O2 at the end, trained on uniform outputs",
    W_O2_b="the same, trained on bigram outputs",
    W_K2_u="recall of W_K2 at the end, trained on uniform outputs",
    W_K2_b="the same, trained on bigram outputs",
)
WF_COMPETITION = Values(
    "ih.wf_competition",
    accuracy="in-context, at the end",
    minimum="smallest KL(W_F, pi_b)",
    late="its mean over the last tenth of training",
    ratio="late / minimum",
    bag_ratio="the same where attention stays as at the start, and W_O2 and W_F are trained",
    bag_accuracy="in-context accuracy of that model",
    W_O2_best="largest recall of W_O2",
    W_O2_end="its recall at the end",
)
MEMORY_MAPS = Values(
    "ih.memory_maps",
    W_O2_separation="W_O2's diagonal above the rest, in off-diagonal standard deviations",
    W_K2_separation="W_K2's, likewise",
    W_K1_separation="W_K1's subdiagonal, likewise",
    W_K2_correlation="rank correlation of W_K2's diagonal with how often a token is a trigger",
    W_K2_low95="the lower end of its 95% interval",
    W_K1_correlation="rank correlation of W_K1's subdiagonal with how early a position is",
    W_K1_low95="the lower end of its 95% interval",
)
DIMENSION = Values(
    "ih.dimension",
    **{f"tuned_{d}": f"steps to W_O2's recall 0.3 at d = {d}, learning rate tuned for it" for d in DIMENSIONS},
    **{f"fixed_{d}": f"steps to W_O2's recall 0.3 at d = {d}, the same learning rate for all" for d in DIMENSIONS},
    **{f"{rate}_{d}_to_0.9": f"as {rate}_{d}, to recall 0.9" for rate in ("tuned", "fixed") for d in DIMENSIONS},
)
REALISTIC = Values(
    "ih.realistic",
    accuracy="in-context, at the end",
    W_O2="steps to recall 0.6",
    W_K2="steps to recall 0.6, every token alike",
    W_K1="steps to recall 0.6, every position alike, over all keys",
    W_K2_weighted="steps to recall 0.6, weighted by how often a token is a trigger",
    W_K1_seen="steps to recall 0.6, every position alike, over the keys that attention sees",
    short_W_O2="W_O2 in the transformer with two MLPs and short contexts",
    short_W_K2_weighted="the same for W_K2_weighted",
    short_W_K1_seen="the same for W_K1_seen",
)
MULTI_HEAD = Values(
    "ih.multi_head",
    top="largest previous-token mass of layer 1's heads",
    second="the second largest",
    induction_heads="heads of layer 2 whose induction mass is above half of the largest",
    second_induction="the second largest induction mass of layer 2's heads",
    uniform_induction="the induction mass of uniform attention",
)
