"""The tasks' definitions. Oracle: examples worked out by hand."""

from mechbook.hops.plain import follow, induction_answer, induction_hop

PI, SIGMA = [[1, 2, 0], [0, 2, 1]], [[0, 2, 1], [1, 0, 2]]


def test_hops_are_followed_through_both_permutations() -> None:
    """Oracle: the table at the top of mechbook/hops/task.py."""
    starts = [(i, y) for i in range(2) for y in range(3)]
    assert [follow(PI, SIGMA, i, y, 0) for i, y in starts] == [0, 1, 2, 0, 1, 2]
    assert [follow(PI, SIGMA, i, y, 1) for i, y in starts] == [2, 1, 0, 1, 2, 0]
    assert [follow(PI, SIGMA, i, y, 2) for i, y in starts] == [0, 2, 1, 1, 0, 2]


def test_positions_are_cyclic() -> None:
    """Oracle: by hand; the third hop from position 1 is the first permutation pair again, 0 -> 2 -> 0 -> 2."""
    assert follow(PI, SIGMA, 0, 0, 3) == 2


def test_induction_hops_look_back_for_the_same_letter() -> None:
    """Oracle: the example at the top of mechbook/hops/task.py, letters a b c a b a."""
    letters = [0, 1, 2, 0, 1, 0]
    assert [induction_hop(letters, i) for i in range(6)] == [None, None, None, 1, 2, 4]
    assert [induction_answer(letters, i, 1, 3) for i in range(6)] == [3, 3, 3, 1, 2, 1]
    assert [induction_answer(letters, i, 2, 3) for i in range(6)] == [3, 3, 3, 3, 3, 2]
