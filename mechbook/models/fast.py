"""The simplified transformer's logits at selected positions only, at a fraction of the plain forward's cost.

Four savings, none of which changes a number beyond rounding:

- W_E and P never change, so keys and values of layer 1 are read from tables of N + T rows; their gradients are
  gathered there too, and W_K1 meets N + T vectors instead of B T.
- The half of layer 1's causal scores that is never used is mostly not computed.
- Layer 2 has queries at selected positions only. W_K2 is applied to those queries, W_O2 W_V2 to their results.
- Sequences are sorted by their number of selected positions and padded in groups, because some sequence always has
  nearly all of its positions selected (a trigger whose output is itself).
"""

import math
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechbook.models.simplified import SimplifiedTransformer


def selected_logits(
    model: SimplifiedTransformer, z: Int[Tensor, "B T"], select: Bool[Tensor, "B T"]
) -> Float[Tensor, "n_selected N"]:
    """Return `model(z)[select]`, and the same gradients, for a two-layer model with frozen embeddings.

    The result's shape depends on the values of `select`, so this, unlike the plain forward, cannot run on torch's
    "meta" device and waits for the device once a call.
    Raises ValueError for a one-layer model, trained embeddings or more positions than the model has.
    """
    _check(model, z)
    T, d = z.shape[1], model.config.d
    n_tokens = len(model.W_E)
    counts = select.sum(1)
    order = torch.argsort(counts)
    sizes = counts[order].tolist()
    skipped = sum(1 for size in sizes if size == 0)
    order, sizes = order[skipped:], sizes[skipped:]
    z_sorted = z[order]

    rows = torch.cat([model.W_E, model.P[:T]])
    x = _Layer1.apply(z_sorted, rows, rows @ model.W_K1.T, rows @ model.W_V1.T @ model.W_O1.T, n_tokens)

    # of the selected positions, in sorted order: sequence, position
    sequence, position = select[order].nonzero(as_tuple=True)
    groups = _groups(sizes)
    mixed, own = [], []
    first = 0
    for stream, group in zip(x.split([len(group) for group in groups]), groups, strict=True):
        total, width = sum(group), group[-1]
        here = slice(first, first + total)
        first += total
        # slot of each selected position in the padded (sequence, width) grid
        lengths = torch.tensor(group, device=z.device)
        slot = torch.arange(width, device=z.device) < lengths.unsqueeze(1)
        query_position = torch.zeros(len(group), width, dtype=torch.int64, device=z.device)
        query_position[slot] = position[here]
        flat = query_position + torch.arange(len(group), device=z.device).unsqueeze(1) * T
        queries = stream.flatten(0, 1).index_select(0, flat.view(-1))
        scores = (queries @ (model.W_K2 / math.sqrt(d))).view(len(group), width, d) @ stream.transpose(1, 2)
        future = torch.arange(T, device=z.device) > query_position.unsqueeze(-1)
        attention = scores.masked_fill(future, float("-inf")).softmax(-1)
        valid = slot.view(-1).nonzero().squeeze(1)
        mixed.append((attention @ stream).view(-1, d).index_select(0, valid))
        own.append(queries.index_select(0, valid))
    if not groups:
        return x.new_zeros(0, n_tokens)
    out = torch.cat(own) + torch.cat(mixed) @ model.W_V2.T @ model.W_O2.T
    if model.config.feed_forward == "after_layer_2":
        out = out + out @ model.W_F.T
    elif model.config.feed_forward == "before_attention":
        table = rows @ model.W_F.T
        out = out + table[z_sorted[sequence, position]] + table[n_tokens + position]
    logits = out @ model.W_U.T
    # back to the order of the caller's mask: by sequence, then by position
    back = torch.argsort(order[sequence] * T + position)
    return logits[back]


