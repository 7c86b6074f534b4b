"""Outer-product memories, their scores and recall, and what theory says of both (Birth 4.1 and appendix A).

A memory of N pairs in d dimensions is W = sum_i alpha_i v_f(i) u_i^T: keys u_1 .. u_N, values v_1 .. v_M, and a map f
from keys to values. It is read by scores s_ik = v_k^T W u_i, and recalls i where s_i,f(i) is the largest of its row.
In theory, keys and values are independent: `unit_norm` vectors are uniform on the sphere, the others have independent
N(0, 1/d) entries.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.special import log_ndtr, ndtr
from torch import Tensor

from mechbook.memories import quadrature


def draw_embeddings(
    n: int, d: int, *, generator: torch.Generator, unit_norm: bool = False, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "{n} {d}"]:
    """Draw n embeddings with independent N(0, 1/d) entries; `unit_norm` divides each by its norm.

    Raises ValueError when n or d < 1.
    """
    if n < 1 or d < 1:
        raise ValueError(f"n is {n} and d is {d}; both must be at least 1.")
    x = torch.randn(n, d, generator=generator, device=generator.device, dtype=dtype) / d**0.5
    return x / x.norm(dim=1, keepdim=True) if unit_norm else x


def shared_map(N: int, M: int | None = None) -> Int[Tensor, "{N}"]:
    """The map f(i) = i mod M, which gives each of M values N/M keys; None is the injective map, M = N.

    Raises ValueError when N < 1, or M is not in 1 .. N.
    """
    if N < 1:
        raise ValueError(f"N is {N}; a memory has at least 1 pair.")
    if M is not None and not 1 <= M <= N:
        raise ValueError(f"M is {M}; it must be in 1 .. N = {N}.")
    return torch.arange(N) % (M or N)


def outer_product_memory(
    keys: Float[Tensor, "N d_in"],
    values: Float[Tensor, "M d_out"],
    targets: Int[Tensor, "_"] | None = None,
    weights: Float[Tensor, "_"] | None = None,
) -> Float[Tensor, "d_out d_in"]:
    """W = sum_i alpha_i v_f(i) u_i^T (Birth eq. 3).

    keys: u_i; values: v_k; targets: f(i) in 0 .. M - 1, without them f(i) = i; weights: alpha_i, without them 1
    Raises ValueError where counts do not match or a target is no value's number.
    """
    targets = _checked_targets(len(keys), len(values), targets)
    chosen = values[targets]
    if weights is not None:
        if len(weights) != len(keys):
            raise ValueError(f"There are {len(weights)} weights for {len(keys)} keys; each key has one.")
        chosen = chosen * weights[:, None]
    return chosen.T @ keys


def scores(
    W: Float[Tensor, "d_out d_in"], keys: Float[Tensor, "n d_in"], values: Float[Tensor, "M d_out"]
) -> Float[Tensor, "n M"]:
    """The scores v_k^T W u_i, a row for each key and a column for each value."""
    return (keys @ W.T) @ values.T


def recall(scores: Float[Tensor, "n M"], targets: Int[Tensor, " _"] | None = None) -> float:
    """The share of rows whose largest score is their target's, R(W) of Birth eq. 9; without targets f(i) = i.

    Raises ValueError where counts do not match or a target is no column's number.
    """
    targets = _checked_targets(scores.shape[0], scores.shape[1], targets)
    return float((scores.argmax(1) == targets).double().mean())


def score_variance(
    targets: Int[Tensor, "N"],
    d: int,
    *,
    M: int | None = None,
    weights: Float[Tensor, " _"] | None = None,
    unit_norm: bool = False,
) -> Float[Tensor, "N M"]:
    """The exact variance of every score v_k^T W u_i over the draw of keys and values.

    With A_k the sum of alpha_l^2 over the keys l that map to k, A the sum of all A_k, and e = E|u|^4 (1 + 2/d, or 1 for
    unit vectors), the score of a wrong value, whose mean is 0, has variance

        alpha_i^2 e/d  +  A_k e/d  +  (A - alpha_i^2 - A_k) / d^2,

    and that of the right one, whose mean is alpha_i,

        e (alpha_i^2 e + (A_k - alpha_i^2)/d) - alpha_i^2  +  (A - A_k) / d^2.

    An injective map with weights 1 has A_k = 1 and A = N: 2e/d + (N - 2)/d^2 for a wrong value.
    Raises ValueError when d < 1, counts do not match, or a target is not in 0 .. M - 1 (M: by default the largest + 1).
    """
    if d < 1:
        raise ValueError(f"d is {d}; it must be at least 1.")
    N = len(targets)
    M = (int(targets.max()) + 1 if N else 0) if M is None else M
    targets = _checked_targets(N, M, targets)
    alpha = torch.ones(N, dtype=torch.float64) if weights is None else weights.double()
    if len(alpha) != N:
        raise ValueError(f"There are {len(alpha)} weights for {N} keys; each key has one.")
    e = 1.0 if unit_norm else 1 + 2 / d
    square = alpha.square()[:, None]
    per_value = torch.zeros(M, dtype=torch.float64).index_add_(0, targets, square[:, 0])
    total = per_value.sum()
    variance = square * e / d + per_value * e / d + (total - square - per_value) / d**2
    same = per_value[targets][:, None]
    right = e * (square * e + (same - square) / d) - square + (total - same) / d**2
    return variance.scatter(1, targets[:, None], right)


def gaussian_recall(weights: Float[Tensor, " N"], targets: Int[Tensor, " N"], d: int, *, M: int) -> Float[Tensor, " N"]:
    """The expected recall of each key of a weighted memory of unit-norm embeddings, scores Gaussian and independent.

    With `score_variance` for the variances: the mean, over the right score, of the product over wrong values of the
    probability to be above their scores. Simpler than `predicted_recall`, and less exact in few dimensions.
    Raises ValueError as `score_variance` does.
    """
    variance = score_variance(targets, d, M=M, weights=weights, unit_norm=True).numpy()
    right = np.arange(len(targets)), targets.numpy()
    g, w = quadrature.normal(30)
    score = weights.double().numpy()[:, None] + np.sqrt(variance[right])[:, None] * g
    log_chance = np.zeros_like(score)
    for k in range(M):
        above = log_ndtr(score / np.sqrt(np.maximum(variance[:, k, None], 1e-300)))
        log_chance += np.where(right[1][:, None] == k, 0.0, above)
    return torch.from_numpy(np.exp(log_chance) @ w)


def predicted_recall(N: int, d: int, M: int | None = None, *, unit_norm: bool = False) -> float:
    """The expected recall of an outer-product memory with N pairs in d dimensions; M values shared evenly, None: N.

    Exact but for two steps: crosstalk is taken as Gaussian, and the competitors of one key as independent. Let
    a = |u_i|^2, b = |v_f(i)|^2, c = C_f(i) and C_k sums of u_l^T u_i over the other keys of f(i) and those of k,
    x = v_f(i)^T v_k, n the sum of all other pairs' crosstalk. Then s_i,f(i) - s_ik is

        (a + c) (b - x)  -  C_k (|v_k|^2 - x)  +  (v_f(i) - v_k)^T n,

    of which C_k (variance a N/(M d)) and the part of v_k^T n that is independent of v_f(i) (variance |n|^2/d) are
    Gaussian given the rest. P, the mean over x and |v_k| of the probability that this is positive, is the chance to
    beat one competitor; the recall is the mean of P^(M - 1) over a, b, c, |n| and v_f(i)^T n. Means are quadratures.
    Within 0.02 of simulations for d >= 5; it ignores that all keys share the same few values and vectors.
    Raises ValueError when N < 1, d < 1 or M is not in 1 .. N.
    """
    shared_map(N, M)
    if d < 1:
        raise ValueError(f"d is {d}; it must be at least 1.")
    M = N if M is None else M
    if M == 1:
        return 1.0
    n = N / M
    one, zero = (np.ones(1), np.ones(1)), (np.zeros(1), np.ones(1))
    norms = one if unit_norm else quadrature.mean_square(d, 5)
    rules = (
        norms,  # a
        norms,  # b
        # |n|^2 fluctuates with d coordinates of M - 2 values' coefficients
        quadrature.mean_square(1 / (1 / d + 1 / max(M - 2, 1)), 5),
        quadrature.normal(8) if n > 1 else zero,  # c
        quadrature.normal(20),  # v_f(i)^T n
        quadrature.sphere(d, 24) if unit_norm else quadrature.normal(24),  # x
        # |v_k|^2 orthogonal to v_f(i), and C_k where it is one key's and therefore not Gaussian
        zero if unit_norm or d == 1 else quadrature.mean_square(d - 1, 4),
        quadrature.sphere(d, 24) if unit_norm and n == 1 else zero,
    )
    a, b, q, c, g, x, rest, C = np.ix_(*(nodes for nodes, _ in rules))
    w = np.ix_(*(weights for _, weights in rules))
    signal = a + c * np.sqrt(a * (n - 1) / d)
    x = x if unit_norm else x * np.sqrt(b / d)
    across = 1 - x**2 if unit_norm else rest * (d - 1) / d
    norm_k = 1.0 if unit_norm else x**2 / b + across
    noise = q * a * max(N - 2 * n, 0) / d
    mean = signal * (b - x) - C * (norm_k - x) + g * np.sqrt(b * noise / d) * (1 - x / b)
    coherent = 0.0 if C.size > 1 else a * n / d
    variance = (norm_k - x) ** 2 * coherent + (across if unit_norm else 1.0) * noise / d
    # two pairs of unit vectors have no Gaussian part at all: the sign of the mean decides
    beats = ndtr(mean / np.sqrt(np.maximum(variance, 1e-30)))
    P = (beats * w[5] * w[6] * w[7]).sum((5, 6, 7), keepdims=True)
    return float((P ** (M - 1) * w[0] * w[1] * w[2] * w[3] * w[4]).sum())


def _checked_targets(n: int, M: int, targets: Int[Tensor, " _"] | None) -> Int[Tensor, " _"]:
    if n < 1 or M < 1:
        raise ValueError(f"There are {n} keys and {M} values; a memory has at least 1 of each.")
    if targets is None:
        if n != M:
            raise ValueError(f"There are {n} keys and {M} values; without targets each key has its own value.")
        return torch.arange(n)
    if len(targets) != n:
        raise ValueError(f"There are {len(targets)} targets for {n} keys; each key has one.")
    if int(targets.min()) < 0 or int(targets.max()) >= M:
        outside = targets[(targets < 0) | (targets >= M)][0]
        raise ValueError(f"A key maps to {int(outside)}; the values are numbered 0 .. {M - 1}.")
    return targets
