"""Theorem 3 of Birth as a procedure: one gradient step on W_O2, then one on W_K2, then one on W_K1, all from zero.

The architecture is the one that appendix B.3 restricts step by step, with Phi_1 = W_O1 W_V1:

    step on   values                  keys                                queries        attention of layer 1, 2
    W_O2      all of x_t + layer 1    -                                   -              uniform, uniform
    W_K2      w_E(z_t) + p_t          mean over s <= t of                 w_E(q) + p_T   uniform, at W_K2 = 0
                                      Phi_1 (w_E(z_s) + p_s)
    W_K1      w_E(z_t)                sum over s <= t of a_ts             w_E(q)         softmax_s(p_t . W_K1 p_s) at 0,
                                      Phi_1 w_E(z_s)                                     linearised (eq. 14) or softmax

and after the third step the model predicts with that last row, both softmaxes exact. The query stands on the left of a
key-query matrix; scores have no 1/sqrt(d) (as in B.2).

Inputs are tokens and positions, so every gradient is a small table of counts between embeddings: the functions here
fill the table from a batch and never form the (B, T, d) streams. The definitions are Lemmas 2, 4 and 5.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechbook.gradients.task import SingleTriggerBatch
from mechbook.shared.embeddings import random_embeddings


@dataclass(frozen=True, kw_only=True, eq=False)
class ThreeStepModel:
    """Frozen random embeddings (rows) and matrices, and the three matrices that are learned, at first zero."""

    W_E: Float[Tensor, "N d"]
    P: Float[Tensor, "T d"]
    W_U: Float[Tensor, "N d"]
    W_V1: Float[Tensor, "d d"]
    W_O1: Float[Tensor, "d d"]
    W_V2: Float[Tensor, "d d"]
    W_K1: Float[Tensor, "d d"]
    W_K2: Float[Tensor, "d d"]
    W_O2: Float[Tensor, "d d"]

    def remap(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Return Phi_1 x = W_O1 W_V1 x for every row x, what layer 1 makes of an input it attends to."""
        return rows @ self.W_V1.T @ self.W_O1.T

    @property
    def value_table(self) -> Float[Tensor, "N N"]:
        """w_U(k) . W_O2 W_V2 w_E(j), entry [k, j]: the logit of k where token j alone is attended to."""
        return self.W_U @ self.W_O2 @ self.W_V2 @ self.W_E.T

    @property
    def position_value_table(self) -> Float[Tensor, "N T"]:
        """w_U(k) . W_O2 W_V2 p_t, entry [k, t]."""
        return self.W_U @ self.W_O2 @ self.W_V2 @ self.P.T

    @property
    def spurious_table(self) -> Float[Tensor, "N N"]:
        """w_U(k) . W_O2 W_V2 Phi_1 w_E(j), entry [k, j]: what W_O2 stores about layer 1's output (Birth eq. 16)."""
        return self.W_U @ self.W_O2 @ self.W_V2 @ self.remap(self.W_E).T

    @property
    def score_table(self) -> Float[Tensor, "N N"]:
        """w_E(q) . W_K2 Phi_1 w_E(j), entry [q, j]: layer 2's score of a key marked j, for the query q."""
        return self.W_E @ self.W_K2 @ self.remap(self.W_E).T

    @property
    def position_scores(self) -> Float[Tensor, "T T"]:
        """p_t . W_K1 p_s, entry [t, s]."""
        return self.P @ self.W_K1 @ self.P.T


def initial(N: int, T: int, d: int, generator: torch.Generator, *, dtype: torch.dtype) -> ThreeStepModel:
    """Draw all that is frozen from N(0, 1/d); W_K1, W_K2 and W_O2 are zero. Raises ValueError for a size below 1."""

    def rows(n: int) -> Tensor:
        return random_embeddings(n, d, std=max(d, 1) ** -0.5, generator=generator, dtype=dtype)

    zero = torch.zeros(d, d, dtype=dtype, device=generator.device)
    return ThreeStepModel(
        W_E=rows(N),
        P=rows(T),
        W_U=rows(N),
        W_V1=rows(d),
        W_O1=rows(d),
        W_V2=rows(d),
        W_K1=zero,
        W_K2=zero,
        W_O2=zero,
    )


