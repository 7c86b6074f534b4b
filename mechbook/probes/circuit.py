"""Heads of a real model, read and replaced: a trace of all of them, and mean ablation that reuses the clean prefix.

What stands before the first replaced position is the same as without the replacement, so its keys and values are those
of the clean run: only the positions from there on are computed again.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import DynamicCache

Head = tuple[int, int]
"""A layer and a head in it, both counted from 0 as transformers does."""


class Heads(Protocol):
    """What this module asks of a model (`mechbook.models.heads.HeadView`)."""

    @property
    def model(self) -> nn.Module: ...
    @property
    def n_layers(self) -> int: ...
    @property
    def n_heads(self) -> int: ...
    @property
    def projections(self) -> list[nn.Module]: ...
    @property
    def last_norm(self) -> nn.Module: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadTrace:
    """One run on n prompts of T tokens.

    z: every head's output, before the output projection
    attention: its weights, (.., query, key)
    keys_values: each layer's keys and values, (n, heads, T, head_dim), where queries share them fewer heads
    residual: at the last position, what the last normalisation reads
    logits: at the last position
    """

    tokens: Int[Tensor, "n T"]
    z: Float[Tensor, "layers n T heads head_dim"]
    attention: Float[Tensor, "layers n heads T T"]
    keys_values: list[tuple[Tensor, Tensor]]
    residual: Float[Tensor, "n d"]
    logits: Float[Tensor, "n N"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ablated:
    """What is left at the last position after a replacement: logits, and each head's attention from there."""

    logits: Float[Tensor, "n N"]
    attention: Float[Tensor, "layers n heads T"]


@torch.no_grad()
def trace_heads(view: Heads, tokens: Int[Tensor, "n T"]) -> HeadTrace:
    """Run the model on prompts of one length and keep what its heads do."""
    outputs: list[Tensor] = []
    residuals: list[Tensor] = []
    hooks = [p.register_forward_pre_hook(lambda _, inputs: outputs.append(inputs[0])) for p in view.projections]
    hooks.append(view.last_norm.register_forward_pre_hook(lambda _, inputs: residuals.append(inputs[0][:, -1])))
    try:
        result = _run(view, tokens, DynamicCache())
    finally:
        for hook in hooks:
            hook.remove()
    n, T = tokens.shape
    return HeadTrace(
        tokens=tokens,
        z=torch.stack([z.reshape(n, T, view.n_heads, -1) for z in outputs]),
        attention=torch.stack(result.attentions),
        keys_values=[(layer.keys, layer.values) for layer in result.cache.layers],
        residual=residuals[0],
        logits=result.logits[:, -1],
    )


@torch.no_grad()
def mean_outputs(view: Heads, tokens: Int[Tensor, "n T"]) -> Float[Tensor, "layers T heads head_dim"]:
    """Return every head's mean output at each position, over n prompts of one template."""
    return trace_heads(view, tokens).z.mean(1)


@torch.no_grad()
def ablate(
    view: Heads,
    trace: HeadTrace,
    heads: Iterable[Head],
    replacement: Float[Tensor, "layers T heads head_dim"],
    positions: int | Int[Tensor, "n"] = -1,
) -> Ablated:
    """Replace the heads' outputs by `replacement` at one position of each prompt (-1: the last), all at once.

    Everything downstream of the replaced outputs is computed anew, later heads' outputs included, except that replaced
    heads keep their replacement (Wang et al.'s knockout). Raises ValueError for a head or position that is not there.
    """
    n, T = trace.tokens.shape
    at = torch.as_tensor(positions).expand(n) % T if isinstance(positions, int) else positions
    by_layer: dict[int, list[int]] = {}
    for layer, head in heads:
        if not (0 <= layer < view.n_layers and 0 <= head < view.n_heads):
            raise ValueError(
                f"there is no head {layer}.{head}; layers are 0 to {view.n_layers - 1}, heads 0 to {view.n_heads - 1}."
            )
        by_layer.setdefault(layer, []).append(head)
    if bool(((at < 0) | (at >= T)).any()) or (isinstance(positions, int) and not -T <= positions < T):
        raise ValueError(f"a position is not in the prompt; its {T} tokens are 0 to {T - 1}, and -1 is the last.")
    start = int(at.min())
    prefix = DynamicCache([(keys[:, :, :start], values[:, :, :start]) for keys, values in trace.keys_values])
    rows = torch.arange(n)

    def edit(layer: int, chosen: Sequence[int]) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            z = inputs[0].clone().reshape(n, T - start, view.n_heads, -1)
            for head in chosen:
                z[rows, at - start, head] = replacement[layer, at, head]
            return (z.reshape(inputs[0].shape), *inputs[1:])

        return hook

    with _hooked([(view.projections[layer], edit(layer, chosen)) for layer, chosen in by_layer.items()]):
        result = _run(view, trace.tokens[:, start:], prefix)
    return Ablated(logits=result.logits[:, -1], attention=torch.stack([layer[:, :, -1] for layer in result.attentions]))


@contextmanager
def _hooked(hooks: Iterable[tuple[nn.Module, Any]]) -> Iterator[None]:
    handles = [module.register_forward_pre_hook(hook) for module, hook in hooks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _run(view: Heads, tokens: Tensor, cache: DynamicCache) -> Any:
    result = view.model(tokens, cache=cache, use_cache=True, output_attentions=True)
    if not result.attentions or result.attentions[0] is None:
        raise ValueError("this model returns no attention weights; load it with attn_implementation='eager'.")
    return result
