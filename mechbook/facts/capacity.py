"""How many facts a trained model stores, against its parameters (Nichani et al. Figure 3, left).

The seeds of one shape are searched side by side, on the device of the settings.
"""

from collections.abc import Sequence
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
from mechbook.shared.capacity_search import candidates, capacities_by_climbing

# The accuracy at which a model is said to store its facts.
ENOUGH = 0.99
TASKS, TRAINING = 0, 1


@dataclass(frozen=True, kw_only=True)
class CapacitySettings:
    """The search for one shape: dimension d, 8 heads with H d_h = alpha d, an MLP of width beta d; for several seeds.

    D, T: answers of a relation and tokens of a sequence. training: how the models of each size tried are trained.
    """

    d: int
    alpha: float
    beta: float
    D: int
    T: int
    seeds: int
    training: StackSettings

    def shape(self, S: int) -> FactConfig:
        """The model for a task of S subjects and S relations: H = 8, d_h = alpha d / 8, m = beta d."""
        d_h = max(1, round(self.alpha * self.d / 8))
        return FactConfig(V=4 * S + 1, A=self.D * S, d=self.d, H=8, d_h=d_h, m=round(self.beta * self.d))

    def key(self) -> dict[str, Any]:
        """All that decides the run besides its code and the machine, as JSON values."""
        return {"capacity": asdict(self), "seed": settings.seed()}

    def run(self) -> "CapacityResult":
        """The largest S of which a model learns 99% of the S^2 facts, for each seed; from the cache if it is there.

        Interrupted, it goes on after the last training that it kept.
        """
        use_threads()
        return CapacityResult(**cached(self.key(), lambda: vars(_search(self)), modules=(__name__,)))


@dataclass(frozen=True, kw_only=True)
class CapacityResult:
    """What a search found for one shape: its parameters, and for each seed the largest S with accuracy 0.99."""

    parameters: int
    sizes: list[int]
    seconds: float


def _search(spec: CapacitySettings) -> CapacityResult:
    place = (spec.d, round(100 * spec.alpha), round(100 * spec.beta))
    parts = Parts(scratch(spec.key(), modules=(__name__,)), spec.key())
    asked = 0

    def passes(pairs: Sequence[tuple[int, int]]) -> list[bool]:
        nonlocal asked
        asked += 1
        largest = max(size for _, size in pairs)
        best = torch.zeros(len(pairs), dtype=torch.float64)

        def train(number: int, rate: float) -> Tensor:
            stream = STREAMS.generator("capacity", *place, TRAINING, asked, number)
            drawn = [(size, STREAMS.generator("capacity", *place, TASKS, seed, size)) for seed, size in pairs]
            tasks = [random_task(size, own, D=spec.D, T=spec.T) for size, own in drawn]
            drawn_weights = stack([initial_weights(spec.shape(largest), stream) for _ in pairs])
            weights = placed(drawn_weights, settings.device())
            return train_stack(tasks, weights, spec.training, rate, stream)

        with Line("a round", len(spec.training.rates), "learning rates") as line:
            for number, rate in enumerate(spec.training.rates):
                best = torch.maximum(best, line.passed(parts.take(partial(train, number, rate))))
        return [accuracy >= ENOUGH for accuracy in best.tolist()]

    parameters = spec.shape(1).parameters
    guess = max(2, round(0.25 * parameters**0.5))
    sizes = capacities_by_climbing(passes, [candidates(2, 8 * guess, 1.06)] * spec.seeds, [guess] * spec.seeds)
    parts.over()
    return CapacityResult(parameters=parameters, sizes=sizes, seconds=parts.seconds)
