"""Attention written out, with its gradient. Oracles: the definition with torch's softmax and autograd; closed forms."""

import math

import pytest
import torch

from mechbook.hops.fast_attention import attend, exponentials


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def defined(qkv: torch.Tensor, heads: int, *, causal: bool) -> torch.Tensor:
    """One head after another: softmax(q k^T) v, scores of later tokens being minus infinity."""
    T, found = qkv.shape[1], []
    q, k, v = qkv.chunk(3, dim=2)
    for own in torch.arange(q.shape[2]).chunk(heads):
        scores = q[:, :, own] @ k[:, :, own].transpose(1, 2)
        if causal:
            scores = scores.masked_fill(torch.arange(T) > torch.arange(T)[:, None], -math.inf)
        found.append(scores.softmax(-1) @ v[:, :, own])
    return torch.cat(found, dim=2)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("size", [1.0, 40.0])
def test_attention_and_its_gradient_are_those_of_the_definition(causal: bool, size: float) -> None:
    """Oracle: `defined` and autograd, float64, 1e-10; 5 sequences of 7, 3 heads of 11. Size 40: sharp attention."""
    qkv = normal(5, 7, 99, seed=1)
    qkv[:, :, :33] *= size
    weights = normal(5, 7, 33, seed=2)
    results = []
    for way in (attend, defined):
        given = qkv.clone().requires_grad_()
        mixed = way(given, 3, causal=causal)
        (gradient,) = torch.autograd.grad((mixed * weights).sum(), given)
        results.append((mixed, gradient / size))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_the_gradient_is_the_slope() -> None:
    """Oracle: finite differences, torch.autograd.gradcheck."""
    qkv = normal(2, 3, 12, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: attend(x, 2, causal=True), (qkv,))


@pytest.mark.parametrize("shift", [0.0, -60.0, 60.0, -150.0, 150.0])
def test_exponentials_over_their_sums_are_the_softmax(shift: float) -> None:
    """Oracle: torch's softmax in float64; float32 rows whose exponentials alone would vanish or overflow included."""
    scores = 3 * normal(2, 5, 5, seed=4)
    scores[1, 2] += shift
    scores[0, 1, 3:] = -math.inf
    powers, sums = exponentials(scores.float())
    torch.testing.assert_close((powers / sums).double(), scores.softmax(-1), rtol=2e-5, atol=1e-12)
