"""Several `HopTransformer`s of one size as one program: the models' weights stacked, one batched product for all.

A layer of one small model leaves most of a step's time to starting operations; stacked, models share that cost.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from mechbook.models.hops import HopConfig, HopTransformer

# The names of a model's state dict, each tensor with one more axis in front: the model.
Stack = dict[str, Tensor]


def stack_models(models: Sequence[HopTransformer]) -> Stack:
    """Return copies of the models' weights, stacked; those that are trained require a gradient.

    Raises ValueError for no model, and for models of different sizes.
    """
    if not models:
        raise ValueError("There is no model to stack.")
    if any(model.config != models[0].config for model in models):
        raise ValueError("The models have different sizes; only equal ones can be stacked.")
    trained = {name for name, _ in models[0].named_parameters()}
    states = [model.state_dict() for model in models]
    return {name: torch.stack([state[name] for state in states]).requires_grad_(name in trained) for name in states[0]}


def unstack(stack: Stack, s: int) -> dict[str, Tensor]:
    """Return the state dict of model number s."""
    return {name: values[s].detach().clone() for name, values in stack.items()}


def stacked_logits(
    stack: Stack, config: HopConfig, z: Int[Tensor, "S B T"]
) -> Float[Tensor, "S B T {config.hops} {config.outputs}"]:
    """Return each model's logits on its own batch: [s] is HopTransformer s on z[s]."""
    S, B, T = z.shape
    d, heads = config.d, config.n_heads
    tables = stack["W_E"].reshape(S * config.N, d)
    own = z.reshape(S, B * T) + torch.arange(S, device=z.device)[:, None] * config.N
    x = (F.embedding(own, tables).view(S, B, T, d) + stack["P"][:, None]).view(S, B * T, d)
    for layer in range(config.n_layers):
        name = f"layers.{layer}"
        W_QKV = torch.cat([stack[f"{name}.W_{part}"] for part in "QKV"], dim=1)
        y = _normalised(x, stack, f"{name}.norm", config)
        qkv = torch.bmm(y, W_QKV.transpose(1, 2)).view(S * B, T, 3, heads, d // heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        # written out: at these lengths faster than the fused attention, backward included
        scores = (q / math.sqrt(d // heads)) @ k.transpose(2, 3)
        if config.causal:
            later = torch.ones(T, T, dtype=torch.bool, device=z.device).triu(1)
            scores = scores.masked_fill(later, -math.inf)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(S, B * T, d)
        x = torch.baddbmm(x, mixed, stack[f"{name}.W_O"].transpose(1, 2))
    W_R = stack["W_R"].view(S, config.hops * config.outputs, d)
    logits = torch.bmm(_normalised(x, stack, "norm", config), W_R.transpose(1, 2))
    return logits.view(S, B, T, config.hops, config.outputs)


def _normalised(x: Tensor, stack: Stack, name: str, config: HopConfig) -> Tensor:
    if not config.layer_norm:
        return x
    normal = F.layer_norm(x, (config.d,))
    return torch.addcmul(stack[f"{name}.bias"][:, None], normal, stack[f"{name}.weight"][:, None])
