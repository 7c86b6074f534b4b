"""Memory recall of a vanilla transformer with trained embeddings, one number a head (Birth Figure 10).

The associations of eq. (7) are tested on single embeddings, each passed through the LayerNorm that stands before the
map it enters: LN(w_E(k)), not LN of the sum with a position that the model itself would see. A LayerNorm only centres,
rescales and then applies its scale and bias, so the direction tested is the one the model uses up to that other term.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn


@runtime_checkable
class VanillaWeights(Protocol):
    """The weights that these probes read; head h owns a block of rows of W_Q, W_K, W_V and of columns of W_O."""

    W_E: nn.Parameter
    P: nn.Parameter
    W_U: nn.Parameter
    blocks: nn.ModuleList
    norm: nn.LayerNorm


@runtime_checkable
class _Block(Protocol):
    n_heads: int
    norm_1: nn.LayerNorm
    W_Q: nn.Parameter
    W_K: nn.Parameter
    W_V: nn.Parameter
    W_O: nn.Parameter


def vanilla_recall_W_K1(model: VanillaWeights, window: tuple[int, int] | None = None) -> Float[Tensor, "H"]:
    """Return, for each head of layer 1, the share of positions t whose query prefers key t - 1 among the keys s <= t.

    Queries are W_Q LN(p_t), keys W_K LN(p_s); `window` (start, stop) restricts t, counted from 0, None being (1, T).
    Raises ValueError when the window is empty or outside 1..T.
    """
    block = _block(model, 0)
    T = len(model.P)
    start, stop = (1, T) if window is None else window
    if not 1 <= start < stop <= T:
        raise ValueError(f"the window is {(start, stop)}; it must hold positions between 1 and {T}.")
    positions = block.norm_1(model.P)
    scores = _heads(positions @ block.W_Q.T, block) @ _heads(positions @ block.W_K.T, block).transpose(1, 2)
    future = torch.ones(T, T, dtype=torch.bool, device=scores.device).triu(1)
    best = scores.masked_fill(future, float("-inf")).argmax(-1)
    hit = best == torch.arange(T, device=scores.device) - 1
    return hit[:, start:stop].to(scores.dtype).mean(1)


def vanilla_recall_W_K2(
    model: VanillaWeights, weights: Float[Tensor, "N"] | None = None, first_head: int | None = None
) -> Float[Tensor, "H"]:
    """Return, for each head of layer 2, the share of tokens k whose query prefers the key that layer 1 made of k.

    Queries are W_Q LN(w_E(k)), keys W_K LN(W_O1 W_V1 LN(w_E(j))). `first_head` names the head of layer 1 that makes the
    keys; None lets all of them together, each attending to the same token. `weights` weigh the tokens.
    """
    first, second = _block(model, 0), _block(model, 1)
    values = _heads(first.norm_1(model.W_E) @ first.W_V.T, first)
    if first_head is not None:
        values = values * (torch.arange(first.n_heads, device=values.device) == first_head)[:, None, None]
    remapped = values.transpose(0, 1).flatten(1) @ first.W_O.T
    queries = _heads(second.norm_1(model.W_E) @ second.W_Q.T, second)
    keys = _heads(second.norm_1(remapped) @ second.W_K.T, second)
    return _hits(queries @ keys.transpose(1, 2), weights)


def vanilla_recall_W_O2(model: VanillaWeights, weights: Float[Tensor, "N"] | None = None) -> Float[Tensor, "H"]:
    """Return, for each head of layer 2, the share of tokens k for which argmax_j w_U(j) . LN(W_O2 W_V2 LN(w_E(k))) = k.

    The outer LN is the one before W_U; each head's output is tested alone. `weights` weigh the tokens.
    """
    block = _block(model, 1)
    values = _heads(block.norm_1(model.W_E) @ block.W_V.T, block)
    columns = block.W_O.unflatten(1, (block.n_heads, -1)).transpose(0, 1)
    written = values @ columns.transpose(1, 2)
    return _hits(model.norm(written) @ model.W_U.T, weights)


def _block(model: VanillaWeights, layer: int) -> _Block:
    if layer >= len(model.blocks):
        raise ValueError(f"the model has {len(model.blocks)} layers; this probe needs at least {layer + 1}.")
    block = model.blocks[layer]
    assert isinstance(block, _Block)
    return block


def _heads(x: Float[Tensor, "n d"], block: _Block) -> Float[Tensor, "H n d_h"]:
    return x.unflatten(-1, (block.n_heads, -1)).transpose(0, 1)


def _hits(scores: Float[Tensor, "H N N"], weights: Float[Tensor, "N"] | None) -> Float[Tensor, "H"]:
    hit = (scores.argmax(-1) == torch.arange(scores.shape[1], device=scores.device)).to(scores.dtype)
    if weights is None:
        return hit.mean(1)
    return (hit * weights.to(hit.dtype)).sum(1) / weights.sum().to(hit.dtype)
