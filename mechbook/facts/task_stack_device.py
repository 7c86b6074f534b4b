"""`FactStack.sample_counts` on the device that trains: the same distribution, other bits, and nothing is read."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from mechbook.core import devices
from mechbook.core.training.ahead import next_seed
from mechbook.facts.task_stack import FactStack, StackBatch

# Whole numbers are drawn below this, and then modulo the size: the most likely exceeds the rarest by size / RANGE.
RANGE = 1 << 30


def drawing(stack: FactStack, device: torch.device | str) -> Callable[[int, Generator], StackBatch]:
    """What draws so many sequences for each task, where they are used, given a generator on the CPU."""
    if not devices.is_accelerator(device):
        return stack.sample_counts
    there, own = devices.generator_on(device), DeviceFactStack(stack, device)

    def draw(batch_size: int, generator: Generator) -> StackBatch:
        there.manual_seed(next_seed(generator))
        return own.sample_counts(batch_size, there)

    return draw


class DeviceFactStack:
    """A stack's sizes and answers on a device."""

    def __init__(self, stack: FactStack, device: torch.device | str) -> None:
        self.stack, self.device = stack, device
        tasks = stack.tasks
        self.s, self.r, self.noise = (
            torch.tensor(sizes).to(device)
            for sizes in ([t.S for t in tasks], [t.R for t in tasks], [max(t.n_noise, 1) for t in tasks])
        )
        self.answers = stack.answers.flatten(1).to(device)

    def sample_counts(self, batch_size: int, generator: Generator) -> StackBatch:
        """As `FactStack.sample_counts`, by a generator on the device. Raises ValueError when batch_size < 1."""
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1.")
        stack, B = self.stack, batch_size
        G = len(stack.tasks)

        def below(sizes: Tensor, *shape: int) -> Tensor:
            drawn = torch.randint(RANGE, (G, *shape), generator=generator, device=self.device)
            return drawn % sizes.view(G, *[1] * len(shape))

        s, r = below(self.s, B), below(self.r, B)
        noise = below(self.noise, B, stack.T - 3) + (stack.S + stack.R)
        told = torch.stack([s, stack.S + r, torch.full_like(s, stack.V - 1)], -1)
        tokens = torch.cat([noise, told], -1)
        counts = torch.zeros(G, B, stack.V, device=self.device)
        # whole numbers: their sum does not depend on the order
        counts.scatter_add_(2, tokens, torch.ones(tokens.shape, device=self.device))
        targets = self.answers.gather(1, s * stack.R + r)
        return StackBatch(counts=counts, s=s, r=r, targets=targets)
