"""Weights written by hand that compose k functions in log2(k) + 1 layers (Wang et al. 2025, Theorem 1)."""

import math

import torch

from mechbook.hops.model import HopConfig, HopLayer, HopTransformer
from mechbook.hops.task import Composition


def hop_construction(task: Composition, *, beta: float = 30.0) -> HopTransformer:
    """Return an attention-only model, one head a layer, whose readout number m gives 2^m hops without any training.

    The right key leads every other by beta: its share of the attention is at least 1 / (1 + (k n - 1) exp(-beta)).
    Raises ValueError where k is not a power of two, and for beta <= 0.
    """
    k, n, T = task.k, task.n, task.T
    layers = k.bit_length()
    if k != 2 ** (layers - 1):
        raise ValueError(f"k is {k}; hops are doubled here, so it must be a power of two: 1, 2, 4, 8, ...")
    # places in the stream: one for each pair, position and value, and slots v[0], v[1], ... of a value each
    sizes = [T, k, n, *[n] * (layers + 1)]
    pair, position, value, *v = torch.arange(sum(sizes)).split(sizes)
    model = _blank(HopConfig(T=T, N=n, hops=layers, d=sum(sizes), n_layers=layers, n_heads=1, layer_norm=False))
    sharp = _scale(beta, model)
    i, y = torch.arange(T) // n, torch.arange(T) % n
    # token (i, y) starts with its pair, i and y, and in v[0] what it carries
    for places in (pair, position[i], value[y]):
        model.P[torch.arange(T), places] = 1
    model.W_E[torch.arange(n), v[0]] = 1
    for m, layer in enumerate(_layers(model)):
        if m == 0:
            layer.W_Q[pair[i * n + task.pi[i, y]], pair] = sharp
        else:
            layer.W_Q[position.roll(-(2 ** (m - 1))), position] = sharp
            layer.W_Q[value, v[m]] = sharp
        layer.W_V[v[m + 1], v[m]] = 1
        layer.W_K.fill_diagonal_(1)
        layer.W_O.fill_diagonal_(1)
        model.W_R[m, torch.arange(n), v[m + 1]] = 1
    return model


def four_hops_in_two_layers(task: Composition, *, beta: float = 30.0) -> HopTransformer:
    """Return a model of two layers, three heads each, whose one readout gives 4 hops without any training.

    One layer less than `hop_construction`, because permutations can be followed backwards and a token carries more
    than it is asked for. Layer 1 of token (i, y), which carries v_0 = sigma_i (y), looks up

        a = sigma_i pi_i (y)                    one hop from here: its key is (i, pi_i(y))
        f = sigma_{i+1} pi_{i+1} sigma_i (y)    where its own sigma leads next: its key is (i + 1, pi_{i+1} sigma_i (y))
        b = pi_{i-1}^-1 sigma_{i-1}^-1 pi_i^-1 (y)    where one comes from: its key is the (i - 1, u) that carries
                                                pi_i^-1 (y), from which it copies pi_{i-1}^-1 (u)

    In layer 2 it asks for the token at position i + 2 whose b is its own a, and copies that token's f: from a, one hop
    to where that token is reached, and two more in f. Raises ValueError for k below 4 and for beta <= 0.
    """
    k, n, T = task.k, task.n, task.T
    if k < 4:
        raise ValueError(f"k is {k}; for 4 hops there must be 4 positions or more.")
    # a head's rows hold a position, k of them, then a value, n; head 0 finds a, head 1 f, head 2 b
    width = max(k + n, -(-(T + k + 5 * n) // 3))
    d, position = 3 * width, T
    v_0, a, f, b, out = (T + k + slot * n for slot in range(5))
    model = _blank(HopConfig(T=T, N=n, hops=1, d=d, n_layers=2, n_heads=3, layer_norm=False))
    y, inverse = torch.arange(n), task.pi.argsort(1)
    for t in range(T):
        model.P[t, [t, position + t // n]] = 1.0
    model.W_E[y, v_0 + y] = 1.0
    model.W_R[0, y, out + y] = 1.0
    first, second = _layers(model)
    for i in range(k):
        own = i * n + y
        first.W_Q[i, own] = first.W_K[i, own] = 1.0
        first.W_Q[k + task.pi[i], own] = first.W_K[k + y, own] = 1.0
        first.W_Q[width + (i + 1) % k, position + i] = first.W_K[width + i, position + i] = 1.0
        first.W_K[width + k + inverse[i], own] = 1.0
        first.W_Q[2 * width + (i - 1) % k, position + i] = first.W_K[2 * width + i, position + i] = 1.0
        first.W_Q[2 * width + k + inverse[i], own] = 1.0
        first.W_V[2 * width + inverse[i], own] = 1.0
        second.W_Q[(i + 2) % k, position + i] = second.W_K[i, position + i] = 1.0
    first.W_Q[width + k + y, v_0 + y] = first.W_K[2 * width + k + y, v_0 + y] = 1.0
    first.W_V[y, v_0 + y] = first.W_V[width + y, v_0 + y] = 1.0
    for head, slot in enumerate((a, f, b)):
        first.W_O[slot + y, head * width + y] = 1.0
    second.W_Q[k + y, a + y] = second.W_K[k + y, b + y] = 1.0
    second.W_V[y, f + y] = second.W_O[out + y, y] = 1.0
    for layer in _layers(model):
        layer.W_Q.mul_(_scale(beta, model))
    return model


def _layers(model: HopTransformer) -> list[HopLayer]:
    return [layer for layer in model.layers if isinstance(layer, HopLayer)]


def _blank(config: HopConfig) -> HopTransformer:
    """A model whose weights are zero, to be written in."""
    model = HopTransformer(config, torch.Generator().manual_seed(0)).requires_grad_(False)
    for values in model.state_dict().values():
        values.zero_()
    return model


def _scale(beta: float, model: HopTransformer) -> float:
    """What a query must be multiplied by for a score of beta: the model divides scores by sqrt(d / H)."""
    if not beta > 0:
        raise ValueError(f"beta is {beta}; it must be positive.")
    return beta * math.sqrt(model.config.d // model.config.n_heads)
