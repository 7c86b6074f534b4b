"""Definitions in plain loops of what the package computes faster; the tests hold the fast ways to them."""

import torch
from jaxtyping import Float, Int
from scipy.special import ndtr
from torch import Tensor

from mechbook.memories import quadrature
from mechbook.memories.outer_product import draw_embeddings, outer_product_memory, scores


def unit_norm_recall(N: int, d: int) -> float:
    """The expected recall of N >= 3 pairs with unit-norm embeddings and an injective map.

    Means over x, y, |n|^2 and v^T n are weighted sums over the nodes of Gauss quadratures.
    """
    overlaps = list(zip(*quadrature.sphere(d, 24), strict=True))  # of x, and of y: inner products of unit vectors
    # |n|^2 has the mean (N - 2)/d, and fluctuates with d coordinates of N - 2 coefficients
    lengths = zip(*quadrature.mean_square(1 / (1 / d + 1 / (N - 2)), 5), strict=True)
    recalled = 0.0
    for length, w_length in lengths:
        noise = length * (N - 2) / d
        for g, w_g in zip(*quadrature.normal(20), strict=True):  # v^T n = g sqrt(|n|^2 / d)
            P = 0.0  # the chance to beat one wrong value v_k
            for x, w_x in overlaps:
                # v_k = x v + what is orthogonal to v, whose product with n is Gaussian
                deviation = ((1 - x**2) * noise / d) ** 0.5
                for y, w_y in overlaps:
                    mean = (1 - y) * (1 - x) + (1 - x) * g * (noise / d) ** 0.5
                    P += w_x * w_y * ndtr(mean / deviation)
            recalled += w_length * w_g * P ** (N - 1)
    return float(recalled)


def weighted_error(
    p: Float[Tensor, " N"], f: Int[Tensor, " N"], weights: Float[Tensor, " N"], d: int, generator: torch.Generator
) -> float:
    """The probability of a wrong answer to input x, drawn with probability p(x), by W = sum_x q(x) v_f(x) u_x^T."""
    u = draw_embeddings(len(f), d, generator=generator, unit_norm=True)
    v = draw_embeddings(int(f.max()) + 1, d, generator=generator, unit_norm=True)
    W = outer_product_memory(u, v, f, weights)
    wrong = scores(W, u, v).argmax(1) != f
    return float((p * wrong).sum())
