"""Memory recall: do individual matrices hold the associations of Birth eq. (7)? (eq. 9 and 10)

A matrix W stores the pairs (u_i, v_i) when v_i . W u_i is the largest of all v_j . W u_i. For key-query matrices the
question is asked as attention asks it: for a query, is the right key the best? That is W^T with the query as u_i.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor


@runtime_checkable
class TwoLayerWeights(Protocol):
    """The weights that the probes of a simplified two-layer model read; embeddings are rows."""

    @property
    def W_E(self) -> Tensor: ...
    @property
    def P(self) -> Tensor: ...
    @property
    def W_U(self) -> Tensor: ...
    @property
    def W_K1(self) -> Tensor: ...
    @property
    def W_V1(self) -> Tensor: ...
    @property
    def W_O1(self) -> Tensor: ...
    @property
    def W_K2(self) -> Tensor: ...
    @property
    def W_V2(self) -> Tensor: ...
    @property
    def W_O2(self) -> Tensor: ...


def memory_map(
    W: Float[Tensor, "d_out d_in"], keys: Float[Tensor, "n d_in"], values: Float[Tensor, "m d_out"]
) -> Float[Tensor, "m n"]:
    """Return all v_j^T W u_i, entry [j, i], for keys u_i and values v_j (Birth Figure 7)."""
    return values @ W @ keys.T


def memory_recall(
    W: Float[Tensor, "d_out d_in"],
    keys: Float[Tensor, "n d_in"],
    values: Float[Tensor, "m d_out"],
    weights: Float[Tensor, "n"] | None = None,
    targets: Int[Tensor, "n"] | None = None,
) -> Float[Tensor, ""]:
    """Return the share of keys u_i whose target value wins: mean over i of 1[argmax_j v_j . W u_i = i] (Birth eq. 9).

    `targets` names the right value of each key (None: value i for key i); `weights` weigh the keys (None: equally).
    """
    if targets is None:
        targets = torch.arange(len(keys), device=W.device)
    hit = (memory_map(W, keys, values).argmax(0) == targets).to(W.dtype)
    return _mean(hit, weights)


def previous_token_recall(
    W_K1: Float[Tensor, "d d"], P: Float[Tensor, "T d"], window: tuple[int, int] | None = None
) -> Float[Tensor, ""]:
    """Return the share of query positions t whose best key among p_s, s <= t, is p_{t-1} (eq. 9 for W_K1 of eq. 7).

    `window` is the range (start, stop) of query positions, counted from 0; None stands for (1, T), as position 0 has no
    predecessor. Raises ValueError when the window is empty or outside 1..T.
    """
    T = len(P)
    start, stop = (1, T) if window is None else window
    if not 1 <= start < stop <= T:
        raise ValueError(f"the window is {(start, stop)}; it must hold positions between 1 and {T}.")
    scores = memory_map(W_K1, P, P)
    future = torch.ones(T, T, dtype=torch.bool, device=scores.device).triu(1)
    best = scores.masked_fill(future, float("-inf")).argmax(1)
    hit = best == torch.arange(T, device=scores.device) - 1
    return hit[start:stop].to(P.dtype).mean()


def recall_W_K1(model: TwoLayerWeights, window: tuple[int, int] | None = None) -> Float[Tensor, ""]:
    """Return `previous_token_recall` of a model's W_K1 and positions."""
    return previous_token_recall(model.W_K1, model.P, window)


def recall_W_K2(
    model: TwoLayerWeights,
    tokens: Int[Tensor, "n"] | None = None,
    weights: Float[Tensor, "n"] | None = None,
) -> Float[Tensor, ""]:
    """Return the share of tokens k whose query w_E(k) prefers its own remapped key W_O1 W_V1 w_E(k) over all others.

    Scores are w_E(k) . W_K2 W_O1 W_V1 w_E(j), j over the whole vocabulary. `tokens` are the queries (None: all),
    `weights` weigh them, such as how often each is a trigger.
    """
    if tokens is None:
        tokens = torch.arange(len(model.W_E), device=model.W_E.device)
    remapped = model.W_E @ model.W_V1.T @ model.W_O1.T
    return memory_recall(model.W_K2.T, model.W_E[tokens], remapped, weights, tokens)


def recall_W_O2(model: TwoLayerWeights) -> Float[Tensor, ""]:
    """Return the share of tokens k for which argmax_j w_U(j) . W_O2 W_V2 w_E(k) = k (eq. 9 for W_O2 of eq. 7)."""
    return memory_recall(model.W_O2, model.W_E @ model.W_V2.T, model.W_U)


def induction_memory_maps(model: TwoLayerWeights) -> dict[str, Float[Tensor, "m n"]]:
    """Return the maps of W_K1, W_K2 and W_O2 in the bases of eq. (7), entry [j, i] = v_j . W u_i (Birth Figure 7).

    The memories of eq. (7) are the diagonals of W_K2 (query j, key i) and W_O2 (output j, input i), and the first
    subdiagonal of W_K1 (query position j, key position i).
    """
    return {
        "W_K1": memory_map(model.W_K1, model.P, model.P),
        "W_K2": memory_map(model.W_K2, model.W_E @ model.W_V1.T @ model.W_O1.T, model.W_E),
        "W_O2": memory_map(model.W_O2, model.W_E @ model.W_V2.T, model.W_U),
    }


def feed_forward_kl(
    W_F: Float[Tensor, "d d"],
    W_E: Float[Tensor, "N d"],
    W_U: Float[Tensor, "N d"],
    pi_b: Float[Tensor, "N N"],
    weights: Float[Tensor, "N"] | None = None,
) -> Float[Tensor, ""]:
    """Return the mean over k of the KL divergence between pi_b(. | k) and softmax(W_U W_F w_E(k)), in nats (eq. 10).

    The divergence is KL(pi_b || softmax). Equation (10) prints its arguments the other way round, which is infinite
    whenever pi_b has a zero, and counts of characters have many.
    """
    logarithm = memory_map(W_F, W_E, W_U).T.log_softmax(1)
    target = pi_b.to(logarithm.dtype)
    # xlogy: a probability of 0 contributes 0
    divergence = (torch.xlogy(target, target) - target * logarithm).sum(1)
    return _mean(divergence, weights)


def _mean(values: Float[Tensor, "n"], weights: Float[Tensor, "n"] | None) -> Float[Tensor, ""]:
    if weights is None:
        return values.mean()
    weights = weights.to(values.dtype)
    return (values * weights).sum() / weights.sum()
