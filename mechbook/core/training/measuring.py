"""The loss of one batch, and its parts added to a meter: at the selected positions alone, or at all of them.

`selected` computes what counts and nothing else, but its shapes depend on the batch: the CPU's way. `masked` computes
every position and weighs them, so that shapes are fixed and nothing waits for the device: an accelerator's.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from mechbook.core.training.meter import Batch, Meter

LogitsAt = Callable[[nn.Module, Any, Tensor], Tensor]
LossesAt = Callable[[nn.Module, Any, Tensor], tuple[Tensor, Tensor]]
Logits = Callable[[nn.Module, Any], Tensor]


def plain_logits(model: nn.Module, batch: Batch) -> Tensor:
    """The logits (B, T, N) at every position."""
    logits: Tensor = model(batch.inputs)
    return logits


def plain_logits_at(model: nn.Module, batch: Batch, select: Tensor) -> Tensor:
    """The logits (n, N) at the positions of the mask `select` (B, T), in its order."""
    return plain_logits(model, batch)[select]


def losses_by(logits_at: LogitsAt) -> LossesAt:
    """The cross-entropies (n,) in nats at the positions of a mask, and the logits (n, N) that they are taken from."""

    def losses_at(model: nn.Module, batch: Batch, select: Tensor) -> tuple[Tensor, Tensor]:
        logits = logits_at(model, batch, select)
        return nn.functional.cross_entropy(logits, batch.targets[select], reduction="none"), logits

    return losses_at


def selected(model: nn.Module, batch: Batch, everywhere: bool, losses_at: LossesAt, meter: Meter) -> Tensor:
    """The mean cross-entropy in nats over all positions, or over those whose answer the context gives; 0 of none."""
    select = torch.ones_like(batch.in_context) if everywhere else batch.in_context
    losses, logits = losses_at(model, batch, select)
    targets = batch.targets[select]
    loss = losses.mean() if len(targets) else losses.detach().sum()
    outside = batch.global_tokens[select] if everywhere else None
    meter.add(losses, logits.argmax(-1), targets, batch.in_context[select], outside)
    return loss


def masked(model: nn.Module, batch: Batch, everywhere: bool, logits_of: Logits, meter: Meter) -> Tensor:
    """As `selected`, up to rounding, from all positions; of a batch without a position that counts it is 0, too."""
    in_context, targets = batch.in_context, batch.targets
    logits = logits_of(model, batch)
    losses = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
    in_all = in_context.sum()
    # each sum once, as every operation is a kernel to start
    if everywhere:
        total, counted = losses.sum(), torch.full_like(in_all, targets.numel())
        loss = total / targets.numel()
    else:
        total, counted = (losses * in_context).sum(), in_all
        loss = total / in_all.clamp(min=1)
    parts = {
        "loss": (total.detach(), counted),
        "accuracy": (((logits.argmax(-1) == targets) & in_context).sum(), in_all),
    }
    if everywhere:
        outside = batch.global_tokens
        parts["global_loss"] = ((losses.detach() * outside).sum(), outside.sum())
    meter.add_sums(parts)
    return loss
