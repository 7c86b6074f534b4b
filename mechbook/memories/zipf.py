"""Scaling laws of chapter 1: the error of memories whose inputs follow Zipf's law (Cabannes et al. 2024)."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import log_ndtr, zeta
from torch import Tensor

from mechbook.core.presets import replace
from mechbook.memories import quadrature
from mechbook.memories.outer_product import draw_embeddings, gaussian_recall, shared_map
from mechbook.memories.presets import MemoriesPreset
from mechbook.memories.streams import STREAMS
from mechbook.memories.values import SCHEMES


def input_probabilities(setup: MemoriesPreset) -> Float[Tensor, " N"]:
    """The probabilities of the inputs 1 .. N, p(x) in proportion to x^-a."""
    p = torch.arange(1, setup.zipf.N + 1, dtype=torch.float64) ** -setup.a
    return p / p.sum()


def stored_weights(setup: MemoriesPreset, scheme: str, d: int) -> Float[Tensor, " N"]:
    """The weight of each input in W: "p" p(x) / p(1), "root" the root of that, "top" 1 for the first M d/part inputs.

    Raises ValueError for another scheme.
    """
    p = input_probabilities(setup)
    if scheme == "top":
        return (torch.arange(len(p)) < setup.zipf.M * d // setup.zipf.part).double()
    if scheme not in SCHEMES:
        raise ValueError(f"There is no scheme {scheme!r}; they are {', '.join(SCHEMES)}.")
    return p / p[0] if scheme == "p" else (p / p[0]).sqrt()


def derived_exponent(setup: MemoriesPreset, scheme: str) -> float:
    """The exponent of the error in 1/d: (a - 1)/(2 rho a) for weights p^rho, a - 1 for the most frequent inputs."""
    a = setup.a
    return {"p": (a - 1) / (2 * a), "root": (a - 1) / a, "top": a - 1}[scheme]


def zipf_errors(setup: MemoriesPreset, seed: int) -> dict[str, list[float]]:
    """By scheme and dimension, the probability of a wrong answer."""
    return {scheme: [zipf_error(setup, seed, scheme, d) for d in setup.zipf.d] for scheme in SCHEMES}


def zipf_error(setup: MemoriesPreset, seed: int, scheme: str, d: int) -> float:
    """The probability, over inputs, of a wrong answer: the mean over a few memories (plain: `weighted_error`)."""
    N, M, draws = setup.zipf.N, setup.zipf.M, setup.zipf.memories
    generator = STREAMS.generator("Zipf", seed, list(SCHEMES).index(scheme), d)
    p, f, weights = input_probabilities(setup), shared_map(N, M), stored_weights(setup, scheme, d).float()
    total = 0.0
    for _ in range(draws):
        u = draw_embeddings(N, d, generator=generator, unit_norm=True)
        v = draw_embeddings(M, d, generator=generator, unit_norm=True)
        # the same scores as with W, whose product with thousands of keys is dear
        s = (u @ torch.zeros(M, d).index_add_(0, f, weights[:, None] * u).T) @ (v @ v.T)
        total += float(p @ (s.argmax(1) != f).double())
    return total / draws


def more_stored(setup: MemoriesPreset, seed: int) -> list[float]:
    """The error of the scheme "top" by dimension, with the first M d/more inputs stored, on the same embeddings."""
    wider = replace(setup, zipf=replace(setup.zipf, part=setup.zipf.more))
    return [zipf_error(wider, seed, "top", d) for d in setup.zipf.d]


def predicted_zipf_error(setup: MemoriesPreset, scheme: str, d: int) -> float:
    """The expected error, all scores taken as Gaussian and independent."""
    weights, f = stored_weights(setup, scheme, d), shared_map(setup.zipf.N, setup.zipf.M)
    return 1 - float(input_probabilities(setup) @ gaussian_recall(weights, f, d, M=setup.zipf.M))


def fitted_exponent(d: list[int], errors: list[float]) -> float:
    """The slope of -log error against log d, by least squares.

    Raises ValueError unless there are two different d or more, as many errors, and all are positive and finite.
    """
    if len(d) != len(errors) or len(set(d)) < 2 or not all(0 < value < float("inf") for value in (*d, *errors)):
        raise ValueError(f"a slope of logarithms needs two d with their errors, all positive, not {d} and {errors}.")
    x = torch.tensor(d, dtype=torch.float64).log()
    y = -torch.tensor(errors, dtype=torch.float64).log()
    x = x - x.mean()
    return float((x * y).sum() / (x * x).sum())


def endless_error(setup: MemoriesPreset, scheme: str, d: int) -> float:
    """The expected error as in `predicted_zipf_error`, with inputs 1, 2, ... without end.

    Sums over all inputs are Hurwitz zeta functions; the first 1000 inputs are taken one by one, then blocks that are
    5% wide up to 10^12, each at its middle; beyond, no input is recalled. Raises ValueError for another scheme.
    """
    a, M = setup.a, setup.zipf.M
    last = M * d // setup.zipf.part
    edges = np.unique(np.concatenate([np.arange(1, 1001), [last + 1], np.geomspace(1001, 1e12, 425).round()]))
    mass = (zeta(a, edges) - np.append(zeta(a, edges[1:]), 0.0)) / zeta(a)
    middle = np.append(np.floor((edges[:-1] + edges[1:] - 1) / 2), edges[-1])
    if scheme == "top":
        weight = (middle <= last).astype(float)
        per_value = np.array([len(range(r, last + 1, M)) for r in range(1, M + 1)], dtype=float)
    elif scheme in SCHEMES:
        power = a if scheme == "p" else a / 2
        weight = middle**-power
        per_value = M ** (-2 * power) * zeta(2 * power, np.arange(1, M + 1) / M)
    else:
        raise ValueError(f"There is no scheme {scheme!r}; they are {', '.join(SCHEMES)}.")
    g, w = quadrature.normal(30)
    own = ((middle - 1) % M).astype(int)
    total, square = per_value.sum(), weight**2
    # score_variance with e = 1, as embeddings have unit norm
    right = (per_value[own] - square) / d + (total - per_value[own]) / d**2
    score = weight[:, None] + np.sqrt(np.maximum(right, 0.0))[:, None] * g
    log_chance = np.zeros_like(score)
    for k in range(M):
        wrong = (square + per_value[k]) / d + (total - square - per_value[k]) / d**2
        log_chance += np.where(own[:, None] == k, 0.0, log_ndtr(score / np.sqrt(wrong)[:, None]))
    return float(mass[:-1] @ (1 - np.exp(log_chance[:-1]) @ w) + mass[-1])
