"""The simplified transformer's losses at selected positions with their gradients, for long sequences on the CPU.

Beyond what `simplified_fast` saves: layer 1's scores and their gradient go through a table (`tabulated`), and a group
of sequences is taken forward and backward at once, so that its attention maps are used while they are in cache and
are never kept. The gradients are written out by hand.
"""

import math
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mechbook.shared.simplified import SimplifiedTransformer
from mechbook.shared.simplified_fast import _check, selected_logits
from mechbook.shared.tabulated import Group, Part, ScoreTable, Selection, add_up, is_long, look_up, through_softmax

# Sequences of a group: fewer stay in cache, more make fewer calls.
GROUP = 8


def selected_losses(
    model: SimplifiedTransformer, z: Int[Tensor, "B T"], select: Bool[Tensor, "B T"], targets: Int[Tensor, "B T"]
) -> tuple[Float[Tensor, " n_selected"], Float[Tensor, "n_selected N"]]:
    """Return the cross-entropies of `model(z)[select]` with `targets[select]`, and those logits, without a gradient.

    The losses have the plain forward's gradients. Where `is_long` says so they are computed along with the losses, as
    for a mean over all of them; a loss that weighs them otherwise is right too, and computes everything twice.
    Elsewhere `selected_logits` gives the logits. Raises ValueError as that does.
    """
    if not is_long(z):
        logits = selected_logits(model, z, select)
        return F.cross_entropy(logits, targets[select], reduction="none"), logits.detach()
    _check(model, z)
    T, d, N = z.shape[1], model.config.d, len(model.W_E)
    rows = torch.cat([model.W_E, model.P[:T]])
    scores = rows @ (model.W_K1 / math.sqrt(d)) @ rows.T
    values = rows @ (model.W_O1 @ model.W_V1).T
    unembed: Tensor = model.W_U
    if model.config.feed_forward == "after_layer_2":
        unembed = unembed + unembed @ model.W_F
    read = unembed @ model.W_O2 @ model.W_V2
    if model.config.feed_forward == "before_attention":
        direct = rows @ (model.W_U @ model.W_F).T
    else:
        direct = rows.new_zeros(0, N)
    chosen, targets = Selection(z, select), targets[select]
    tables = (scores, values, model.W_K2 / math.sqrt(d), unembed, read, direct)
    if not torch.is_grad_enabled():
        return _Sweep(rows, tables, (False,) * len(tables)).run(chosen, targets, None)
    losses, logits = _Step.apply(chosen, targets, rows, *tables)
    return losses, logits


class _Step(torch.autograd.Function):
    """Losses and logits at the selected positions, in the order of the mask.

    The gradients that the forward pass computes are those of the losses' sum.
    """

    @staticmethod
    def forward(ctx: Any, chosen: Selection, targets: Tensor, rows: Tensor, *tables: Tensor) -> tuple[Tensor, Tensor]:
        wanted = tuple(ctx.needs_input_grad[3:])
        step = _Sweep(rows, tables, wanted)
        losses, logits = step.run(chosen, targets, None)
        ctx.chosen, ctx.gradients = chosen, step.gradients()
        ctx.save_for_backward(targets, rows, *tables)
        ctx.mark_non_differentiable(logits)
        return losses, logits

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, weights: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        gradients = ctx.gradients
        if len(weights) and not bool((weights == weights[0]).all()):
            targets, rows, *tables = ctx.saved_tensors
            step = _Sweep(rows, tuple(tables), tuple(ctx.needs_input_grad[3:]))
            step.run(ctx.chosen, targets, weights)
            gradients = step.gradients()
        elif len(weights):
            gradients = tuple(g if g is None else g * weights[0] for g in gradients)
        return None, None, None, *gradients


