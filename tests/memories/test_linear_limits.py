"""What no linear memory of sets can do, and the one that does the most of what any can."""

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from mechbook.memories.linear_limits import window_memory
from mechbook.memories.other_forms import set_keys
from mechbook.memories.outer_product import draw_embeddings, recall, scores


def solvable(cells, n):
    """Whether alpha_k(i) + beta_k(j) can be larger by 1 for k = (i + j) mod n than for every other k, in the cells."""
    rows = []
    for i, j in cells:
        right = (i + j) % n
        for wrong in set(range(n)) - {right}:
            row = np.zeros((2, n, n))
            for value, sign in ((right, -1.0), (wrong, 1.0)):
                row[0, value, i] += sign
                row[1, value, j] += sign
            rows.append(row.ravel())
    found = linprog(np.zeros(2 * n * n), A_ub=np.array(rows), b_ub=-np.ones(len(rows)), bounds=(None, None))
    return found.status == 0


def test_three_cells_of_an_exclusive_or_can_be_right_and_never_all_four():
    """Oracle: linear programming; so every such square of the table costs a cell, and the bound is 3/4."""
    for n in (2, 4):
        for i, j in itertools.product(range(n // 2), repeat=2):
            square = [(i, j), (i + n // 2, j + n // 2), (i, j + n // 2), (i + n // 2, j)]
            assert not solvable(square, n)
            assert all(solvable(three, n) for three in itertools.combinations(square, 3))


@pytest.mark.parametrize("n", [4, 6, 14])
def test_a_memory_of_rank_two_reaches_the_bound(n):
    """Oracle: counting: n^2/4 of the sums lie outside the window of n numbers."""
    g = torch.Generator().manual_seed(1)
    tokens, values = (draw_embeddings(count, 31, generator=g, dtype=torch.float64) for count in (2 * n, n))
    i, j = torch.cartesian_prod(torch.arange(n), torch.arange(n)).T
    W = window_memory(tokens, values)
    assert int(torch.linalg.matrix_rank(W, rtol=1e-9)) == 2
    s = scores(W, set_keys(tokens, torch.stack([i, n + j], 1)), values)
    assert recall(s, (i + j) % n) == 0.75
    # the scores themselves: 2 t (i + j) - t^2
    t = torch.tensor([k + n if k < n // 2 else k for k in range(n)], dtype=torch.float64)
    torch.testing.assert_close(s, 2 * torch.outer((i + j).double(), t) - t.square(), atol=1e-8, rtol=0)


def test_too_few_dimensions_and_odd_counts_are_refused():
    """Oracle: the sentences."""
    g = torch.Generator().manual_seed(1)
    tokens, values = (draw_embeddings(count, 7, generator=g) for count in (8, 4))
    with pytest.raises(ValueError, match="The tokens are not linearly independent: take more dimensions"):
        window_memory(tokens, values)
    with pytest.raises(ValueError, match="There are 7 tokens and 4 values; give two families of n tokens"):
        window_memory(tokens[:7], values)
