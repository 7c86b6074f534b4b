"""Accuracy and cross-entropy over a part of a batch; weighted sums, so that they run on any device without waiting.

Each is NaN when no position is marked.
"""

from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from mechbook.shared.bigrams import BigramBatch


def accuracy(
    logits: Float[Tensor, "B T N"], targets: Int[Tensor, "B T"], where: Bool[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """Return the share of marked positions whose largest logit is the target's."""
    return _mean((logits.argmax(-1) == targets).to(logits.dtype), where)


def cross_entropy(
    logits: Float[Tensor, "B T N"], targets: Int[Tensor, "B T"], where: Bool[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """Return the mean of -log softmax(logits)[target] over the marked positions, in nats."""
    losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return _mean(losses.view(targets.shape), where)


def in_context_accuracy(logits: Float[Tensor, "B T N"], batch: BigramBatch) -> Float[Tensor, ""]:
    """Return the accuracy on triggers from their second occurrence on (Birth section 5)."""
    return accuracy(logits, batch.targets, batch.in_context)


def in_context_loss(logits: Float[Tensor, "B T N"], batch: BigramBatch) -> Float[Tensor, ""]:
    """Return the cross-entropy on triggers from their second occurrence on, in nats (Birth section 5)."""
    return cross_entropy(logits, batch.targets, batch.in_context)


def global_loss(logits: Float[Tensor, "B T N"], batch: BigramBatch) -> Float[Tensor, ""]:
    """Return the cross-entropy on positions that hold no trigger, in nats (Birth section 5)."""
    return cross_entropy(logits, batch.targets, batch.global_tokens)


def _mean(values: Float[Tensor, "B T"], where: Bool[Tensor, "B T"]) -> Float[Tensor, ""]:
    counted = where.to(values.dtype)
    return (values * counted).sum() / counted.sum()
