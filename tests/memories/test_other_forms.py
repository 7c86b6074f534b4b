"""Factorised memories, MLP filters and set keys against loops; their predicted recall against Monte Carlo."""

import math

import pytest
import torch

from mechbook.memories import other_forms, outer_product


def draw(seed):
    return torch.Generator().manual_seed(seed)


def test_factors_are_those_of_the_appendix():
    """Oracle: the sums over pairs in loops, with the same random U_0 and V_0, in float64."""
    N, d, r = 7, 11, 5
    u, v = torch.randn(N, d, generator=draw(0), dtype=torch.float64), torch.randn(N, d, dtype=torch.float64)
    U, V = other_forms.factorised_memory(u, v, r, generator=draw(1))
    g = draw(1)
    U_0 = torch.randn(d, r, generator=g, dtype=torch.float64) / math.sqrt(d)
    V_0 = torch.randn(r, d, generator=g, dtype=torch.float64) / math.sqrt(d)
    loop_U, loop_V = U_0.clone(), V_0.clone()
    for i in range(N):
        loop_U += torch.outer(v[i], V_0 @ u[i])
        loop_V += torch.outer(U_0.T @ v[i], u[i])
    torch.testing.assert_close(U, loop_U, atol=1e-12, rtol=0)
    torch.testing.assert_close(V, loop_V, atol=1e-12, rtol=0)
    torch.testing.assert_close(other_forms.factorised_product(U, V), d / (2 * r) * loop_U @ loop_V, atol=1e-10, rtol=0)


def test_the_factors_add_the_variance_derived():
    """Oracle: Monte Carlo over 60 memories, to a tenth, where the factors add more than the full matrix has."""
    N, d, r, g, squares = 300, 61, 17, draw(2), []
    for _ in range(60):
        u, v = (outer_product.draw_embeddings(N, d, generator=g, unit_norm=True) for _ in range(2))
        s = outer_product.scores(
            other_forms.factorised_product(*other_forms.factorised_memory(u, v, r, generator=g)), u, v
        )
        squares.append(s[~torch.eye(N, dtype=torch.bool)].double().square().mean())
    full = float(outer_product.score_variance(torch.arange(N), d, unit_norm=True)[0, 1])
    assert float(torch.stack(squares).mean()) == pytest.approx(full + (1 + N / (2 * d)) ** 2 / r, rel=0.1)


@pytest.mark.parametrize("N, d, r", [(31, 61, 7), (61, 61, 31), (211, 61, 61), (127, 127, 31)])
def test_predicted_factorised_recall_is_that_of_simulated_memories(N, d, r):
    """Oracle: Monte Carlo, within the 0.08 that the docstring promises and four standard errors."""
    g, found = draw(3), []
    for _ in range(40):
        u, v = (outer_product.draw_embeddings(N, d, generator=g, unit_norm=True) for _ in range(2))
        W = other_forms.factorised_product(*other_forms.factorised_memory(u, v, r, generator=g))
        found.append(outer_product.recall(outer_product.scores(W, u, v)))
    each = torch.tensor(found, dtype=torch.float64)
    error = float(each.std()) / math.sqrt(len(each))
    assert abs(other_forms.predicted_factorised_recall(N, d, r) - float(each.mean())) < 0.08 + 4 * error


def test_the_filter_is_a_sum_over_pairs():
    """Oracle: the loop; a unit below its threshold gives nothing."""
    x, u = torch.randn(3, 5, generator=draw(4)), torch.randn(7, 5, generator=draw(5))
    stored = torch.randn(7, 2, generator=draw(6))
    for n in range(3):
        loop = sum(max(float(u[i] @ x[n]) - 0.4, 0.0) * stored[i] for i in range(7))
        torch.testing.assert_close(other_forms.mlp_filter(x, u, stored, 0.4)[n], loop, atol=1e-5, rtol=0)
    assert float(other_forms.mlp_filter(x, u, stored, 1e3).abs().max()) == 0


@pytest.mark.parametrize("N, d, b", [(101, 17, 0.1), (101, 17, 0.4), (307, 13, 0.2), (400, 31, 0.0)])
def test_predicted_filter_recall_is_that_of_simulated_filters(N, d, b):
    """Oracle: Monte Carlo, within 0.03 and four standard errors."""
    g, found = draw(7), []
    for _ in range(30):
        u, v = (outer_product.draw_embeddings(N, d, generator=g, unit_norm=True) for _ in range(2))
        found.append(outer_product.recall(other_forms.mlp_filter(u, u, v, b) @ v.T))
    each = torch.tensor(found, dtype=torch.float64)
    error = float(each.std()) / math.sqrt(len(each))
    assert abs(other_forms.predicted_filter_recall(N, d, b) - float(each.mean())) < 0.03 + 4 * error


