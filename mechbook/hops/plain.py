"""The two tasks as their definitions: one sequence, one start, one hop after another.

`mechbook.hops.task` gives the same for whole batches at once, and is held against these.
"""

from collections.abc import Sequence


def follow(pi: Sequence[Sequence[int]], sigma: Sequence[Sequence[int]], i: int, y: int, r: int) -> int:
    """Return h_r(i, y), where r hops lead from value y at position i; positions count from 0 and are cyclic."""
    k = len(pi)
    for hop in range(r):
        position = (i + hop) % k
        y = sigma[position][pi[position][y]]
    return y


def induction_hop(letters: Sequence[int], i: int) -> int | None:
    """Return the last place j <= i that follows the letter X_i, X_{j-1} = X_i; None where there is none."""
    for j in range(i, 0, -1):
        if letters[j - 1] == letters[i]:
            return j
    return None


def induction_answer(letters: Sequence[int], i: int, r: int, undefined: int) -> int:
    """Return the letter that r induction hops lead to from place i; `undefined` where one finds nothing."""
    place: int | None = i
    for _ in range(r):
        place = None if place is None else induction_hop(letters, place)
    return undefined if place is None else letters[place]
