"""The gradients of the two key-query matrices at zero, in closed form (Birth Lemmas 4 and 5).

The orientation is the book's: the query stands on the left, a score is query . (W key), as in Birth section 4.2 and
equation (7). The lemmas as printed have it the other way round, sigma(X^T W x_T); their gradients are the transposes of
the ones here. As in the paper's appendix B.2 there is no 1/sqrt(d) in the scores. The B sequences are the population.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def second_layer_logits(
    W: Float[Tensor, "d_q d_k"],
    values: Float[Tensor, "B T d"],
    keys: Float[Tensor, "B T d_k"],
    query: Float[Tensor, "B d_q"],
    W_U: Float[Tensor, "N d_out"],
    Phi_2: Float[Tensor, "d_out d"],
) -> Float[Tensor, "B N"]:
    """Return W_U Phi_2 sum_t softmax_t(query . W key_t) value_t (Birth eq. 13, keys and values apart as in C.3)."""
    attention = (keys @ (query @ W)[:, :, None])[:, :, 0].softmax(1)
    return (attention[:, None] @ values)[:, 0] @ Phi_2.T @ W_U.T


def second_layer_gradient(
    values: Float[Tensor, "B T d"],
    keys: Float[Tensor, "B T2 d_k"],
    query: Float[Tensor, "B d_q"],
    y: Int[Tensor, "B2"],
    W_U: Float[Tensor, "N d_out"],
    Phi_2: Float[Tensor, "d_out d"],
) -> Float[Tensor, "d_q d_k"]:
    """Return the gradient on W at W = 0 of the mean cross-entropy of `second_layer_logits` (Birth Lemma 4, eq. 13):

    sum_k E[(p_hat(k) - 1{y = k}) (1/T) sum_t w_U(k) . Phi_2 x_t  query (key_t - key_bar)^T].

    Raises ValueError where there are not as many keys as values, or a label for each sequence.
    """
    if keys.shape[:2] != values.shape[:2]:
        raise ValueError(f"there are {keys.shape[1]} keys and {values.shape[1]} values; each key must have its value.")
    _check_labels(y, len(values), len(W_U))
    T = values.shape[1]
    scores = values @ Phi_2.T @ W_U.T  # w_U(k) . Phi_2 x_t, (B, T, N)
    p_hat = scores.mean(1).softmax(1)
    error = p_hat - torch.nn.functional.one_hot(y, len(W_U)).to(p_hat.dtype)
    weight = (scores @ error[:, :, None])[:, :, 0] / T
    centred = keys - keys.mean(1, keepdim=True)
    return query.T @ (weight[:, None] @ centred)[:, 0] / len(y)


def first_layer_logits(
    W: Float[Tensor, "d_p d_p"],
    X: Float[Tensor, "B T d"],
    P: Float[Tensor, "T d_p"],
    W_U: Float[Tensor, "N d_out"],
    Phi_1: Float[Tensor, "d_1 d"],
    Phi_2: Float[Tensor, "d_out d"],
    W_2: Float[Tensor, "d d_1"],
) -> Float[Tensor, "B N"]:
    """Return W_U Phi_2 sum_t a_t x_t with the second layer linearised (Birth eq. 14):

    a_t = (1/T)(1 + u_t - mean of u), u_t = x_T . W_2 z_t, z_t = sum_{s <= t} softmax_s(p_t . W p_s) Phi_1 x_s.
    """
    T = X.shape[1]
    future = torch.ones(T, T, dtype=torch.bool, device=X.device).triu(1)
    first = (P @ W @ P.T).masked_fill(future, float("-inf")).softmax(1)
    u = ((first @ X) @ Phi_1.T @ (X[:, -1] @ W_2)[:, :, None])[:, :, 0]
    attention = (1 + u - u.mean(1, keepdim=True)) / T
    return (attention[:, None] @ X)[:, 0] @ Phi_2.T @ W_U.T


def first_layer_gradient(
    X: Float[Tensor, "B T d"],
    P: Float[Tensor, "T2 d_p"],
    y: Int[Tensor, "B2"],
    W_U: Float[Tensor, "N d_out"],
    Phi_1: Float[Tensor, "d_1 d"],
    Phi_2: Float[Tensor, "d_out d"],
    W_2: Float[Tensor, "d d_1"],
) -> Float[Tensor, "d_p d_p"]:
    """Return the gradient on W at W = 0 of the mean cross-entropy of `first_layer_logits` (Birth Lemma 5):

    sum_k E[(p_hat(k) - 1{y = k}) (1/T) sum_t w_U(k) . Phi_2 (x_t - x_bar) (1/t) sum_{s <= t} x_T . W_2 Phi_1 x_s
    p_t (p_s - p_bar_{1:t})^T].

    The four terms that the lemma prints are those of p_hat and of 1{y = k}, each with x_t and with x_bar.
    Raises ValueError where there is not a position for each of the T inputs, or a label for each sequence.
    """
    if len(P) != X.shape[1]:
        raise ValueError(f"there are {len(P)} positions and {X.shape[1]} inputs; each input must have its position.")
    _check_labels(y, len(X), len(W_U))
    B, T, _ = X.shape
    t = torch.arange(1, T + 1, dtype=X.dtype, device=X.device)
    mark = (X @ Phi_1.T @ (X[:, -1] @ W_2)[:, :, None])[:, :, 0]  # x_T . W_2 Phi_1 x_s, (B, T)
    u = mark.cumsum(1) / t
    attention = (1 + u - u.mean(1, keepdim=True)) / T
    scores = X @ Phi_2.T @ W_U.T
    p_hat = (attention[:, None] @ scores)[:, 0].softmax(1)
    error = p_hat - torch.nn.functional.one_hot(y, len(W_U)).to(p_hat.dtype)
    weight = (scores @ error[:, :, None])[:, :, 0]
    weight = (weight - weight.mean(1, keepdim=True)) / T
    # coefficient of p_t p_s^T for s <= t; that of p_t p_bar_{1:t}^T is minus the sum over s
    pairs = ((weight / t).T @ mark / B).tril()
    p_bar = P.cumsum(0) / t[:, None]
    return P.T @ (pairs @ P) - P.T @ (pairs.sum(1, keepdim=True) * p_bar)


def _check_labels(y: Tensor, B: int, N: int) -> None:
    if len(y) != B:
        raise ValueError(f"there are {B} sequences and {len(y)} labels; each sequence must have one.")
    if bool(((y < 0) | (y >= N)).any()):
        raise ValueError(f"a label is outside the outputs 0..{N - 1}.")
