"""By which look-ups a trained model of two layers does three hops: where layer 1 looks, and what is lost without it."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechbook.hops.experiments import attention_by_layer
from mechbook.hops.model import HopLayer, HopTransformer
from mechbook.hops.probes import keys_of_hops, keys_of_two_layers, mass_on
from mechbook.hops.runs import CompositionSettings, fresh, trained
from mechbook.hops.task import Composition

LOOK_UPS = ("one hop from here", "where its own σ leads next", "where one comes from", "what carries its own value")
"""What a token may look up in layer 1: the three of `keys_of_two_layers`, then that of `carriers`."""


def carriers(sigma: Int[Tensor, "B k n"]) -> Int[Tensor, "B T"]:
    """Return, for each query token (i, y), the number of the token (i - 1, u) that carries y: sigma_{i-1}(u) = y.

    Its next token is (i, y) in the tables alone, without a hidden permutation between them.
    """
    k, n = sigma.shape[1:]
    before = (torch.arange(k, device=sigma.device)[:, None] - 1) % k
    return (before * n + sigma.argsort(-1).roll(1, 1)).flatten(1, 2)


def first_keys(task: Composition, sigma: Int[Tensor, "B k n"]) -> Int[Tensor, "B T look_ups"]:
    """Return the keys of `LOOK_UPS`, as numbers of tokens."""
    return torch.cat([keys_of_two_layers(task, sigma), carriers(sigma)[..., None]], -1)


def layer_without(
    layer: HopLayer, x: Float[Tensor, "B T d"], keys: Int[Tensor, "B T"] | None
) -> Float[Tensor, "B T d"]:
    """Return what a layer gives where no query may look at its own key; None: where all may look at all."""
    B, T, d = x.shape
    y = layer.norm(x)
    q, k, v = ((y @ W.T).view(B, T, layer.n_heads, -1).transpose(1, 2) for W in (layer.W_Q, layer.W_K, layer.W_V))
    scores = q @ k.transpose(2, 3) / math.sqrt(d // layer.n_heads)
    if keys is not None:
        scores = scores.scatter(3, keys[:, None, :, None].expand(B, layer.n_heads, T, 1), -math.inf)
    return x + (scores.softmax(-1) @ v).transpose(1, 2).reshape(B, T, d) @ layer.W_O.T


def logits_without(
    model: HopTransformer, z: Int[Tensor, "B T"], keys: Int[Tensor, "B T"] | None
) -> Float[Tensor, "B T hops N"]:
    """Return the logits of a model that is not causal and whose layer 1 may not look at `keys`; None: at all tokens."""
    first, *later = (layer for layer in model.layers if isinstance(layer, HopLayer))
    x = layer_without(first, model.P + model.W_E[z], keys)
    for layer in later:
        x, _ = layer(x)
    return torch.einsum("btd,rnd->btrn", model.norm(x), model.W_R)


def look_ups(spec: CompositionSettings, seed: int, B: int = 200) -> tuple[Tensor, Tensor, Tensor]:
    """Mean attention of each head on what two layers could do hops with.

    Layer 1's on the keys of `LOOK_UPS`, (heads, 4); layer 2's on what hop r + 1 reads and on where r hops land, both
    (heads, k).
    """
    task = spec.task(seed)
    z, _ = fresh(spec, seed, B)
    sigma = z.view(B, spec.k, spec.n)
    first, second, *_ = trained(spec, seed).trace(z).attention
    lands = attention_by_layer(spec, seed, B)[1]["lands"]
    return mass_on(first, first_keys(task, sigma)), mass_on(second, keys_of_hops(task, sigma)), lands


def accuracy_without(spec: CompositionSettings, seed: int, hop: int, B: int = 200) -> Float[Tensor, "look_ups_plus_1"]:
    """Return the accuracy on `hop` hops of a trained model: as it is, then without each of `LOOK_UPS` in layer 1."""
    z, targets = fresh(spec, seed, B)
    model, keys = trained(spec, seed), first_keys(spec.task(seed), z.view(B, spec.k, spec.n))
    found = []
    for closed in (None, *keys.unbind(-1)):
        right = logits_without(model, z, closed)[:, :, hop - 1].argmax(-1) == targets[..., hop - 1]
        found.append(right.cpu().double().mean())
    return torch.stack(found)
