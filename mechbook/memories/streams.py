"""The random streams of chapter 1. Only a few take no seed: what is drawn once, for everybody."""

from mechbook.core.streams import Streams

STREAMS = Streams(
    "memories",
    ("nearly orthogonal", (1, 0), 2),  # seed, d
    ("remapped", (1, 1), 2),  # seed, d
    ("crosstalk", (1, 2), 2),  # seed, M or 0
    ("recall", (1, 3), 2),  # seed, M or 0
    ("capacity", (1, 4), 5),  # seed, d, width or 0, M or 0, number of the memory
    ("factorised", (1, 5), 2),  # seed, N
    ("filter", (1, 6), 2),  # seed, N
    ("sets with values of their own", (1, 7), (1, 2)),  # seed, and the size of the sets unless it is 2
    ("sets with the value of a sum", (1, 8), 1),  # seed
    ("Zipf", (1, 9), 3),  # seed, number of the scheme, d
    ("smallest case", (1, 10), 0),
    ("exercise", (1, 11), 1),  # number of embeddings
    ("weighted crosstalk", (1, 12), 2),  # seed, M or 0
    ("factors' step sizes", (1, 13), 2),  # seed, N
    ("writers", (1, 14), 2),  # seed, d
    ("online", (1, 15), 1),  # seed
    ("least squares by load", (1, 16), 2),  # seed, N
    ("shares of two factors", (1, 17), 1),  # seed
)
