"""The noisy-recall transformer's losses at selected positions with their gradients, for long sequences on the CPU.

Four savings beyond those of `fast`, none of which changes a number beyond rounding:

- Layer 1's scores and their gradient go through a table (`shared.tabulated`).
- F_1 reads y_t = x_t + sum_s a_ts W_V x_s. W_in is applied to the N + T rows that the x_s are made of, and attention
  mixes what came of them: with T / 2 keys on average that takes fewer products than W_in at all positions.
- x^1 is not computed but where it is selected. Layer 2 compares its few queries with y and the hidden layer, W_out
  applied to the queries; its gradient likewise.
- A group of sequences is taken forward and backward at once, so that its hidden layer, the largest array, is not kept.
"""

import math
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mechbook.noisy.fast import selected_logits
from mechbook.noisy.model import NoisyTransformer
from mechbook.shared.tabulated import Group, ScoreTable, Selection, blocks, is_long, look_up, through_softmax

# Sequences of a group: fewer stay in cache, more make fewer and larger products.
GROUP = 4


def selected_losses(
    model: NoisyTransformer, z: Int[Tensor, "B T"], select: Bool[Tensor, "B T"], targets: Int[Tensor, "B T"]
) -> tuple[Float[Tensor, " n_selected"], Float[Tensor, "n_selected V"]]:
    """Return the cross-entropies of `model(z)[select]` with `targets[select]`, and those logits, without a gradient.

    The losses have the plain forward's gradients. Where `is_long` says so they are computed along with the losses, as
    for a mean over all of them; a loss that weighs them otherwise is right too, and computes everything twice.
    Elsewhere `selected_logits` gives the logits. Raises ValueError for more positions than the model has.
    """
    if not is_long(z):
        logits = selected_logits(model, z, select)
        return F.cross_entropy(logits, targets[select], reduction="none"), logits.detach()
    T, scale = z.shape[1], 1 / math.sqrt(model.config.d)
    if T > len(model.P):
        raise ValueError(f"the sequences have {T} positions; this model has {len(model.P)}.")
    rows = torch.cat([model.W_E, model.P[:T]])
    values = rows @ model.value_1().T
    kind = model.config.F1
    # the hidden layer: what F_1's ReLU reads, if it has one, and y itself
    if kind == "mlp":
        own, mixed = (torch.cat([v @ model.F1.W_in.T, v], 1) for v in (rows, values))
        out = model.F1.W_out
    else:
        own, mixed = rows, values
        out = model.F1.W + torch.eye(len(model.W_V2)) if kind == "linear" else rows.new_zeros(rows.shape[1], 0)
    tables = (rows @ (model.W_KQ1 * scale) @ rows.T, own, mixed, out, model.W_KQ2 * scale, model.W_V2)
    chosen, targets, skip = Selection(z, select), targets[select], kind != "linear"
    tables = (*tables, *model.F2.parameters())
    if not torch.is_grad_enabled():
        return _Sweep(model, skip, tables, backward=False).run(chosen, targets, None)
    losses, logits = _Step.apply(model, chosen, targets, skip, *tables)
    return losses, logits


