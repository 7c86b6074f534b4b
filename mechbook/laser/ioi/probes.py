"""Heads of a pretrained model on IOI prompts: where they attend, what they write, and what is lost without them.

Layers and heads count from 0. All prompts of one `IOIPrompts` have the same length, and END and S2 at the same places.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mechbook.laser.data.ioi import IOIPrompts
from mechbook.pretrained.adapter import Adapter, BlockRecord

Head = tuple[int, int]
"""A layer and a head in it."""


@dataclass(frozen=True, eq=False)
class Observation:
    """A run on n prompts of T tokens: what every block did, and the residual stream that left the last one."""

    records: dict[int, BlockRecord]
    out: Float[Tensor, "n T d"]


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadScores:
    """What each head does, averaged over prompts.

    IO, S1, S2: attention from END to each name
    duplicate, induction: attention from S2 to S1, and to the token after S1
    previous: attention from every token but the first to the one before
    copying: the fraction of prompts where attending to IO raises IO's logit above the mean of the other names'
    direct: what the head itself adds to the logit difference IO - S at END (direct logit attribution)
    """

    IO: Float[Tensor, "layers heads"]
    S1: Float[Tensor, "layers heads"]
    S2: Float[Tensor, "layers heads"]
    duplicate: Float[Tensor, "layers heads"]
    induction: Float[Tensor, "layers heads"]
    previous: Float[Tensor, "layers heads"]
    copying: Float[Tensor, "layers heads"]
    direct: Float[Tensor, "layers heads"]


def observe(adapter: Adapter, tokens: Int[Tensor, "n T"]) -> Observation:
    """Run the model and keep what its blocks do."""
    records: dict[int, BlockRecord] = {}
    out = adapter.run(adapter.embed(tokens), record=records)
    return Observation(records, out)


def mean_outputs(seen: Observation) -> Float[Tensor, "layers T heads d_head"]:
    """Return each head's mean output z at each position, over prompts of one template."""
    return torch.stack([seen.records[layer].z.mean(0) for layer in sorted(seen.records)])


def ablate(
    adapter: Adapter,
    seen: Observation,
    heads: Iterable[Head],
    means: Float[Tensor, "layers T heads d_head"],
    at: int = -1,
    *,
    record: dict[int, BlockRecord] | None = None,
) -> Float[Tensor, "n d"]:
    """Return the last position's residual stream with the heads' outputs at position `at` replaced by `means`.

    All are replaced at once, and everything later is computed anew (the knockout of Wang et al.). Nothing before
    position `at` or below the first of the heads depends on them, so that comes from `seen`. `record` receives what the
    blocks did, from the first of the heads on. Raises ValueError for a head or a position that is not there.
    """
    by_layer: dict[int, list[int]] = {}
    for layer, head in heads:
        if not (0 <= layer < adapter.n_layers and 0 <= head < adapter.n_heads):
            raise ValueError(
                f"there is no head {layer}.{head}; layers are 0 to {adapter.n_layers - 1} and heads 0 to "
                f"{adapter.n_heads - 1}, counted from 0."
            )
        by_layer.setdefault(layer, []).append(head)
    T = seen.out.shape[1]
    if not -T <= at < T:
        raise ValueError(f"the position is {at}; the prompts have {T} tokens, 0 to {T - 1}, and -1 is the last.")
    if not by_layer:
        return seen.out[:, -1]
    at, first = at % T, min(by_layer)

    def patch(layer: int, z: Tensor) -> Tensor:
        if layer in by_layer:
            z = z.clone()
            z[:, 0, by_layer[layer]] = means[layer, at, by_layer[layer]]
        return z

    end = adapter.run(seen.records[first].x[:, at:], start=first, patch=patch, prefix=seen.records, record=record)
    return end[:, -1]


def head_scores(adapter: Adapter, prompts: Sequence[IOIPrompts]) -> HeadScores:
    """Return every head's scores, each prompt with the same weight."""
    total: dict[str, Tensor] = {}
    names = torch.cat([torch.cat([group.IO, group.S]) for group in prompts]).unique()
    for group in prompts:
        for name, value in _group_scores(adapter, group, names).items():
            total[name] = total.get(name, torch.zeros(())) + value.sum(0)
    n = sum(len(group.IO) for group in prompts)
    return HeadScores(**{name: value.view(adapter.n_layers, adapter.n_heads) / n for name, value in total.items()})


def _group_scores(adapter: Adapter, group: IOIPrompts, names: Int[Tensor, "k"]) -> dict[str, Float[Tensor, "n heads"]]:
    """The scores of all heads of all layers, side by side, for each prompt of one template."""
    seen = observe(adapter, group.tokens)
    rows = torch.arange(len(group.IO))
    S2, END = int(group.S2_at[0]), group.tokens.shape[1] - 1
    toward = _read_out(adapter, torch.cat([group.IO, group.S]))
    difference = toward[: len(rows)] - toward[len(rows) :]
    name_rows = _read_out(adapter, names)
    own = (names == group.IO.unsqueeze(1)).to(seen.out.dtype)
    scale = _scale(adapter, seen.out[:, -1])
    parts: dict[str, list[Tensor]] = {}
    for layer in range(adapter.n_layers):
        block, W_O = seen.records[layer], adapter.W_O(layer)
        pattern = block.pattern
        written = torch.einsum("nhk,hdk->nhd", block.z[:, -1], W_O)
        values = block.values.repeat_interleave(adapter.n_heads // adapter.n_kv_heads, 1)
        moved = torch.einsum("nhk,hdk->nhd", values[rows, :, group.IO_at], W_O) @ name_rows.T
        others = (moved.sum(-1) - (moved * own.unsqueeze(1)).sum(-1)) / (len(names) - 1)
        scores = {
            "IO": pattern[rows, :, END, group.IO_at],
            "S1": pattern[rows, :, END, group.S1_at],
            "S2": pattern[rows, :, END, S2],
            "duplicate": pattern[rows, :, S2, group.S1_at],
            "induction": pattern[rows, :, S2, group.S1_at + 1],
            "previous": pattern.diagonal(-1, 2, 3).mean(-1),
            "copying": ((moved * own.unsqueeze(1)).sum(-1) > others).to(scale.dtype),
            "direct": (written * difference.unsqueeze(1)).sum(-1) / scale.unsqueeze(1),
        }
        for name, value in scores.items():
            parts.setdefault(name, []).append(value)
    return {name: torch.cat(values, 1) for name, values in parts.items()}


def _read_out(adapter: Adapter, tokens: Int[Tensor, "k"]) -> Float[Tensor, "k d"]:
    """Rows r such that r . x / scale(x) is a token's logit but for a constant, x the last residual stream."""
    norm: Any = adapter._final_norm()
    rows: Tensor = adapter.W_U[tokens] * norm.weight.detach()
    # LayerNorm takes the mean of x away, which the rows can do as well; RMSNorm keeps it
    return rows - rows.mean(1, keepdim=True) if isinstance(norm, nn.LayerNorm) else rows


def _scale(adapter: Adapter, x: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
    """What the last norm divides x by: its standard deviation (LayerNorm) or root mean square (RMSNorm)."""
    norm: Any = adapter._final_norm()
    if isinstance(norm, nn.LayerNorm):
        return (x.var(1, unbiased=False) + norm.eps).sqrt()
    scale: Tensor = (x.square().mean(1) + norm.variance_epsilon).sqrt()
    return scale
