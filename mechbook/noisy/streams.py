"""The random streams of chapter 4: names, and the numbers behind them."""

from mechbook.core.streams import Streams

# What a model's seed is followed by: its weights, its batches (by phase), the sequences it is measured on along the
# way and at its end (by kind), and noisy contexts.
WEIGHTS, BATCHES, PANEL, FRESH, CONTEXTS = 0, 1, 2, 5, 6
# a seed and one or two of these
_MODEL = (2, 3)

STREAMS = Streams(
    "noisy",
    ("the chapter's first sequence", (4, 0), 0),
    ("main", (4, 3), _MODEL),
    ("clean", (4, 4), _MODEL),
    ("fine_tuned", (4, 5), _MODEL),
    ("several", (4, 8), _MODEL),
    ("mlp_linear", (4, 10), _MODEL),
    ("linear_mlp", (4, 11), _MODEL),
    ("no_blocks", (4, 12), _MODEL),
    # each: the seed, and the number of a task
    ("margins", (4, 41), 2),
    ("needs", (4, 42), 2),
    ("needs, test sequences", (4, 43), 2),
    ("table_2", (4, 44), 2),
    ("key_query, short", (4, 45), 2),
    ("key_query, long", (4, 46), 2),
    ("key_query, ratio", (4, 47), 2),
    ("flip", (4, 48), 2),
    # the dimension or the number of pairs, and the seed
    ("figure_6", (4, 51), 2),
    ("alpha_vs_n", (4, 52), 2),
)
