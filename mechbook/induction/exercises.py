"""The exercises of chapter 3 with their checks, kept out of the chapter so that its cells do not give answers away."""

import math

from mechbook.reader.exercises import Exercise, function, number


def smallest_score(t: int, eps: float) -> float:
    """The score of one key that wins 1 - eps of the attention against t - 1 keys of score 0: log((t-1)(1-eps)/eps)."""
    return math.log((t - 1) * (1 - eps) / eps)


def probability_of_retrieved(rho: float, p: float, N: int) -> float:
    """The probability that r follows i again, i being a trigger with probability rho and pi_b(r | i) = p.

    Uniform outputs over N tokens: P(trigger | i r seen) + P(no trigger | i r seen) p.
    """
    trigger = rho / N / (rho / N + (1 - rho) * p)
    return trigger + (1 - trigger) * p


sharpness = Exercise("How sharp must attention be?", function(smallest_score, [(64, 0.01), (257, 0.1), (2, 0.5)]))

first_position = Exercise(
    "The price of the first position",
    number(
        3 / 4,
        tolerance=1e-6,
        mistakes={
            "Position 1 gets its part, too: it holds q itself.": 1.0,
            "At the fourth occurrence there are three earlier ones, not four.": 4 / 5,
        },
    ),
)

posterior = Exercise(
    "Retrieve, or follow the bigrams?",
    function(probability_of_retrieved, [(0.2, 0.001, 65), (0.2, 0.3, 65), (0.9, 0.05, 65)]),
)
