"""The gradients of the three steps from tables of counts, which compute what `plain` defines in less time.

Inputs are tokens and positions, so every gradient is a small table of counts between embeddings: the functions here
fill the table from a batch and never form the (B, T, d) streams. The definitions are Lemmas 2, 4 and 5.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechbook.gradients.task import SingleTriggerBatch
from mechbook.gradients.three_steps.model import ThreeStepModel, attended_logits


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
    """Return h_s = sum_{t = s}^T 1/t for s = 1..T, the weight of position s in the sum of all running means.

    Raises ValueError for T < 1.
    """
    if T < 1:
        raise ValueError(f"T is {T}; a sequence has 1 position or more.")
    return (1 / torch.arange(1, T + 1, dtype=torch.float64)).flip(0).cumsum(0).flip(0)


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


def label_error(logits: Float[Tensor, "B N"], y: Int[Tensor, "B"]) -> Float[Tensor, "B N"]:
    """Return 1{y = k} - p_hat(k), minus the derivative of the cross-entropy by the logits."""
    return torch.nn.functional.one_hot(y, logits.shape[1]).to(logits.dtype) - logits.softmax(1)
