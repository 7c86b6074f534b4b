"""A factorised memory, an MLP that filters crosstalk, and keys that stand for sets (Birth, appendix D)."""

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.special import ndtr
from torch import Tensor

from mechbook.memories import quadrature
from mechbook.memories.outer_product import score_variance, shared_map


def factorised_memory(
    keys: Float[Tensor, "N d"],
    values: Float[Tensor, "M d"],
    d_prime: int,
    *,
    generator: torch.Generator,
    step: float = 1.0,
) -> tuple[Float[Tensor, "d {d_prime}"], Float[Tensor, "{d_prime} d"]]:
    """The factors U and V of W = d/(2 d') U V / step, each one gradient step from random ones (Birth, App. D).

    U = U_0 + step sum_i v_i (V_0 u_i)^T and V = V_0 + step sum_i (U_0^T v_i) u_i^T, with N(0, 1/d) entries in U_0, V_0.
    Raises ValueError unless 1 <= d_prime <= d and each key has its value.
    """
    d = keys.shape[1]
    if len(keys) != len(values):
        raise ValueError(f"There are {len(keys)} keys and {len(values)} values; each key has its own value.")
    if not 1 <= d_prime <= d:
        raise ValueError(f"d_prime is {d_prime}; it must be in 1 .. d = {d}.")
    U_0 = torch.randn(d, d_prime, generator=generator, dtype=keys.dtype) / d**0.5
    V_0 = torch.randn(d_prime, d, generator=generator, dtype=keys.dtype) / d**0.5
    return U_0 + step * values.T @ (keys @ V_0.T), V_0 + step * (values @ U_0).T @ keys


def factorised_product(U: Float[Tensor, "d r"], V: Float[Tensor, "r d"], step: float = 1.0) -> Float[Tensor, "d d"]:
    """W = d/(2 d') U V / step. Raises ValueError for a step that is not positive and finite."""
    _check_sizes(1, 1, 1, step)
    d, d_prime = U.shape
    return d / (2 * d_prime * step) * (U @ V)


def added_variance(N: int, d: int, d_prime: int, step: float = 1.0) -> float:
    """What factors add to the variance of a wrong score: (1/step + step (1 + N/d))^2 / (4 d'), for N, d, d' >> 1.

    Raises ValueError for N, d or d' < 1, or a step that is not positive and finite.
    """
    _check_sizes(N, d, d_prime, step)
    return (1 / step + step * (1 + N / d)) ** 2 / (4 * d_prime)


def best_step(N: int, d: int) -> float:
    """The step size (1 + N/d)^(-1/2) at which factors add least, (1 + N/d)/d'. Raises ValueError for N or d < 1."""
    _check_sizes(N, d)
    return float((1 + N / d) ** -0.5)


def _check_sizes(N: int, d: int, d_prime: int = 1, step: float = 1.0) -> None:
    if min(N, d, d_prime) < 1:
        raise ValueError(f"N is {N}, d is {d} and d_prime is {d_prime}; all must be at least 1.")
    if not 0 < step < float("inf"):
        raise ValueError(f"step is {step}; it must be positive and finite.")