class _Layer1(torch.autograd.Function):
    """Layer 1's stream x_t + sum_s a_ts v_s from tables of the frozen rows, their keys and their values.

    Row z of a table belongs to token z, row n_tokens + t to position t; a vector is the sum of the two.
    """

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, rows: Tensor, keys: Tensor, values: Tensor, n_tokens: int
    ) -> Tensor:
        B, T = z.shape
        d = rows.shape[1]
        scale = 1.0 / math.sqrt(d)
        out = torch.empty(B, T, d, dtype=rows.dtype, device=rows.device)
        needed = ctx.needs_input_grad[2] or ctx.needs_input_grad[3]
        saved: list[list[Tensor]] = []
        for part in _parts(B, T):
            x, key, value = (_look_up(table, z[part], n_tokens) for table in (rows, keys, values))
            maps = []
            for start, stop in _blocks(T):
                scores = x[:, start:stop] @ key[:, :stop].transpose(1, 2)
                scores.mul_(scale)
                scores[:, :, start:].masked_fill_(_future(stop - start, z.device), float("-inf"))
                attention = torch.softmax(scores, -1)
                torch.baddbmm(x[:, start:stop], attention, value[:, :stop], out=out[part, start:stop])
                maps.append(attention)
            if needed:
                saved.append(maps)
        ctx.maps, ctx.n_tokens = saved, n_tokens
        ctx.save_for_backward(z, rows, values, out)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        z, rows, values, out = ctx.saved_tensors
        n_tokens = ctx.n_tokens
        B, T = z.shape
        d = rows.shape[1]
        scale = 1.0 / math.sqrt(d)
        wants_keys, wants_values = ctx.needs_input_grad[2], ctx.needs_input_grad[3]
        grad_keys = torch.zeros_like(values) if wants_keys else None
        grad_values = torch.zeros_like(values) if wants_values else None
        for part, maps in zip(_parts(B, T), ctx.maps, strict=True):
            x = _look_up(rows, z[part], n_tokens)
            value = _look_up(values, z[part], n_tokens)
            g = gradient[part]
            delta = (g * (out[part] - x)).sum(-1, keepdim=True)
            key_part = torch.zeros_like(x) if wants_keys else None
            value_part = torch.zeros_like(x) if wants_values else None
            for (start, stop), attention in zip(_blocks(T), maps, strict=True):
                g_block = g[:, start:stop]
                if key_part is not None:
                    score = torch.baddbmm(delta[:, start:stop], g_block, value[:, :stop].transpose(1, 2), beta=-1)
                    score.mul_(attention)
                    key_part[:, :stop].baddbmm_(score.transpose(1, 2), x[:, start:stop], alpha=scale)
                if value_part is not None:
                    value_part[:, :stop].baddbmm_(attention.transpose(1, 2), g_block)
            if grad_keys is not None and key_part is not None:
                _collect(grad_keys, key_part, z[part], n_tokens)
            if grad_values is not None and value_part is not None:
                _collect(grad_values, value_part, z[part], n_tokens)
        return None, None, grad_keys, grad_values, None


def _look_up(table: Tensor, z: Tensor, n_tokens: int) -> Tensor:
    B, T = z.shape
    found = table.index_select(0, z.reshape(-1)).view(B, T, -1)
    return found.add_(table[n_tokens : n_tokens + T])


def _collect(table: Tensor, gradient: Tensor, z: Tensor, n_tokens: int) -> None:
    """Add the gradients of vectors to those of the two rows each came from."""
    table.index_add_(0, z.reshape(-1), gradient.flatten(0, 1))
    table[n_tokens : n_tokens + z.shape[1]] += gradient.sum(0)


def _parts(B: int, T: int) -> list[slice]:
    # about 1 MB of float32 scores at a time, so that they are still in cache when the next step reads them
    size = max(1, 262_144 // (T * T))
    return [slice(start, min(start + size, B)) for start in range(0, B, size)]


def _blocks(T: int) -> list[tuple[int, int]]:
    size = 64
    return [(start, min(start + size, T)) for start in range(0, T, size)]


def _future(size: int, device: torch.device) -> Tensor:
    return torch.ones(size, size, dtype=torch.bool, device=device).triu(1)


def _groups(sizes: list[int]) -> list[list[int]]:
    """Cut increasing sizes into groups that are padded to their last one."""
    groups: list[list[int]] = []
    for size in sizes:
        # a group is closed when padding its first sequence would waste more than a third, and a little slack
        if groups and size <= 1.5 * groups[-1][0] + 4:
            groups[-1].append(size)
        else:
            groups.append([size])
    return groups


def _check(model: SimplifiedTransformer, z: Tensor) -> None:
    if model.config.n_layers != 2:
        raise ValueError(f"n_layers is {model.config.n_layers}; selected_logits is for two layers.")
    if z.shape[1] > len(model.P):
        raise ValueError(f"the sequences have {z.shape[1]} positions; this model has {len(model.P)}.")
    for name in ("W_E", "P"):
        if getattr(model, name).requires_grad:
            raise ValueError(f"{name} is trained; selected_logits tabulates it and needs it frozen.")
