"""The experiments of chapter 1: one function for each measurement, for one seed, and their results over all seeds."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.core.training.loop import use_threads
from mechbook.memories.other_forms import factorised_memory, factorised_product, mlp_filter, set_keys
from mechbook.memories.outer_product import (
    draw_embeddings,
    gaussian_recall,
    outer_product_memory,
    recall,
    score_variance,
    scores,
    shared_map,
)
from mechbook.memories.presets import MemoriesPreset
from mechbook.memories.streams import STREAMS
from mechbook.memories.values import ORTHOGONAL, REMAPPED, SCHEMES
from mechbook.shared.embeddings import random_embeddings


@dataclass(frozen=True)
class ExperimentResult:
    """What an experiment found, an entry for each seed, and the seconds that all seeds took when they were computed."""

    by_seed: list[Any]
    seconds: float


def over_seeds(experiment: Callable[[MemoriesPreset, int], Any], setup: MemoriesPreset) -> ExperimentResult:
    """`experiment(setup, seed)`, a function of this module, for each seed; from the cache where it ran before."""
    use_threads()

    def compute() -> dict[str, Any]:
        start = time.perf_counter()
        by_seed = [experiment(setup, seed) for seed in range(setup.seeds)]
        return {"by_seed": by_seed, "seconds": time.perf_counter() - start}

    key = {"experiment": experiment.__name__, "setup": asdict(setup), "seed": settings.seed()}
    return ExperimentResult(**cached(key, compute, modules=(__name__,)))


# --- random vectors -------------------------------------------------------------------------------------------------


def near_orthogonality(setup: MemoriesPreset, seed: int) -> dict[int, tuple[float, float]]:
    """By d: sqrt(d) times the deviation of inner products of embeddings, and that of their norms from 1."""
    found = {}
    for d in ORTHOGONAL:
        generator = STREAMS.generator("nearly orthogonal", seed, d)
        u = random_embeddings(setup.vectors.n, d, std=d**-0.5, generator=generator)
        gram = u @ u.T
        products = gram[torch.ones_like(gram, dtype=torch.bool).triu(1)]
        found[d] = (d**0.5 * float(products.square().mean().sqrt()), float((u.norm(dim=1) - 1).square().mean().sqrt()))
    return found


def remapped_variance(setup: MemoriesPreset, seed: int) -> dict[int, tuple[float, float]]:
    """By d: the variance of x^T W x over draws of x and W with N(0, 1/d) entries, and its standard error."""
    found, draws = {}, setup.vectors.draws
    for d in REMAPPED:
        generator = STREAMS.generator("remapped", seed, d)
        squares = []
        # W is drawn whole: its d^2 entries are what the formula counts
        for _ in range(draws // 1000):
            x = torch.randn(1000, d, generator=generator) / d**0.5
            W = torch.randn(1000, d, d, generator=generator) / d**0.5
            squares.append(torch.einsum("bi,bij,bj->b", x, W, x).double().square())
        each = torch.cat(squares)
        found[d] = (float(each.mean()), float(each.std()) / draws**0.5)
    return found


# --- crosstalk and recall -------------------------------------------------------------------------------------------


def crosstalk(setup: MemoriesPreset, seed: int) -> dict[str, tuple[float, float, float]]:
    """Mean square of wrong scores, its standard error over memories, and the closed form; for both kinds of map."""
    return {"injective": wrong_scores(setup, seed, None), "many": wrong_scores(setup, seed, setup.crosstalk.M)}


def wrong_scores(setup: MemoriesPreset, seed: int, M: int | None) -> tuple[float, float, float]:
    """What `crosstalk` measures, for M values; None: one for each key."""
    N, d = setup.crosstalk.N, setup.crosstalk.d
    f = shared_map(N, M)
    wrong = torch.ones(N, M or N, dtype=torch.bool)
    wrong[torch.arange(N), f] = False
    generator = STREAMS.generator("crosstalk", seed, M or 0)
    draws = (scores_of(f, d, generator)[wrong].double().square().mean() for _ in range(setup.crosstalk.memories))
    each = torch.stack(list(draws))
    predicted = score_variance(f, d)[wrong].mean()
    return float(each.mean()), float(each.std()) / len(each) ** 0.5, float(predicted)


def scores_of(f: Int[Tensor, " N"], d: int, generator: torch.Generator) -> Float[Tensor, "N M"]:
    """The scores of one outer-product memory of the map f, on fresh Gaussian embeddings in d dimensions."""
    u = draw_embeddings(len(f), d, generator=generator)
    v = draw_embeddings(int(f.max()) + 1, d, generator=generator)
    return scores(outer_product_memory(u, v, f), u, v)


def filling(setup: MemoriesPreset, seed: int) -> dict[str, list[float]]:
    """Recall by the number of pairs, with a value for each key ("own") and with M for all ("shared")."""
    return {"own": outer_recall(setup, seed, None), "shared": outer_recall(setup, seed, setup.M)}


def outer_recall(setup: MemoriesPreset, seed: int, M: int | None) -> list[float]:
    """Recall of outer-product memories in d dimensions by the number of pairs, each the mean of several memories.

    M: values that the keys share, of which up to M keys have one each; None: as many as keys.
    """
    generator, draws = STREAMS.generator("recall", seed, M or 0), setup.recall.memories
    found = []
    for N in setup.recall.N:
        f = shared_map(N, M and min(M, N))
        found.append(sum(recall(scores_of(f, setup.d, generator), f) for _ in range(draws)) / draws)
    return found


# --- other forms ----------------------------------------------------------------------------------------------------


def factorised(setup: MemoriesPreset, seed: int) -> dict[int, tuple[list[float], float]]:
    """By the number of pairs: recall of factorised memories by d', and of the full matrix; means over memories."""
    return {N: factorised_recall(setup, seed, N) for N in setup.factors.N}


