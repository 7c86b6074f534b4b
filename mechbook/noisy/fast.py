"""The noisy-recall transformer's logits at selected positions only, at a fraction of the plain forward's cost.

Layer 1 and F_1 are needed everywhere, as what they write is what layer 2 looks through. But layer 2 has queries at the
selected positions only: W_KQ2 is applied to those queries, W_V2 to what they find, and F_2 and W_U follow there alone.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from mechbook.noisy.model import NoisyTransformer
from mechbook.shared.simplified import embed


def selected_logits(
    model: NoisyTransformer, z: Int[Tensor, "B T"], select: Bool[Tensor, "B T"]
) -> Float[Tensor, "n_selected V"]:
    """Return `model(z)[select]`, with the same gradients.

    The result's shape depends on the values of `select`, so it waits for the device once a call. Raises ValueError for
    more positions than the model has.
    """
    y, _ = before_F2(model, z, select)
    return (y + model.F2(y)) @ model.W_U.T


def before_F2(model: NoisyTransformer, z: Int[Tensor, "B T"], select: Bool[Tensor, "B T"]) -> tuple[Tensor, Tensor]:
    """Return, at the selected positions, the stream that F_2 reads, (n, d), and layer 2's attention, (n, T).

    Raises ValueError for more positions than the model has.
    """
    scale = 1 / math.sqrt(model.config.d)
    x = embed(z, model.W_E, model.P)
    # the head axis lets torch choose a kernel that never stores the map
    query, key, value = (v.unsqueeze(1) for v in (x, x @ model.W_KQ1.T, x @ model.value_1().T))
    x = x + F.scaled_dot_product_attention(query, key, value, is_causal=True).squeeze(1)
    x = x + model.F1(x)

    # column w of a row is its sequence's w-th selected position; rows that have fewer repeat position 0
    sequence, position = select.nonzero(as_tuple=True)
    slot = (select.cumsum(1) - 1)[sequence, position]
    width = int(select.sum(1).max())
    at = torch.zeros(len(z), width, dtype=torch.int64, device=z.device)
    at[sequence, slot] = position
    own = x.gather(1, at.unsqueeze(2).expand(-1, -1, x.shape[2]))
    future = torch.arange(z.shape[1], device=z.device) > at.unsqueeze(2)
    scores = (own @ (model.W_KQ2 * scale)) @ x.mT
    attention = scores.masked_fill(future, float("-inf")).softmax(-1)
    # what follows is done for the selected positions alone, about half of the grid's
    place = sequence * width + slot
    own, found, attention = (v.flatten(0, 1).index_select(0, place) for v in (own, attention @ x, attention))
    return own + found @ model.W_V2.T, attention
