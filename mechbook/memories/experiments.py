"""The experiments of chapter 1 at both scales: one function for each measurement, for one seed of the book."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechbook.core import settings
from mechbook.memories import forms as memory_forms
from mechbook.memories import memory
from mechbook.shared.embeddings import random_embeddings

_CHAPTER = 1


def seeds() -> range:
    """The seeds of the chapter's experiments: three, or five at the paper scale."""
    return range(settings.choose(laptop=3, paper=5))


# --- random vectors -------------------------------------------------------------------------------------------------

DIMENSIONS = (16, 32, 64, 128, 256, 512, 1024)


def near_orthogonality(seed: int) -> dict[int, tuple[float, float]]:
    """By d: sqrt(d) times the deviation of inner products of 1000 embeddings, and that of their norms from 1."""
    found = {}
    for d in DIMENSIONS:
        u = random_embeddings(1000, d, std=d**-0.5, generator=settings.generator(_CHAPTER, 0, seed, d))
        gram = u @ u.T
        products = gram[torch.ones_like(gram, dtype=torch.bool).triu(1)]
        found[d] = (d**0.5 * float(products.square().mean().sqrt()), float((u.norm(dim=1) - 1).square().mean().sqrt()))
    return found


REMAPPED = (8, 16, 32, 64)


