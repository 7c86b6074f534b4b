"""Weights written by hand that compose k functions in log2(k) + 1 layers (Wang et al. 2025, Theorem 1)."""

import math

import torch
from torch import Tensor

from mechbook.hops.model import HopConfig, HopTransformer
from mechbook.hops.task import Composition


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
    config = HopConfig(T=T, N=n, hops=layers, d=d, n_layers=layers, n_heads=1, layer_norm=False)
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


def four_hops_in_two_layers(task: Composition, *, beta: float = 30.0) -> HopTransformer:
    """Return a model of two layers, three heads each, whose one readout gives 4 hops without any training.

    One layer less than `hop_construction`, because permutations can be followed backwards and a token carries more
    than it is asked for. With the letters of `hop_construction`, layer 1 of token (i, y) looks up

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
    if not beta > 0:
        raise ValueError(f"beta is {beta}; it must be positive.")
    width = max(k + n, -(-(T + k + 5 * n) // 3))
    d, position = 3 * width, T
    v_0, a, f, b, out = (T + k + slot * n for slot in range(5))
    config = HopConfig(T=T, N=n, hops=1, d=d, n_layers=2, n_heads=3, layer_norm=False)
    model = HopTransformer(config, torch.Generator().manual_seed(0))
    y, inverse = torch.arange(n), task.pi.argsort(1)
    P, W_E, W_R = torch.zeros(T, d), torch.zeros(n, d), torch.zeros(1, n, d)
    for t in range(T):
        P[t, [t, position + t // n]] = 1.0
    W_E[y, v_0 + y] = 1.0
    W_R[0, y, out + y] = 1.0
    first, second = ({name: torch.zeros(d, d) for name in ("W_Q", "W_K", "W_V", "W_O")} for _ in range(2))
    # a head's rows hold a position, k of them, then a value, n; head 0 finds a, head 1 f, head 2 b
    for i in range(k):
        own = i * n + y
        first["W_Q"][i, own] = first["W_K"][i, own] = 1.0
        first["W_Q"][k + task.pi[i], own] = first["W_K"][k + y, own] = 1.0
        first["W_Q"][width + (i + 1) % k, position + i] = first["W_K"][width + i, position + i] = 1.0
        first["W_K"][width + k + inverse[i], own] = 1.0
        first["W_Q"][2 * width + (i - 1) % k, position + i] = first["W_K"][2 * width + i, position + i] = 1.0
        first["W_Q"][2 * width + k + inverse[i], own] = 1.0
        first["W_V"][2 * width + inverse[i], own] = 1.0
        second["W_Q"][(i + 2) % k, position + i] = second["W_K"][i, position + i] = 1.0
    first["W_Q"][width + k + y, v_0 + y] = first["W_K"][2 * width + k + y, v_0 + y] = 1.0
    first["W_V"][y, v_0 + y] = first["W_V"][width + y, v_0 + y] = 1.0
    for head, slot in enumerate((a, f, b)):
        first["W_O"][slot + y, head * width + y] = 1.0
    second["W_Q"][k + y, a + y] = second["W_K"][k + y, b + y] = 1.0
    second["W_V"][y, f + y] = second["W_O"][out + y, y] = 1.0
    state: dict[str, Tensor] = {"P": P, "W_E": W_E, "W_R": W_R}
    for layer, matrices in enumerate((first, second)):
        # the model divides scores by sqrt(d / H)
        matrices["W_Q"] *= beta * math.sqrt(width)
        state |= {f"layers.{layer}.{name}": matrix for name, matrix in matrices.items()}
    model.load_state_dict(state)
    return model.requires_grad_(False)
