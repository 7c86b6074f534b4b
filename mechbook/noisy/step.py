"""The noisy-recall transformer's losses at selected positions with their gradients, for long sequences on the CPU.

Three savings beyond those of `fast`, none of which changes a number beyond rounding:

- Layer 1's scores and their gradient go through a table (`shared.tabulated`), and so do the vectors it mixes.
- x^1 is not computed but where it is selected. Layer 2 compares its few queries with y and F_1's hidden layer, W_out
  applied to the queries; its gradient likewise. So no product with W_out runs over all positions, forward or backward.
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
from mechbook.shared.tabulated import Group, ScoreTable, Selection, add_up, is_long, look_up, through_softmax

# Sequences of a group: fewer stay in cache, more make fewer and larger products.
GROUP = 8


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
    scores = rows @ (model.W_KQ1 * scale) @ rows.T
    W_in, out = rows.new_empty(0, rows.shape[1]), rows.new_empty(rows.shape[1], 0)
    if model.config.F1 == "mlp":
        W_in, out = model.F1.W_in, model.F1.W_out
    elif model.config.F1 == "linear":
        # what is in the stream after F_1 is linear in what was before
        rows, values = rows + rows @ model.F1.W.T, values + values @ model.F1.W.T
    tables = (scores, rows, values, W_in, out, model.W_KQ2 * scale, model.W_V2, *model.F2.parameters())
    chosen, targets = Selection(z, select), targets[select]
    if not torch.is_grad_enabled():
        return _Sweep(model, tables, backward=False).run(chosen, targets, None)
    losses, logits = _Step.apply(model, chosen, targets, *tables)
    return losses, logits


class _Step(torch.autograd.Function):
    """Losses and logits at the selected positions, in the order of the mask, and the gradients of the losses' sum."""

    @staticmethod
    def forward(
        ctx: Any, model: NoisyTransformer, chosen: Selection, targets: Tensor, *tables: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.call = model, chosen, targets
        ctx.save_for_backward(*tables)
        sweep = _Sweep(model, tables, backward=any(ctx.needs_input_grad))
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
            model, chosen, targets = ctx.call
            sweep = _Sweep(model, ctx.saved_tensors, backward=True)
            sweep.run(chosen, targets, weights)
            gradients = sweep.gradients()
        return None, None, None, *gradients


class _Sweep:
    """One pass over all groups.

    A table's row z belongs to token z and its row V + t to position t; the entry at t is their sum. `scores` is layer
    1's, y_t is `own` and what attention mixes of `mixed`. `out` writes relu(W_in y), "hidden" below, into the stream;
    without a ReLU both are empty.
    """

    def __init__(self, model: NoisyTransformer, tables: tuple[Tensor, ...], *, backward: bool) -> None:
        self.model, self.tables, self.backward = model, tables, backward
        self.scores, self.own, self.mixed, self.W_in, self.out, self.W_KQ, self.W_V = tables[:7]
        self.trained = [i for i, t in enumerate(tables) if i >= 7 and t.requires_grad]
        self.own_trained = self.own.requires_grad
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
        (b, T), d, h = z.shape, self.own.shape[1], self.out.shape[1]
        grid, cells = group.at.shape, group.cells
        y, value, parts = look_up(self.own, z), look_up(self.mixed, z), []
        for part in self.layer_1.attention(z):
            y[:, part.start : part.stop] += torch.bmm(part.attention, value[:, : part.stop])
            parts.append(part)
        hidden = (y.view(-1, d) @ self.W_in.T).relu_()
        at = (group.at + torch.arange(b).unsqueeze(1) * T).view(-1)
        seen = hidden.index_select(0, at)
        hidden = hidden.view(b, T, h)

        own = y.view(-1, d).index_select(0, at).addmm_(seen, self.out.T)
        queries = own @ self.W_KQ
        q, q_in = queries.view(*grid, d), (queries @ self.out).view(*grid, h)
        mask = self.mask.index_select(0, group.at.view(-1)).view(*grid, T)
        attention = mask.baddbmm_(q, y.mT).baddbmm_(q_in, hidden.mT).softmax(-1)
        found_in = torch.bmm(attention, hidden).flatten(0, 1)
        found = torch.bmm(attention, y).view(-1, d).addmm_(found_in, self.out.T).index_select(0, cells)
        read = own.index_select(0, cells).addmm_(found, self.W_V.T)
        losses, logits, grad_read = self._read_out(read, targets, weight)
        if not self.backward:
            return losses, logits

        _, grad_own_table, grad_mixed, grad_W_in, grad_out, grad_W_KQ, grad_W_V = self.grads[:7]
        grad_W_V.addmm_(grad_read.T, found)
        grad_found = y.new_zeros(len(at), d)
        grad_found[cells] = grad_read @ self.W_V
        grad_out.addmm_(grad_found.T, found_in)
        g, g_in = grad_found.view(*grid, d), (grad_found @ self.out).view(*grid, h)
        grad_scores = through_softmax(torch.bmm(g, y.mT).baddbmm_(g_in, hidden.mT), attention)
        grad_q_in = torch.bmm(grad_scores, hidden).flatten(0, 1)
        grad_out.addmm_(queries.T, grad_q_in)
        grad_queries = torch.bmm(grad_scores, y).view(-1, d).addmm_(grad_q_in, self.out.T)
        grad_W_KQ.addmm_(own.T, grad_queries)
        grad_own = grad_queries @ self.W_KQ.T
        grad_own.index_add_(0, cells, grad_read)
        grad_out.addmm_(grad_own.T, seen)

        maps = torch.cat([attention, grad_scores], 1).mT
        grad_y = torch.bmm(maps, torch.cat([g, q], 1)).view(-1, d)
        grad_y.index_add_(0, at, grad_own)
        grad_hidden = torch.bmm(maps, torch.cat([g_in, q_in], 1)).flatten(0, 1)
        grad_hidden.index_add_(0, at, grad_own @ self.out)
        # a ReLU's output is 0 or positive
        grad_hidden.mul_(hidden.flatten(0, 1).sign_())
        grad_W_in.addmm_(grad_hidden.T, y.view(-1, d))
        grad_y.addmm_(grad_hidden, self.W_in)
        grad_y = grad_y.view(b, T, d)
        if self.own_trained:
            add_up(grad_own_table, grad_y, z)
        one_hot = self.one_hot.index_select(0, z.reshape(-1)).view(b, T, -1)
        grad_value = torch.zeros_like(value)
        for part in parts:
            slopes = grad_y[:, part.start : part.stop]
            grad_value[:, : part.stop].baddbmm_(part.attention.mT, slopes)
            self.layer_1.collect(part, torch.bmm(slopes, value[:, : part.stop].mT), one_hot)
        add_up(grad_mixed, grad_value, z)
        return losses, logits

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