def test_set_keys_are_scaled_sums():
    """Oracle: the loop over sets; disjoint pairs of orthonormal vectors are orthogonal, overlapping ones at 1/2."""
    x = torch.eye(5, dtype=torch.float64)
    sets = torch.tensor([[0, 1], [1, 2], [3, 4]])
    keys = other_forms.set_keys(x, sets)
    for row, members in zip(keys, sets.tolist(), strict=True):
        torch.testing.assert_close(row, sum(x[i] for i in members) / math.sqrt(2), atol=1e-14, rtol=0)
    wanted = torch.tensor([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(keys @ keys.T, wanted, atol=1e-14, rtol=0)


def test_bad_input_is_refused_in_one_sentence():
    """Oracle: the sentences."""
    u = torch.randn(3, 5, generator=draw(8))
    for r in (0, 6):
        with pytest.raises(ValueError, match=rf"d_prime is {r}; it must be in 1 .. d = 5"):
            other_forms.factorised_memory(u, u, r, generator=draw(0))
        with pytest.raises(ValueError, match=rf"d_prime is {r}; it must be in 1 .. d = 5"):
            other_forms.predicted_factorised_recall(3, 5, r)
    with pytest.raises(ValueError, match="There are 3 keys and 2 values; each key has its own value"):
        other_forms.factorised_memory(u, u[:2], 2, generator=draw(0))
    with pytest.raises(ValueError, match="There are 3 keys and 2 stored values; each key has one"):
        other_forms.mlp_filter(u, u, u[:2], 0.1)
    with pytest.raises(ValueError, match="A set has the member 3; the embeddings are numbered 0 .. 2"):
        other_forms.set_keys(u, torch.tensor([[0, 3]]))
    with pytest.raises(ValueError, match="N is 3, d is 5 and b is 1.0; they must have"):
        other_forms.predicted_filter_recall(3, 5, 1.0)
    with pytest.raises(ValueError, match="N is 0, d is 5 and b is 0.5; they must have"):
        other_forms.predicted_filter_recall(0, 5, 0.5)
    with pytest.raises(ValueError, match="N is 0; a memory has at least 1 pair"):
        other_forms.predicted_factorised_recall(0, 5, 3)


@pytest.mark.parametrize("step", [1.0, 0.4])
def test_factors_add_the_variance_that_their_step_size_gives(step):
    """Oracle: mean squares of wrong scores less those of the full matrix, over 40 draws; within 5 standard errors."""
    g, N, d, rank = torch.Generator().manual_seed(4), 211, 83, 61
    gaps, strengths = [], []
    for _ in range(40):
        u, v = (outer_product.draw_embeddings(N, d, generator=g, unit_norm=True) for _ in range(2))
        W = other_forms.factorised_product(*other_forms.factorised_memory(u, v, rank, generator=g, step=step), step)
        found, whole = (outer_product.scores(M, u, v) for M in (W, outer_product.outer_product_memory(u, v)))
        wrong = ~torch.eye(N, dtype=torch.bool)
        gaps.append(float(found[wrong].square().mean() - whole[wrong].square().mean()))
        strengths.append(float(found.diagonal().mean() / whole.diagonal().mean()))
    # with one factor left as it was drawn this is a half, and recall as good
    assert sum(strengths) / 40 == pytest.approx(1, abs=0.03)
    gap = torch.tensor(gaps)
    error = float(gap.std()) / 40**0.5
    # the formula leaves out terms smaller by a factor 1/d and N/d^2
    assert abs(float(gap.mean()) - other_forms.added_variance(N, d, rank, step)) < 5 * error + 0.06 * float(gap.mean())


def test_the_best_step_size_adds_least():
    """Oracle: a search over step sizes; and the closed form of the least."""
    steps = [k / 1000 for k in range(50, 3000)]
    least = min(steps, key=lambda step: other_forms.added_variance(300, 100, 50, step))
    assert other_forms.best_step(300, 100) == pytest.approx(least, abs=1e-3)
    assert other_forms.added_variance(300, 100, 50, 0.5) == pytest.approx((1 + 300 / 100) / 50, rel=1e-12)
