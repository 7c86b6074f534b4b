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
from mechbook.core.progress import one_by_one
from mechbook.core.training.loop import use_threads
from mechbook.memories.linear_limits import window_memory
from mechbook.memories.other_forms import best_step, factorised_memory, factorised_product, mlp_filter, set_keys
from mechbook.memories.outer_product import (
    draw_embeddings,
    outer_product_memory,
    recall,
    score_variance,
    scores,
    shared_map,
)
from mechbook.memories.presets import MemoriesPreset
from mechbook.memories.streams import STREAMS
from mechbook.memories.values import ORTHOGONAL, REMAPPED
from mechbook.shared.embeddings import random_embeddings


@dataclass(frozen=True)
class ExperimentResult:
    """What an experiment found, an entry for each seed, and the seconds that all seeds took when they were computed."""

    by_seed: list[Any]
    seconds: float


def over_seeds(experiment: Callable[[MemoriesPreset, int], Any], setup: MemoriesPreset) -> ExperimentResult:
    """`experiment(setup, seed)`, a function of a module, for each seed; from the cache where it ran before."""
    use_threads()

    def compute() -> dict[str, Any]:
        start = time.perf_counter()
        what = experiment.__name__.replace("_", " ")
        by_seed = one_by_one(lambda seed: experiment(setup, seed), range(setup.seeds), what, "seeds")
        return {"by_seed": by_seed, "seconds": time.perf_counter() - start}

    key = {"experiment": experiment.__name__, "setup": asdict(setup), "seed": settings.seed()}
    return ExperimentResult(**cached(key, compute, modules=(__name__, experiment.__module__)))


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


