"""Causal attention of many heads at once, with grouped queries, and the rotation that gives positions."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def attend(
    q: Float[Tensor, "B H T d_head"],
    k: Float[Tensor, "B H_kv S d_head"],
    v: Float[Tensor, "B H_kv S d_head"],
    scale: float,
    *,
    window: int | None = None,
    need_pattern: bool = True,
) -> tuple[Float[Tensor, "B T H d_head"], Float[Tensor, "B H T S"] | None]:
    """Causal attention of the last T of S positions: every head's weighted values, and its pattern where needed.

    window: a position attends to the last so many only, its own included; None for all up to its own
    """
    H, T, S = q.shape[1], q.shape[2], k.shape[2]
    cut = window is not None and window < S
    if not need_pattern and T in (1, S) and not cut:
        z = F.scaled_dot_product_attention(q, k, v, is_causal=T == S, scale=scale, enable_gqa=k.shape[1] != H)
        return z.transpose(1, 2), None
    k, v = (part.repeat_interleave(H // part.shape[1], 1) for part in (k, v))
    every = torch.ones(T, S, dtype=torch.bool, device=q.device)
    hidden = every.triu(S - T + 1)
    if window is not None and cut:
        hidden = hidden | every.tril(S - T - window)
    pattern = (q @ k.transpose(2, 3) * scale).masked_fill(hidden, -torch.inf).softmax(-1)
    return (pattern @ v).transpose(1, 2), pattern


def rotate(
    x: Float[Tensor, "B H T d_head"], cos: Float[Tensor, "_ T d_rot"], sin: Float[Tensor, "_ T d_rot"]
) -> Float[Tensor, "B H T d_head"]:
    """Rotary position embedding of the first d_rot coordinates, i paired with i + d_rot / 2; the rest passes."""
    cos, sin = cos[:, None], sin[:, None]
    turned, passed = x[..., : cos.shape[-1]], x[..., cos.shape[-1] :]
    first, second = turned.chunk(2, -1)
    return torch.cat([turned * cos + torch.cat([-second, first], -1) * sin, passed], -1)
