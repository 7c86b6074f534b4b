"""The random streams of chapter 5 by name."""

from mechbook.core.streams import Streams

STREAMS = Streams(
    "laser",
    ("documents shown", (5, 0), 0),
    # of the small GPT-NeoX: a seed, then 0 for its initial weights and 1 for its documents
    ("english", (5, 1), 2),
    ("name prompts", (5, 2), 1),
    ("order of cities", (5, 3), 1),
    ("preposition sentences", (5, 4), 1),
    # 0 for those that heads are found on, 1 for the fresh ones
    ("circuit prompts", (5, 5), 1),
    ("random heads", (5, 6), 0),
    ("IOI sentences", (5, 10), 0),
    ("halves", (5, 11), 0),
    ("prompts of the map", (5, 12), 0),
    ("random directions", (5, 13), 0),
    ("intervals of ratios", (5, 14), 0),
    ("interval among countries", (5, 15), 0),
    ("intervals of the cost", (5, 16), 0),
    ("many random directions", (5, 17), 0),
    # 0 for the draws on one matrix, 1 for those on all, then the draw's number
    ("noise of quantisation", (5, 18), 2),
    ("pairs of cities", (5, 19), 0),
    ("sentences for the papers' models", (5, 20), 0),
    ("new countries", (5, 21), 0),
    # one number a quantity, so that none depends on which was drawn before it
    ("intervals of the closer look", (5, 22), 1),
)
