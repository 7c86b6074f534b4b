"""Where the first occurrence of a query's token stands: enough for an induction head to look at (Birth section 5)."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from mechbook.induction.probes_attention import induction_positions
from mechbook.shared.bigrams import BigramTask, sample


def first_use(task: BigramTask, sequences: int, generator: Generator) -> Float[Tensor, "T"]:
    """Return how often each position follows the first occurrence of an in-context query's token; it sums to 1.

    Counted over `sequences` sampled ones, once for every in-context query. Raises ValueError where there is none.
    """
    batch = sample(task, sequences, generator)
    marked = induction_positions(batch.inputs)[batch.in_context]
    if len(marked) == 0:
        raise ValueError(f"None of {sequences} sequences of T = {task.T} has a query that looks back: draw more.")
    first = torch.bincount(marked.to(torch.int8).argmax(1), minlength=task.T).float()
    return first / first.sum()
