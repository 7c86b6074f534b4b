"""The run of Theorem 3's three gradient steps: sizes, the three step sizes, and every step on fresh sequences."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mechbook.gradients.task import SingleTriggerBatch, SingleTriggerTask, sample
from mechbook.gradients.three_steps import (
    ThreeStepModel,
    W_K1_counts,
    W_K1_step,
    W_K2_counts,
    W_K2_step,
    W_O2_counts,
    W_O2_step,
    diagonal_gap,
    initial,
    previous_gap,
)


@dataclass(frozen=True, kw_only=True)
class ThreeStepSettings:
    """Sizes, sequences for each step, and the step sizes, each given by what it makes of its matrix.

    eta of W_O2: the mean logit of the attended token is `logit`; of W_K2: the mean score of the right mark exceeds the
    others' by `gap_W_K2`; of W_K1: the median over t of the previous position's score exceeds the mean of all by
    `gap_W_K1`. Raises ValueError for a size below its least (N, T: 2; d, sequences: 1) or a target that is not > 0.
    """

    N: int
    T: int
    d: int
    sequences: int
    logit: float = 0.3
    gap_W_K2: float = 30.0
    gap_W_K1: float = 100.0
    second_layer: str = "linearised"
    chunk: int = 10_000

    def __post_init__(self) -> None:
        for name, least in (("N", 2), ("T", 2), ("d", 1), ("sequences", 1), ("chunk", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}.")
        for name in ("logit", "gap_W_K2", "gap_W_K1"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name)}; it must be a finite number > 0.")
        if self.second_layer not in ("linearised", "softmax"):
            raise ValueError(f"second_layer is {self.second_layer!r}; it must be 'linearised' or 'softmax'.")


def three_steps(
    settings: ThreeStepSettings, weights: torch.Generator, data: torch.Generator, *, dtype: torch.dtype = torch.float32
) -> tuple[list[ThreeStepModel], tuple[float, float, float]]:
    """Return the model before the first step and after each of the three, and the three step sizes.

    Every step is on fresh sequences.
    """
    task = SingleTriggerTask(N=settings.N, T=settings.T)

    def mean(counts: Callable[[SingleTriggerBatch], Tensor]) -> Tensor:
        total, left = torch.zeros(()), settings.sequences
        while left > 0:
            size = min(settings.chunk, left)
            total = total + counts(sample(task, size, data)) * (size / settings.sequences)
            left -= size
        return total

    zero = initial(settings.N, settings.T, settings.d, weights, dtype=dtype)
    step = W_O2_step(zero, mean(lambda batch: W_O2_counts(batch, settings.N)))
    model = replace(zero, W_O2=step)
    eta_1 = settings.logit / float(model.value_table.diagonal().mean())
    first = replace(zero, W_O2=eta_1 * step)

    values, position_values = first.value_table, first.position_value_table
    step = W_K2_step(first, mean(lambda batch: W_K2_counts(batch, values, position_values)))
    model = replace(first, W_K2=step)
    eta_2 = settings.gap_W_K2 / diagonal_gap(model.score_table)
    second = replace(first, W_K2=eta_2 * step)

    scores = second.score_table
    step = W_K1_step(second, mean(lambda batch: W_K1_counts(batch, values, scores, settings.second_layer)))
    model = replace(second, W_K1=step)
    eta_3 = settings.gap_W_K1 / float(previous_gap(model.position_scores).median())
    third = replace(second, W_K1=eta_3 * step)
    return [zero, first, second, third], (eta_1, eta_2, eta_3)
