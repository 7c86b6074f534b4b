"""The noisy-recall transformer's logits at every position, without an attention map in memory: an accelerator's path.

`mechbook.noisy.fast` computes selected positions alone, which saves work and costs waits; here shapes are fixed.
"""

import math

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from mechbook.noisy.model import NoisyTransformer
from mechbook.shared.simplified import embed


def logits(model: NoisyTransformer, z: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
    """Return `model(z)`, with the same gradients. Raises ValueError for more positions than the model has."""
    x = embed(z, model.W_E, model.P)
    for W_KQ, W_V, block in ((model.W_KQ1, model.value_1(), model.F1), (model.W_KQ2, model.W_V2, model.F2)):
        # the head axis lets torch choose a kernel that never stores the map
        query, key, value = (v.unsqueeze(1) for v in (x, x @ W_KQ.T, x @ W_V.T))
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=1 / math.sqrt(x.shape[-1]))
        x = x + mixed.squeeze(1)
        if block.kind != "none":
            x = x + block(x)
    return x @ model.W_U.T