def factorised_recall(setup: MemoriesPreset, seed: int, N: int) -> tuple[list[float], float]:
    """What `factorised` measures, for N pairs."""
    how, generator = setup.factors, STREAMS.generator("factorised", seed, N)
    by_d_prime, full = torch.zeros(len(how.d_prime), dtype=torch.float64), 0.0
    for _ in range(how.memories):
        u = draw_embeddings(N, how.d, generator=generator, unit_norm=True)
        v = draw_embeddings(N, how.d, generator=generator, unit_norm=True)
        full += recall(scores(outer_product_memory(u, v), u, v)) / how.memories
        for place, d_prime in enumerate(how.d_prime):
            W = factorised_product(*factorised_memory(u, v, d_prime, generator=generator))
            by_d_prime[place] += recall(scores(W, u, v)) / how.memories
    return by_d_prime.tolist(), full


def filtering(setup: MemoriesPreset, seed: int) -> list[tuple[float, float]]:
    """Recall of the MLP filter and of the outer-product memory on the same pairs, by their number."""
    return [filter_recall(setup, seed, N) for N in setup.filter.N]


def filter_recall(setup: MemoriesPreset, seed: int, N: int) -> tuple[float, float]:
    """What `filtering` measures, for N pairs in d dimensions."""
    generator = STREAMS.generator("filter", seed, N)
    u = draw_embeddings(N, setup.d, generator=generator, unit_norm=True)
    v = draw_embeddings(N, setup.d, generator=generator, unit_norm=True)
    filtered = mlp_filter(u, u, v, setup.b) @ v.T
    return recall(filtered), recall(scores(outer_product_memory(u, v), u, v))


def sets(setup: MemoriesPreset, seed: int) -> dict[str, tuple[float, float]]:
    """Recall by the MLP filter and the outer-product memory: sets with values of their own, and those of a sum."""
    return {"own": own_set_recall(setup, seed), "sum": sum_recall(setup, seed)}


def own_set_recall(setup: MemoriesPreset, seed: int) -> tuple[float, float]:
    """Recall, by both memories, of all sets {i, j} of tokens, each with a value of its own."""
    n, d = setup.sets.tokens, setup.sets.d
    generator = STREAMS.generator("sets with values of their own", seed)
    pairs = torch.combinations(torch.arange(n), 2)
    keys = set_keys(draw_embeddings(n, d, generator=generator, unit_norm=True), pairs)
    v = draw_embeddings(len(pairs), d, generator=generator, unit_norm=True)
    filtered = mlp_filter(keys, keys, v, setup.sets.b) @ v.T
    return recall(filtered), recall(scores(outer_product_memory(keys, v), keys, v))


def sum_table(setup: MemoriesPreset, seed: int) -> tuple[Float[Tensor, "S d"], Float[Tensor, "n d"], Int[Tensor, " S"]]:
    """Keys of all sets {a_i, b_j} of two families of n tokens, n values, and the targets (i + j) mod n."""
    n, d = setup.sets.tokens, setup.sets.d
    generator = STREAMS.generator("sets with the value of a sum", seed)
    tokens = draw_embeddings(2 * n, d, generator=generator, unit_norm=True)
    v = draw_embeddings(n, d, generator=generator, unit_norm=True)
    i, j = torch.cartesian_prod(torch.arange(n), torch.arange(n)).T
    return set_keys(tokens, torch.stack([i, n + j], 1)), v, (i + j) % n


def sum_recall(setup: MemoriesPreset, seed: int) -> tuple[float, float]:
    """Recall of `sum_table` by the MLP filter and by the outer-product memory."""
    keys, v, targets = sum_table(setup, seed)
    filtered = mlp_filter(keys, keys, v[targets], setup.sets.b) @ v.T
    linear = scores(outer_product_memory(keys, v, targets), keys, v)
    return recall(filtered, targets), recall(linear, targets)


# --- scaling law ----------------------------------------------------------------------------------------------------


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


def predicted_zipf_error(setup: MemoriesPreset, scheme: str, d: int) -> float:
    """The expected error, all scores taken as Gaussian and independent."""
    weights, f = stored_weights(setup, scheme, d), shared_map(setup.zipf.N, setup.zipf.M)
    return 1 - float(input_probabilities(setup) @ gaussian_recall(weights, f, d, M=setup.zipf.M))


def fitted_exponent(d: list[int], errors: list[float]) -> float:
    """The slope of -log error against log d, by least squares."""
    x = torch.tensor(d, dtype=torch.float64).log()
    y = -torch.tensor(errors, dtype=torch.float64).log()
    x = x - x.mean()
    return float((x * y).sum() / (x * x).sum())
