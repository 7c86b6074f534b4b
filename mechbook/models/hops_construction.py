"""Weights written by hand that compose k functions in log2(k) + 1 layers (Wang et al. 2025, Theorem 1)."""

import math

import torch
from torch import Tensor

from mechbook.data.hops import Composition
from mechbook.models.hops import HopConfig, HopTransformer


def hop_construction(task: Composition, *, beta: float = 30.0) -> HopTransformer:
    """Return an attention-only model, one head a layer, whose readout number m gives 2^m hops without any training.

    The stream has orthogonal slots: the pair (i, y), the position i, the value y, and v_0, ..., v_{L}, each a value.
    Token (i, y) starts with its own pair, i and y, and v_0 = sigma_i(y). With scores beta (key . W q):

        layer 1       (i, y) asks for the key (i, pi_i(y)), the hidden permutation's only use; v_1 <- its v_0
        layer l + 1   (i, y) asks for position i + 2^(l-1) and value v_l, one beta for each; v_{l+1} <- its v_l

    so v_{l+1} is where 2^l hops lead, as 2^(l-1) hops after 2^(l-1) hops. The right key leads every other by beta:
    its share of the attention is at least 1 / (1 + (k n - 1) exp(-beta)).
    Raises ValueError where k is not a power of two, and for beta <= 0.
    """
    k, n, T = task.k, task.n, task.T
    doublings = k.bit_length() - 1
    if k != 2**doublings:
        raise ValueError(f"k is {k}; hops are doubled here, so it must be a power of two: 1, 2, 4, 8, ...")
    if not beta > 0:
        raise ValueError(f"beta is {beta}; it must be positive.")
    layers = doublings + 1
    position, value = T, T + k
    slots = [T + k + n + m * n for m in range(layers + 1)]
    d = slots[-1] + n
    config = HopConfig(
        T=T, N=n, hops=layers, d=d, n_layers=layers, n_heads=1, layer_norm=False
    )
    model = HopTransformer(config, torch.Generator().manual_seed(0))
    y = torch.arange(n)
    P, W_E, W_R = torch.zeros(T, d), torch.zeros(n, d), torch.zeros(layers, n, d)
    for t in range(T):
        P[t, [t, position + t // n, value + t % n]] = 1.0
    W_E[y, slots[0] + y] = 1.0
    for m in range(layers):
        W_R[m, y, slots[m + 1] + y] = 1.0
    state: dict[str, Tensor] = {"P": P, "W_E": W_E, "W_R": W_R}
    # the model divides scores by sqrt(d)
    scale = beta * math.sqrt(d)
    for layer in range(layers):
        W_Q, W_K, W_V = torch.zeros(d, d), torch.eye(d), torch.zeros(d, d)
        if layer == 0:
            for i in range(k):
                W_Q[i * n + task.pi[i], i * n + y] = scale
        else:
            ahead = torch.arange(k) + 2 ** (layer - 1)
            W_Q[position + ahead % k, position + torch.arange(k)] = scale
            W_Q[value + y, slots[layer] + y] = scale
        W_V[slots[layer + 1] + y, slots[layer] + y] = 1.0
        state |= {f"layers.{layer}.{name}": matrix for name, matrix in (("W_Q", W_Q), ("W_K", W_K), ("W_V", W_V))}
        state[f"layers.{layer}.W_O"] = torch.eye(d)
    model.load_state_dict(state)
    return model.requires_grad_(False)
