"""Many Markov chains at once on any device, token after token, in float32: what the device's samplers are made of.

Each sequence has a map of its own from its last token to a row of one table of cumulative probabilities; so what is
fixed in a sequence, such as the output after a trigger, costs nothing inside the loop, which starts four operations a
token however many sequences there are, and reads nothing.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def cumulative(rows: Float[Tensor, "R V"]) -> Float[Tensor, "R V"]:
    """Return the cumulative probabilities of each row in float32, on the CPU, as `draw` takes them.

    From the last token that a row can give on they are 2, above any draw: no rounding gives what has probability 0.
    Draws are multiples of 2^-24, and so, in effect, is every probability.
    """
    p = rows.double().cpu()
    sums = p.cumsum(1)
    sums = sums / sums[:, -1:]
    later = p.flip(1).cumsum(1).flip(1) - p
    return sums.masked_fill(later <= 0, 2.0).float()


def draw(table: Float[Tensor, "R V"], row: Int[Tensor, "n"], u: Float[Tensor, "n"]) -> Int[Tensor, "n"]:
    """Return a token from each of these rows: the first whose cumulative probability is above u, u in [0, 1)."""
    return torch.searchsorted(table.index_select(0, row), u.unsqueeze(1), right=True).squeeze(1)


def walk(
    table: Float[Tensor, "R V"], rows: Int[Tensor, "n V"], first: int, u: Float[Tensor, "steps n"]
) -> Int[Tensor, "steps n"]:
    """Return n sequences, time first: z_0 from row `first` of the table, z_t from row rows[., z_{t-1}]."""
    n, V = rows.shape
    flat, start = rows.flatten(), torch.arange(n, device=rows.device) * V
    z = [draw(table, torch.full((n,), first, device=rows.device), u[0])]
    for numbers in u.unbind(0)[1:]:
        z.append(draw(table, flat.index_select(0, start + z[-1]), numbers))
    return torch.stack(z)
