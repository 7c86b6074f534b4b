"""What attention and what an MLP is good for: accuracy by heads and MLP width (Nichani et al. Figure 3, right).

The cells of one number of heads are trained side by side, on the device of the settings.
"""

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mechbook.core import settings
from mechbook.core.cache.entries import cached, scratch
from mechbook.core.progress import Line
from mechbook.core.training.loop import use_threads
from mechbook.core.training.parts import Parts
from mechbook.facts.model import FactConfig, initial_weights, placed, stack
from mechbook.facts.stack_training import StackSettings, train_stack
from mechbook.facts.streams import STREAMS
from mechbook.facts.task import random_task


@dataclass(frozen=True, kw_only=True)
class TradeoffSettings:
    """The grid: S = R, D answers a relation, T tokens; dimension d, head dimension d_h, heads H, and MLP widths m.

    training: how every cell is trained, with the first of its rates.
    """

    S: int
    D: int
    T: int
    d: int
    d_h: int
    H: tuple[int, ...]
    m: tuple[int, ...]
    seeds: int
    training: StackSettings

    def parameters(self) -> Tensor:
        """Parameters of each cell, (len(H), len(m)): 4 H d_h d + 2 m d."""
        return torch.tensor([[4 * H * self.d_h * self.d + 2 * m * self.d for m in self.m] for H in self.H])

    def key(self) -> dict[str, Any]:
        """All that decides the run besides its code and the machine, as JSON values."""
        return {"tradeoff": asdict(self), "seed": settings.seed()}

    def run(self) -> "TradeoffResult":
        """Every cell of the grid trained, from the cache where that was done, or on after those kept."""
        use_threads()
        return TradeoffResult(**cached(self.key(), lambda: vars(_train(self)), modules=(__name__,)))


@dataclass(frozen=True, kw_only=True, eq=False)
class TradeoffResult:
    """Accuracy of every cell and seed, (len(H), len(m), seeds), and the seconds it took."""

    accuracy: Tensor
    seconds: float


def _train(spec: TradeoffSettings) -> TradeoffResult:
    parts = Parts(scratch(spec.key(), modules=(__name__,)), spec.key())
    own = [STREAMS.generator("tradeoff tasks", seed) for seed in range(spec.seeds)]
    tasks = [random_task(spec.S, stream, D=spec.D, T=spec.T) for stream in own]
    accuracy = torch.zeros(len(spec.H), len(spec.m), spec.seeds, dtype=torch.float64)
    # Widths up to 32, padded, train in one stack; so do wider ones. In one stack for all the padding would cost more.
    groups = [[j for j, m in enumerate(spec.m) if m <= 32], [j for j, m in enumerate(spec.m) if m > 32]]

    def train(H: int, number: int, columns: list[int]) -> Tensor:
        stream = STREAMS.generator("tradeoff training", H, number)
        m = max(spec.m[j] for j in columns)
        config = FactConfig(V=tasks[0].V, A=tasks[0].A, d=spec.d, H=H, d_h=spec.d_h, m=m)
        models = [initial_weights(config, stream) for _ in columns for _ in tasks]
        hidden = torch.stack([(torch.arange(m) < spec.m[j]).float() for j in columns for _ in tasks])
        rate = spec.training.rates[0]
        weights = placed(stack(models), settings.device())
        return train_stack(tasks * len(columns), weights, spec.training, rate, stream, hidden=hidden)

    groups = [group for group in groups if group]
    with Line("accuracy by heads and width", len(spec.H) * len(groups), "stacks") as line:
        for i, H in enumerate(spec.H):
            for number, columns in enumerate(groups):
                found = parts.take(partial(train, H, number, columns))
                accuracy[i, columns] = found.view(len(columns), spec.seeds)
                line.advance()
    parts.over()
    return TradeoffResult(accuracy=accuracy, seconds=parts.seconds)
