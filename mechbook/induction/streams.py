"""The random streams of chapter 3.

A training run's stream goes on with the seed and the part (`mechbook.induction.runs`): weights, batches, fresh
sequences.
"""

from mechbook.core.streams import Streams

STREAMS = Streams(
    "induction",
    ("example", (3, 0), 0),
    ("positions", (3, 1), 1),  # the number of triggers
    ("vanilla", (3, 2), 4),  # layers and heads before the seed
    ("frozen", (3, 3), 2),
    ("triggers", (3, 4), 2),
    ("initialisation", (3, 5), 1),
    ("outputs", (3, 6), 2),
    # The seed draws the weights, (seed, 1) the sequences. The one model shown first has those of seed 0, and its
    # sequences, which chapter 3 also looks at before training, those of "by hand" 1: the start of that seed's weights.
    ("by hand", (3, 7), (1, 2)),
    ("dimension", (3, 8), 2),
    ("length", (3, 9), 2),
    ("realistic", (3, 10), 2),
    ("bags", (3, 12), 2),  # T and the number of triggers
    ("use", (3, 11), 0),  # which positions are looked for
)
