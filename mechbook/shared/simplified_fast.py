"""The simplified transformer's logits at selected positions only, at a fraction of the plain forward's cost.

Five savings, none of which changes a number beyond rounding:

- W_E and P never change, so keys and values of layer 1 are read from tables of N + T rows; their gradients are
  gathered there too, and W_K1 meets N + T vectors instead of B T.
- The half of layer 1's causal scores that is never used is mostly not computed.
- Layer 2 has queries at selected positions only. W_K2 is applied to those queries, and what follows layer 2 is folded
  into two maps to the N logits.
- Sequences are sorted by their number of selected positions and padded in groups, because some sequence always has
  nearly all of its positions selected (a trigger whose output is itself).
- Both layers of a group are computed before the next group, while its scores are in cache.
"""

import math
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from mechbook.shared.simplified import SimplifiedTransformer

# Scores of layer 1 computed together, in numbers: 1 MB of float32, which is still in cache when next read.
GROUP_SCORES = 262_144
# Queries of layer 1 that share a range of keys: smaller skips more of the unused half, larger multiplies faster.
QUERY_BLOCK = 64


def selected_logits(
    model: SimplifiedTransformer, z: Int[Tensor, "B T"], select: Bool[Tensor, "B T"]
) -> Float[Tensor, "n_selected N"]:
    """Return `model(z)[select]`, and the same gradients, for a two-layer model with frozen embeddings.

    The result's shape depends on the values of `select`, so this, unlike the plain forward, cannot run on torch's
    "meta" device, and it waits for the device once a call. Gradients of gradients are not available.
    Raises ValueError for a one-layer model, trained embeddings or more positions than the model has.
    """
    _check(model, z)
    T, d, N = z.shape[1], model.config.d, len(model.W_E)
    counts = select.sum(1)
    order = torch.argsort(counts)
    order = order[counts[order] > 0]
    z = z[order]
    sequence, position = select[order].nonzero(as_tuple=True)

    rows = torch.cat([model.W_E, model.P[:T]])
    keys = rows @ (model.W_K1.T / math.sqrt(d))
    values = rows @ (model.W_O1 @ model.W_V1).T
    own, mixed = _TwoLayers.apply(z, sequence, position, counts[order], rows, keys, values, model.W_K2 / math.sqrt(d))

    unembed: Tensor = model.W_U
    if model.config.feed_forward == "after_layer_2":
        unembed = unembed + unembed @ model.W_F
    logits = own @ unembed.T + mixed @ (unembed @ model.W_O2 @ model.W_V2).T
    if model.config.feed_forward == "before_attention":
        table = rows @ (model.W_U @ model.W_F).T
        logits = logits + table[z[sequence, position]] + table[N + position]
    # back to the order of the caller's mask: by sequence, then by position
    return logits[torch.argsort(order[sequence] * T + position)]