class _Sweep:
    """One pass over all groups.

    A table's row z belongs to token z and its row N + t to position t; the vector at t is their sum. `rows` are the
    embeddings, `scores` and `values` what layer 1 makes of them, W maps layer 2's queries; the logits are
    unembed x_t + read sum_s a_ts x_s, and what `direct` (empty for nothing) adds to them.
    """

    def __init__(self, rows: Tensor, tables: tuple[Tensor, ...], wanted: tuple[bool, ...]) -> None:
        self.rows = rows
        self.scores, self.values, self.W, self.unembed, self.read, self.direct = tables
        self.wanted = wanted
        self.needs_scores, self.needs_values = wanted[:2]
        self.grads = [torch.zeros_like(t) if want else None for t, want in zip(tables, wanted, strict=True)]

    def gradients(self) -> tuple[Tensor | None, ...]:
        first = self.layer_1.gradient() if self.needs_scores else None
        return first, *self.grads[1:]

    def run(self, chosen: Selection, targets: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the losses and logits; the gradients are those of the losses' sum, weighted by `weights`."""
        T, N = chosen.z.shape[1], len(self.unembed)
        self.layer_1 = ScoreTable(self.scores, N)
        # what is added to the scores of layer 2: nothing up to a query's position, minus infinity beyond
        self.mask = torch.full((T, T), -math.inf, dtype=self.rows.dtype).triu(1)
        self.one_hot = torch.eye(N, dtype=self.rows.dtype)
        losses, logits = self.rows.new_empty(len(chosen)), self.rows.new_empty(len(chosen), N)
        for group in chosen.groups(GROUP):
            place = chosen.place[group.chosen]
            weight = None if weights is None else weights[place]
            losses[place], logits[place] = self._group(chosen.z[group.sequences], group, targets[place], weight)
        return losses, logits

    def _group(self, z: Tensor, group: Group, targets: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
        (b, T), d, width, cells = z.shape, self.rows.shape[1], group.at.shape[1], group.cells
        x, value, parts = look_up(self.rows, z), look_up(self.values, z), []
        for part in self.layer_1.attention(z):
            x[:, part.start : part.stop] += torch.bmm(part.attention, value[:, : part.stop])
            parts.append(part)

        at = (group.at + torch.arange(b).unsqueeze(1) * T).view(-1)
        queries = x.view(-1, d).index_select(0, at)
        mapped = (queries @ self.W).view(b, width, d)
        mask = self.mask.index_select(0, group.at.view(-1)).view(b, width, T)
        attention = torch.baddbmm(mask, mapped, x.mT).softmax(-1)
        mixed = torch.bmm(attention, x)
        own, found = queries.index_select(0, cells), mixed.view(-1, d).index_select(0, cells)
        logits = (own @ self.unembed.T).addmm_(found, self.read.T)
        if len(self.direct):
            token, position = z.reshape(-1)[at[cells]], group.at.view(-1)[cells] + len(self.unembed)
            logits += self.direct[token] + self.direct[position]
        logs = logits.log_softmax(-1)
        losses = -logs.gather(1, targets.unsqueeze(1)).squeeze(1)
        if not any(self.wanted):
            return losses, logits

        g = logs.exp_()
        g.scatter_add_(1, targets.unsqueeze(1), g.new_full((len(g), 1), -1.0))
        if weight is not None:
            g *= weight.unsqueeze(1)
        _, grad_values, grad_W, grad_unembed, grad_read, grad_direct = self.grads
        if grad_read is not None:
            grad_read.addmm_(g.T, found)
        if grad_unembed is not None:
            grad_unembed.addmm_(g.T, own)
        if grad_direct is not None and len(self.direct):
            grad_direct.index_add_(0, token, g)
            grad_direct.index_add_(0, position, g)
        if not (self.needs_scores or self.needs_values or grad_W is not None):
            return losses, logits
        grad_mixed = g.new_zeros(b * width, d)
        grad_mixed[cells] = g @ self.read
        grad_mixed = grad_mixed.view(b, width, d)
        grad_scores = through_softmax(torch.bmm(grad_mixed, x.mT), attention)
        grad_mapped = torch.bmm(grad_scores, x).view(-1, d)
        if grad_W is not None:
            grad_W.addmm_(queries.T, grad_mapped)
        if not (self.needs_scores or self.needs_values):
            return losses, logits
        grad_x = torch.bmm(attention.mT, grad_mixed).baddbmm_(grad_scores.mT, mapped)
        flat = grad_x.view(-1, d)
        flat.index_add_(0, at, grad_mapped @ self.W.T)
        flat.index_add_(0, at[cells], g @ self.unembed)
        self._layer_1(z, grad_x, value, parts)
        return losses, logits

    def _layer_1(self, z: Tensor, grad_x: Tensor, value: Tensor, parts: list[Part]) -> None:
        """Add layer 1's part."""
        one_hot = self.one_hot.index_select(0, z.reshape(-1)).view(*z.shape, -1)
        grad_values = self.grads[1]
        grad_value = None if grad_values is None else torch.zeros_like(value)
        for part in parts:
            g = grad_x[:, part.start : part.stop]
            if grad_value is not None:
                grad_value[:, : part.stop].baddbmm_(part.attention.mT, g)
            if self.needs_scores:
                self.layer_1.collect(part, torch.bmm(g, value[:, : part.stop].mT), one_hot)
        if grad_values is not None and grad_value is not None:
            add_up(grad_values, grad_value, z)
