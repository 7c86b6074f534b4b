"""Outer-product memories against loops, their closed forms against Monte Carlo."""

import math

import pytest
import torch

from mechbook.memories import outer_product


def draw(seed):
    return torch.Generator().manual_seed(seed)


def pairs(N, M, d, seed, *, unit_norm=False, dtype=torch.float32):
    g = draw(seed)
    u = outer_product.draw_embeddings(N, d, generator=g, unit_norm=unit_norm, dtype=dtype)
    return u, outer_product.draw_embeddings(M, d, generator=g, unit_norm=unit_norm, dtype=dtype)


def simulated(N, d, M, unit_norm, draws, seed=0):
    """The mean recall of `draws` memories and its standard error."""
    f, g, found = outer_product.shared_map(N, M), draw(seed), []
    for _ in range(draws):
        u = outer_product.draw_embeddings(N, d, generator=g, unit_norm=unit_norm)
        v = outer_product.draw_embeddings(M or N, d, generator=g, unit_norm=unit_norm)
        found.append(outer_product.recall(outer_product.scores(outer_product.outer_product_memory(u, v, f), u, v), f))
    each = torch.tensor(found, dtype=torch.float64)
    return float(each.mean()), float(each.std()) / math.sqrt(draws)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_memory_is_a_sum_of_outer_products(weighted):
    """Oracle: the loop over pairs, in float64, and the scores as dot products one by one."""
    u = torch.randn(7, 5, generator=draw(1), dtype=torch.float64)
    v = torch.randn(3, 11, generator=draw(2), dtype=torch.float64)
    f = torch.tensor([0, 2, 1, 1, 0, 2, 2])
    alpha = torch.rand(7, generator=draw(3), dtype=torch.float64) if weighted else None
    W = outer_product.outer_product_memory(u, v, f, alpha)
    loop = torch.zeros(11, 5, dtype=torch.float64)
    for i in range(7):
        loop += (1.0 if alpha is None else alpha[i]) * v[f[i]][:, None] * u[i][None, :]
    torch.testing.assert_close(W, loop, atol=1e-12, rtol=0)
    s = outer_product.scores(W, u, v)
    for i in range(7):
        for k in range(3):
            assert abs(float(s[i, k] - v[k] @ loop @ u[i])) < 1e-10
    hits = [max(range(3), key=lambda k: float(s[i, k])) == int(f[i]) for i in range(7)]
    assert outer_product.recall(s, f) == pytest.approx(sum(hits) / 7, abs=1e-12)


def test_unit_norm_embeddings_have_norm_one_and_the_others_variance_one_over_d():
    """Oracle: the norm; mean square 1/d within five standard errors of n d squared normal numbers."""
    unit = outer_product.draw_embeddings(31, 17, generator=draw(4), unit_norm=True, dtype=torch.float64)
    torch.testing.assert_close(unit.norm(dim=1), torch.ones(31, dtype=torch.float64), atol=1e-12, rtol=0)
    x = outer_product.draw_embeddings(211, 307, generator=draw(4), dtype=torch.float64)
    assert abs(float(x.square().mean()) * 307 - 1) < 5 * math.sqrt(2 / (211 * 307))


def test_the_shared_map_is_even():
    """Oracle: counting; no map is the injective one."""
    assert torch.equal(torch.bincount(outer_product.shared_map(23, 5)), torch.tensor([5, 5, 5, 4, 4]))
    assert torch.equal(outer_product.shared_map(7), torch.arange(7))


@pytest.mark.parametrize("unit_norm", [False, True])
@pytest.mark.parametrize(
    "targets, weighted", [(list(range(13)), False), ([0, 0, 0, 1, 1, 2, 4, 0, 1, 4, 2, 0, 0], True)]
)
def test_score_variance_is_that_of_simulated_scores(unit_norm, targets, weighted):
    """Oracle: Monte Carlo, every entry of the matrix within 4.8 standard errors (about 1 in 10,000 for all 169)."""
    N, d, draws = 13, 7, 20_000
    f = torch.tensor(targets)
    M = int(f.max()) + 1
    alpha = torch.linspace(0.5, 2, N, dtype=torch.float64) if weighted else None
    u = torch.randn(draws, N, d, generator=draw(5), dtype=torch.float64) / math.sqrt(d)
    v = torch.randn(draws, M, d, generator=draw(6), dtype=torch.float64) / math.sqrt(d)
    if unit_norm:
        u, v = u / u.norm(dim=-1, keepdim=True), v / v.norm(dim=-1, keepdim=True)
    stored = v[:, f] * (1 if alpha is None else alpha[:, None])
    s = (u @ u.mT) @ (stored @ v.mT)  # u_i^T W^T v_k with W = stored^T u
    mean = torch.zeros(N, M, dtype=torch.float64)
    mean[torch.arange(N), f] = 1.0 if alpha is None else alpha
    squared = (s - mean).square()
    error = squared.std(0) / math.sqrt(draws)
    gap = squared.mean(0) - outer_product.score_variance(f, d, weights=alpha, unit_norm=unit_norm)
    assert float((gap / error).abs().max()) < 4.8


