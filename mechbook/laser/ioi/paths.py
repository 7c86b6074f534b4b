"""Which head listens to which, edge by edge, and whether the circuit alone solves the task (Wang et al., 3.1 and 4).

Path patching: a sender's output at one position is replaced by that on the counterpart pABC; every other head keeps
what it did, MLPs and norms are computed anew, and of all heads behind the sender only the receivers read the result, as
their query, key or value. What follows the receivers is computed anew. Layers and heads count from 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechbook.core.progress import Line
from mechbook.laser.data.ioi import IOIPrompts
from mechbook.laser.ioi.knockout import Effect, TemplateMeans, effect_of, joined
from mechbook.laser.ioi.probes import Head, Observation, observe
from mechbook.pretrained.adapter import Adapter
from mechbook.pretrained.attend import attend, rotate

Place = Literal["S1+1", "S2", "END"]
Reads = Literal["q", "k", "v"]


@dataclass(frozen=True, kw_only=True)
class Edge:
    """What `senders` write at the place `at`, as `receivers`, which write at `to`, read it there: as q, k or v.

    Raises ValueError for heads of one kind that are none, and for a query that is read elsewhere than where it writes.
    """

    senders: tuple[Head, ...]
    at: Place
    reads: Reads
    receivers: tuple[Head, ...]
    to: Place

    def __post_init__(self) -> None:
        if not self.senders or not self.receivers:
            raise ValueError("an edge goes from one head or more to one head or more.")
        if (self.reads == "q") != (self.at == self.to) or self.to == "S1+1":
            raise ValueError(f"heads that write at {self.to} cannot read a {self.reads} at {self.at} by this edge.")


def place(group: IOIPrompts, at: Place) -> Int[Tensor, "n"]:
    """The position of a place in each prompt."""
    if at == "END":
        return torch.full_like(group.S2_at, group.tokens.shape[1] - 1)
    return group.S2_at if at == "S2" else group.S1_at + 1


@torch.no_grad()
def patch_path(
    adapter: Adapter, group: IOIPrompts, seen: Observation, other: Observation, edge: Edge
) -> Float[Tensor, "n d"]:
    """The last position's residual stream when the edge carries what it carries on the counterparts.

    `seen` and `other` are runs on the prompts and on their counterparts. Raises ValueError where no sender stands in a
    layer before a receiver's: nothing can be sent.
    """
    first, last = min(layer for layer, _ in edge.senders), max(layer for layer, _ in edge.receivers)
    if first >= last:
        raise ValueError(
            f"the first sender is in layer {first}, and the last receiver in layer {last}: nothing is sent."
        )
    rows, at, to = torch.arange(len(group.IO)), place(group, edge.at), int(place(group, edge.to)[0])
    x, new = seen.records[first].x[rows, at], dict[int, Tensor]()
    for layer in range(first, last + 1):
        block = seen.records[layer]
        if heads := [head for number, head in edge.receivers if number == layer]:
            new[layer] = _reads(adapter, layer, block.x[:, to], x, at, to, edge.reads, seen)[:, heads]
        # one position by itself: what it attended to is frozen with the heads
        middle = x + block.attention_out[rows, at]
        for head in (head for number, head in edge.senders if number == layer):
            change = other.records[layer].z[rows, at, head] - block.z[rows, at, head]
            middle = middle + change @ adapter.W_O(layer)[head].T
        x = middle + adapter.mlp_out(layer, x if adapter.parallel else middle)

    def put(layer: int, z: Tensor) -> Tensor:
        if layer in new:
            z = z.clone()
            z[:, 0, [head for number, head in edge.receivers if number == layer]] = new[layer]
        return z

    start = min(new)
    return adapter.run(seen.records[start].x[:, to:], start=start, patch=put, prefix=seen.records)[:, -1]


def circuit_alone(
    adapter: Adapter, group: IOIPrompts, means: TemplateMeans, kept: Mapping[Place, Sequence[Head]]
) -> Float[Tensor, "n d"]:
    """The last position's residual stream when all heads but those `kept` give their pABC mean, at every position.

    A head is kept at its place only. MLPs work as ever, on what is left.
    """
    keep = torch.zeros(adapter.n_layers, *group.tokens.shape, adapter.n_heads, dtype=torch.bool)
    for at, heads in kept.items():
        for layer, head in heads:
            keep[layer, torch.arange(len(group.IO)), place(group, at), head] = True

    def put(layer: int, z: Tensor) -> Tensor:
        return z.where(keep[layer].unsqueeze(-1), means.abc[layer])

    return adapter.run(adapter.embed(group.tokens), patch=put, last_only=True)[:, -1]


def patch_paths(adapter: Adapter, prompts: Sequence[IOIPrompts], edges: Mapping[str, Edge]) -> dict[str, Effect]:
    """The effect of each edge's patch on all prompts, and of none under the name "none"."""
    parts: dict[str, list[Effect]] = {}
    with Line("paths patched", len(prompts) * len(edges), "edges and templates") as line:
        for group in prompts:
            seen, other = observe(adapter, group.tokens), observe(adapter, group.abc)
            parts.setdefault("none", []).append(effect_of(adapter, group, seen.out[:, -1]))
            for name, edge in edges.items():
                end = patch_path(adapter, group, seen, other, edge)
                parts.setdefault(name, []).append(effect_of(adapter, group, end))
                line.advance()
    return {name: joined(effects) for name, effects in parts.items()}


