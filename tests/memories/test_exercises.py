"""The exercises' checks: right answers found another way are accepted, likely mistakes are told."""

import math

import torch
from scipy.optimize import brentq
from scipy.stats import norm

from mechbook.memories.exercises import pairs_of_a_shared_memory, rank_of_sums, shared_capacity


def verdict(exercise, answer, capsys):
    exercise.check(answer)
    return capsys.readouterr().out


def test_the_memory_of_differences_has_rank_one(capsys):
    """Oracle: singular values of the sum over all sets, written as a loop."""
    g = torch.Generator().manual_seed(1)
    a, b, v = (torch.randn(12, 64, generator=g, dtype=torch.float64) for _ in range(3))
    W = sum(torch.outer(v[(i - j) % 12], a[i] + b[j]) for i in range(12) for j in range(12))
    singular = torch.linalg.svdvals(W)
    assert float(singular[1] / singular[0]) < 1e-12
    assert "right." in verdict(rank_of_sums, 1, capsys) and "not answered" in verdict(rank_of_sums, None, capsys)
    for wrong, words in ((12, "number of values"), (24, "number of tokens"), (144, "number of sets"), (23, "span")):
        assert words in verdict(rank_of_sums, wrong, capsys)


def test_the_bound_is_met_exactly_by_the_capacity(capsys):
    """Oracle: scipy's root of the union bound in N."""
    for M, d, eps in ((8, 128, 0.01), (3, 31, 0.2)):
        root = brentq(lambda N, M=M, d=d, e=eps: (M - 1) * norm.sf(math.sqrt(M * d / (2 * N))) - e, 1e-3, 1e6)
        assert abs(pairs_of_a_shared_memory(M, d, eps) / root - 1) < 1e-9
    answer = "right." in verdict(shared_capacity, lambda M, d, e: M * d / 2 / norm.isf(e / (M - 1)) ** 2, capsys)
    assert answer
    # without the factor 2 of two noisy scores, and without the union bound
    assert "not right" in verdict(shared_capacity, lambda M, d, e: M * d / norm.isf(e / (M - 1)) ** 2, capsys)
    assert "not right" in verdict(shared_capacity, lambda M, d, e: M * d / 2 / norm.isf(e) ** 2, capsys)
