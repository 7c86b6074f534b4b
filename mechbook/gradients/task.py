"""The task of Birth's Theorem 3: one trigger, uniform distributions, and the loss at the trigger's second occurrence.

It is the bigram task with K = 1 and all distributions uniform, given that the last input z_T is the second occurrence
of the trigger (Birth B.3). Under that condition the first occurrence is uniform over the positions 1 to T - 1, the
output is uniform over the other tokens, and it is the trigger itself exactly where the first occurrence is at T - 1.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class SingleTriggerTask:
    """N tokens and sequences of T inputs; raises ValueError for N < 2 or T < 2."""

    N: int
    T: int

    def __post_init__(self) -> None:
        for name in ("N", "T"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 2.")


@dataclass(frozen=True, kw_only=True, eq=False)
class SingleTriggerBatch:
    """B sequences of T inputs, the label at the last one, and what is known of each.

    One sequence with T = 6, the trigger a, its output b (characters for token numbers):

        z       c a b d c a
        first   1              position of the trigger's first occurrence, from 0; its output stands one later
        y       b              what follows the last input
    """

    z: Int[Tensor, "B T"]
    first: Int[Tensor, "B"]
    y: Int[Tensor, "B"]

    @property
    def trigger(self) -> Int[Tensor, "B"]:
        """The trigger of each sequence, its last token."""
        return self.z[:, -1]


def sample(task: SingleTriggerTask, batch_size: int, generator: torch.Generator) -> SingleTriggerBatch:
    """Draw sequences on the generator's device, as `SingleTriggerBatch` shows; raises ValueError for batch_size < 1."""
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be at least 1.")
    B, N, T, home = batch_size, task.N, task.T, generator.device
    trigger = torch.randint(N, (B,), generator=generator, device=home)
    first = torch.randint(T - 1, (B,), generator=generator, device=home)
    # uniform over the N - 1 other tokens: those from the trigger on move up by one
    z = torch.randint(N - 1, (B, T), generator=generator, device=home)
    z += z >= trigger[:, None]
    every = torch.arange(B, device=home)
    z[every, first] = trigger
    z[:, -1] = trigger
    return SingleTriggerBatch(z=z, first=first, y=z[every, first + 1])
