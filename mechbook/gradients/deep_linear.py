"""A memory in two linear layers, W = W_2 W_1, and the exact course of its learning (Saxe et al. 2014).

The target is sum_i s_i v_i u_i^T with orthonormal keys u_i and values v_i; s_i is the strength of association i. Inputs
are white, so that the loss is |target - W_2 W_1|^2 / 2. Time is gradient flow's: the learning rate times the steps.
"""

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from mechbook.gradients.presets import DeepLinearPreset
from mechbook.gradients.streams import STREAMS
from mechbook.shared.embeddings import orthonormal_embeddings, random_embeddings

Curves = Float[Tensor, "times modes"]


def mode_strength(t: Float[Tensor, "times"], s: Float[Tensor, "modes"], a_0: Float[Tensor, "modes2"]) -> Curves:
    """Return a(t) = s e^{2st} / (e^{2st} - 1 + s / a_0), which solves da/dt = 2 a (s - a) from a(0) = a_0.

    Raises ValueError unless there is a start a_0 for each s and 0 < a_0 < s.
    """
    _check_modes(s, a_0)
    # divided by e^{2st}, which overflows
    return s / (1 + (s / a_0 - 1) * torch.exp(-2 * t[:, None] * s))


def half_time(s: Float[Tensor, "modes"], a_0: Float[Tensor, "modes2"]) -> Float[Tensor, "modes"]:
    """Return the time at which a(t) = s / 2: log(s / a_0 - 1) / (2 s); raises ValueError as `mode_strength` does."""
    _check_modes(s, a_0)
    return torch.log(s / a_0 - 1) / (2 * s)


def effective_start(
    W_1: Float[Tensor, "h d_in"],
    W_2: Float[Tensor, "d_out h"],
    keys: Float[Tensor, "modes d_in"],
    values: Float[Tensor, "modes d_out"],
) -> Float[Tensor, "modes"]:
    """Return |W_1 u_i + W_2^T v_i|^2 / 4, the a_0 from which a small random start behaves like the exact solution.

    Near zero the two vectors drive each other, d(W_1 u)/dt = s W_2^T v and d(W_2^T v)/dt = s W_1 u: half of their sum
    grows as e^{st}, half of their difference decays.
    """
    return (keys @ W_1.T + values @ W_2).square().sum(1) / 4


def train_deep_linear(
    target: Float[Tensor, "d_out d_in"],
    W_1: Float[Tensor, "h d_in"],
    W_2: Float[Tensor, "d_out h"],
    keys: Float[Tensor, "modes d_in"],
    values: Float[Tensor, "modes d_out"],
    *,
    lr: float,
    steps: int,
) -> Curves:
    """Return v_i . W_2 W_1 u_i before the first step and after each, for gradient descent on both layers at once.

    Raises ValueError for a step size that is not finite and positive, or steps < 1.
    """
    if not (math.isfinite(lr) and lr > 0):
        raise ValueError(f"lr is {lr}; it must be a finite number > 0.")
    if steps < 1:
        raise ValueError(f"steps is {steps}; it must be at least 1.")
    strengths = torch.empty(steps + 1, len(keys), dtype=target.dtype)
    for step in range(steps + 1):
        product = W_2 @ W_1
        strengths[step] = ((values @ product) * keys).sum(1)
        error = target - product
        W_1, W_2 = W_1 + lr * W_2.T @ error, W_2 + lr * error @ W_1.T
    return strengths


def first_crossing(t: Float[Tensor, "times"], curves: Curves, levels: Float[Tensor, "modes"]) -> Tensor:
    """Return when each curve first reaches its level, linear between two times, (modes,).

    Raises ValueError where a curve starts above its level or never reaches it.
    """
    above = curves >= levels
    if bool(above[0].any()) or not bool(above.any(0).all()):
        raise ValueError("a curve starts above its level or never reaches it: take smaller weights or more steps.")
    after = above.to(torch.int8).argmax(0)
    every = torch.arange(len(levels))
    low, high = curves[after - 1, every], curves[after, every]
    return t[after - 1] + (levels - low) / (high - low) * (t[after] - t[after - 1])


