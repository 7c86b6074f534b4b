"""Token counts for several factual-recall tasks at once, also of different sizes, for models trained side by side.

All tasks share one layout, that of the largest: subjects from 0, relations from S, noise from S + R, EOS last. What a
smaller task does not have is never drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechbook.facts.task import FactTask, count_tokens


@dataclass(frozen=True, kw_only=True, eq=False)
class StackBatch:
    """B sequences for each of G tasks as token counts, with what they ask and the answers."""

    counts: Float[Tensor, "G B V"]
    s: Int[Tensor, "G B"]
    r: Int[Tensor, "G B"]
    targets: Int[Tensor, "G B"]


class FactStack:
    """G tasks with one T and one D.

    V, A: sizes of the shared layout. `possible[g]` marks the answers that task g has.
    Raises ValueError for no task, or for tasks that differ in T or D.
    """

    def __init__(self, tasks: Sequence[FactTask]) -> None:
        if not tasks or len({(task.T, task.D) for task in tasks}) > 1:
            raise ValueError("A stack needs at least one task, and all its tasks must have one T and one D.")
        self.tasks = tuple(tasks)
        self.T, self.D = tasks[0].T, tasks[0].D
        self.S, self.R = max(task.S for task in tasks), max(task.R for task in tasks)
        self.n_noise = max(task.n_noise for task in tasks)
        self.V, self.A = self.S + self.R + self.n_noise + 1, self.R * self.D
        self.answers: Int[Tensor, "G S R"] = torch.zeros(len(tasks), self.S, self.R, dtype=torch.int64)
        self.possible: Bool[Tensor, "G A"] = torch.zeros(len(tasks), self.A, dtype=torch.bool)
        for g, task in enumerate(tasks):
            self.answers[g, : task.S, : task.R] = task.answers
            self.possible[g, : task.A] = True

    def sample_counts(self, batch_size: int, generator: torch.Generator) -> StackBatch:
        """Draw batch_size sequences for each task from one stream. Raises ValueError when batch_size < 1."""
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1.")
        G, B, home = len(self.tasks), batch_size, generator.device

        def below(sizes: list[int], *shape: int) -> Int[Tensor, "..."]:
            bounds = torch.tensor(sizes, device=home).view(G, *[1] * len(shape))
            # float64: in float32 a draw can round up to the bound itself
            drawn = torch.rand(G, *shape, generator=generator, device=home, dtype=torch.float64) * bounds
            return drawn.long()

        s = below([task.S for task in self.tasks], B)
        r = below([task.R for task in self.tasks], B)
        noise = below([task.n_noise for task in self.tasks], B, self.T - 3) + self.S + self.R
        told = torch.stack([s, self.S + r, torch.full_like(s, self.V - 1)], -1)
        counts = count_tokens(torch.cat([noise, told], -1).flatten(0, 1), self.V)
        targets = self.answers.to(home)[torch.arange(G, device=home).unsqueeze(1), s, r]
        return StackBatch(counts=counts.view(G, B, self.V), s=s, r=r, targets=targets)
