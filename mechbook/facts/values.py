"""What chapter 6 measures for each claim; chapter, criteria and tests take the names from here."""

from mechbook.claims.values import Values

CAPACITY = Values("fact.capacity", "slope of log(facts) against log(parameters)")
TRADEOFF = Values(
    "fact.tradeoff",
    attention_only="best accuracy without an MLP",
    attention_mlp="best accuracy with an MLP and fewer heads than attention alone needs",
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
)
PLATEAU_LINEAR = Values(
    "fact.plateau_linear",
    plateau_steps="longest stretch of steps with the loss within 0.05 of log D",
    final_loss="loss at the end",
)
PLATEAU_SOFTMAX = Values(
    "fact.plateau_softmax",
    plateau_steps="longest stretch of steps with the loss within 0.1 of log D",
    relation_only="largest relation-only loss there",
    subject_only="smallest subject-only loss there",
    final_accuracy="accuracy at the end",
)
HALLUCINATION = Values(
    "fact.hallucination",
    valid="share of best guesses in A_r",
    correct="share of best guesses that are right",
    D="answers of each relation",
    sequences="how many sequences were asked",
)
CONVERGENCE = Values("fact.convergence", "loss at the end")
KNOWLEDGE_CAPACITY = Values(
    "fact.knowledge_capacity",
    few_1="peak over N of bits per parameter after the fewest exposures (paper scale: 100), first shape",
    few_2="the same, second shape",
    few_3="the same, third shape",
    many_1="peak over N of bits per parameter after the most exposures (paper scale: 1000), first shape",
    many_2="the same, second shape",
    many_3="the same, third shape",
)
CAPACITY_SIZE = Values(
    "fact.capacity_size",
    small="peak over N of bits per parameter, smallest size",
    medium="the same, middle size",
    large="the same, largest size",
    below="how far the bits at the least and at the largest N lie below the peak, the closest of all sizes",
    span="parameters of the largest size by those of the smallest",
)
INT8 = Values("fact.int8", largest_gap="largest |capacity in int8 / capacity - 1| over all runs")
