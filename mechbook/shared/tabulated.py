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


class Part(NamedTuple):
    """Layer 1's attention of a range of queries: their tokens, and the maps with the keys up to `stop`."""

    start: int
    stop: int
    tokens: Int[Tensor, " queries"]
    attention: Float[Tensor, "b q stop"]


class ScoreTable:
    """Layer 1's attention by a table of scores, `table[a, b]` that of query row a and key row b.

    The first N rows (and columns) are those of the tokens, the following T those of the positions. `collect` adds up
    the gradient with respect to the table, which `gradient` gives.
    """

    def __init__(self, table: Float[Tensor, "n n"], N: int) -> None:
        self.N, self.T = N, len(table) - N
        future = torch.ones(self.T, self.T, dtype=torch.bool).triu(1)
        self.of_tokens = table[:N, :N].contiguous()
        # by ranges of queries, for the keys that each of them needs: rows that can be added up without a stride
        self.token_position = [table[:N, N : N + stop].contiguous() for _, stop in blocks(self.T)]
        self.position_token = [table[N + start : N + stop, :N].contiguous() for start, stop in blocks(self.T)]
        positions = table[N:, N:].masked_fill(future, -math.inf)
        self.of_positions = [positions[start:stop, :stop].contiguous() for start, stop in blocks(self.T)]
        self.gradients = [
            [torch.zeros_like(part) for part in parts]
            for parts in ([self.of_tokens], self.token_position, self.position_token, self.of_positions)
        ]

    def attention(self, z: Int[Tensor, "b T"]) -> Iterator[Part]:
        """Give the attention maps of each range of `blocks`."""
        b = len(z)
        for i, (start, stop) in enumerate(blocks(self.T)):
            tokens = z[:, start:stop].reshape(-1)
            shape = b, stop - start, -1
            scores = self.token_position[i].index_select(0, tokens).view(shape).add_(self.of_positions[i])
            by_token = self.of_tokens.index_select(0, tokens).view(shape).add_(self.position_token[i])
            scores.add_(by_token.gather(2, z[:, None, :stop].expand(shape)))
            yield Part(start, stop, tokens, scores.softmax(-1))

    def collect(self, part: Part, grad_attention: Float[Tensor, "b q k"], one_hot: Float[Tensor, "b T N"]) -> None:
        """Add the gradient that comes with that of a range's attention to the table's."""
        grad_scores = through_softmax(grad_attention, part.attention)
        by_token = torch.bmm(grad_scores, one_hot[:, : part.stop])
        i = part.start // QUERY_BLOCK
        (of_tokens,), token_position, position_token, of_positions = self.gradients
        of_tokens.index_add_(0, part.tokens, by_token.view(-1, self.N))
        token_position[i].index_add_(0, part.tokens, grad_scores.view(-1, part.stop))
        position_token[i] += by_token.sum(0)
        of_positions[i] += grad_scores.sum(0)

    def gradient(self) -> Float[Tensor, "n n"]:
        """The gradient with respect to the table."""
        N, ((of_tokens,), token_position, position_token, of_positions) = self.N, self.gradients
        total = of_tokens.new_zeros(N + self.T, N + self.T)
        total[:N, :N] = of_tokens
        for i, (start, stop) in enumerate(blocks(self.T)):
            total[:N, N : N + stop] += token_position[i]
            total[N + start : N + stop, :N] = position_token[i]
            total[N + start : N + stop, N : N + stop] = of_positions[i]
        return total


def through_softmax(
    grad_attention: Float[Tensor, "b q k"], attention: Float[Tensor, "b q k"]
) -> Float[Tensor, "b q k"]:
    """Return the gradient of the scores whose softmax is `attention`: a_s (g_s - sum over r of a_r g_r)."""
    return torch._softmax_backward_data(grad_attention, attention, -1, attention.dtype)


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


def add_up(table: Float[Tensor, "n h"], gradient: Float[Tensor, "b T h"], z: Int[Tensor, "b T"]) -> None:
    """Add to a table's gradient that of what `look_up` gave."""
    table.index_add_(0, z.reshape(-1), gradient.flatten(0, 1))
    table[len(table) - z.shape[1] :] += gradient.sum(0)
