"""Noisy recall drawn on the device that trains on it: `mechbook.noisy.task.sample` in distribution, not in bits.

Many batches are drawn in one pass (`mechbook.core.training.ahead`), in float32, and nothing is read from the device.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from mechbook.core import devices
from mechbook.core.training.ahead import ahead, batches_ahead
from mechbook.noisy.task import NoisyBatch, NoisyTask
from mechbook.shared.chains import cumulative, draw, walk


def sampler(
    task: NoisyTask, batch_size: int, device: torch.device | str, *, batches: int | None = None
) -> Callable[[Generator], NoisyBatch]:
    """Return what draws a batch on `device`, given the run's generator on the CPU; it works `batches` ahead.

    A batch depends on the generator's state alone. Raises ValueError when batch_size or batches is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be at least 1.")
    drawn = DeviceNoisy(task, batch_size, device)
    return ahead(drawn.many, batches_ahead(batch_size, task.T) if batches is None else batches)


class DeviceNoisy:
    """The task's tables on a device, and batches of `batch_size` sequences drawn there."""

    def __init__(self, task: NoisyTask, batch_size: int, device: torch.device | str) -> None:
        self.task, self.batch_size, self.device = task, batch_size, device
        N = task.N
        # rows of the table: i draws from pi_b(. | i), N, the noise's, from pi_u, N + 1 + o gives o or else the noise
        rows = torch.zeros(2 * N + 1, N + 1, dtype=torch.float64)
        rows[:N, :N], rows[N, :N] = task.bigrams.pi_b.double(), task.bigrams.pi_u.double()
        rows[N + 1 :, :N] = (1 - task.alpha) * torch.eye(N, dtype=torch.float64)
        rows[N + 1 :, N] = task.alpha
        self.table = cumulative(rows).to(device)
        self.triggers = torch.tensor(task.triggers).to(device)
        self.own_rows = torch.arange(N + 1, device=device)
        self.generator = devices.generator_on(device)

    def many(self, seeds: Sequence[int]) -> list[NoisyBatch]:
        """A batch for each seed, all of them in one pass."""
        N, B = self.task.N, self.batch_size
        n = B * len(seeds)
        outputs, last, numbers = zip(*(self._numbers(seed) for seed in seeds), strict=True)
        drawn, u, triggers = torch.cat(outputs), torch.cat(numbers, 1), self.triggers.expand(n, -1)
        rows = self.own_rows.repeat(n, 1).scatter_(1, triggers, drawn + N + 1)
        z = walk(self.table, rows, N, u[:-1])
        asked = self.triggers[torch.cat(last)].unsqueeze(1)
        told = draw(self.table, rows.gather(1, asked).squeeze(1), u[-1])
        z = torch.cat([z.t(), asked, told.unsqueeze(1)], 1)
        answers = rows.gather(1, z[:, :-1]) - (N + 1)
        same = [z[:, :-1] == trigger for trigger in self.task.triggers]
        again = torch.stack([here & (here.cumsum(1) >= 2) for here in same]).any(0)
        whole = (z, answers >= 0, again, answers.clamp(min=-1))
        return [
            NoisyBatch(z=z, is_trigger=is_trigger, in_context=in_context, answers=answers)
            for z, is_trigger, in_context, answers in zip(*(values.split(B) for values in whole), strict=True)
        ]

    def _numbers(self, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """The random numbers of one batch: outputs (B, K), the number of the last trigger (B,), and (T, B) uniform."""
        g, here, B, K = self.generator, self.device, self.batch_size, len(self.task.triggers)
        g.manual_seed(seed)
        outputs = torch.randint(self.task.N, (B, K), generator=g, device=here)
        last = torch.randint(K, (B,), generator=g, device=here)
        return outputs, last, torch.rand(self.task.T, B, generator=g, device=here)