def remapped_variance(seed: int) -> dict[int, tuple[float, float]]:
    """By d: the variance of x^T W x over 20,000 draws of x and W with N(0, 1/d) entries, and its standard error."""
    found, draws = {}, 20_000
    for d in REMAPPED:
        generator = settings.generator(_CHAPTER, 1, seed, d)
        squares = []
        # W is drawn whole: its d^2 entries are what the formula counts
        for _ in range(draws // 1000):
            x = torch.randn(1000, d, generator=generator) / d**0.5
            W = torch.randn(1000, d, d, generator=generator) / d**0.5
            squares.append(torch.einsum("bi,bij,bj->b", x, W, x).double().square())
        each = torch.cat(squares)
        found[d] = (float(each.mean()), float(each.std()) / draws**0.5)
    return found


# --- crosstalk ------------------------------------------------------------------------------------------------------

CROSSTALK_N, CROSSTALK_D = 100, 32


def crosstalk(seed: int, M: int | None) -> tuple[float, float, float]:
    """Mean square of wrong scores over 400 memories, its standard error over memories, and the closed form."""
    f = memory.shared_map(CROSSTALK_N, M)
    wrong = torch.ones(CROSSTALK_N, M or CROSSTALK_N, dtype=torch.bool)
    wrong[torch.arange(CROSSTALK_N), f] = False
    generator = settings.generator(_CHAPTER, 2, seed, M or 0)
    draws = (scores_of(f, CROSSTALK_D, generator)[wrong].double().square().mean() for _ in range(400))
    each = torch.stack(list(draws))
    predicted = memory.score_variance(f, CROSSTALK_D)[wrong].mean()
    return float(each.mean()), float(each.std()) / len(each) ** 0.5, float(predicted)


def scores_of(
    f: Int[Tensor, " N"], d: int, generator: torch.Generator, *, unit_norm: bool = False
) -> Float[Tensor, "N M"]:
    """The scores of one outer-product memory of the map f, on fresh embeddings in d dimensions."""
    u = memory.draw_embeddings(len(f), d, generator=generator, unit_norm=unit_norm)
    v = memory.draw_embeddings(int(f.max()) + 1, d, generator=generator, unit_norm=unit_norm)
    return memory.scores(memory.outer_product_memory(u, v, f), u, v)


RECALL_D = 64
RECALL_N = (16, 32, 64, 128, 192, 256, 384, 512, 768, 1024, 2048)


def outer_recall(seed: int, M: int | None) -> list[float]:
    """Recall of outer-product memories with RECALL_N pairs in RECALL_D dimensions, each the mean of four memories."""
    generator = settings.generator(_CHAPTER, 3, seed, M or 0)
    found = []
    for N in RECALL_N:
        f = memory.shared_map(N, M)
        found.append(sum(memory.recall(scores_of(f, RECALL_D, generator), f) for _ in range(4)) / 4)
    return found


# --- other forms ----------------------------------------------------------------------------------------------------

FACTORISED_D, FACTORISED_N = 128, (64, 384)
FACTORS = (4, 8, 16, 32, 64, 96, 128)


def factorised_recall(seed: int, N: int) -> tuple[list[float], float]:
    """Recall of factorised memories by d' (FACTORS), and of the full matrix; means of four memories each."""
    generator = settings.generator(_CHAPTER, 5, seed, N)
    factorised, full = torch.zeros(len(FACTORS), dtype=torch.float64), 0.0
    for _ in range(4):
        u = memory.draw_embeddings(N, FACTORISED_D, generator=generator, unit_norm=True)
        v = memory.draw_embeddings(N, FACTORISED_D, generator=generator, unit_norm=True)
        full += memory.recall(memory.scores(memory.outer_product_memory(u, v), u, v)) / 4
        for place, d_prime in enumerate(FACTORS):
            factors = memory_forms.factorised_memory(u, v, d_prime, generator=generator)
            W = memory_forms.factorised_product(*factors)
            factorised[place] += memory.recall(memory.scores(W, u, v)) / 4
    return factorised.tolist(), full


FILTER_D, FILTER_B = 64, 0.3
FILTER_N = (64, 128, 256, 512, 1024, 2048, 4096)


def filter_recall(seed: int, N: int) -> tuple[float, float]:
    """Recall of the MLP filter and of the outer-product memory on the same N pairs in FILTER_D dimensions."""
    generator = settings.generator(_CHAPTER, 6, seed, N)
    u = memory.draw_embeddings(N, FILTER_D, generator=generator, unit_norm=True)
    v = memory.draw_embeddings(N, FILTER_D, generator=generator, unit_norm=True)
    filtered = memory_forms.mlp_filter(u, u, v, FILTER_B) @ v.T
    return memory.recall(filtered), memory.recall(memory.scores(memory.outer_product_memory(u, v), u, v))


SETS_D, SETS_B, TOKENS = 256, 0.7, 24


def own_token_sets(seed: int) -> tuple[float, float]:
    """Recall, by the MLP filter and the outer-product memory, of sets {i, j} that have a token of their own each."""
    generator = settings.generator(_CHAPTER, 7, seed)
    sets = torch.combinations(torch.arange(TOKENS), 2)
    keys = memory_forms.set_keys(memory.draw_embeddings(TOKENS, SETS_D, generator=generator, unit_norm=True), sets)
    v = memory.draw_embeddings(len(sets), SETS_D, generator=generator, unit_norm=True)
    filtered = memory_forms.mlp_filter(keys, keys, v, SETS_B) @ v.T
    return memory.recall(filtered), memory.recall(memory.scores(memory.outer_product_memory(keys, v), keys, v))


def sum_table(seed: int) -> tuple[Float[Tensor, "S d"], Float[Tensor, "n d"], Int[Tensor, " S"]]:
    """Keys of all sets {a_i, b_j} of two families of TOKENS, values, and targets (i + j) mod TOKENS."""
    generator = settings.generator(_CHAPTER, 8, seed)
    tokens = memory.draw_embeddings(2 * TOKENS, SETS_D, generator=generator, unit_norm=True)
    v = memory.draw_embeddings(TOKENS, SETS_D, generator=generator, unit_norm=True)
    i, j = torch.cartesian_prod(torch.arange(TOKENS), torch.arange(TOKENS)).T
    return memory_forms.set_keys(tokens, torch.stack([i, TOKENS + j], 1)), v, (i + j) % TOKENS


def sum_recall(seed: int) -> tuple[float, float]:
    """Recall of `sum_table` by the MLP filter and by the outer-product memory."""
    keys, v, targets = sum_table(seed)
    filtered = memory_forms.mlp_filter(keys, keys, v[targets], SETS_B) @ v.T
    linear = memory.scores(memory.outer_product_memory(keys, v, targets), keys, v)
    return memory.recall(filtered, targets), memory.recall(linear, targets)


# --- scaling law ----------------------------------------------------------------------------------------------------

ZIPF, ZIPF_N, ZIPF_M = 1.5, 4000, 5
ZIPF_D = (16, 32, 64, 128, 256, 512)
SCHEMES = ("p", "root", "top")


def zipf() -> Float[Tensor, " N"]:
    """The probabilities of the inputs, p(x) in proportion to x^-ZIPF."""
    p = torch.arange(1, ZIPF_N + 1, dtype=torch.float64) ** -ZIPF
    return p / p.sum()


def stored_weights(scheme: str, d: int) -> Float[Tensor, " N"]:
    """The weight of each input in W, the first input's 1: "p" p(x), "root" its root, "top" 1 for the first M d/32.

    Raises ValueError for another scheme.
    """
    p = zipf() / zipf()[0]
    if scheme == "top":
        return (torch.arange(ZIPF_N) < ZIPF_M * d // 32).double()
    if scheme not in SCHEMES:
        raise ValueError(f"There is no scheme {scheme!r}; they are {', '.join(SCHEMES)}.")
    return p if scheme == "p" else p.sqrt()


def derived_exponent(scheme: str) -> float:
    """The exponent of the error in 1/d: (a - 1)/(2 rho a) for weights p^rho, a - 1 for the first M d/32 inputs."""
    return {"p": (ZIPF - 1) / (2 * ZIPF), "root": (ZIPF - 1) / ZIPF, "top": ZIPF - 1}[scheme]


def zipf_error(seed: int, scheme: str, d: int, draws: int = 6) -> float:
    """The probability, over inputs, of a wrong answer: the mean over a few memories."""
    generator = settings.generator(_CHAPTER, 9, seed, SCHEMES.index(scheme), d)
    p, f, weights = zipf(), memory.shared_map(ZIPF_N, ZIPF_M), stored_weights(scheme, d).float()
    total = 0.0
    for _ in range(draws):
        u = memory.draw_embeddings(ZIPF_N, d, generator=generator, unit_norm=True)
        v = memory.draw_embeddings(ZIPF_M, d, generator=generator, unit_norm=True)
        # the same scores as with W, whose product with thousands of keys is dear
        s = (u @ torch.zeros(ZIPF_M, d).index_add_(0, f, weights[:, None] * u).T) @ (v @ v.T)
        total += float(p @ (s.argmax(1) != f).double())
    return total / draws


def predicted_zipf_error(scheme: str, d: int) -> float:
    """The expected error, all scores taken as Gaussian and independent."""
    weights, f = stored_weights(scheme, d), memory.shared_map(ZIPF_N, ZIPF_M)
    return 1 - float(zipf() @ memory.gaussian_recall(weights, f, d, M=ZIPF_M))


def fitted_exponent(d: list[int], errors: list[float]) -> float:
    """The slope of -log error against log d, by least squares."""
    x = torch.tensor(d, dtype=torch.float64).log()
    y = -torch.tensor(errors, dtype=torch.float64).log()
    x = x - x.mean()
    return float((x * y).sum() / (x * x).sum())
