"""Lemmas 4 and 5 against autograd, float64, on random data; and which way round they are printed."""

import pytest
import torch

from mechbook.gradients.attention_lemmas import (
    first_layer_gradient,
    first_layer_logits,
    second_layer_gradient,
    second_layer_logits,
)

# Prime sizes, all different.
B, T, N, d, d_k, d_q, d_out, d_p, d_1 = 17, 7, 5, 11, 13, 3, 19, 23, 29


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels(seed=0):
    return torch.randint(N, (B,), generator=torch.Generator().manual_seed(seed))


def relative(a, b):
    return float((a - b).norm() / b.norm())


def at_zero(logits, shape, y):
    W = torch.zeros(*shape, dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(torch.nn.functional.cross_entropy(logits(W), y), W)[0]


@pytest.mark.parametrize("seed", [0, 10, 20])
def test_lemma_4_is_the_gradient_at_zero(seed):
    """Oracle: autograd through the exact softmax."""
    values, keys, query = draw(B, T, d, seed=seed), draw(B, T, d_k, seed=seed + 1), draw(B, d_q, seed=seed + 2)
    W_U, Phi_2, y = draw(N, d_out, seed=seed + 3), draw(d_out, d, seed=seed + 4) / 4, labels(seed)
    expected = at_zero(lambda W: second_layer_logits(W, values, keys, query, W_U, Phi_2), (d_q, d_k), y)
    assert relative(second_layer_gradient(values, keys, query, y, W_U, Phi_2), expected) < 1e-12


@pytest.mark.parametrize("seed", [0, 10, 20])
def test_lemma_5_is_the_gradient_at_zero(seed):
    """Oracle: autograd through the first layer's exact softmax and the second's linearisation."""
    X, P, W_U = draw(B, T, d, seed=seed), draw(T, d_p, seed=seed + 1), draw(N, d_out, seed=seed + 2)
    Phi_1, Phi_2, W_2 = draw(d_1, d, seed=seed + 3) / 4, draw(d_out, d, seed=seed + 4) / 4, draw(d, d_1, seed=seed + 5)
    y = labels(seed)
    expected = at_zero(lambda W: first_layer_logits(W, X, P, W_U, Phi_1, Phi_2, W_2), (d_p, d_p), y)
    assert relative(first_layer_gradient(X, P, y, W_U, Phi_1, Phi_2, W_2), expected) < 1e-12


def test_lemma_4_is_the_sum_it_states():
    """Oracle: the sum over outputs, positions and sequences, one outer product at a time."""
    values, keys, query = draw(B, T, d), draw(B, T, d_k, seed=1), draw(B, d_q, seed=2)
    W_U, Phi_2, y = draw(N, d_out, seed=3), draw(d_out, d, seed=4) / 4, labels()
    expected = torch.zeros(d_q, d_k, dtype=torch.float64)
    for b in range(B):
        p_hat = (W_U @ Phi_2 @ values[b].mean(0)).softmax(0)
        for k in range(N):
            for t in range(T):
                weight = (p_hat[k] - float(y[b] == k)) / T * (W_U[k] @ Phi_2 @ values[b, t])
                expected += weight * torch.outer(query[b], keys[b, t] - keys[b].mean(0)) / B
    assert relative(second_layer_gradient(values, keys, query, y, W_U, Phi_2), expected) < 1e-12


def test_lemma_5_is_the_four_sums_it_prints():
    """Oracle: Lemma 5's four terms one outer product at a time, each transposed to the book's orientation."""
    X, P, W_U = draw(B, T, d), draw(T, d_p, seed=1), draw(N, d_out, seed=2)
    Phi_1, Phi_2, W_2 = draw(d_1, d, seed=3) / 4, draw(d_out, d, seed=4) / 4, draw(d, d_1, seed=5)
    y = labels()
    p_hat = first_layer_logits(torch.zeros(d_p, d_p).double(), X, P, W_U, Phi_1, Phi_2, W_2).softmax(1)
    expected = torch.zeros(d_p, d_p, dtype=torch.float64)
    for b in range(B):
        mean = X[b].mean(0)
        inner = [
            sum(
                float(X[b, -1] @ W_2 @ Phi_1 @ X[b, s]) * torch.outer(P[t], P[s] - P[: t + 1].mean(0))
                for s in range(t + 1)
            )
            / (t + 1)
            for t in range(T)
        ]
        for k in range(N):
            first = sum(float(W_U[k] @ Phi_2 @ X[b, t]) * inner[t] for t in range(T)) / T
            second = float(W_U[k] @ Phi_2 @ mean) * sum(inner) / T
            expected += (p_hat[b, k] * (first - second) - float(y[b] == k) * (first - second)) / B
    assert relative(first_layer_gradient(X, P, y, W_U, Phi_1, Phi_2, W_2), expected) < 1e-12


def test_as_printed_lemma_4_has_the_other_orientation():
    """Oracle: autograd of sigma(X^T W x_T) as printed gives the transpose, which is not the gradient of x_q . W x_k."""
    X, W_U, Phi_2, y = draw(B, T, d), draw(N, d_out, seed=1), draw(d_out, d, seed=2) / 4, labels()

    def printed(W):
        attention = torch.einsum("btd,de,be->bt", X, W, X[:, -1]).softmax(1)
        return torch.einsum("bt,btd->bd", attention, X) @ Phi_2.T @ W_U.T

    ours = second_layer_gradient(X, X, X[:, -1], y, W_U, Phi_2)
    expected = at_zero(printed, (d, d), y)
    assert relative(ours.T, expected) < 1e-12
    assert relative(ours, expected) > 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("keys", "there are 6 keys and 7 values; each key must have its value"),
        ("labels", "there are 17 sequences and 16 labels"),
        ("label", r"a label is outside the outputs 0\.\.4"),
    ],
)
def test_what_does_not_fit_lemma_4_is_refused(change, message):
    """Oracle: the sentences."""
    keys = draw(B, T - 1 if change == "keys" else T, d_k)
    y = {"labels": labels()[1:], "label": labels() + N}.get(change, labels())
    with pytest.raises(ValueError, match=message):
        second_layer_gradient(draw(B, T, d), keys, draw(B, d_q), y, draw(N, d_out), draw(d_out, d))


@pytest.mark.parametrize(
    ("change", "message"),
    [("positions", "there are 6 positions and 7 inputs"), ("labels", "there are 17 sequences and 16 labels")],
)
def test_what_does_not_fit_lemma_5_is_refused(change, message):
    """Oracle: the sentences."""
    P = draw(T - 1 if change == "positions" else T, d_p)
    y = labels()[1:] if change == "labels" else labels()
    with pytest.raises(ValueError, match=message):
        first_layer_gradient(draw(B, T, d), P, y, draw(N, d_out), draw(d_1, d), draw(d_out, d), draw(d, d_1))
