"""The exercises of chapter 1 with their checks, kept out of the chapter so that its cells do not give answers away."""

from scipy.stats import norm

from mechbook.reader.exercises import Exercise, function, number


def pairs_of_a_shared_memory(M: int, d: int, eps: float) -> float:
    """The N at which a key loses to one of M - 1 wrong values with probability eps at most, by the union bound.

    A right score exceeds a wrong one by 1 on average, with variance 2N/(M d): N = M d / (2 z^2), where z is the normal
    quantile of 1 - eps/(M - 1).
    """
    return M * d / (2 * norm.ppf(1 - eps / (M - 1)) ** 2)


rank_of_sums = Exercise(
    "A memory of sums",
    number(
        1,
        tolerance=0.01,
        mistakes={
            "That is the number of values: each would need a direction of its own among the keys.": 12,
            "That is the number of tokens: write the sum over sets as a sum over the tokens in them.": 24,
            "That is the number of sets: write the sum over sets as a sum over the tokens in them.": 144,
            "That is the dimension of all keys' span: the values that go with them add up to one vector.": 23,
        },
    ),
)

shared_capacity = Exercise(
    "How many pairs for eight values?",
    function(pairs_of_a_shared_memory, [(8, 128, 0.01), (2, 64, 0.01), (50, 256, 0.1)], tolerance=1e-3),
)
