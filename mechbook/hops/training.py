"""Training on hops: which hops the loss counts and when (the regime), and the plain loop for one model.

The book's other models train by `mechbook.core.training.loop`. Hops have a loop of their own because the loss changes
under way (a curriculum's stage depends on how accurate the model is, and a run ends when it has solved its task), and
because all seeds of a setting are trained as one program: `mechbook.hops.fast_training` does so, and `train_hops` here
is its definition.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from mechbook.core.presets import require
from mechbook.hops.model import HopTransformer

Regime = Literal["direct", "mixture", "curriculum", "current"]
# What the tokens carry (B, T), and the target of every readout (B, T, hops).
Draw = Callable[[Generator], tuple[Int[Tensor, "B T"], Int[Tensor, "B T hops"]]]


@dataclass(frozen=True, kw_only=True)
class HopTrainingSettings:
    """How a model is trained on hops 1, ..., R (its readouts); values that make no sense raise ValueError.

    regime: "direct" trains hop R alone; "mixture" the mean over all hops; "curriculum" the mean over hops 1..s at
        stage s, "current" hop s alone; the stage advances when hop s's running accuracy passes `advance_at`
    steps: the budget of updates
    batch_size, lr, beta2, warmup, clip_norm: AdamW without decay, the rate of update s being lr min(1, s / warmup)
    record_every: accuracies are means over so many steps, each batch measured before it is learned from
    stop_at: a run ends early at a record in which hop R is at least that accurate (None: never)
    """

    regime: str
    steps: int
    batch_size: int = 32
    lr: float = 3e-3
    beta2: float = 0.98
    warmup: int = 100
    clip_norm: float = 1.0
    advance_at: float = 0.98
    record_every: int = 25
    stop_at: float | None = 0.995

    def __post_init__(self) -> None:
        rules = [
            ("regime", self.regime in get_args(Regime), f"one of {', '.join(get_args(Regime))}"),
            *((name, getattr(self, name) >= 1, "1 or more") for name in ("steps", "batch_size", "warmup")),
            ("record_every", self.record_every >= 1, "1 or more"),
            *((name, getattr(self, name) > 0, "positive") for name in ("lr", "clip_norm")),
        ]
        require(self, *rules)
        in_records = self.steps % self.record_every == 0
        require(self, ("steps", in_records, f"a multiple of record_every = {self.record_every}"))

    def rate(self, step: int) -> float:
        """The step size of an update, counted from 1."""
        return self.lr * min(1.0, step / self.warmup)


@dataclass(frozen=True, kw_only=True)
class HopTrainingResult:
    """One model's training. `accuracy[i][r - 1]` is hop r's mean accuracy over the steps up to `steps[i]`.

    stages: (step, hop) for each time the curriculum moved on to `hop`
    solved: the first recorded step at which hop R reached `stop_at`, None where it did not within the budget
    seen: sequences trained on; final: the state dict; seconds: this model's share of the training time
    """

    steps: list[int]
    accuracy: list[list[float]]
    loss: list[float]
    stages: list[tuple[int, int]]
    solved: int | None
    seen: int
    final: dict[str, Tensor]
    seconds: float

    def step_of(self, hop: int, bar: float) -> int | None:
        """The first recorded step at which `hop` is more accurate than `bar`, None where it never is."""
        for step, row in zip(self.steps, self.accuracy, strict=True):
            if row[hop - 1] > bar:
                return step
        return None


def hop_weights(regime: str, stage: int, hops: int) -> Float[Tensor, "{hops}"]:
    """Return the weight of each hop's loss at a stage 1..R; they add up to 1. Raises ValueError for another stage."""
    if not 1 <= stage <= hops:
        raise ValueError(f"The stage is {stage}; with {hops} hops it is 1 to {hops}.")
    counted = {"direct": (hops, hops), "mixture": (1, hops), "curriculum": (1, stage), "current": (stage, stage)}
    first, last = counted[regime]
    weights = torch.zeros(hops)
    weights[first - 1 : last] = 1 / (last - first + 1)
    return weights


