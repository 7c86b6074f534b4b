"""An induction head written by hand: the associative memories of Birth equations (7) and (8)."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from mechbook.shared.embeddings import orthonormal_embeddings, random_embeddings
from mechbook.shared.simplified import FeedForwardPlace, SimplifiedConfig, SimplifiedTransformer


def induction_head(
    N: int,
    T: int,
    d: int,
    *,
    triggers: Sequence[int],
    generator: torch.Generator,
    scales: tuple[float, float, float] = (30.0, 30.0, 10.0),
    pi_b: Float[Tensor, "N N"] | None = None,
    feed_forward: FeedForwardPlace = "none",
    embeddings: Literal["random", "orthonormal"] = "random",
    smallest_probability: float = 1e-3,
) -> SimplifiedTransformer:
    """Return a two-layer model that solves the bigram task without training (Birth eq. 7 and 8).

    With unit-norm embeddings, `scales` (s_1, s_2, s_3), w_1(k) = W_O1 W_V1 w_E(k) and Q the triggers:

        W_K1 = s_1 sqrt(d) sum_{t >= 2} p_t p_{t-1}^T
        W_K2 = s_2 sqrt(d) sum_{k in Q} w_E(k) w_1(k)^T
        W_O2 = s_3 sum_k w_U(k) (W_V2 w_E(k))^T
        W_F  = sum_{i not in Q, j} log pi_b(j | i) w_U(j) w_E(i)^T

    so s_1 and s_2 are the gaps of attention scores (after the model's 1/sqrt(d)), s_3 that of the logits.
    W_F is that of `bigram_memory`. After layer 2 it also reads what layer 2 wrote, which random embeddings do not
    survive; orthonormal ones do, and both do when it reads the stream before attention.
    Random triggers: pass every token that pi_q can draw; W_F then holds nothing. For a W_F that knows every
    row, pass `pi_b` with the triggers of interest.
    A trigger at the very first position has no predecessor: that position attends to itself, stores its own token as
    its predecessor, and later occurrences of the trigger attend to it as well as to the output. Accuracy 1 is
    therefore to be expected only where the first token is not a trigger.
    Raises ValueError for triggers outside the vocabulary or repeated, for a missing pi_b where there is a W_F or a
    given one where there is none, and for orthonormal embeddings with d < 2 N + T.
    """
    for trigger in triggers:
        if not 0 <= trigger < N:
            raise ValueError(f"the trigger {trigger} is outside the vocabulary 0..{N - 1}.")
    if len(set(triggers)) != len(triggers):
        raise ValueError(f"the triggers {tuple(triggers)} repeat a token; each may occur once.")
    if (pi_b is None) != (feed_forward == "none"):
        given = "no pi_b" if pi_b is None else "a pi_b"
        raise ValueError(f"feed_forward is {feed_forward!r} with {given}; W_F is built from pi_b, so both or neither.")
    config = SimplifiedConfig(N=N, T=T, d=d, embedding_std=None, feed_forward=feed_forward, trained=())
    model = SimplifiedTransformer(config, generator)
    if embeddings == "orthonormal":
        W_E, W_U, P = orthonormal_embeddings([N, N, T], d, generator=generator)
    else:
        std = 1.0 / math.sqrt(d)
        W_E, W_U, P = (
            torch.nn.functional.normalize(random_embeddings(n, d, std=std, generator=generator), dim=1)
            for n in (N, N, T)
        )
    with torch.no_grad():
        model.W_E.copy_(W_E)
        model.W_U.copy_(W_U)
        model.P.copy_(P)
        write_memories(model, triggers, scales)
        if pi_b is not None:
            memory = bigram_memory(W_E, W_U, pi_b, leave_out=triggers, smallest_probability=smallest_probability)
            model.W_F.copy_(memory)
    return model


def write_memories(
    model: SimplifiedTransformer, triggers: Sequence[int], scales: tuple[float, float, float] = (30.0, 30.0, 10.0)
) -> None:
    """Write eq. 7 into a model whose embeddings have unit norm; to be called under `torch.no_grad()`."""
    s_1, s_2, s_3 = scales
    W_E, W_U, P, d = model.W_E, model.W_U, model.P, model.config.d
    asked = W_E[list(triggers)]
    model.W_K1.copy_(s_1 * math.sqrt(d) * P[1:].T @ P[:-1])
    model.W_K2.copy_(s_2 * math.sqrt(d) * asked.T @ (asked @ model.W_V1.T @ model.W_O1.T))
    model.W_O2.copy_(s_3 * W_U.T @ (W_E @ model.W_V2.T))


def bigram_memory(
    W_E: Float[Tensor, "N d"],
    W_U: Float[Tensor, "N d"],
    pi_b: Float[Tensor, "N N"],
    *,
    leave_out: Sequence[int] = (),
    smallest_probability: float = 1e-3,
) -> Float[Tensor, "d d"]:
    """Return W_F = sum_{i, j} log pi_b(j | i) w_U(j) w_E(i)^T without the rows i of `leave_out` (Birth eq. 8).

    Pairs that never occur have no logarithm, and very rare ones a large one that drowns the others in crosstalk: what
    is below `smallest_probability` is raised to it. Rows are centred over j, which changes no softmax and leaves less
    crosstalk. Raises ValueError when smallest_probability is outside (0, 1).
    """
    if not 0 < smallest_probability < 1:
        raise ValueError(f"smallest_probability is {smallest_probability}; it must be between 0 and 1.")
    logarithm = pi_b.clamp(min=smallest_probability).log()
    logarithm = logarithm - logarithm.mean(1, keepdim=True)
    logarithm[list(leave_out)] = 0.0
    return W_U.T @ logarithm.T.to(W_U) @ W_E
