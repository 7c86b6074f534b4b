"""The random streams of chapter 2 by name; each is followed by a seed, and what else is drawn apart."""

from mechbook.core.streams import Streams

STREAMS = Streams(
    "gradients",
    ("a few sequences", (2, 0), 0),
    ("smallest case", (2, 1), 0),
    ("identities", (2, 1), 1),
    ("span", (2, 2), 1),
    # and the dimension
    ("one step", (2, 3), 2),
    ("ignored positions", (2, 4), 1),
    ("optimum, distribution", (2, 5), 1),
    # and the dimension
    ("optimum, embeddings", (2, 5), 2),
    ("deep linear", (2, 6), 1),
    ("Figure 9, sequences", (2, 7), 1),
    # and the dimension
    ("Figure 9, embeddings", (2, 8), 2),
    # and the dimension, and the part: 0 for the weights, 1 for the steps' sequences, 2 for those of the probes
    ("three steps", (2, 9), 3),
    ("first step's counts", (2, 10), 1),
    # and the number of tokens
    ("third step's factor", (2, 11), 2),
    ("rivals", (2, 12), 1),
    ("orders, weights", (2, 13), 1),
    ("orders, sequences", (2, 14), 1),
    # and the number of tokens
    ("second step's gap", (2, 15), 2),
    ("first step's counts, more of them", (2, 16), 1),
    ("backward vectors", (2, 17), 1),
)