def W_O2_counts(batch: SingleTriggerBatch, N: int) -> Float[Tensor, "3 N N"]:
    """Return, for the step on W_O2, the mean over a batch of (1{y = k} - 1/N) times, in turn,

    [0, k, j]  how often token j occurs, times 1/T
    [1, k, j]  its weight in the averages of layer 1: sum of h_s / T over its positions, h_s = sum_{t >= s} 1/t
    [2, k, 0]  one: what positions are multiplied with, the same for all of them
    """
    B, T = batch.z.shape
    h = harmonic_tails(T).to(batch.z.device)
    flat = (batch.y[:, None] * N + batch.z).flatten()
    tables = []
    for weight in (torch.ones(T, dtype=torch.float64, device=batch.z.device), h):
        joint = torch.bincount(flat, weights=weight.repeat(B), minlength=N * N).view(N, N) / (B * T)
        tables.append(joint - joint.sum(0) / N)
    label = torch.zeros(N, N, dtype=torch.float64, device=batch.z.device)
    label[:, 0] = torch.bincount(batch.y, minlength=N).double() / B - 1 / N
    return torch.stack([*tables, label])


def harmonic_tails(T: int) -> Float[Tensor, "{T}"]:
    """Return h_s = sum_{t = s}^T 1/t for s = 1..T, the weight of position s in the sum of all running means."""
    return (1 / torch.arange(1, T + 1, dtype=torch.float64)).flip(0).cumsum(0).flip(0)


def tau(T: int) -> float:
    """Return E[sum_{t >= t_o} 1/t] = (T - H_T) / (T - 1), t_o uniform on 2..T (Birth eq. 16), H_T the harmonic number.

    Raises ValueError for T < 2.
    """
    if T < 2:
        raise ValueError(f"T is {T}; a trigger and its output need at least 2 positions.")
    return (T - float(harmonic_tails(T)[0])) / (T - 1)


def spurious_ratio(N: int, T: int) -> float:
    """Return what eq. (16) calls tau, without its neglect of 1/N: the ratio of the two associations' strengths.

    Given y = k, the token k is not the trigger unless the trigger first occurs at T - 1, so it also turns up at random
    with probability 1/(N - 1) elsewhere, and not at the trigger's positions. Raises ValueError for N < 3 or T < 3.
    """
    if N < 3 or T < 3:
        raise ValueError(f"N is {N} and T is {T}; both must be at least 3.")
    h = harmonic_tails(T)
    # output at s + 1 after the trigger at s < T - 1 (from 1), other tokens uniform; or both trigger and output at T
    elsewhere = (T - h[: T - 2] - h[1 : T - 1] - h[-1]) / (N - 1)
    averages = (h[T - 2] + h[T - 1] + (h[1 : T - 1] + elsewhere).sum()) / (T - 1) - T / N
    direct = (2 + (T - 2) * (1 + (T - 3) / (N - 1))) / (T - 1) - T / N
    return float(averages / direct)


def W_O2_step(model: ThreeStepModel, counts: Float[Tensor, "3 N N"]) -> Float[Tensor, "d d"]:
    """Return minus the gradient on W_O2 at zero, p_hat = 1/N (Birth Lemma 2, eq. 15), of a batch with these counts.

    The input is x = (1/T) sum_t W_V2 (w_E(z_t) + p_t + mean over s <= t of Phi_1 (w_E(z_s) + p_s)).
    """
    tokens, averages, label = counts.to(model.W_E.dtype)
    h = harmonic_tails(len(model.P)).to(model.P)
    remapped_positions = model.remap((h @ model.P)[None])[0]
    positions = (model.P.sum(0) + remapped_positions) / len(model.P)
    x = tokens @ model.W_E + averages @ model.remap(model.W_E) + torch.outer(label[:, 0], positions)
    return model.W_U.T @ x @ model.W_V2.T


def W_K2_counts(batch: SingleTriggerBatch, values: Tensor, position_values: Tensor) -> Float[Tensor, "q n"]:
    """Return, for the step on W_K2, the coefficient of w_E(q) (Phi_1 w_E(j))^T, then of w_E(q) (Phi_1 p_s)^T.

    Entry [q, j] or [q, N + s]: the mean over the batch of minus the derivative of the loss by layer 2's score of a key
    that consists of this part alone (Birth Lemma 4). `values` and `position_values` are the model's tables.
    """
    (B, T), N = batch.z.shape, len(values)
    t = torch.arange(1, T + 1, dtype=values.dtype, device=values.device)
    uniform = torch.full((B, T), 1 / T, dtype=values.dtype, device=values.device)
    logits = attended_logits(uniform, batch.z, values) + position_values.mean(1)
    error = label_error(logits, batch.y)
    useful = (error @ values).gather(1, batch.z) + error @ position_values
    useful = (useful - useful.mean(1, keepdim=True)) / T
    # the key at t is a mean over s <= t: s collects from all t >= s
    collected = (useful / t).flip(1).cumsum(1).flip(1)
    trigger = batch.trigger[:, None]
    place = torch.arange(N, N + T, device=values.device).expand(B, T)
    flat = torch.cat([trigger * (N + T) + batch.z, trigger * (N + T) + place], dim=1).flatten()
    weights = collected.repeat(1, 2).flatten()
    return torch.bincount(flat, weights=weights, minlength=N * (N + T)).view(N, N + T).to(values.dtype) / B


