"""The exercises of chapter 4 with their checks, kept out of the chapter so that its cells do not give answers away."""

import math

from mechbook.reader.exercises import Exercise, function


def noise_logit(alpha: float, c: float, N: int) -> float:
    """What F_2 must add to the noise's logit for P(noise) = alpha: log(alpha / (1 - alpha) (e^c + N - 1)).

    Attention gives the answer the logit c and the noise and the N - 1 other characters 0.
    """
    return math.log(alpha / (1 - alpha) * (math.exp(c) + N - 1))


def occurrences(alpha: float, eps: float) -> int:
    """The fewest pairs among which the answer is missing with probability at most eps: alpha^n <= eps."""
    return math.ceil(math.log(eps) / math.log(alpha) - 1e-12)


margin = Exercise(
    "How large is the stored noise?", function(noise_logit, [(0.5, 6.0, 65), (0.2, 3.0, 11), (0.8, 0.0, 65)])
)

pairs = Exercise("How many pairs does it take?", function(occurrences, [(0.5, 0.01), (0.8, 0.05), (0.5, 0.125)]))
