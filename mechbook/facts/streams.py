"""The random streams of chapter 6 by name; the numbers behind the names are what its results were drawn with."""

from mechbook.core.streams import Streams

STREAMS = Streams(
    "facts",
    # of the first example: the answers, three sequences, the weights
    ("example answers", (6, 0), 0),
    ("example sequences", (6, 0, 1), 0),
    ("example weights", (6, 0, 2), 0),
    # which construction, seed: the task, then the weights and the questions
    ("recall", (6, 1), 2),
    # the construction whose votes are shown
    ("votes", (6, 1, 9), 0),
    # which construction, S, seed, draw
    ("fewest parameters", (6, 2), 4),
    # d, 100 alpha, 100 beta; then of a task 0, seed and S, of a training 1, round of the search and number of the rate
    ("capacity", (6, 3), 6),
    # seed
    ("tradeoff tasks", (6, 4, 0), 1),
    # H, number of the group of widths
    ("tradeoff training", (6, 4, 1), 2),
    # 0: what is trained and the embeddings at first, 1: batches, 2: the test batch; of every run of that model
    ("linear", (6, 5), 1),
    ("softmax", (6, 6), 1),
    # seed
    ("head load", (6, 7), 1),
    # layers, d, heads, N, exposures; then 0 and the seed of the people, 1: the weights, 2: the order of the people
    ("knowledge", (6, 8), (6, 7)),
    # the six questions on the plateau
    ("questions", (6, 9), 0),
)
