"""The training loop as its definition: what `mechbook.core.training.loop.train` computes, nothing done for speed."""

from collections.abc import Callable

import torch
from torch import Generator, nn

from mechbook.core.training.loop import Batch
from mechbook.core.training.settings import TrainingSettings


def train_plainly(
    model: nn.Module, draw: Callable[[Generator], Batch], how: TrainingSettings, generator: Generator
) -> list[float]:
    """Train `model` in place by SGD on the batches `draw(generator)`; returns the loss of each batch, in nats.

    The loss is the mean cross-entropy over the positions whose answer the context gives, or over all (`how.loss_on`).
    Warm-up, clipping, release of frozen matrices and AdamW are the loop's own (`mechbook.core.training.loop`).
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    sgd = torch.optim.SGD(trained, lr=how.lr, momentum=how.momentum, weight_decay=how.weight_decay)
    losses = []
    for _ in range(how.steps):
        batch = draw(generator)
        counted = batch.in_context if how.loss_on == "in_context" else torch.ones_like(batch.in_context)
        logits = model(batch.inputs)[counted]
        loss = nn.functional.cross_entropy(logits, batch.targets[counted])
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    return losses