def keep_only(
    adapter: Adapter,
    prompts: Sequence[IOIPrompts],
    means: Sequence[TemplateMeans],
    sets: Mapping[str, Mapping[Place, Sequence[Head]]],
) -> dict[str, Effect]:
    """The effect, on all prompts, of keeping each set of heads alone."""
    found = {}
    with Line("a circuit by itself", len(sets) * len(prompts), "sets of heads and templates") as line:
        for name, kept in sets.items():
            ends = [
                line.passed(effect_of(adapter, group, circuit_alone(adapter, group, mean, kept)))
                for group, mean in zip(prompts, means, strict=True)
            ]
            found[name] = joined(ends)
    return found


def _reads(
    adapter: Adapter,
    layer: int,
    own: Float[Tensor, "n d"],
    x: Float[Tensor, "n d"],
    at: Int[Tensor, "n"],
    to: int,
    reads: Reads,
    seen: Observation,
) -> Float[Tensor, "n H d_head"]:
    """What the heads of a layer give at `to`, where the residual stream is `own`, when they read `x` at `at`."""
    block, rows = seen.records[layer], torch.arange(len(x))
    keys, values = block.keys[:, :, : to + 1].clone(), block.values[:, :, : to + 1].clone()
    q, _, _ = _rotated(adapter, layer, x if reads == "q" else own, torch.full_like(at, to))
    _, k, v = _rotated(adapter, layer, x, at)
    if reads == "k":
        keys[rows, :, at] = k
    elif reads == "v":
        values[rows, :, at] = v
    scale, window = adapter._attention(layer).scaling, adapter._window(layer)
    z, _ = attend(q.unsqueeze(2), keys, values, scale, window=window, need_pattern=False)
    return z[:, 0]


def _rotated(
    adapter: Adapter, layer: int, x: Float[Tensor, "n d"], at: Int[Tensor, "n"]
) -> tuple[Float[Tensor, "n H d_head"], Float[Tensor, "n H_kv d_head"], Float[Tensor, "n H_kv d_head"]]:
    """Queries, keys and values of streams x that enter a layer at positions `at`, one a prompt."""
    # n prompts as n positions of one
    q, k, v = adapter._qkv(layer, adapter.attention_input(layer, x)[None])
    if (rotation := adapter._rotation(layer, x[None], at)) is not None:
        q, k = rotate(q, *rotation), rotate(k, *rotation)
    q, k, v = (part[0].transpose(0, 1) for part in (q, k, v))
    return q, k, v