class _Step(torch.autograd.Function):
    """Losses and logits at the selected positions, in the order of the mask, and the gradients of the losses' sum."""

    @staticmethod
    def forward(
        ctx: Any, model: NoisyTransformer, chosen: Selection, targets: Tensor, skip: bool, *tables: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.call = model, chosen, targets, skip
        ctx.save_for_backward(*tables)
        sweep = _Sweep(model, skip, tables, backward=any(ctx.needs_input_grad))
        losses, logits = sweep.run(chosen, targets, None)
        ctx.gradients = sweep.gradients()
        ctx.mark_non_differentiable(logits)
        return losses, logits

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, weights: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        gradients = ctx.gradients
        if len(weights) and bool((weights == weights[0]).all()):
            gradients = tuple(g * weights[0] for g in gradients)
        else:
            model, chosen, targets, skip = ctx.call
            sweep = _Sweep(model, skip, ctx.saved_tensors, backward=True)
            sweep.run(chosen, targets, weights)
            gradients = sweep.gradients()
        return None, None, None, None, *gradients


class _Sweep:
    """One pass over all groups.

    A table's row z belongs to token z and its row V + t to position t; the entry at t is their sum. `scores` is layer
    1's, `own` and `mixed` what x_t and the W_V x_s it attends to bring to the hidden layer, whose first columns `out`
    writes into the stream; where `skip`, these go through the ReLU and the last d, which are y, are added as they are.
    """

    def __init__(self, model: NoisyTransformer, skip: bool, tables: tuple[Tensor, ...], *, backward: bool) -> None:
        self.model, self.skip, self.backward = model, skip, backward
        self.scores, self.own, self.mixed, self.out, self.W_KQ, self.W_V = tables[:6]
        self.trained = [i for i, t in enumerate(tables) if i >= 6 and t.requires_grad]
        self.tables = tables
        self.written = self.out.shape[1]
        self.grads = [torch.zeros_like(t) if backward and i else t for i, t in enumerate(tables)]

    def gradients(self) -> tuple[Tensor, ...]:
        """The gradients with respect to the tables, in their order."""
        return self.layer_1.gradient(), *self.grads[1:]

    def run(self, chosen: Selection, targets: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the losses and logits; the gradients are those of the losses' sum, weighted by `weights`."""
        T, V = chosen.z.shape[1], len(self.model.W_U)
        self.layer_1 = ScoreTable(self.scores, V)
        # what is added to the scores of layer 2: nothing up to a query's position, minus infinity beyond
        self.mask = torch.full((T, T), -math.inf, dtype=self.own.dtype).triu(1)
        self.one_hot = torch.eye(V, dtype=self.own.dtype)
        losses, logits = self.own.new_empty(len(chosen)), self.own.new_empty(len(chosen), V)
        for group in chosen.groups(GROUP):
            place = chosen.place[group.chosen]
            weight = None if weights is None else weights[place]
            losses[place], logits[place] = self._group(chosen.z[group.sequences], group, targets[place], weight)
        return losses, logits

    def _group(self, z: Tensor, group: Group, targets: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
        (b, T), width, cells, h = z.shape, group.at.shape[1], group.cells, self.own.shape[1]
        value = look_up(self.mixed, z)
        # range after range of positions, in each sequence after sequence
        hidden, parts = value.new_empty(b * T, h), []
        ranges = list(zip(blocks(T), group.first_columns(T), strict=True))
        row = group.rows(T)
        for part in self.layer_1.attention(z):
            here = hidden[b * part.start : b * part.stop]
            torch.index_select(self.own, 0, part.tokens, out=here)
            here = here.view(b, -1, h)
            here.add_(self.own[len(self.own) - T + part.start : len(self.own) - T + part.stop])
            here.baddbmm_(part.attention, value[:, : part.stop])
            if self.skip:
                here[..., : self.written].relu_()
            parts.append((part, here))

        seen = hidden.index_select(0, row)
        own = self._write(seen)
        queries = own @ self.W_KQ
        spread = self._spread(queries).view(b, width, h)
        scores = self.mask.index_select(0, group.at.view(-1)).view(b, width, T)
        for ((start, stop), first), (_, here) in zip(ranges, parts, strict=True):
            scores[:, first:, start:stop].baddbmm_(spread[:, first:], here.mT)
        attention = scores.softmax(-1)
        all_found = torch.zeros_like(spread)
        for ((start, stop), first), (_, here) in zip(ranges, parts, strict=True):
            all_found[:, first:].baddbmm_(attention[:, first:, start:stop], here)
        found = all_found.view(-1, h).index_select(0, cells)
        written = self._write(found)
        y = own.index_select(0, cells).addmm_(written, self.W_V.T)
        losses, logits, grad_y = self._read_out(y, targets, weight)
        if not self.backward:
            return losses, logits

        _, _, _, grad_out, grad_W_KQ, grad_W_V = self.grads[:6]
        k = self.written
        grad_W_V.addmm_(grad_y.T, written)
        grad_written = grad_y @ self.W_V
        grad_out.addmm_(grad_written.T, found[:, :k])
        grad_found = y.new_zeros(b * width, h)
        grad_found[cells] = self._spread(grad_written)
        grad_found = grad_found.view(b, width, h)
        grad_scores = torch.zeros_like(attention)
        for ((start, stop), first), (_, here) in zip(ranges, parts, strict=True):
            grad_scores[:, first:, start:stop].baddbmm_(grad_found[:, first:], here.mT)
        grad_scores = through_softmax(grad_scores, attention)
        grad_spread = torch.zeros_like(spread)
        for ((start, stop), first), (_, here) in zip(ranges, parts, strict=True):
            grad_spread[:, first:].baddbmm_(grad_scores[:, first:, start:stop], here)
        grad_spread = grad_spread.view(-1, h)
        grad_out.addmm_(queries.T, grad_spread[:, :k])
        grad_queries = self._write(grad_spread)
        grad_W_KQ.addmm_(own.T, grad_queries)
        grad_own = grad_queries @ self.W_KQ.T
        grad_own.index_add_(0, cells, grad_y)
        grad_out.addmm_(grad_own.T, seen[:, :k])

        one_hot = self.one_hot.index_select(0, z.reshape(-1)).view(b, T, -1)
        grad_seen, grad_value = self._spread(grad_own), torch.empty_like(value)
        _, grad_tokens, grad_mixed = self.grads[:3]
        grad_positions = grad_tokens[-T:]
        for ((start, stop), first), (part, here) in reversed(list(zip(ranges, parts, strict=True))):
            g = torch.bmm(attention[:, first:, start:stop].mT, grad_found[:, first:])
            g.baddbmm_(grad_scores[:, first:, start:stop].mT, spread[:, first:])
            inside = (row >= b * start) & (row < b * stop)
            g.view(-1, h).index_add_(0, row[inside] - b * start, grad_seen[inside])
            if self.skip:
                # a ReLU's output is 0 or positive
                g[..., :k].mul_(here[..., :k].sign_())
            grad_tokens.index_add_(0, part.tokens, g.view(-1, h))
            grad_positions[start:stop] += g.sum(0)
            # the last queries see all keys
            grad_value[:, :stop].baddbmm_(part.attention.mT, g, beta=float(stop < T))
            self.layer_1.collect(part, torch.bmm(g, value[:, :stop].mT), one_hot)
        grad_mixed.index_add_(0, z.reshape(-1), grad_value.view(-1, h))
        grad_mixed[-T:] += grad_value.sum(0)
        return losses, logits

    def _write(self, hidden: Float[Tensor, "n h"]) -> Float[Tensor, "n d"]:
        """What of the hidden layer reaches the stream."""
        if not self.skip:
            return hidden @ self.out.T
        return torch.addmm(hidden[:, self.written :], hidden[:, : self.written], self.out.T)

    def _spread(self, stream: Float[Tensor, "n d"]) -> Float[Tensor, "n h"]:
        """The transpose of `_write`."""
        read = stream @ self.out
        return torch.cat([read, stream], 1) if self.skip else read

    def _read_out(self, y: Tensor, targets: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return the losses, the logits and the gradient of y, and add that of F_2, for what F_2 reads."""
        with torch.set_grad_enabled(self.backward):
            y.requires_grad_(self.backward)
            logits = (y + self.model.F2(y)) @ self.model.W_U.T
            losses = F.cross_entropy(logits, targets, reduction="none")
        if not self.backward:
            return losses, logits, y
        weight = torch.ones_like(losses) if weight is None else weight
        grad_y, *gradients = torch.autograd.grad(losses, [y, *(self.tables[i] for i in self.trained)], weight)
        for i, gradient in zip(self.trained, gradients, strict=True):
            self.grads[i] += gradient
        return losses.detach(), logits.detach(), grad_y
