"""The preference for retrieved tokens against a loop over positions, and what is retrieved against a search by hand."""

import math

import pytest
import torch

from mechbook.induction.preference import retrieval_preference, retrieved_token

B, T, N = 7, 13, 5


def sequences():
    g = torch.Generator().manual_seed(3)
    z = torch.randint(N, (B, T), generator=g)
    logits = torch.randn(B, T, N, generator=g, dtype=torch.float64)
    pi_b = torch.rand(N, N, generator=g, dtype=torch.float64) ** 3
    pi_b = pi_b / pi_b.sum(1, keepdim=True)
    occurrence = torch.tensor([[row[: t + 1].count(row[t]) for t in range(T)] for row in z.tolist()])
    return z, logits, pi_b, occurrence


def test_retrieved_token_is_what_followed_the_first_occurrence():
    # Oracle: list.index.
    z, *_ = sequences()
    for row, found in zip(z.tolist(), retrieved_token(z).tolist(), strict=True):
        for t, token in enumerate(row):
            first = row.index(token)
            assert found[t] == (row[first + 1] if first < t else -1)


@pytest.mark.parametrize("top", [1, 2, N])
@pytest.mark.parametrize("masked", [False, True])
def test_preference_is_the_mean_of_the_gaps_at_second_occurrences(top, masked):
    # Oracle: a loop over positions.
    z, logits, pi_b, occurrence = sequences()
    where = torch.rand(B, T, generator=torch.Generator().manual_seed(4)) < 0.7 if masked else None
    gaps, found = {True: [], False: []}, {True: [], False: []}
    for b in range(B):
        row = z[b].tolist()
        for t in range(T):
            if row[: t + 1].count(row[t]) != 2 or (where is not None and not where[b, t]):
                continue
            r = row[row.index(row[t]) + 1]
            likely = sorted(range(N), key=lambda j: -pi_b[row[t], j])[:top]
            found[r in likely].append(float(logits[b, t].softmax(-1)[r]))
            gaps[r in likely].append(float(logits[b, t].softmax(-1)[r] - pi_b[row[t], r]))
    result = retrieval_preference(logits, z, occurrence, pi_b, top=top, where=where)
    for measured, values in (
        (result.inside, found[True]),
        (result.outside, found[False]),
        (result.raised_inside, gaps[True]),
        (result.raised_outside, gaps[False]),
    ):
        if values:
            assert float(measured) == pytest.approx(math.fsum(values) / len(values), abs=1e-12)
        else:
            assert measured.isnan()


@pytest.mark.parametrize("top", [0, N + 1])
def test_a_top_outside_the_vocabulary_is_refused(top):
    z, logits, pi_b, occurrence = sequences()
    with pytest.raises(ValueError, match=f"top is {top}; it must be between 1 and {N}"):
        retrieval_preference(logits, z, occurrence, pi_b, top=top)