def predicted_factorised_recall(N: int, d: int, d_prime: int) -> float:
    """The expected recall of a factorised memory of N pairs, an injective map, with unit-norm embeddings.

    Let x_i = V_0 u_i, y_i = U_0^T v_i and W* be the full matrix. Twice a score is twice the full matrix' score plus, in
    d' dimensions, the inner product of y_k + V_0 W*^T v_k and x_i + U_0^T W* u_i. Each is g = x + y of its pair, of
    squared norm 2 rho, plus crosstalk of squared norm N/d. So a wrong score gains (2 rho + N/d)(2 + N/d) / (4 d') of
    variance, (1 + N/(2d))^2 / d' at rho = 1; the right one is rho on average and gains (rho N/d + (N/d)^2/4) / d'.
    rho is averaged over, all else taken as Gaussian and independent; within 0.08 of simulations, mostly below them.
    Raises ValueError when N < 1 or not 1 <= d_prime <= d.
    """
    if not 1 <= d_prime <= d:
        raise ValueError(f"d_prime is {d_prime}; it must be in 1 .. d = {d}.")
    full = score_variance(shared_map(N), d, unit_norm=True)
    if N == 1:
        return 1.0
    (rho, w_rho), (g, w_g) = quadrature.mean_square(d_prime, 12), quadrature.normal(60)
    rho, g = np.ix_(rho, g)
    load = N / d
    own = float(full[0, 0]) + (rho * load + load**2 / 4) / d_prime
    wrong = float(full[0, 1]) + (2 * rho + load) * (2 + load) / (4 * d_prime)
    chance = ndtr((rho + g * np.sqrt(own)) / np.sqrt(wrong)) ** (N - 1)
    return float(w_rho @ chance @ w_g)


def mlp_filter(
    x: Float[Tensor, "n d"], keys: Float[Tensor, "N d"], stored: Float[Tensor, "M d_out"], b: float
) -> Float[Tensor, "n d_out"]:
    """F(x) = sum_i v_f(i) relu(u_i^T x - b), an MLP with one hidden unit for each pair (Birth, App. D).

    stored: the value v_f(i) of each key. Raises ValueError where keys and values differ in number.
    """
    if len(keys) != len(stored):
        raise ValueError(f"There are {len(keys)} keys and {len(stored)} stored values; each key has one.")
    return torch.relu(x @ keys.T - b) @ stored


def predicted_filter_recall(N: int, d: int, b: float) -> float:
    """The expected recall of `mlp_filter` with N pairs of unit-norm keys and values, an injective map.

    As `predicted_recall`, with the signal 1 - b and the crosstalk relu(u_k^T u_i - b) in the places of 1 and u_k^T u_i.
    Raises ValueError when N < 1, d < 2 or b is not in [0, 1).
    """
    if N < 1 or d < 2 or not 0 <= b < 1:
        raise ValueError(f"N is {N}, d is {d} and b is {b}; they must have N >= 1, d >= 2 and 0 <= b < 1.")
    y = np.linspace(-1, 1, 2002)[1:-1]
    density = (1 - y**2) ** ((d - 3) / 2)
    density /= density.sum()
    # the quadrature below needs few points, but all of where the filter passes
    mean_square = float((density * np.maximum(y - b, 0) ** 2).sum())
    passing = y > b
    c = np.concatenate([[0.0], y[passing] - b])
    chance = np.concatenate([[density[~passing].sum()], density[passing]])
    (x, w_x), (g, w_g) = quadrature.sphere(d, 24), quadrature.normal(20)
    G, X, C = np.ix_(g, x, c)
    noise = (N - 1) * mean_square
    mean = (1 - b - C + G * np.sqrt(noise / d)) * (1 - X)
    beats = ndtr(mean / np.sqrt(np.maximum((1 - X**2) * noise / d, 1e-30)))
    P = (beats * w_x[None, :, None] * chance).sum((1, 2))
    return float((P ** (N - 1) * w_g).sum())


def set_keys(embeddings: Float[Tensor, "n d"], sets: Int[Tensor, "S size"]) -> Float[Tensor, "S d"]:
    """The key of each set, the sum of its members' embeddings over the root of their number (Birth, App. D).

    sets: the numbers of the members, one set in a row. Raises ValueError for a number that no embedding has.
    """
    if sets.numel() and not (0 <= int(sets.min()) and int(sets.max()) < len(embeddings)):
        outside = sets[(sets < 0) | (sets >= len(embeddings))][0]
        raise ValueError(
            f"A set has the member {int(outside)}; the embeddings are numbered 0 .. {len(embeddings) - 1}."
        )
    return embeddings[sets].sum(1) / sets.shape[1] ** 0.5
