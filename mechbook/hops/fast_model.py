"""Several `HopTransformer`s of one size as one program: the models' weights stacked, one batched product for all.

A layer of one small model leaves most of a step's time to starting operations; stacked, models share that cost.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from mechbook.core import devices
from mechbook.hops.fast_attention import attend
from mechbook.hops.model import HopConfig, HopTransformer

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
        W_Q, W_K, W_V = (stack[f"{name}.W_{part}"] for part in "QKV")
        # the scale of the scores goes to W_Q, which is smaller than the scores
        W_QKV = torch.cat([W_Q / math.sqrt(d // heads), W_K, W_V], dim=1)
        qkv = torch.bmm(_normalised(x, stack, f"{name}.norm", config), W_QKV.transpose(1, 2))
        mix = _one_kernel if devices.is_accelerator(z.device) else attend
        mixed = mix(qkv.view(S * B, T, 3 * d), heads, causal=config.causal).view(S, B * T, d)
        x = torch.baddbmm(x, mixed, stack[f"{name}.W_O"].transpose(1, 2))
    W_R = stack["W_R"].view(S, config.hops * config.outputs, d)
    # the tokens last: the loss then runs along them, and not along a handful of answers
    logits = torch.bmm(W_R, _normalised(x, stack, "norm", config).transpose(1, 2))
    return logits.view(S, config.hops, config.outputs, B, T).permute(0, 3, 4, 1, 2)


def losses_and_gradient(
    logits: Float[Tensor, "S B T hops N_out"], targets: Int[Tensor, "S B T hops"]
) -> tuple[Float[Tensor, "S hops"], Float[Tensor, "S hops"], Float[Tensor, "S B T hops N_out"]]:
    """Return each hop's mean loss and accuracy, (S, hops), and the gradient of the loss to the logits, by hand.

    The gradient of a hop's mean cross-entropy to its logits is (softmax - one-hot) / (B T). The target counts as
    answered where no logit is larger (a tie, which random numbers do not have, would count too).
    """
    S, B, T, hops, outputs = logits.shape
    by_answer = logits.detach().permute(0, 3, 4, 1, 2).reshape(S, hops, outputs, B * T)
    wanted = targets.permute(0, 3, 1, 2).reshape(S, hops, 1, B * T)
    log_p = by_answer.log_softmax(2)
    of_target = log_p.gather(2, wanted)
    right = (by_answer.gather(2, wanted) == by_answer.amax(2, keepdim=True)).to(devices.counting_type(logits.device))
    gradient = log_p.exp().scatter_add_(2, wanted, torch.full_like(of_target, -1.0)) / (B * T)
    gradient = gradient.view(S, hops, outputs, B, T).permute(0, 3, 4, 1, 2)
    return -of_target.mean((2, 3)), right.mean((2, 3)), gradient


def _one_kernel(qkv: Float[Tensor, "B T three_d"], heads: int, *, causal: bool) -> Float[Tensor, "B T d"]:
    """What `attend` computes, as an accelerator does best: in one operation, which reads nothing."""
    B, T, three_d = qkv.shape
    q, k, v = qkv.view(B, T, 3, heads, -1).permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=1.0)
    return mixed.transpose(1, 2).reshape(B, T, three_d // 3)


def _normalised(x: Tensor, stack: Stack, name: str, config: HopConfig) -> Tensor:
    if not config.layer_norm:
        return x
    normal = F.layer_norm(x, (config.d,))
    return torch.addcmul(stack[f"{name}.bias"][:, None], normal, stack[f"{name}.weight"][:, None])