def test_score_variance_of_the_injective_map_is_the_specified_one():
    """Oracle: 2(1 + 2/d)/d + (N - 2)/d^2, an identity of float64."""
    variance = outer_product.score_variance(outer_product.shared_map(100), 32)
    assert float(variance[0, 1]) == pytest.approx(2 * (1 + 2 / 32) / 32 + 98 / 32**2, abs=1e-14)


def test_a_value_that_no_key_maps_to_has_crosstalk_too():
    """Oracle: the variance derived without it, (1 + 2/d)/d + (N - 1)/d^2."""
    variance = outer_product.score_variance(torch.tensor([0, 1, 1]), 11, M=3)
    assert variance.shape == (3, 3)
    assert float(variance[0, 2]) == pytest.approx((1 + 2 / 11) / 11 + 2 / 121, abs=1e-14)


@pytest.mark.parametrize("unit_norm", [False, True])
@pytest.mark.parametrize(
    "N, d, M",
    [(5, 7, None), (37, 17, None), (101, 31, None), (397, 127, None), (19, 31, 7), (101, 31, 7), (101, 31, 29)],
)
def test_predicted_recall_is_that_of_simulated_memories(N, d, M, unit_norm):
    """Oracle: Monte Carlo, within the 0.02 that the docstring promises and four standard errors."""
    mean, error = simulated(N, d, M, unit_norm, draws=max(30, 4000 // N))
    assert abs(outer_product.predicted_recall(N, d, M, unit_norm=unit_norm) - mean) < 0.02 + 4 * error


def test_gaussian_recall_is_that_of_simulated_weighted_memories():
    """Oracle: Monte Carlo for 37 keys of weights 1 to 0.1, within 0.01 and 4 standard errors, and on average."""
    N, M, d, draws, g = 37, 5, 101, 1500, draw(7)
    f, alpha = outer_product.shared_map(N, M), torch.linspace(1, 0.1, N)
    hits = torch.zeros(N, dtype=torch.float64)
    for _ in range(draws):
        u = outer_product.draw_embeddings(N, d, generator=g, unit_norm=True)
        v = outer_product.draw_embeddings(M, d, generator=g, unit_norm=True)
        hits += outer_product.scores(outer_product.outer_product_memory(u, v, f, alpha), u, v).argmax(1) == f
    measured, predicted = hits / draws, outer_product.gaussian_recall(alpha.double(), f, d, M=M)
    error = (measured * (1 - measured) / draws).sqrt()
    assert float(((predicted - measured).abs() - 4 * error).max()) < 0.01
    assert abs(float((predicted - measured).mean())) < 0.01
    assert float(measured[0] - measured[-1]) > 0.3


def test_predicted_recall_at_its_ends():
    """Oracle: one value cannot be missed; two far-apart pairs in many dimensions neither; too many pairs are chance."""
    assert outer_product.predicted_recall(5, 3, 1) == 1.0 and outer_product.predicted_recall(1, 3) == 1.0
    assert outer_product.predicted_recall(2, 500) > 0.999
    assert outer_product.predicted_recall(20_000, 11, 4) == pytest.approx(0.25, abs=0.03)


def test_bad_input_is_refused_in_one_sentence():
    """Oracle: the sentences."""
    u, v = pairs(3, 2, 5, 0)
    with pytest.raises(ValueError, match="There are 3 keys and 2 values; without targets each key has its own value"):
        outer_product.outer_product_memory(u, v)
    with pytest.raises(ValueError, match=r"A key maps to 2; the values are numbered 0 .. 1\."):
        outer_product.outer_product_memory(u, v, torch.tensor([0, 2, 1]))
    with pytest.raises(ValueError, match=r"A key maps to -1; the values are numbered 0 .. 1\."):
        outer_product.recall(u @ v.T, torch.tensor([0, -1, 1]))
    with pytest.raises(ValueError, match="There are 2 targets for 3 keys; each key has one"):
        outer_product.recall(u @ v.T, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="There are 2 weights for 3 keys; each key has one"):
        outer_product.outer_product_memory(u, v, torch.tensor([0, 1, 1]), torch.ones(2))
    with pytest.raises(ValueError, match="There are 2 weights for 3 keys; each key has one"):
        outer_product.score_variance(torch.tensor([0, 1, 1]), 5, weights=torch.ones(2))
    with pytest.raises(ValueError, match="There are 0 keys and 2 values; a memory has at least 1 of each"):
        outer_product.outer_product_memory(u[:0], v, torch.tensor([], dtype=torch.long))
    with pytest.raises(ValueError, match="N is 0; a memory has at least 1 pair"):
        outer_product.predicted_recall(0, 5)
    with pytest.raises(ValueError, match="d is 0; it must be at least 1"):
        outer_product.predicted_recall(5, 0)
    with pytest.raises(ValueError, match="d is 0; it must be at least 1"):
        outer_product.score_variance(torch.tensor([0]), 0)
    with pytest.raises(ValueError, match="M is 6; it must be in 1 .. N = 5"):
        outer_product.predicted_recall(5, 3, 6)
    with pytest.raises(ValueError, match="n is 0 and d is 3; both must be at least 1"):
        outer_product.draw_embeddings(0, 3, generator=draw(0))
