"""What chapter 6 measures for each claim; chapter, criteria and tests take the names from here."""

from mechbook.claims.values import Values

CAPACITY = Values(
    "fact.capacity",
    pooled="slope of log(facts) against log(parameters), all shapes together",
    least="the same slope of one family of shapes, the least",
    most="the same slope of one family of shapes, the largest",
)
# Heads with no higher accuracy without an MLP are too few for the facts.
TOO_FEW = 0.95
TRADEOFF = Values(
    "fact.tradeoff",
    attention_only="best accuracy without an MLP",
    without="accuracy without an MLP, at a number of heads that is too small for it; fresh facts",
    attention_mlp="accuracy with an MLP at that number of heads",
    chosen_without="earlier reading: `without` on the runs of the map, which the cell is picked by",
    chosen_mlp="earlier reading: `attention_mlp` on these, of the best of all such cells",
    few_heads="best accuracy over every MLP width m at the smallest number of heads H",
)
CONSTRUCTIONS = Values(
    "fact.constructions",
    attention_only="accuracy of attention alone",
    attention_mlp="accuracy of attention and MLP",
)
CONSTRUCTION_SIZE = Values(
    "fact.construction_size",
    attention_only="slope of log(fewest parameters) against log(S R), attention alone",
    attention_mlp="the same slope, attention and MLP",
    mlp_alone="the same slope of the MLP's parameters alone",
    border="the most tokens that a head serves with 0.99, over d_h: the largest over d_h (mean over seeds)",
    border_rises="that number of tokens at the largest d_h over the one at the least d_h that has any",
    crowded="earlier reading: best accuracy where a head serves d_h tokens or more",
)
PLATEAU_LINEAR = Values(
    "fact.plateau_linear",
    start_gap="|loss - log |A|| at half the time at which relations are due",
    plateau_steps="longest stretch of steps with the loss within 0.05 of log D",
    final_loss="loss at the end",
)
PLATEAU_SOFTMAX = Values(
    "fact.plateau_softmax",
    plateau_steps="longest stretch of steps with the loss within 0.1 of log D",
    relation_middle="relation-only loss in the middle of it",
    relation_only="earlier reading: largest relation-only loss there",
    subject_only="smallest subject-only loss there",
    final_accuracy="accuracy at the end",
)
HALLUCINATION = Values(
    "fact.hallucination",
    valid="share of best guesses in A_r",
    correct="share of best guesses that are right",
    preferred="loss there less relation-only loss and log D: the divergence, within A_r, from even probabilities",
    uneven="earlier reading: loss there less log D, which the plateau's width bounds by itself",
    D="answers of each relation",
    sequences="how many sequences were asked",
)
CONVERGENCE = Values(
    "fact.convergence",
    final="loss at the end",
    earlier="loss at three quarters of the steps",
)
KNOWLEDGE_CAPACITY = Values(
    "fact.knowledge_capacity",
    few_1="bits per parameter at the best N after the fewest exposures (paper scale: 100), first shape",
    few_2="the same, second shape",
    few_3="the same, third shape",
    many_1="bits per parameter at the best N after the most exposures (paper scale: 1000), first shape",
    many_2="the same, second shape",
    many_3="the same, third shape",
    fullest="largest share of R_max that a run has learned",
)
CAPACITY_SIZE = Values(
    "fact.capacity_size",
    small="peak over N of bits per parameter, smallest size",
    medium="the same, middle size",
    large="the same, largest size",
    below="how far the bits at the least and at the largest N lie below the peak, the closest of all sizes",
    slope="slope of log(peak) against log(parameters)",
    span="parameters of the largest size by those of the smallest",
)
INT8 = Values("fact.int8", largest_gap="largest |capacity in int8 / capacity - 1| over all runs")
