"""Muon's step, the delta rule and least squares as writers of a memory."""

import pytest
import torch

from mechbook.core.presets import replace
from mechbook.memories import writers
from mechbook.memories.outer_product import draw_embeddings, outer_product_memory, scores
from mechbook.memories.presets import LAPTOP

SMALL = replace(
    LAPTOP,
    writers=replace(LAPTOP.writers, N=101, d=(7, 13)),
    online=replace(LAPTOP.online, N=44, d=23, memories=2),
)


def drawn(n, d, seed=0):
    g = torch.Generator().manual_seed(seed)
    return (draw_embeddings(n, d, generator=g, unit_norm=True, dtype=torch.float64) for _ in range(2))


def test_the_first_gradient_is_that_of_the_cross_entropy():
    """Oracle: automatic differentiation at W = 0."""
    u, v = drawn(17, 11)
    p = torch.arange(1, 18, dtype=torch.float64).reciprocal()
    p = p / p.sum()
    W = torch.zeros(11, 11, dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(scores(W, u, v), torch.arange(17), reduction="none")
    (p @ loss).backward()
    torch.testing.assert_close(writers.first_gradient(p, u, v), -W.grad, atol=1e-12, rtol=0)


def test_the_polar_factor_is_the_nearest_orthogonal_matrix():
    """Oracle: Newton's iteration X := (X + X^-T)/2, which converges to it."""
    G = torch.randn(7, 7, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    X = G
    for _ in range(60):
        X = (X + torch.linalg.inv(X).T) / 2
    torch.testing.assert_close(writers.polar_factor(G), X, atol=1e-10, rtol=0)


def test_the_delta_rule_is_gradient_descent_pair_by_pair():
    """Oracle: autograd on |v - W u|^2 / 2, one pair after another; Hebb is the rule without its correction."""
    u, v = drawn(19, 13)
    W = torch.zeros(13, 13, dtype=torch.float64)
    for key, value in zip(u, v, strict=True):
        W = W.detach().requires_grad_()
        (value - W @ key).square().sum().div(2).backward()
        W = W.detach() - 0.7 * W.grad
    torch.testing.assert_close(writers.delta_rule(u, v, 0.7), W, atol=1e-12, rtol=0)
    exact = writers.delta_rule(u, v)
    torch.testing.assert_close(exact @ u[-1], v[-1], atol=1e-12, rtol=0)
    assert not torch.allclose(outer_product_memory(u, v) @ u[-1], v[-1], atol=1e-3)
    with pytest.raises(ValueError, match="There are 18 keys and 19 values; each key has its own value"):
        writers.delta_rule(u[1:], v)


def test_least_squares_leaves_a_residual_that_no_key_sees():
    """Oracle: the normal equations; with fewer pairs than dimensions nothing is left at all."""
    u, v = drawn(29, 13)
    torch.testing.assert_close(
        (v - u @ writers.least_squares(u, v).T).T @ u, torch.zeros(13, 13).double(), atol=1e-10, rtol=0
    )
    torch.testing.assert_close(u[:11] @ writers.least_squares(u[:11], v[:11]).T, v[:11], atol=1e-10, rtol=0)


def test_recall_goes_by_age():
    """Oracle: by hand; of eight pairs the third and the last are taken for others."""
    found = torch.eye(8)
    found[2, 5] = found[7, 0] = 2.0
    assert writers.by_age(found).tolist() == [1.0, 0.5, 1.0, 0.5, 0.75]


def test_ways_of_writing_are_compared_on_the_same_pairs():
    """Oracle: the counts and errors from loops over the pairs, for one dimension."""
    found = writers.unequal_pairs(SMALL, 1)
    g = writers.STREAMS.generator("writers", 1, 13)
    u, v = (draw_embeddings(101, 13, generator=g, unit_norm=True) for _ in range(2))
    p = [i**-1.5 for i in range(1, 102)]
    mean = v.mean(0)
    G = sum(p[i] * torch.outer(v[i] - mean, u[i]) for i in range(101))
    matrices = {
        "gradient": G,
        "root": sum(p[i] ** 0.5 * torch.outer(v[i], u[i]) for i in range(101)),
        "polar": writers.polar_factor(G),
    }
    for name, W in matrices.items():
        right = [int(torch.argmax(v @ (W @ u[i]))) == i for i in range(101)]
        wrong = sum(q for q, good in zip(p, right, strict=True) if not good) / sum(p)
        assert found[name][1][0] == sum(right) and found[name][1][1] == pytest.approx(wrong, abs=1e-6), name


def test_online_means_are_over_memories():
    """Oracle: each rule is asked for all pairs and for its quarters; the last is their mean."""
    found = writers.online(SMALL, 2)
    assert set(found) == set(writers.RULES)
    for row in found.values():
        assert row[4] == pytest.approx(sum(row[:4]) / 4, abs=1e-12) and 0 <= min(row) <= max(row) <= 1
    assert found["delta"][3] > found["delta"][0] and found["least_squares"][4] > found["delta"][4]


def test_least_squares_misses_nothing_up_to_d_and_much_far_beyond():
    """Oracle: up to d pairs are fitted exactly; and the count from loops over memories for one load."""
    setup = replace(SMALL, online=replace(SMALL.online, d=13, loads=(13, 29), memories=3))
    (none, few), (missed, many) = writers.missed_by_least_squares(setup, 1)
    g, count = writers.STREAMS.generator("least squares by load", 1, 29), 0
    for _ in range(3):
        u, v = (draw_embeddings(29, 13, generator=g, unit_norm=True) for _ in range(2))
        W = v.T @ torch.linalg.pinv(u).T
        count += sum(int(torch.argmax(v @ (W @ u[i]))) != i for i in range(29))
    assert (none, few, missed, many) == (0, 39, count, 87) and count > 0