class _TwoLayers(torch.autograd.Function):
    """Both attention layers: x_t, the stream after layer 1, and sum_s a_ts x_s of layer 2, at the selected t.

    A table's row z belongs to token z and its row N + t to position t; the vector at t is their sum. `rows` are the
    embeddings, `keys` and `values` what layer 1 makes of them, the scales included; `W` maps layer 2's keys.
    Selected positions are listed by sequence; sequences come in increasing order of how many they have (`counts`).
    """

    @staticmethod
    def forward(
        ctx: Any,
        z: Tensor,
        sequence: Tensor,
        position: Tensor,
        counts: Tensor,
        rows: Tensor,
        keys: Tensor,
        values: Tensor,
        W: Tensor,
    ) -> tuple[Tensor, Tensor]:
        T, d = z.shape[1], rows.shape[1]
        own, mixed = rows.new_empty(len(sequence), d), rows.new_empty(len(sequence), d)
        slot = torch.arange(len(sequence), device=z.device) - (counts.cumsum(0) - counts)[sequence]
        steps = torch.arange(T, device=z.device)
        future = steps > steps.unsqueeze(1)
        ctx.groups = []
        for some, chosen, width in _groups(counts.tolist(), T):
            z_here = z[some]
            x0, key, value = (_look_up(table, z_here) for table in (rows, keys, values))
            x, maps = torch.empty_like(x0), []
            for start, stop in _blocks(T):
                scores = x0[:, start:stop] @ key[:, :stop].mT
                scores[:, :, start:].masked_fill_(future[start:stop, start:stop], float("-inf"))
                maps.append(torch.softmax(scores, -1))
                torch.baddbmm(x0[:, start:stop], maps[-1], value[:, :stop], out=x[:, start:stop])

            # Selected position i sits in row valid[i] of the padded (sequence, width) grid; padding repeats position 0.
            valid = (sequence[chosen] - some.start) * width + slot[chosen]
            at = torch.zeros(len(z_here) * width, dtype=torch.int64, device=z.device)
            at[valid] = position[chosen]
            mask = future[at].view(-1, width, T)
            at += (torch.arange(len(z_here), device=z.device) * T).repeat_interleave(width)
            queries = x.view(-1, d).index_select(0, at)
            mapped = (queries @ W).view(-1, width, d)
            attention = (mapped @ x.mT).masked_fill_(mask, float("-inf")).softmax(-1)
            own[chosen] = queries[valid]
            mixed[chosen] = (attention @ x).view(-1, d)[valid]
            if any(ctx.needs_input_grad):
                ctx.groups.append((some, chosen, valid, at, x0, x, value, maps, queries, mapped, attention))
        ctx.save_for_backward(z, keys, values, W, mixed)
        return own, mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_own: Tensor, grad_mixed: Tensor) -> tuple[Tensor | None, ...]:
        z, keys, values, W, mixed = ctx.saved_tensors
        T, d = z.shape[1], W.shape[0]
        wants_keys, wants_values, wants_W = ctx.needs_input_grad[5:]
        grad_keys = torch.zeros_like(keys) if wants_keys else None
        grad_values = torch.zeros_like(values) if wants_values else None
        grad_W = torch.zeros_like(W) if wants_W else None
        # softmax's backward needs sum_s a_ts (g_t . x_s), which is g_t . mixed_t
        delta_mixed = (grad_mixed * mixed).sum(1)
        for some, chosen, valid, at, x0, x, value, maps, queries, mapped, attention in ctx.groups:
            width = mapped.shape[1]
            g = grad_mixed.new_zeros(len(at), d)
            g[valid] = grad_mixed[chosen]
            g = g.view(-1, width, d)
            delta = delta_mixed.new_zeros(len(at))
            delta[valid] = delta_mixed[chosen]
            grad_scores = torch.baddbmm(delta.view(-1, width, 1), g, x.mT, beta=-1).mul_(attention)
            grad_mapped = (grad_scores @ x).view(-1, d)
            if grad_W is not None:
                grad_W.addmm_(queries.T, grad_mapped)
            if not (wants_keys or wants_values):
                continue
            grad_x = (attention.mT @ g).baddbmm_(grad_scores.mT, mapped)
            flat = grad_x.view(-1, d)
            flat.index_add_(0, at, grad_mapped @ W.T)
            flat.index_add_(0, at[valid], grad_own[chosen])

            grad_key = torch.zeros_like(x) if wants_keys else None
            grad_value = torch.zeros_like(x) if wants_values else None
            delta = (grad_x * (x - x0)).sum(-1, keepdim=True)
            for (start, stop), attention_1 in zip(_blocks(T), maps, strict=True):
                g_1 = grad_x[:, start:stop]
                if grad_key is not None:
                    grad_scores = torch.baddbmm(delta[:, start:stop], g_1, value[:, :stop].mT, beta=-1)
                    grad_key[:, :stop].baddbmm_(grad_scores.mul_(attention_1).mT, x0[:, start:stop])
                if grad_value is not None:
                    grad_value[:, :stop].baddbmm_(attention_1.mT, g_1)
            for table, gradient in ((grad_keys, grad_key), (grad_values, grad_value)):
                if table is not None and gradient is not None:
                    table.index_add_(0, z[some].flatten(), gradient.flatten(0, 1))
                    table[-T:] += gradient.sum(0)
        return None, None, None, None, None, grad_keys, grad_values, grad_W


def _look_up(table: Float[Tensor, "n d"], z: Int[Tensor, "b T"]) -> Float[Tensor, "b T d"]:
    """Return the vectors of tokens z at positions 0 to T - 1; the table's last T rows are those of the positions."""
    b, T = z.shape
    return table.index_select(0, z.reshape(-1)).view(b, T, -1).add_(table[-T:])


def _blocks(T: int) -> list[tuple[int, int]]:
    """Cut layer 1's queries into ranges (start, stop); a range needs the keys up to `stop` only."""
    return [(start, min(start + QUERY_BLOCK, T)) for start in range(0, T, QUERY_BLOCK)]


def _groups(counts: list[int], T: int) -> list[tuple[slice, slice, int]]:
    """Cut increasing counts into groups: the sequences, their selected positions, and the largest count, the width."""
    longest = max(1, GROUP_SCORES // (T * T))
    groups = []
    first = chosen = 0
    for last, count in enumerate(counts, start=1):
        # Closed where it is full or where padding its first sequence to the next one would add more than half.
        if last == len(counts) or last - first == longest or counts[last] > 1.5 * counts[first] + 4:
            end = chosen + sum(counts[first:last])
            groups.append((slice(first, last), slice(chosen, end), count))
            first, chosen = last, end
    return groups


def _check(model: SimplifiedTransformer, z: Tensor) -> None:
    if model.config.n_layers != 2:
        raise ValueError(f"n_layers is {model.config.n_layers}; selected_logits is for two layers.")
    if z.shape[1] > len(model.P):
        raise ValueError(f"the sequences have {z.shape[1]} positions; this model has {len(model.P)}.")
    for name in ("W_E", "P"):
        if getattr(model, name).requires_grad:
            raise ValueError(f"{name} is trained; selected_logits tabulates it and needs it frozen.")
