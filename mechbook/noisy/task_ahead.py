"""Batches of noisy recall drawn many at a time, bit for bit those of `mechbook.noisy.task.sample`.

A sequence is drawn token after token, and a step costs about as much for 32 sequences as for 500.
"""

from collections import deque
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from mechbook.noisy.task import NoisyBatch, NoisyTask, chain, random_numbers

BATCHES = 16


def sampler(
    task: NoisyTask, batch_size: int, device: torch.device | str | None = None, *, batches: int = BATCHES
) -> Callable[[Generator], NoisyBatch]:
    """Return a function of a generator that does what `sample` does, at a fraction of its cost from call to call.

    It works `batches` ahead. Each batch is handed out together with the state the generator would have been left in,
    and only where the generator is in the state it would have been drawn from; else they are drawn anew. So a run may
    be taken up anywhere. Raises ValueError when batch_size or batches is below 1.
    """
    for name, value in (("batch_size", batch_size), ("batches", batches)):
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1.")
    waiting: deque[tuple[Tensor, NoisyBatch, Tensor]] = deque()

    def draw(generator: Generator) -> NoisyBatch:
        state = generator.get_state()
        if not waiting or not torch.equal(waiting[0][0], state):
            waiting.clear()
            waiting.extend(_ahead(task, batch_size, generator, device, batches))
        _, batch, after = waiting.popleft()
        generator.set_state(after)
        return batch

    return draw


def _ahead(
    task: NoisyTask, batch_size: int, generator: Generator, device: torch.device | str | None, batches: int
) -> list[tuple[Tensor, NoisyBatch, Tensor]]:
    """The next batches, each between the states of the generator before and after it."""
    copy = Generator(generator.device)
    copy.set_state(generator.get_state())
    states, numbers = [copy.get_state()], []
    for _ in range(batches):
        numbers.append(random_numbers(task, batch_size, copy))
        states.append(copy.get_state())
    uniform, noisy, outputs, last = zip(*numbers, strict=True)
    whole = chain(task, torch.cat(uniform, 1), torch.cat(noisy, 1), torch.cat(outputs), torch.cat(last))
    whole = whole if device is None else whole.to(device)
    parts = (
        NoisyBatch(z=z, is_trigger=trigger, in_context=again, answers=answers)
        for z, trigger, again, answers in zip(
            *(v.split(batch_size) for v in (whole.z, whole.is_trigger, whole.in_context, whole.answers)), strict=True
        )
    )
    return list(zip(states[:-1], parts, states[1:], strict=True))