def W_K2_step(model: ThreeStepModel, counts: Float[Tensor, "N n"]) -> Float[Tensor, "d d"]:
    """Return minus the gradient on W_K2 at zero (Birth Lemma 4, eq. 17), queries w_E(q) + p_T, of these counts."""
    keys = model.remap(torch.cat([model.W_E, model.P]))
    return (model.W_E + model.P[-1]).T @ counts @ keys


def W_K1_counts(
    batch: SingleTriggerBatch, values: Tensor, scores: Tensor, second_layer: str = "linearised"
) -> Float[Tensor, "T T"]:
    """Return, for the step on W_K1, the coefficient of p_t p_s^T, entry [t, s], 0 for s > t (Birth Lemma 5).

    It is the mean over the batch of minus the derivative of the loss by layer 1's score of s at t, at W_K1 = 0. Layer
    2 is linearised around uniform attention (eq. 14) or has its softmax. `values`, `scores`: the model's tables.
    """
    B, T = batch.z.shape
    t = torch.arange(1, T + 1, dtype=values.dtype, device=values.device)
    mark = scores[batch.trigger[:, None], batch.z]
    u = mark.cumsum(1) / t
    if second_layer == "linearised":
        attention = (1 + u - u.mean(1, keepdim=True)) / T
        slope = torch.full_like(u, 1 / T)
    elif second_layer == "softmax":
        attention = slope = u.softmax(1)
    else:
        raise ValueError(f"second_layer is {second_layer!r}; it must be 'linearised' or 'softmax'.")
    error = label_error(attended_logits(attention, batch.z, values), batch.y)
    useful = (error @ values).gather(1, batch.z)
    by_u = slope * (useful - (slope * useful).sum(1, keepdim=True)) / t
    pairs = by_u.T @ mark - (by_u * u).sum(0)[:, None]
    return pairs.tril() / B


def W_K1_step(model: ThreeStepModel, counts: Float[Tensor, "T T"]) -> Float[Tensor, "d d"]:
    """Return minus the gradient on W_K1 at zero (Birth Lemma 5) of a batch with these counts."""
    return model.P.T @ counts @ model.P


def attended_logits(
    attention: Float[Tensor, "B T"], z: Int[Tensor, "B T"], values: Float[Tensor, "N N2"]
) -> Float[Tensor, "B N"]:
    """Return sum_t a_t w_U(k) . W_O2 W_V2 w_E(z_t), for attention from the last position."""
    by_token = torch.zeros(len(z), values.shape[1], dtype=values.dtype, device=values.device)
    return by_token.scatter_add_(1, z, attention) @ values.T


def label_error(logits: Float[Tensor, "B N"], y: Int[Tensor, "B"]) -> Float[Tensor, "B N"]:
    """Return 1{y = k} - p_hat(k), minus the derivative of the cross-entropy by the logits."""
    return torch.nn.functional.one_hot(y, logits.shape[1]).to(logits.dtype) - logits.softmax(1)


def first_attention(model: ThreeStepModel) -> Float[Tensor, "T T"]:
    """Return layer 1's attention, [query, key]: softmax over s <= t of p_t . W_K1 p_s."""
    scores = model.position_scores
    future = torch.ones_like(scores, dtype=torch.bool).triu(1)
    return scores.masked_fill(future, float("-inf")).softmax(1)


def predict(
    model: ThreeStepModel, batch: SingleTriggerBatch, *, position_in_query: bool = False
) -> tuple[Float[Tensor, "B N"], Float[Tensor, "B T"]]:
    """Return the logits at the last position and layer 2's attention there, both softmaxes exact (B.3.3's model).

    `position_in_query` lets layer 2's query be w_E(q) + p_T, which B.3.3 leaves out.
    """
    scores = model.score_table
    if position_in_query:
        scores = scores + model.P[-1] @ model.W_K2 @ model.remap(model.W_E).T
    mark = scores[batch.trigger[:, None], batch.z]
    attention = (mark @ first_attention(model).T).softmax(1)
    return attended_logits(attention, batch.z, model.value_table), attention


def diagonal_gap(table: Float[Tensor, "n n"]) -> float:
    """Return the diagonal's mean minus the mean of the rest."""
    n = len(table)
    return float(table.diagonal().mean() - (table.sum() - table.trace()) / (n * (n - 1)))


def previous_gap(position_scores: Float[Tensor, "T T"]) -> Float[Tensor, "T_minus_1"]:
    """Return, for the positions t that have a predecessor, its score minus the mean over all s <= t."""
    scores = position_scores.tril()
    count = torch.arange(1, len(scores) + 1, dtype=scores.dtype, device=scores.device)
    return scores.diagonal(-1) - (scores.sum(1) / count)[1:]
