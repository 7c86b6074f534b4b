"""What attention maps look at: previous tokens, induction positions, how evenly they spread. Maps are (query, key)."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def previous_token_mass(attention: Float[Tensor, "*batch T T"]) -> Float[Tensor, ""]:
    """Return the mean attention that queries from the second position on pay to the position just before them.

    For one head of several pass its maps alone.
    """
    return attention.diagonal(offset=-1, dim1=-2, dim2=-1).mean()


def induction_positions(z: Int[Tensor, "B T"]) -> Bool[Tensor, "B T T"]:
    """Mark, for every query position t, the positions s <= t whose preceding token z_{s-1} equals z_t.

    For `a b c a` the query at the second `a` marks `b`, and nothing else is marked.
    """
    B, T = z.shape
    marked = torch.zeros(B, T, T, dtype=torch.bool, device=z.device)
    marked[:, :, 1:] = z[:, :, None] == z[:, None, :-1]
    return marked & torch.ones(T, T, dtype=torch.bool, device=z.device).tril()


def induction_mass(
    attention: Float[Tensor, "B T T"], z: Int[Tensor, "B T"], where: Bool[Tensor, "B T"] | None = None
) -> Float[Tensor, ""]:
    """Return the mean, over query positions, of the attention on positions that follow an earlier occurrence of z_t.

    `where` marks the query positions; None marks those that have such a position, the only ones where the mass can
    be positive. NaN when nothing is marked.
    """
    marked = induction_positions(z)
    mass = torch.where(marked, attention, 0.0).sum(-1)
    counted = (marked.any(-1) if where is None else where).to(mass.dtype)
    return (mass * counted).sum() / counted.sum()


def entropy(attention: Float[Tensor, "*batch T S"]) -> Float[Tensor, "*batch T"]:
    """Return the entropy of each query's attention in nats; a query that sees n keys has at most log n."""
    return torch.special.entr(attention).sum(-1)
