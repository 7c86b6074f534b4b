"""What the fast steps of long sequences share: layer 1's attention from tables, and selected positions in groups.

The vector at position t is w_E(z_t) + p_t and both are frozen, so layer 1's score of a query t and a key s,
x_t . W x_s, is a sum of four entries of one table with a row and a column for each token and each position. It is
looked up, not multiplied out, and the gradient of the table is collected from that of the scores.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

# Sequences are this long, or longer, where the steps for long sequences pay; shorter ones keep their bits.
LONG = 128
# Queries of layer 1 that share a range of keys: smaller skips more of the unused half, larger makes fewer calls.
QUERY_BLOCK = 64


def is_long(z: Int[Tensor, "B T"]) -> bool:
    """Whether a batch goes through the steps for long sequences: on the CPU, of `LONG` positions or more."""
    return z.device.type == "cpu" and z.shape[1] >= LONG


def blocks(T: int) -> list[tuple[int, int]]:
    """Cut the queries 0 to T - 1 into ranges (start, stop); a range needs the keys up to `stop` only."""
    return [(start, min(start + QUERY_BLOCK, T)) for start in range(0, T, QUERY_BLOCK)]


class ScoreTable:
    """Layer 1's attention by a table of scores, `table[a, b]` that of query row a and key row b.

    The first N rows (and columns) are those of the tokens, the following ones those of the positions. `gradient` is
    what `collect` has added up so far: the gradient with respect to the table.
    """

    def __init__(self, table: Float[Tensor, "n n"], N: int, T: int) -> None:
        self.N = N
        self.gradient = torch.zeros_like(table)
        self.tokens = table[:N, :N].contiguous()
        future = torch.ones(T, T, dtype=torch.bool, device=table.device).triu(1)
        self.positions = table[N:, N:].masked_fill(future, -math.inf)
        self.position_token = table[N:, :N].contiguous()
        self.token_position = [table[:N, N : N + stop].contiguous() for _, stop in blocks(T)]

    def attention(self, z: Int[Tensor, "b T"]) -> Iterator[Float[Tensor, "b q k"]]:
        """Give the attention maps of each range of `blocks`: its queries, and the keys up to the range's end."""
        b, T = z.shape
        for (start, stop), token_position in zip(blocks(T), self.token_position, strict=True):
            queries = z[:, start:stop].reshape(-1)
            scores = token_position.index_select(0, queries).view(b, stop - start, stop)
            scores.add_(self.positions[start:stop, :stop])
            by_token = self.tokens.index_select(0, queries).view(b, stop - start, self.N)
            by_token.add_(self.position_token[start:stop])
            scores.add_(by_token.gather(2, z[:, None, :stop].expand(-1, stop - start, -1)))
            yield scores.softmax(-1)

    def collect(
        self, grad_scores: Float[Tensor, "b q k"], z: Int[Tensor, "b T"], one_hot: Float[Tensor, "b T N"], start: int
    ) -> None:
        """Add the gradient of the scores of the queries from `start` on to that of the table."""
        b, length, stop = grad_scores.shape
        N, gradient = self.N, self.gradient
        rows = slice(N + start, N + start + length)
        queries = z[:, start : start + length].reshape(-1)
        gradient[rows, N : N + stop] += grad_scores.sum(0)
        gradient[:N, N : N + stop].index_add_(0, queries, grad_scores.view(b * length, stop))
        by_token = torch.bmm(grad_scores, one_hot[:, :stop])
        gradient[rows, :N] += by_token.sum(0)
        gradient[:N, :N].index_add_(0, queries, by_token.view(b * length, N))


class Group(NamedTuple):
    """Sequences computed together, of similar numbers of selected positions, on a grid of `width` columns each.

    sequences: which of the sorted ones; chosen: which of all selected positions, listed by sorted sequence
    at: the position in each cell of the grid, increasing along a row; what is not needed on the left repeats position 0
    cells: the cell of each selected position, in the flattened grid
    """

    sequences: slice
    chosen: slice
    at: Int[Tensor, "b width"]
    cells: Int[Tensor, " n"]


class Selection:
    """A batch's selected positions, the sequences sorted by how many they have; those without any are dropped.

    z: the sorted sequences; place: of each selected position in that order, its number in the order of the mask
    """

    def __init__(self, z: Int[Tensor, "B T"], select: Bool[Tensor, "B T"]) -> None:
        counts = select.sum(1)
        order = torch.argsort(counts)
        order = order[counts[order] > 0]
        self.z = z[order]
        self.counts = counts[order]
        self.sequence, self.position = select[order].nonzero(as_tuple=True)
        first = counts.cumsum(0) - counts
        self.slot = torch.arange(len(self.sequence)) - (self.counts.cumsum(0) - self.counts)[self.sequence]
        self.place = first[order][self.sequence] + self.slot

    def __len__(self) -> int:
        return len(self.sequence)

    def groups(self, longest: int) -> Iterator[Group]:
        """Cut the sequences into groups of at most `longest`, none of which is mostly padding."""
        counts = self.counts.tolist()
        first = chosen = 0
        for last, width in enumerate(counts, start=1):
            # closed where it is full or where padding its first sequence to the next one would add more than half
            if last < len(counts) and last - first < longest and counts[last] <= 1.5 * counts[first] + 4:
                continue
            end = chosen + sum(counts[first:last])
            here = slice(chosen, end)
            row = self.sequence[here] - first
            cells = row * width + (width - self.counts[self.sequence[here]]) + self.slot[here]
            at = torch.zeros((last - first) * width, dtype=torch.int64)
            at[cells] = self.position[here]
            yield Group(slice(first, last), here, at.view(-1, width), cells)
            first, chosen = last, end


def look_up(table: Float[Tensor, "n h"], z: Int[Tensor, "b T"]) -> Float[Tensor, "b T h"]:
    """Return the entries of tokens z at positions 0 to T - 1; the table's last T rows are those of the positions."""
    b, T = z.shape
    return table.index_select(0, z.reshape(-1)).view(b, T, -1).add_(table[-T:])
