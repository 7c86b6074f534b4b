"""What chapter 7 reports for each of its claims, by name; and the hops and depths that these names are about."""

from mechbook.claims.values import Values

DIRECT_HOPS, EASY_HOPS = (1, 2, 3, 4), (2, 3, 4, 5, 6, 8)
"""How many hops direct training, and the mixture and the curriculum, are given where their number is varied."""
REGIMES = ("mixture", "curriculum")
"""The two that count easier hops, whose steps are compared over the same k."""
DEPTHS, HEAD_HOPS = (2, 3, 4), (1, 2, 4, 8)
"""Layers of the k-hop induction heads, and their numbers of hops."""
CONTROLS = (1, 2)
"""How many hops direct training is given where it is to work: a control of direct training on k."""
ORDERED_HOPS = (1, 2, 3, 4)
"""The hops that are asked for their order in time."""
PROBED_HOPS = (1, 2, 4)
"""The hops that a layer is probed for: by the claim layer l is the first to carry number l of them."""
FOR_THE_RECORD = "for the record: "
"""How the description of a value begins that is shown beside a claim and not judged."""

DIRECT_FAILS = Values(
    "khop.direct_fails",
    accuracy="accuracy on k hops of direct training, on fresh sequences",
    chance="accuracy of one who guesses",
    steps="updates of direct training",
    mixture_steps="updates that the mixture needed, mean over its seeds",
    **{f"control_{k}": f"control: accuracy of direct training on {k} instead of k hops" for k in CONTROLS},
)
MIXTURE_SOLVES = Values("khop.mixture_solves", "the mixture's accuracy on k hops, on fresh sequences")
CURRICULUM_SOLVES = Values("khop.curriculum_solves", "the curriculum's accuracy on k hops, on fresh sequences")
ORDER = Values(
    "khop.order",
    **{
        f"hop_{r}": f"updates to accuracy 0.9 on {r} hops, the mixture, one more than all if never"
        for r in ORDERED_HOPS
    },
    solved="1 where the seed solved k hops, or 0",
)
DEPTH = Values(
    "khop.depth",
    three="accuracy on k hops of the mixture's model, on fresh sequences",
    two="the highest accuracy on k hops along the training of the model with one layer fewer",
    steps="updates of the model with one layer fewer",
    mixture_steps="updates that the mixture needed, mean over its seeds",
)
LAYERWISE = Values(
    "khop.layerwise",
    **{f"first_{r}": f"the first layer after which a probe reads {r} hops, 0 being the embedding" for r in PROBED_HOPS},
    **{
        f"layer_{layer}_hop_{r}": f"{FOR_THE_RECORD}a probe's accuracy on {r} hops after layer {layer}"
        for layer in range(4)
        for r in PROBED_HOPS
    },
)
SCALING = Values(
    "khop.scaling",
    **{
        f"direct_{k}": f"{FOR_THE_RECORD if k > 3 else ''}updates to solve {k} hops by direct training, one more than "
        "all if never"
        for k in DIRECT_HOPS
    },
    **{
        f"{regime}_{k}": f"updates to solve {k} hops by the {regime}, one more than all if never"
        for regime in REGIMES
        for k in EASY_HOPS
    },
    budget="updates there were for each run",
    **{
        f"{regime}_slope": f"{FOR_THE_RECORD}first reading: slope over k = 2, 4 and, where solved, 8, the {regime}"
        for regime in REGIMES
    },
)
CONSTRUCTION = Values(
    "khop.construction", **{f"accuracy_{k}": f"accuracy of the hand-built weights on {k} hops" for k in (2, 4, 8)}
)
HOP_HEADS = Values(
    "khop.hop_heads",
    **{
        f"layers_{L}_hop_{k}": f"error of {L} layers on {k} hops, defined answers alone"
        for L in DEPTHS
        for k in HEAD_HOPS
    },
    **{
        f"all_{L}_hop_{k}": f"{FOR_THE_RECORD}error of {L} layers on {k} hops, all answers"
        for L in DEPTHS
        for k in HEAD_HOPS
    },
    **{f"share_{k}": f"{FOR_THE_RECORD}share of undefined answers at {k} hops" for k in HEAD_HOPS},
)
