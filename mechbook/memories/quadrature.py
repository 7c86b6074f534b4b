"""Gauss quadrature of the distributions that random embeddings give rise to, by Golub and Welsch's eigenvalue problem.

Each function returns n nodes and their weights, which sum to 1: the mean of f is (weights * f(nodes)).sum(), exactly so
where f is a polynomial of degree at most 2n - 1. Unlike tabulated rules these stay accurate for thousands of degrees
of freedom, where the usual weights overflow.
"""

import numpy as np
from jaxtyping import Float

Rule = tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]


def normal(n: int) -> Rule:
    """The standard normal distribution (Hermite)."""
    _refuse(n)
    return _golub_welsch(np.zeros(n), np.arange(1.0, n))


def mean_square(dof: int | float, n: int) -> Rule:
    """The mean of `dof` independent squared standard normal numbers, which is 1 on average (Laguerre).

    The squared norm of a vector with independent N(0, 1/d) entries has this distribution at dof = d.
    Raises ValueError when dof <= 0.
    """
    _refuse(n)
    if not dof > 0:
        raise ValueError(f"dof is {dof}; it must be > 0.")
    k, alpha = np.arange(float(n)), dof / 2 - 1
    nodes, weights = _golub_welsch(2 * k + alpha + 1, k[1:] * (k[1:] + alpha))
    return 2 * nodes / dof, weights


def sphere(d: int, n: int) -> Rule:
    """One coordinate of a uniformly drawn unit vector in d dimensions, whose variance is 1/d (Gegenbauer).

    The inner product of two random unit vectors has this distribution. Raises ValueError when d < 1.
    """
    _refuse(n)
    if d < 1:
        raise ValueError(f"d is {d}; it must be at least 1.")
    k, half = np.arange(2.0, n), d / 2 - 1
    # written out for k = 1, where numerator and denominator vanish together at d = 2
    squares = np.concatenate([[1 / d], k * (k + 2 * half - 1) / (4 * (k + half) * (k + half - 1))])[: n - 1]
    return _golub_welsch(np.zeros(n), np.maximum(squares, 0.0))


def _golub_welsch(diagonal: Float[np.ndarray, " n"], squares: Float[np.ndarray, " _"]) -> Rule:
    """Nodes and weights from the recurrence of the orthogonal polynomials, `squares` its squared off-diagonal."""
    off = np.diag(np.sqrt(squares), 1)
    nodes, vectors = np.linalg.eigh(np.diag(diagonal) + off + off.T)
    return nodes, vectors[0] ** 2


def _refuse(n: int) -> None:
    if n < 1:
        raise ValueError(f"n is {n}; a rule has at least 1 node.")
