"""The bigram task drawn on the device that trains on it: `mechbook.shared.bigrams.sample` in distribution, not in bits.

Many batches are drawn in one pass (`mechbook.core.training.ahead`), in float32, and nothing is read from the device.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from mechbook.core import devices
from mechbook.core.training.ahead import ahead, batches_ahead
from mechbook.shared.bigrams import BigramBatch, BigramTask, _occurrence
from mechbook.shared.chains import cumulative, draw, walk


def sampler(
    task: BigramTask, batch_size: int, device: torch.device | str, *, batches: int | None = None
) -> Callable[[Generator], BigramBatch]:
    """Return what draws a batch on `device`, given the run's generator on the CPU; it works `batches` ahead.

    A batch depends on the generator's state alone. Raises ValueError when batch_size or batches is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be at least 1.")
    drawn = DeviceBigrams(task, batch_size, device)
    return ahead(drawn.many, batches_ahead(batch_size, task.T) if batches is None else batches)


class DeviceBigrams:
    """The task's tables on a device, and batches of `batch_size` sequences drawn there."""

    def __init__(self, task: BigramTask, batch_size: int, device: torch.device | str) -> None:
        self.task, self.batch_size, self.device = task, batch_size, device
        N = task.N
        # rows of the table: i draws from pi_b(. | i), N + o always gives o, 2 N draws from pi_u
        rows = torch.cat([task.pi_b.double(), torch.eye(N, dtype=torch.float64), task.pi_u.double()[None]])
        self.table: Float[Tensor, "R N"] = cumulative(rows).to(device)
        self.weights = task.trigger_distribution.float().to(device)
        fixed = range(task.K) if task.triggers is None else task.triggers
        self.triggers = torch.tensor(list(fixed)).to(device)
        self.own_rows = torch.arange(N, device=device)
        self.generator = devices.generator_on(device)

    def many(self, seeds: Sequence[int]) -> list[BigramBatch]:
        """A batch for each seed, all of them in one pass."""
        N, K, B = self.task.N, self.task.K, self.batch_size
        n = B * len(seeds)
        clocks, picks, steps = zip(*(self._numbers(seed) for seed in seeds), strict=True)
        if self.task.triggers is None:
            # the first K events of independent clocks whose rates are the weights: K draws without replacement
            triggers = (self.weights / torch.cat(clocks)).topk(K, dim=1).indices
        else:
            triggers = self.triggers.expand(n, K)
        u = torch.cat(picks)
        if self.task.outputs == "bigram":
            outputs = draw(self.table, triggers.reshape(-1), u.reshape(-1)).view(n, K)
        else:
            # float32 may round up to N itself
            outputs = (u * N).long().clamp(max=N - 1)
        rows = self.own_rows.repeat(n, 1).scatter_(1, triggers, outputs + N)
        z = walk(self.table, rows, 2 * N, torch.cat(steps, 1)).t().contiguous()
        inputs = z[:, :-1]
        is_trigger = rows.gather(1, inputs) >= N
        whole = (z, is_trigger, _occurrence(inputs), triggers, outputs)
        names = ("z", "is_trigger", "occurrence", "triggers", "outputs")
        return [
            BigramBatch(**dict(zip(names, parts, strict=True)))
            for parts in zip(*(values.split(B) for values in whole), strict=True)
        ]

    def _numbers(self, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """The random numbers of one batch: (B, N) exponential ones for its triggers, (B, K), and (T + 1, B)."""
        g, here, B = self.generator, self.device, self.batch_size
        g.manual_seed(seed)
        N = self.task.N if self.task.triggers is None else 0
        clocks = torch.empty(B, N, device=here).exponential_(generator=g)
        picks = torch.rand(B, self.task.K, generator=g, device=here)
        return clocks, picks, torch.rand(self.task.T + 1, B, generator=g, device=here)
