"""Ways to write pairs into a matrix besides the sum of outer products: Muon's step, the delta rule, least squares."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechbook.memories.outer_product import draw_embeddings, outer_product_memory, recall, scores
from mechbook.memories.presets import MemoriesPreset
from mechbook.memories.streams import STREAMS

WRITERS = {"gradient": "gradient step", "root": "weights p^(1/2)", "polar": "its polar factor"}
"""Ways to store pairs of unequal probability in one step."""
RULES = {"hebb": "Hebb", "delta": "delta rule, one pass", "least_squares": "least squares"}
"""Ways to store pairs that come one after another."""


def first_gradient(
    p: Float[Tensor, " N"], keys: Float[Tensor, "N d"], values: Float[Tensor, "N d"]
) -> Float[Tensor, "d d"]:
    """Minus the gradient at W = 0 of the cross-entropy of pairs i, drawn with probability p_i (Birth Lemma 1).

    G = sum_i p_i (v_i - mean of all v) u_i^T.
    """
    return ((values - values.mean(0)) * p[:, None]).T @ keys


def polar_factor(G: Float[Tensor, "d_out d_in"]) -> Float[Tensor, "d_out d_in"]:
    """U V^T of the singular value decomposition G = U S V^T: all singular values made 1, Muon's step in the limit."""
    U, _, V_T = torch.linalg.svd(G, full_matrices=False)
    return U @ V_T


def delta_rule(
    keys: Float[Tensor, "N d"], values: Float[Tensor, "M d_out"], beta: float = 1.0
) -> Float[Tensor, "d_out d"]:
    """W after one pass over the pairs, W := W + beta (v_i - W u_i) u_i^T: what W already says of u_i is taken out.

    At beta = 1 and unit-norm keys the pair just written is exact. Raises ValueError where counts do not match.
    """
    if len(keys) != len(values):
        raise ValueError(f"There are {len(keys)} keys and {len(values)} values; each key has its own value.")
    W = torch.zeros(values.shape[1], keys.shape[1], dtype=keys.dtype)
    for u, v in zip(keys, values, strict=True):
        W += beta * torch.outer(v - W @ u, u)
    return W


def least_squares(keys: Float[Tensor, "N d"], values: Float[Tensor, "N d_out"]) -> Float[Tensor, "d_out d"]:
    """The W that minimises sum_i |v_i - W u_i|^2, by the pseudo-inverse of the keys."""
    return (torch.linalg.pinv(keys) @ values).T


def unequal_pairs(setup: MemoriesPreset, seed: int) -> dict[str, list[tuple[int, float]]]:
    """By way of writing and dimension: pairs recalled, and the probability of a wrong answer; an injective map.

    Pair i has a probability in proportion to i^-a; keys and values are the same for all ways.
    """
    how = setup.writers
    found: dict[str, list[tuple[int, float]]] = {name: [] for name in WRITERS}
    p = torch.arange(1, how.N + 1, dtype=torch.float64) ** -setup.a
    p = p / p.sum()
    for d in how.d:
        generator = STREAMS.generator("writers", seed, d)
        u, v = (draw_embeddings(how.N, d, generator=generator, unit_norm=True) for _ in range(2))
        gradient = first_gradient(p.float(), u, v)
        root = outer_product_memory(u, v, weights=p.sqrt().float())
        for name, W in zip(WRITERS, (gradient, root, polar_factor(gradient)), strict=True):
            right = scores(W, u, v).argmax(1) == torch.arange(how.N)
            found[name].append((int(right.sum()), float(p @ (~right).double())))
    return found


def online(setup: MemoriesPreset, seed: int) -> dict[str, list[float]]:
    """By rule: recall of each quarter of the pairs, the oldest first, then of all; the mean over several memories."""
    how, found = setup.online, {name: torch.zeros(5, dtype=torch.float64) for name in RULES}
    generator = STREAMS.generator("online", seed)
    for _ in range(how.memories):
        u, v = (draw_embeddings(how.N, how.d, generator=generator, unit_norm=True) for _ in range(2))
        written = (outer_product_memory(u, v), delta_rule(u, v), least_squares(u, v))
        for name, W in zip(RULES, written, strict=True):
            found[name] += by_age(scores(W, u, v))
    return {name: (row / how.memories).tolist() for name, row in found.items()}


def missed_by_least_squares(setup: MemoriesPreset, seed: int) -> list[tuple[int, int]]:
    """How many pairs least squares misses, and of how many, by the number of pairs in one memory, `loads`."""
    how, found = setup.online, []
    for N in how.loads:
        generator, missed = STREAMS.generator("least squares by load", seed, N), 0
        for _ in range(how.memories):
            u, v = (draw_embeddings(N, how.d, generator=generator, unit_norm=True) for _ in range(2))
            missed += int((scores(least_squares(u, v), u, v).argmax(1) != torch.arange(N)).sum())
        found.append((missed, N * how.memories))
    return found


def by_age(found: Float[Tensor, "N N2"]) -> Float[Tensor, "5"]:
    """The recall of each quarter of the keys, in their order, and of all. Raises ValueError for fewer than 4 keys."""
    if len(found) < 4:
        raise ValueError(f"there are {len(found)} keys; a quarter of them needs 4.")
    order: Int[Tensor, " N"] = torch.arange(len(found))
    quarters = [recall(found[rows], order[rows]) for rows in order.tensor_split(4)]
    return torch.tensor([*quarters, recall(found)], dtype=torch.float64)
