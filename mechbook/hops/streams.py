"""The random streams of chapter 7, by name; the numbers stay, because what was measured was drawn with them."""

from typing import Literal

from mechbook.core.streams import Streams

STREAMS = Streams(
    "hops",
    ("example", (7, 0), 0),
    # n, k, seed and purpose
    ("composition", (7, 1), 4),
    # letters, T, seed and purpose
    ("induction heads", (7, 2), 4),
    # k and seed
    ("construction", (7, 3), 2),
    ("two layers by hand", (7, 4), 0),
    ("letters of the example", (7, 5), 0),
)

Purpose = Literal["task", "weights", "batches", "fresh"]
# What a seed of a training run draws: its hidden permutations, initial weights, batches, and sequences to test on.
PURPOSES: dict[Purpose, int] = {"task": 0, "weights": 1, "batches": 2, "fresh": 3}
