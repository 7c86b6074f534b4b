"""The exercises of chapter 7 with their checks, kept out of the chapter so that its cells do not give answers away."""

import math

from mechbook.reader.exercises import Exercise, function


def accuracy_without_one(n: int, k: int, r: int) -> float:
    """Expected accuracy on r hops of one who guesses one of k hidden permutations: (k - r)/k + (r/k)(1/n)."""
    return (k - r) / k + r / (k * n)


def share_of_right_key(n: int, k: int, beta: float) -> float:
    """Attention on the one key with two matches, beta for each: 1 / (1 + (n+k-2) e^-b + (n-1)(k-1) e^-2b)."""
    return 1 / (1 + (n + k - 2) * math.exp(-beta) + (n - 1) * (k - 1) * math.exp(-2 * beta))


def layers_for(k: int) -> int:
    """The fewest layers for k hops where each layer adds two numbers of hops at hand: ceil(log2 k) + 1."""
    return (k - 1).bit_length() + 1


all_but_one = Exercise("All but one", function(accuracy_without_one, [(5, 4, 4), (5, 4, 1), (3, 8, 5)]))
right_key = Exercise("How sharp is the look-up?", function(share_of_right_key, [(5, 4, 2.0), (3, 8, 5.0), (7, 2, 0.5)]))
layers_needed = Exercise("Any number of hops", function(layers_for, [(1,), (2,), (3,), (8,), (9,), (100,)]))
