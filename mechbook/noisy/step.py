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
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mechbook.noisy.fast import selected_logits
from mechbook.noisy.model import NoisyTransformer
from mechbook.shared.tabulated import Group, ScoreTable, Selection, add_up, is_long, look_up, through_softmax

# Sequences of a group and hidden units of F_1 taken at once: fewer stay in cache, more make fewer and larger products.
GROUP, UNITS = 8, 128


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
    hidden, out = (rows[:, :0], values[:, :0]), rows.new_empty(rows.shape[1], 0)
    if model.config.F1 == "mlp":
        hidden, out = (rows @ model.F1.W_in.T, values @ model.F1.W_in.T), model.F1.W_out
    elif model.config.F1 == "linear":
        # what is in the stream after F_1 is linear in what was before
        rows, values = rows + rows @ model.F1.W.T, values + values @ model.F1.W.T
    tables = (scores, *hidden, rows, values, out, model.W_KQ2 * scale, model.W_V2, *model.F2.parameters())
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


class _Units(NamedTuple):
    """Some of F_1's hidden units: their columns of three tables, and the gradients of those."""

    own: Tensor
    mixed: Tensor
    out: Tensor
    grad_own: Tensor
    grad_mixed: Tensor
    grad_out: Tensor


class _Sweep:
    """One pass over all groups.

    A table's row z belongs to token z and its row V + t to position t; the entry at t is their sum. `scores` is layer
    1's. y_t is `own` and what attention mixes of `mixed`; what F_1's ReLU reads is `own_in` and what it mixes of
    `mixed_in`, and `out` writes the ReLU's output, "hidden" below, into the stream. Without a ReLU these have no
    columns. Hidden units are taken a few at a time, so that what belongs to them stays in cache.
    """

    def __init__(self, model: NoisyTransformer, tables: tuple[Tensor, ...], *, backward: bool) -> None:
        self.model, self.tables, self.backward = model, tables, backward
        self.scores, own_in, mixed_in, self.own, self.mixed, out, self.W_KQ, self.W_V = tables[:8]
        self.trained = [i for i, t in enumerate(tables) if i >= 8 and t.requires_grad]
        self.own_trained = self.own.requires_grad
        self.grads = [
            torch.zeros_like(t) if backward and i in (3, 4, *range(6, len(tables))) else t for i, t in enumerate(tables)
        ]
        self.units = []
        for start in range(0, out.shape[1], UNITS):
            some = [t[:, start : start + UNITS].contiguous() for t in (own_in, mixed_in, out)]
            self.units.append(_Units(*some, *(torch.zeros_like(t) for t in some)))

    def gradients(self) -> tuple[Tensor, ...]:
        """The gradients with respect to the tables, in their order."""
        if self.units:
            for i, name in ((1, "grad_own"), (2, "grad_mixed"), (5, "grad_out")):
                self.grads[i] = torch.cat([getattr(units, name) for units in self.units], 1)
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
        (b, T), width, cells, d = z.shape, group.at.shape[1], group.cells, self.own.shape[1]
        x, value = look_up(self.own, z), look_up(self.mixed, z)
        parts, map_1 = list(self.layer_1.attention(z)), value.new_zeros(b, T, T)
        for part in parts:
            map_1[:, part.start : part.stop, : part.stop] = part.attention
        at = (group.at + torch.arange(b).unsqueeze(1) * T).view(-1)
        seen_map = map_1.view(b * T, T).index_select(0, at).view(b, width, T)
        own = torch.baddbmm(x.view(-1, d).index_select(0, at).view(b, width, d), seen_map, value).view(-1, d)
        hidden, seen = [], []
        for units in self.units:
            here, value_in = look_up(units.own, z), look_up(units.mixed, z)
            for part in parts:
                here[:, part.start : part.stop].baddbmm_(part.attention, value_in[:, : part.stop])
            hidden.append(here.relu_())
            seen.append(here.view(b * T, -1).index_select(0, at))
            own.addmm_(seen[-1], units.out.T)

        queries = own @ self.W_KQ
        q = queries.view(b, width, d)
        q_value = torch.bmm(q, value.mT)
        scores = self.mask.index_select(0, group.at.view(-1)).view(b, width, T)
        scores.baddbmm_(q, x.mT).baddbmm_(q_value, map_1.mT)
        q_in = [(queries @ units.out).view(b, width, -1) for units in self.units]
        for here, spread in zip(hidden, q_in, strict=True):
            scores.baddbmm_(spread, here.mT)
        map_2 = scores.softmax(-1)
        map_21 = torch.bmm(map_2, map_1)
        found = torch.bmm(map_2, x).baddbmm_(map_21, value).view(-1, d)
        found_in = [torch.bmm(map_2, here).view(b * width, -1) for here in hidden]
        for units, here in zip(self.units, found_in, strict=True):
            found.addmm_(here, units.out.T)
        written = found.index_select(0, cells)
        y = own.index_select(0, cells).addmm_(written, self.W_V.T)
        losses, logits, grad_y = self._read_out(y, targets, weight)
        if not self.backward:
            return losses, logits

        _, _, _, grad_own_table, grad_mixed, _, grad_W_KQ, grad_W_V = self.grads[:8]
        grad_W_V.addmm_(grad_y.T, written)
        grad_found = y.new_zeros(b * width, d)
        grad_found[cells] = grad_y @ self.W_V
        g = grad_found.view(b, width, d)
        g_value = torch.bmm(g, value.mT)
        grad_map = torch.bmm(g, x.mT).baddbmm_(g_value, map_1.mT)
        g_in = [(grad_found @ units.out).view(b, width, -1) for units in self.units]
        for here, spread in zip(hidden, g_in, strict=True):
            grad_map.baddbmm_(spread, here.mT)
        grad_scores = through_softmax(grad_map, map_2)
        grad_scores_1 = torch.bmm(grad_scores, map_1)
        grad_queries = torch.bmm(grad_scores, x).baddbmm_(grad_scores_1, value).view(-1, d)
        for units, here, mixed in zip(self.units, hidden, found_in, strict=True):
            grad_in = torch.bmm(grad_scores, here).view(b * width, -1)
            grad_queries.addmm_(grad_in, units.out.T)
            units.grad_out.addmm_(queries.T, grad_in).addmm_(grad_found.T, mixed)
        grad_W_KQ.addmm_(own.T, grad_queries)
        grad_own = grad_queries @ self.W_KQ.T
        grad_own.index_add_(0, cells, grad_y)

        # layer 1: of its map, what comes through y and then through each hidden unit
        grad_map_1 = torch.bmm(map_2.mT, g_value).baddbmm_(grad_scores.mT, q_value)
        own_value = torch.bmm(grad_own.view(b, width, d), value.mT)
        grad_map_1.view(b * T, T).index_add_(0, at, own_value.view(-1, T))
        grad_parts = [grad_map_1[:, part.start : part.stop, : part.stop].contiguous() for part in parts]
        for units, here, seen_here, g_here, q_here in zip(self.units, hidden, seen, g_in, q_in, strict=True):
            units.grad_out.addmm_(grad_own.T, seen_here)
            grad_here = torch.bmm(map_2.mT, g_here).baddbmm_(grad_scores.mT, q_here)
            grad_here.view(b * T, -1).index_add_(0, at, grad_own @ units.out)
            # a ReLU's output is 0 or positive
            grad_here.mul_(here.sign_())
            add_up(units.grad_own, grad_here, z)
            value_in = look_up(units.mixed, z)
            grad_value_in = torch.empty_like(value_in)
            for part, grad_part in reversed(list(zip(parts, grad_parts, strict=True))):
                slopes = grad_here[:, part.start : part.stop]
                grad_part.baddbmm_(slopes, value_in[:, : part.stop].mT)
                # the last queries see all keys
                grad_value_in[:, : part.stop].baddbmm_(part.attention.mT, slopes, beta=float(part.stop < T))
            add_up(units.grad_mixed, grad_value_in, z)
        one_hot = self.one_hot.index_select(0, z.reshape(-1)).view(b, T, -1)
        for part, grad_part in zip(parts, grad_parts, strict=True):
            self.layer_1.collect(part, grad_part, one_hot)
        grad_value = torch.bmm(map_21.mT, g).baddbmm_(grad_scores_1.mT, q)
        add_up(grad_mixed, grad_value.baddbmm_(seen_map.mT, grad_own.view(b, width, d)), z)
        if self.own_trained:
            grad_x = torch.bmm(map_2.mT, g).baddbmm_(grad_scores.mT, q)
            grad_x.view(-1, d).index_add_(0, at, grad_own)
            add_up(grad_own_table, grad_x, z)
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