def remapped_variance(setup: MemoriesPreset, seed: int) -> dict[int, tuple[float, float, float, float]]:
    """By d, for x and W with N(0, 1/d) entries: the variances of x^T W x and |W x|^2, each before its standard error.

    Both are mean squares about the known means, 0 and 1.
    """
    found, draws = {}, setup.vectors.draws
    for d in REMAPPED:
        generator = STREAMS.generator("remapped", seed, d)
        squares, norms = [], []
        # W is drawn whole: its d^2 entries are what the formula counts
        for _ in range(draws // 1000):
            x = torch.randn(1000, d, generator=generator) / d**0.5
            W = torch.randn(1000, d, d, generator=generator) / d**0.5
            squares.append(torch.einsum("bi,bij,bj->b", x, W, x).double().square())
            norms.append(((W @ x[:, :, None])[:, :, 0].double().square().sum(1) - 1).square())
        each, norm = torch.cat(squares), torch.cat(norms)
        errors = [float(e.std()) / draws**0.5 for e in (each, norm)]
        found[d] = (float(each.mean()), errors[0], float(norm.mean()), errors[1])
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


def weighted_crosstalk(setup: MemoriesPreset, seed: int) -> dict[str, dict[str, tuple[float, float]]]:
    """Scores of memories whose weights differ, over what is predicted of them; by kind of map, then of score.

    The weights alpha_i go evenly over `setup.crosstalk.weights`. "wrong" and "right" are mean squares of the scores'
    distances from their means, 0 and alpha_i, over `score_variance`, "centre" the mean of right scores' distances over
    the root of that; each with its standard error over memories. The first two should be 1, the last 0.
    """
    how = setup.crosstalk
    alpha = torch.linspace(*how.weights, how.N)
    found = {}
    for form, M in (("injective", None), ("many", how.M)):
        f = shared_map(how.N, M)
        generator = STREAMS.generator("weighted crosstalk", seed, M or 0)
        deviation = score_variance(f, how.d, weights=alpha).sqrt()
        mean = torch.zeros_like(deviation).scatter(1, f[:, None], alpha[:, None].double())
        is_right = torch.zeros_like(deviation, dtype=torch.bool).scatter(1, f[:, None], True)
        rows = []
        for _ in range(how.memories):
            gap = (scores_of(f, how.d, generator, alpha).double() - mean) / deviation
            right, wrong = gap[is_right], gap[~is_right]
            rows.append(torch.stack([wrong.square().mean(), right.square().mean(), right.mean()]))
        each = torch.stack(rows)
        pairs = torch.stack([each.mean(0), each.std(0) / len(each) ** 0.5], 1).tolist()
        found[form] = dict(zip(("wrong", "right", "centre"), map(tuple, pairs), strict=True))
    return found


def scores_of(
    f: Int[Tensor, " N"], d: int, generator: torch.Generator, weights: Float[Tensor, " N"] | None = None
) -> Float[Tensor, "N M"]:
    """The scores of one outer-product memory of the map f, on fresh Gaussian embeddings in d dimensions."""
    u = draw_embeddings(len(f), d, generator=generator)
    v = draw_embeddings(int(f.max()) + 1, d, generator=generator)
    return scores(outer_product_memory(u, v, f, weights), u, v)


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


def factorised(setup: MemoriesPreset, seed: int) -> dict[int, tuple[list[float], float, float]]:
    """By the number of pairs: recall of factorised memories by d', and of the full matrix; means over memories.

    And the mean right score at d' = d over the full matrix'.
    """
    return {N: factorised_recall(setup, seed, N) for N in setup.factors.N}


def factorised_recall(setup: MemoriesPreset, seed: int, N: int) -> tuple[list[float], float, float]:
    """What `factorised` measures, for N pairs."""
    how, generator = setup.factors, STREAMS.generator("factorised", seed, N)
    by_d_prime, full, strength = torch.zeros(len(how.d_prime), dtype=torch.float64), 0.0, 0.0
    for _ in range(how.memories):
        u = draw_embeddings(N, how.d, generator=generator, unit_norm=True)
        v = draw_embeddings(N, how.d, generator=generator, unit_norm=True)
        whole = scores(outer_product_memory(u, v), u, v)
        full += recall(whole) / how.memories
        right = torch.zeros(())
        for place, d_prime in enumerate(how.d_prime):
            W = factorised_product(*factorised_memory(u, v, d_prime, generator=generator))
            found = scores(W, u, v)
            by_d_prime[place] += recall(found) / how.memories
            right = found.diagonal().mean()
        strength += float(right / whole.diagonal().mean()) / how.memories
    return by_d_prime.tolist(), full, strength


def step_sizes(setup: MemoriesPreset, seed: int) -> dict[int, tuple[float, float, float]]:
    """By the number of pairs, at d' = d: recall after a step of size 1, of the best size, and of the full matrix."""
    how, found = setup.factors, {}
    for N in how.N_steps:
        generator, means = STREAMS.generator("factors' step sizes", seed, N), torch.zeros(3, dtype=torch.float64)
        for _ in range(how.memories):
            u = draw_embeddings(N, how.d, generator=generator, unit_norm=True)
            v = draw_embeddings(N, how.d, generator=generator, unit_norm=True)
            kinds = []
            for step in (1.0, best_step(N, how.d)):
                factors = factorised_memory(u, v, how.d, generator=generator, step=step)
                kinds.append(recall(scores(factorised_product(*factors, step=step), u, v)))
            kinds.append(recall(scores(outer_product_memory(u, v), u, v)))
            means += torch.tensor(kinds, dtype=torch.float64) / how.memories
        found[N] = tuple(means.tolist())
    return found


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


def sets(setup: MemoriesPreset, seed: int) -> dict[str, tuple[float, ...]]:
    """Recall by the MLP filter and the outer-product memory: sets with values of their own, and those of a sum.

    For "sum" also by the memory of rank two. "three": sets of three tokens, with values of their own.
    """
    own, three = (own_set_recall(setup, seed, size) for size in (2, 3))
    return {"own": own, "sum": sum_recall(setup, seed), "three": three}


def own_set_recall(setup: MemoriesPreset, seed: int, size: int = 2) -> tuple[float, float]:
    """Recall, by both memories, of n(n - 1)/2 sets of `size` of n tokens, each with a value of its own.

    The filter's threshold is `b` for two tokens, and moves with the overlap 1 - 1/size of sets that differ in one.
    """
    n, d = setup.sets.tokens, setup.sets.d
    generator = STREAMS.generator("sets with values of their own", seed, *([size] if size != 2 else []))
    every, count = torch.combinations(torch.arange(n), size), n * (n - 1) // 2
    pairs = every[:: len(every) // count][:count]
    keys = set_keys(draw_embeddings(n, d, generator=generator, unit_norm=True), pairs)
    v = draw_embeddings(len(pairs), d, generator=generator, unit_norm=True)
    b = setup.sets.b if size == 2 else 1 - (1 - setup.sets.b) * 2 / size
    filtered = mlp_filter(keys, keys, v, b) @ v.T
    return recall(filtered), recall(scores(outer_product_memory(keys, v), keys, v))


def sum_table(setup: MemoriesPreset, seed: int) -> tuple[Float[Tensor, "S d"], Float[Tensor, "n d"], Int[Tensor, " S"]]:
    """Keys of all sets {a_i, b_j} of two families of n tokens, n values, and the targets (i + j) mod n."""
    n, (tokens, v) = setup.sets.tokens, sum_embeddings(setup, seed)
    i, j = torch.cartesian_prod(torch.arange(n), torch.arange(n)).T
    return set_keys(tokens, torch.stack([i, n + j], 1)), v, (i + j) % n


def sum_embeddings(setup: MemoriesPreset, seed: int) -> tuple[Float[Tensor, "two_n d"], Float[Tensor, "n d"]]:
    """The embeddings of the two families' tokens, one family after the other, and the values of `sum_table`."""
    n, d = setup.sets.tokens, setup.sets.d
    generator = STREAMS.generator("sets with the value of a sum", seed)
    tokens = draw_embeddings(2 * n, d, generator=generator, unit_norm=True)
    return tokens, draw_embeddings(n, d, generator=generator, unit_norm=True)


def sum_recall(setup: MemoriesPreset, seed: int) -> tuple[float, float, float]:
    """Recall of `sum_table` by the MLP filter, by the outer-product memory, and by the best linear one, of rank two."""
    keys, v, targets = sum_table(setup, seed)
    filtered = mlp_filter(keys, keys, v[targets], setup.sets.b) @ v.T
    linear = scores(outer_product_memory(keys, v, targets), keys, v)
    window = scores(window_memory(*(e.double() for e in sum_embeddings(setup, seed))), keys.double(), v.double())
    return recall(filtered, targets), recall(linear, targets), recall(window, targets)
