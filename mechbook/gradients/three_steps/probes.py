"""What is asked of the three-step model and of its task besides the recalls of `mechbook.shared.recall`."""

import torch
from jaxtyping import Float
from torch import Tensor

from mechbook.gradients.task import SingleTriggerBatch
from mechbook.gradients.three_steps.model import ThreeStepModel
from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer


def diagonal_gap(table: Float[Tensor, "n n"]) -> float:
    """Return the diagonal's mean minus the mean of the rest. Raises ValueError for a table without a rest."""
    n = len(table)
    if n < 2:
        raise ValueError(f"the table is {n} by {n}; beside its diagonal there must be something.")
    return float(table.diagonal().mean() - (table.sum() - table.trace()) / (n * (n - 1)))


def previous_gap(position_scores: Float[Tensor, "T T"]) -> Float[Tensor, "T_minus_1"]:
    """Return, for the positions t that have a predecessor, its score minus the mean over all s <= t."""
    scores = position_scores.tril()
    count = torch.arange(1, len(scores) + 1, dtype=scores.dtype, device=scores.device)
    return scores.diagonal(-1) - (scores.sum(1) / count)[1:]


def bag_of_words_accuracy(batch: SingleTriggerBatch, N: int) -> float:
    """Accuracy of guessing the most frequent token of the context, the trigger left out; of ties, the lowest number."""
    counts = torch.zeros(len(batch.z), N).scatter_add_(1, batch.z, torch.ones_like(batch.z, dtype=torch.float32))
    counts.scatter_(1, batch.trigger[:, None], -1.0)
    return float((counts.argmax(1) == batch.y).double().mean())


def in_full_model(model: ThreeStepModel, batch: SingleTriggerBatch) -> float:
    """Accuracy at the last position when chapter 3's simplified transformer is given the three learned matrices.

    There every x_t carries its token, its position and layer 1's output, in keys, queries and values alike.
    """
    N, T, d = len(model.W_E), len(model.P), model.W_E.shape[1]
    full = SimplifiedTransformer(SimplifiedConfig(N=N, T=T, d=d), torch.Generator())
    # that model divides scores by sqrt(d)
    scale = {"W_K1": d**0.5, "W_K2": d**0.5}
    with torch.no_grad():
        for name in ("W_E", "P", "W_U", "W_V1", "W_O1", "W_V2", "W_K1", "W_K2", "W_O2"):
            getattr(full, name).copy_(getattr(model, name) * scale.get(name, 1.0))
        logits = full(batch.z)[:, -1]
    return float((logits.argmax(1) == batch.y).double().mean())
