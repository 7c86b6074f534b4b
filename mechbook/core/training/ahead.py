"""Batches drawn on the device that trains on them, bit for bit repeatable from any step.

A run's own generator stays on the CPU. Each batch takes one number from it, which seeds a generator on the device for
that batch alone: so a batch depends on nothing but the CPU generator's state before it, whether it is drawn by itself
(`seeded`) or as one of many in a single pass (`ahead`, for sequences that grow token after token: a step costs an
accelerator about the same for one batch as for a hundred). Nothing is read from the device.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Generator, Tensor

from mechbook.core import devices

Batch = TypeVar("Batch")
# Tokens drawn in one pass at most, and batches: enough that its steps are shared, little memory.
TOKENS, BATCHES = 1 << 24, 128
_SEEDS = 1 << 62


def next_seed(generator: Generator) -> int:
    """The next number of a run's generator on the CPU: the seed of one batch on the device."""
    return int(torch.randint(_SEEDS, (), generator=generator))


def seeded(draw: Callable[[Generator], Batch], device: torch.device | str) -> Callable[[Generator], Batch]:
    """What draws one batch on `device` by `draw`, given the run's generator on the CPU."""
    there = devices.generator_on(device)

    def drawn(generator: Generator) -> Batch:
        there.manual_seed(next_seed(generator))
        return draw(there)

    return drawn


def ahead(draw_many: Callable[[Sequence[int]], Sequence[Batch]], batches: int) -> Callable[[Generator], Batch]:
    """What hands out batches one by one, given the run's generator on the CPU, and draws `batches` of them at a time.

    `draw_many` makes one batch for each seed, that batch from its seed alone. A batch is handed out only where the
    generator is in the state that it was drawn for; else they are drawn anew, so that a run may be taken up anywhere.
    Raises ValueError when batches is below 1.
    """
    if batches < 1:
        raise ValueError(f"batches is {batches}; it must be at least 1.")
    waiting: deque[tuple[Tensor, Batch, Tensor]] = deque()

    def drawn(generator: Generator) -> Batch:
        state = generator.get_state()
        if not waiting or not torch.equal(waiting[0][0], state):
            copy = Generator()
            copy.set_state(state)
            states, seeds = [state], []
            for _ in range(batches):
                seeds.append(next_seed(copy))
                states.append(copy.get_state())
            waiting.clear()
            waiting.extend(zip(states[:-1], draw_many(seeds), states[1:], strict=True))
        _, batch, after = waiting.popleft()
        generator.set_state(after)
        return batch

    return drawn


def batches_ahead(batch_size: int, T: int) -> int:
    """How many batches of sequences of T tokens are worth drawing in one pass."""
    return max(1, min(BATCHES, TOKENS // (batch_size * T)))
