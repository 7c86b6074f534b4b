"""Markov chains from cumulative tables, against the definition in float64."""

import pytest
import torch

from mechbook.shared.chains import cumulative, draw, walk

g = torch.Generator().manual_seed(4)
# the second row never gives its first, third or last token
ROWS = torch.tensor([[0.2, 0.3, 0.1, 0.15, 0.25], [0.0, 0.5, 0.0, 0.5, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0]])


def first_above(row: torch.Tensor, u: float) -> int:
    """The definition: the first token whose cumulative probability is above u."""
    total = 0.0
    for token, p in enumerate(row.double().tolist()):
        total += p
        if total > u:
            return token
    raise AssertionError("no token")


def test_each_draw_is_the_definitions() -> None:
    """Oracle: the sums one by one in float64, at draws that are no sum."""
    table, u = cumulative(ROWS), torch.rand(300, generator=g)
    for row in range(3):
        found = draw(table, torch.full((300,), row), u)
        assert found.tolist() == [first_above(ROWS[row], x) for x in u.tolist()]


@pytest.mark.parametrize("u", [0.0, 1 - 2**-24, 1.0])
def test_the_ends_never_give_what_has_no_probability(u: float) -> None:
    """Oracle: probability 0 is never drawn, at the smallest draw, the largest, and one that no generator gives."""
    table = cumulative(torch.cat([ROWS, torch.full((1, 5), 0.1) + torch.tensor([0, 0, 0, 0, 0.5])]))
    found = draw(table, torch.arange(4), torch.full((4,), u))
    rows = torch.cat([ROWS, torch.ones(1, 5)])
    assert bool((rows[torch.arange(4), found] > 0).all())


def test_probabilities_are_right_to_the_last_digit_of_float32() -> None:
    """Oracle: every draw that float32 has between 0 and 1 at a coarser step, counted: shares off by a step at most."""
    p = torch.rand(1, 7, generator=g, dtype=torch.float64)
    u = torch.arange(2**16) / 2**16
    found = draw(cumulative(p), torch.zeros(2**16, dtype=torch.int64), u)
    share = torch.bincount(found, minlength=7) / 2**16
    assert float((share - (p / p.sum())[0]).abs().max()) <= 2**-16 + 1e-7


def test_a_walk_goes_from_row_to_row_of_its_own_map() -> None:
    """Oracle: one sequence at a time, in Python."""
    n, steps = 11, 13
    rows, u = torch.randint(3, (n, 5), generator=g), torch.rand(steps, n, generator=g)
    z = walk(cumulative(ROWS), rows, 1, u)
    for b in range(n):
        token, expected = None, []
        for t in range(steps):
            row = 1 if token is None else int(rows[b, token])
            token = first_above(ROWS[row], float(u[t, b]))
            expected.append(token)
        assert z[:, b].tolist() == expected
