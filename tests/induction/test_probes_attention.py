"""Attention probes against loops over queries and keys, and maps whose masses are known."""

import math

import pytest
import torch

from mechbook.induction.probes_attention import entropy, induction_mass, induction_positions, previous_token_mass

B, T, N = 5, 11, 3


def maps(*batch, seed=0):
    scores = torch.randn(*batch, T, T, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return scores.masked_fill(torch.ones(T, T).triu(1).bool(), float("-inf")).softmax(-1)


def tokens(seed=1):
    return torch.randint(N, (B, T), generator=torch.Generator().manual_seed(seed))


def test_previous_token_mass():
    # Oracle: a loop; 1 for the map that only looks back by one; heads count like sequences.
    attention = maps(B)
    expected = sum(attention[b, t, t - 1].item() for b in range(B) for t in range(1, T)) / (B * (T - 1))
    assert previous_token_mass(attention).item() == pytest.approx(expected, abs=1e-12)
    back = torch.zeros(T, T)
    back[0, 0] = 1
    back[range(1, T), range(T - 1)] = 1
    assert previous_token_mass(back).item() == 1.0 and previous_token_mass(back.T).item() == 0.0
    heads = maps(2, 3)
    each = torch.stack([previous_token_mass(heads[:, h]) for h in range(3)])
    torch.testing.assert_close(previous_token_mass(heads), each.mean(), atol=1e-12, rtol=0)


def test_induction_positions_of_a_spelled_out_sequence():
    # Oracle: by eye. a b a a c a: the query at position 2 marks 1, at 3 marks 1 and 3, at 5 marks 1, 3 and 4.
    marked = induction_positions(torch.tensor([[0, 1, 0, 0, 2, 0]]))[0]
    expected = {2: [1], 3: [1, 3], 5: [1, 3, 4]}
    for t in range(6):
        assert marked[t].nonzero().flatten().tolist() == expected.get(t, [])


@pytest.mark.parametrize("given", [False, True])
def test_induction_mass_matches_a_loop(given):
    # Oracle: loops over queries and keys; without `where` only queries with an earlier occurrence count.
    attention, z = maps(B), tokens()
    where = torch.rand(B, T, generator=torch.Generator().manual_seed(2)) < 0.6 if given else None
    total = count = 0.0
    for b in range(B):
        for t in range(T):
            keys = [s for s in range(1, t + 1) if z[b, s - 1] == z[b, t]]
            if bool(where[b, t]) if where is not None else keys:
                total += sum(attention[b, t, s].item() for s in keys)
                count += 1
    assert induction_mass(attention, z, where).item() == pytest.approx(total / count, abs=1e-12)


def test_induction_mass_of_nothing_is_nan():
    # Oracle: the docstring.
    assert math.isnan(induction_mass(maps(B), tokens(), torch.zeros(B, T, dtype=torch.bool)).item())


def test_entropy():
    # Oracle: log n for an even spread over n keys, 0 for one key, the sum written out for the rest.
    even = torch.ones(T, T, dtype=torch.float64).tril()
    even = even / even.sum(-1, keepdim=True)
    torch.testing.assert_close(entropy(even), torch.arange(1, T + 1).double().log(), atol=1e-12, rtol=0)
    assert bool((entropy(torch.eye(T)) == 0).all())
    attention = maps(2, 3)
    row = attention[1, 2, 7, :8]
    assert entropy(attention)[1, 2, 7].item() == pytest.approx(-(row * row.log()).sum().item(), abs=1e-12)