@dataclass
class Record:
    """What one model's run has been so far: how it is trained, on how many hops, its stage, and its records."""

    how: HopTrainingSettings
    hops: int
    stage: int = 1
    running: float = 0.0
    sums: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    accuracy: list[list[float]] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    stages: list[tuple[int, int]] = field(default_factory=list)
    solved: int | None = None

    def add(self, step: int, loss: float, accuracy: Sequence[float]) -> bool:
        """Take in the batch of update `step` (from 1); return whether the run is over."""
        if not math.isfinite(loss):
            raise FloatingPointError(f"The loss is {loss} at step {step}: lower the learning rate or warm up longer.")
        self.move_on(step, accuracy)
        now = [loss, *accuracy]
        self.sums = [a + b for a, b in zip(self.sums, now, strict=True)] if self.sums else now
        return False if step % self.how.record_every else self._close(step)

    def take(self, step: int, totals: list[float], stages: Sequence[int]) -> bool:
        """As `add` for all updates since the last record, up to `step` where one is due, from what they add up to.

        `totals` are the sums of losses and of each hop's accuracy, `stages` the stage after each update, or nothing
        where there are no stages.
        """
        if not math.isfinite(totals[0]):
            raise FloatingPointError(
                f"A loss is not finite in the {self.how.record_every} steps up to {step}: lower the learning rate or "
                "warm up longer."
            )
        for at, stage in enumerate(stages, step - len(stages) + 1):
            if stage > self.stage:
                self.stage = stage
                self.stages.append((at, stage))
        self.sums = totals
        return self._close(step)

    def _close(self, step: int) -> bool:
        """Make the sums a record; return whether the run is over."""
        mean_loss, *means = (total / self.how.record_every for total in self.sums)
        self.sums = []
        self.steps.append(step)
        self.loss.append(mean_loss)
        self.accuracy.append(means)
        if self.how.stop_at is not None and means[-1] >= self.how.stop_at:
            self.solved = step
        return self.solved is not None or step == self.how.steps

    def move_on(self, step: int, accuracy: Sequence[float]) -> None:
        """Take up the next hop where the newest one's running accuracy is high enough."""
        if self.how.regime not in ("curriculum", "current") or self.stage == self.hops:
            return
        self.running = 0.9 * self.running + 0.1 * accuracy[self.stage - 1]
        if self.running > self.how.advance_at:
            self.stage, self.running = self.stage + 1, 0.0
            self.stages.append((step, self.stage))

    def kept(self) -> dict[str, Any]:
        """What it is so far, without how the model is trained."""
        return {name: value for name, value in vars(self).items() if name not in ("how", "hops")}

    def take_up(self, kept: dict[str, Any]) -> None:
        """Go on from what `kept` gave."""
        for name, value in kept.items():
            setattr(self, name, value)

    def result(self, final: dict[str, Tensor], seconds: float) -> HopTrainingResult:
        """The run as a whole, with the weights it ended with."""
        return HopTrainingResult(
            steps=self.steps,
            accuracy=self.accuracy,
            loss=self.loss,
            stages=self.stages,
            solved=self.solved,
            seen=self.steps[-1] * self.how.batch_size,
            final=final,
            seconds=seconds,
        )


def train_hops(model: HopTransformer, draw: Draw, how: HopTrainingSettings, generator: Generator) -> HopTrainingResult:
    """Train one model in place on batches `draw(generator)`."""
    record, began = Record(how, model.config.hops), time.monotonic()
    adam = torch.optim.AdamW(model.parameters(), lr=how.lr, betas=(0.9, how.beta2), weight_decay=0.0)
    for step in range(1, how.steps + 1):
        z, targets = draw(generator)
        logits = model(z)
        each = nn.functional.cross_entropy(logits.flatten(0, 2), targets.flatten(), reduction="none")
        hop_losses = each.view(targets.shape).mean((0, 1))
        loss = hop_losses @ hop_weights(how.regime, record.stage, record.hops).to(hop_losses)
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), how.clip_norm)
        adam.param_groups[0]["lr"] = how.rate(step)
        adam.step()
        accuracy = (logits.argmax(-1) == targets).double().mean((0, 1))
        if record.add(step, loss.item(), accuracy.tolist()):
            break
    final = {name: values.detach().clone() for name, values in model.state_dict().items()}
    return record.result(final, time.monotonic() - began)
