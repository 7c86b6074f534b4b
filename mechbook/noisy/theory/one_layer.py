"""The one-layer model of Theorem 1 and its first gradients (Chen et al., equation 1, Lemmas D.1 and D.2, appendix A.2).

With x_t = w_E(z_t), embeddings fixed and W_KQ = W_V = W_F = 0 at first, the logits at the last position are

    xi = W_U (W_V sum_t a_t x_t + W_F x_T),    a = softmax_t(x_T^T W_KQ x_t).

Gradients are given in the coordinates w_U(j)^T . w_E(k), which for orthonormal embeddings are the matrices' entries.
While W_KQ is zero, attention is uniform, and a sequence enters through its tokens' frequencies f_k = n_k / T alone.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def logits(
    z: Int[Tensor, "m T"],
    W_KQ: Float[Tensor, "d d"],
    W_V: Float[Tensor, "d d"],
    W_F: Float[Tensor, "d d"],
    W_E: Float[Tensor, "N_plus_1 d"],
    W_U: Float[Tensor, "N_plus_1 d"],
) -> Float[Tensor, "m N_plus_1"]:
    """The model itself, equation 1: logits at the last position."""
    x = W_E[z]
    last = x[:, -1]
    attention = torch.einsum("md,de,mte->mt", last, W_KQ, x).softmax(-1)
    return (torch.einsum("mt,mtd->md", attention, x) @ W_V.T + last @ W_F.T) @ W_U.T


def first_gradients(
    frequencies: Float[Tensor, "m N_plus_1"], targets: Int[Tensor, " m"]
) -> tuple[Float[Tensor, "m N_plus_1"], Float[Tensor, "m N_plus_1 N_plus_1"]]:
    """Each sequence's gradients at zero (Lemma E.1): column q of W_F's, (1/(N+1) - 1{y=j}), and W_V's, that times f_k.

    All other columns of W_F have no gradient, as z_T is always q; neither has W_KQ while W_V is zero.
    """
    c = 1 / frequencies.shape[1]
    W_F = c - torch.nn.functional.one_hot(targets, frequencies.shape[1]).to(frequencies)
    return W_F, W_F[:, :, None] * frequencies[:, None, :]


def one_step_logits(
    frequencies: Float[Tensor, "M N_plus_1"],
    targets: Int[Tensor, " M"],
    test: Float[Tensor, "n N_plus_1"],
    m: int,
) -> tuple[Float[Tensor, "updates N_plus_1"], Float[Tensor, "updates n N_plus_1"]]:
    """Logits of both blocks after one step of size 1, for M // m updates of m sequences.

    For the test sequences with frequencies f' they are the means over the m sequences of (1{y = j} - c) and of
    (1{y = j} - c) f . f'; the gradients themselves (N + 1 by N + 1 a sequence) are not made.
    Raises ValueError unless 1 <= m <= M.
    """
    M, tokens = frequencies.shape
    if not 1 <= m <= M:
        raise ValueError(f"m is {m}; an update takes between 1 and all {M} sequences.")
    updates = M // m
    overlap = frequencies[: updates * m] @ test.T
    cell = torch.arange(updates * m) // m * tokens + targets[: updates * m]
    hits = overlap.new_zeros(updates * tokens).index_add_(0, cell, torch.ones_like(overlap[:, 0]))
    weighted = overlap.new_zeros(updates * tokens, len(test)).index_add_(0, cell, overlap)
    mean_overlap = overlap.view(updates, m, len(test)).mean(1)
    feed_forward = hits.view(updates, tokens) / m - 1 / tokens
    attention = weighted.view(updates, tokens, len(test)).transpose(1, 2) / m - mean_overlap[:, :, None] / tokens
    return feed_forward, attention


def noise_margin(logits: Float[Tensor, "*batch N_plus_1"]) -> Float[Tensor, "*batch"]:
    """Theorem 1's margin: the noise token's logit, the last, minus the largest of the others."""
    return logits[..., -1] - logits[..., :-1].amax(-1)


def key_query_gradient(
    frequencies: Float[Tensor, "m N_plus_1"],
    targets: Int[Tensor, " m"],
    W_V: Float[Tensor, "N_plus_1 N_plus_1"],
    predictions: Float[Tensor, "#m N_plus_1"],
) -> Float[Tensor, "m N_plus_1"]:
    """Each sequence's minus gradient on W_KQ at uniform attention, along w_E(q)^T . w_E(k) for each k (A.2, eq. 3).

    f_k (w_k - w . f) with w = sum_j (1{y = j} - p_j) W_V[j, :]. The paper writes W_KQ transposed there.
    """
    error = torch.nn.functional.one_hot(targets, frequencies.shape[1]).to(frequencies) - predictions
    w = error @ W_V
    return frequencies * (w - (w * frequencies).sum(1, keepdim=True))
