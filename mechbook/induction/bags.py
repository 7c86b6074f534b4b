"""What the context tells before attention is sharp: a bag of words, from which W_O2 learns (Birth section 5)."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional as F

from mechbook.shared.bigrams import BigramTask, sample


class Bags(NamedTuple):
    """`in_context`: the share of positions that are; `readable`: of those, where the bag has most of the answer.

    More than usual: a token's share of the bag less its mean share at that position.
    """

    in_context: Float[Tensor, ""]
    readable: Float[Tensor, ""]


def bags(task: BigramTask, sequences: int, generator: Generator) -> Bags:
    """Return how many positions are in-context, and at how many of them the bag z_1, ..., z_t gives the answer away.

    Over sampled `sequences`. `readable` is NaN where no position is in-context.
    """
    batch = sample(task, sequences, generator)
    seen = F.one_hot(batch.inputs, task.N).float().cumsum(1)
    share = seen / torch.arange(1, task.T + 1)[:, None]
    raised = (share - share.mean(0)).argmax(2)
    right = (raised == batch.targets)[batch.in_context].float()
    return Bags(in_context=batch.in_context.float().mean(), readable=right.mean())