def course(how: DeepLinearPreset, seed: int) -> dict[str, Tensor]:
    """Train W_2 W_1 from small random weights on associations of strengths 1 to 8, all sizes `how.d`.

    Times "t", strengths "s", "curves" a_i(t), the "exact" ones, half times "half" and their prediction "predicted".
    """
    random = STREAMS.generator("deep linear", seed)
    d, s = how.d, torch.logspace(0, 3, how.modes, base=2, dtype=torch.float64)
    keys, values = (orthonormal_embeddings([how.modes], d, generator=random, dtype=torch.float64)[0] for _ in range(2))
    W_1, W_2 = (random_embeddings(d, d, std=how.std, generator=random, dtype=torch.float64) for _ in range(2))
    a_0 = effective_start(W_1, W_2, keys, values)
    target = (values.T * s) @ keys
    curves = train_deep_linear(target, W_1, W_2, keys, values, lr=how.lr, steps=how.steps)
    t = torch.arange(how.steps + 1, dtype=torch.float64) * how.lr
    half = first_crossing(t, curves, s / 2)
    exact = mode_strength(t, s, a_0)
    return {"t": t, "s": s, "curves": curves, "exact": exact, "half": half, "predicted": half_time(s, a_0)}


STARTS = (1e-5, 1e-3, 1e-2, 3e-2)
"""Standard deviations of the weights at the start, from the claim's to one that is no longer small."""


def by_start(how: DeepLinearPreset, seed: int) -> dict[float, tuple[float, float]]:
    """By the standard deviation of the start: the slope of half time against strength, and the largest rise share."""
    found = {}
    for std in sorted({how.std, *STARTS}):
        run = course(replace(how, std=std), seed)
        rise = rise_share(run["t"], run["curves"], run["s"])
        found[std] = slope(run["s"], run["half"]), float(rise.max())
    return found


def rise_share(t: Float[Tensor, "times"], curves: Curves, s: Float[Tensor, "modes"]) -> Float[Tensor, "modes"]:
    """Return the time from 10% to 90% of s over the time to half of it: small where a plateau comes before the rise.

    The exact solution of two layers has log(81) / log(s / a_0 - 1), to be made as small as one likes by a small start;
    one layer from zero has log(9) / log(2) = 3.17, whatever s is. Raises ValueError as `first_crossing` does.
    """
    low, half, high = (first_crossing(t, curves, share * s) for share in (0.1, 0.5, 0.9))
    return (high - low) / half


def one_layer_course(how: DeepLinearPreset) -> dict[str, Tensor]:
    """Descent from zero on one layer W that stores modes whose keys occur with frequencies in proportion to s.

    In orthonormal bases W is the vector of v_i . W u_i, and da/dt = s (1 - a): strength is how often a key occurs, and
    every association ends at 1. Times "t", "s", "curves" and half times "half", as in `course`.
    """
    s = torch.logspace(0, 3, how.modes, base=2, dtype=torch.float64)
    a, curves = torch.zeros_like(s), []
    for _ in range(how.steps + 1):
        curves.append(a)
        a = a + how.lr * s * (1 - a)
    found, t = torch.stack(curves), torch.arange(how.steps + 1, dtype=torch.float64) * how.lr
    half = first_crossing(t, found, torch.full_like(s, 0.5))
    return {"t": t, "s": s, "curves": found, "half": half}


def slope(s: Float[Tensor, "modes"], half: Float[Tensor, "modes2"]) -> float:
    """Return the slope of log half time against log strength, least squares.

    Raises ValueError unless each strength has its half time, all positive, and two strengths differ.
    """
    if len(s) != len(half) or bool((s <= 0).any()) or bool((half <= 0).any()) or len(s.unique()) < 2:
        raise ValueError(f"a slope needs two different strengths with half times, all positive, not {s} and {half}.")
    x, y = s.log(), half.log()
    x = x - x.mean()
    return float((x * y).sum() / x.square().sum())


def _check_modes(s: Tensor, a_0: Tensor) -> None:
    if len(s) != len(a_0):
        raise ValueError(f"there are {len(s)} strengths and {len(a_0)} starts; each mode must have both.")
    if not bool(((a_0 > 0) & (a_0 < s)).all()):
        raise ValueError("a start a_0 is not between 0 and its strength s: the exact solution grows from there to s.")
