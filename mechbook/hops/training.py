"""Training on hops: which hops the loss counts and when (the regime), for one model or for a stack of them."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from mechbook.core.training.allocator import keep_freed_memory
from mechbook.core.training.loop import use_threads
from mechbook.hops.fast import Stack, measure, stack_models, stacked_logits, unstack
from mechbook.hops.model import HopTransformer

Regime = Literal["direct", "mixture", "curriculum", "current"]
# What the tokens carry (B, T), and the target of every readout (B, T, hops).
Draw = Callable[[Generator], tuple[Int[Tensor, "B T"], Int[Tensor, "B T hops"]]]


@dataclass(frozen=True, kw_only=True)
class HopTraining:
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
        if self.regime not in get_args(Regime):
            raise ValueError(f"regime is {self.regime!r}; it must be one of {', '.join(get_args(Regime))}.")
        for name in ("steps", "batch_size", "warmup", "record_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 1 or more.")
        for name in ("lr", "clip_norm"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive.")
        if self.steps % self.record_every:
            raise ValueError(f"steps is {self.steps}; it must be a multiple of record_every = {self.record_every}.")


@dataclass(frozen=True, kw_only=True)
class HopResult:
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
    weights = torch.zeros(hops)
    first, last = {"direct": (hops, hops), "mixture": (1, hops), "curriculum": (1, stage), "current": (stage, stage)}[
        regime
    ]
    weights[first - 1 : last] = 1 / (last - first + 1)
    return weights


@dataclass
class _Record:
    """What one model's run has been so far."""

    settings: HopTraining
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
        settings = self.settings
        if not math.isfinite(loss):
            raise FloatingPointError(f"The loss is {loss} at step {step}: lower the learning rate or warm up longer.")
        now = [loss, *accuracy]
        self.sums = [a + b for a, b in zip(self.sums, now, strict=True)] if self.sums else now
        if settings.regime in ("curriculum", "current") and self.stage < self.hops:
            self.running = 0.9 * self.running + 0.1 * accuracy[self.stage - 1]
            if self.running > settings.advance_at:
                self.stage, self.running = self.stage + 1, 0.0
                self.stages.append((step, self.stage))
        if step % settings.record_every:
            return False
        mean_loss, *means = (total / settings.record_every for total in self.sums)
        self.sums = []
        self.steps.append(step)
        self.loss.append(mean_loss)
        self.accuracy.append(means)
        if settings.stop_at is not None and means[-1] >= settings.stop_at:
            self.solved = step
        return self.solved is not None or step == settings.steps

    def result(self, final: dict[str, Tensor], seconds: float) -> HopResult:
        return HopResult(
            steps=self.steps,
            accuracy=self.accuracy,
            loss=self.loss,
            stages=self.stages,
            solved=self.solved,
            seen=self.steps[-1] * self.settings.batch_size,
            final=final,
            seconds=seconds,
        )


def train_hops(model: HopTransformer, draw: Draw, settings: HopTraining, generator: Generator) -> HopResult:
    """Train one model in place on batches `draw(generator)`: the definition that `train_stacked` is held against."""
    use_threads()
    record = _Record(settings, model.config.hops)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, betas=(0.9, settings.beta2), weight_decay=0.0)
    began, step, over = time.monotonic(), 0, False
    while not over:
        step += 1
        z, targets = draw(generator)
        logits = model(z)
        losses = F.cross_entropy(logits.flatten(0, 2), targets.flatten(), reduction="none").view(targets.shape)
        weights = hop_weights(settings.regime, record.stage, record.hops).to(losses)
        loss = losses.mean((0, 1)) @ weights
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = _rate(settings, step)
        optimizer.step()
        accuracy = (logits.detach().argmax(-1) == targets).double().mean((0, 1))
        over = record.add(step, float(loss.detach()), accuracy.tolist())
    return record.result({n: t.detach().clone() for n, t in model.state_dict().items()}, time.monotonic() - began)


def train_stacked(
    models: Sequence[HopTransformer], draws: Sequence[Draw], settings: HopTraining, generators: Sequence[Generator]
) -> list[HopResult]:
    """Return what `train_hops` gives for each model, trained together as one program; the models stay as they are.

    Each has its own data, stage and gradient norm; one that is over leaves the stack. Equal to `train_hops` up to
    rounding.
    """
    use_threads()
    keep_freed_memory()
    config = models[0].config
    weights, stack = _flattened(stack_models(models))
    records = [_Record(settings, config.hops) for _ in models]
    results: dict[int, HopResult] = {}
    active, optimizer = list(range(len(models))), _optimizer(weights, settings)
    seconds, step, last = [0.0] * len(models), 0, time.monotonic()
    while active:
        step += 1
        batches = [draws[s](generators[s]) for s in active]
        z, targets = (torch.stack(parts) for parts in zip(*batches, strict=True))
        logits = stacked_logits(stack, config, z)
        losses, accuracy, gradient = measure(logits, targets)
        counted = torch.stack([hop_weights(settings.regime, records[s].stage, config.hops) for s in active]).to(losses)
        each = (losses * counted).sum(1)
        trained = [values for values in stack.values() if values.requires_grad]
        gradients = torch.autograd.grad(logits, trained, gradient * counted[:, None, None, :, None])
        weights.grad = _clipped(torch.cat([values.flatten(1) for values in gradients], dim=1), settings.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = _rate(settings, step)
        optimizer.step()
        over = [
            records[s].add(step, loss, row)
            for s, loss, row in zip(active, each.tolist(), accuracy.tolist(), strict=True)
        ]
        if any(over) or step % settings.record_every == 0:
            now = time.monotonic()
            for s in active:
                seconds[s] += (now - last) / len(active)
            last = now
        if any(over):
            for place, s in enumerate(active):
                if over[place]:
                    results[s] = records[s].result(unstack(stack, place), seconds[s])
            kept = [place for place in range(len(active)) if not over[place]]
            active = [active[place] for place in kept]
            if kept:
                weights, stack, optimizer = _keep(stack, optimizer, kept, settings)
    return [results[s] for s in range(len(models))]


def _rate(settings: HopTraining, step: int) -> float:
    return settings.lr * min(1.0, step / settings.warmup)


def _flattened(stack: Stack) -> tuple[Float[Tensor, "S parameters"], Stack]:
    """Return all trained weights of each model in one row, and a stack whose trained tensors are views of these rows.

    One tensor is updated and clipped in a few operations, where a step of thirty small ones is mostly overhead.
    """
    trained = [values for values in stack.values() if values.requires_grad]
    weights = torch.cat([values.detach().flatten(1) for values in trained], dim=1).requires_grad_()
    parts = iter(weights.detach().split([values[0].numel() for values in trained], dim=1))
    views = {
        name: next(parts).view(values.shape).requires_grad_() if values.requires_grad else values
        for name, values in stack.items()
    }
    return weights, views


def _optimizer(weights: Tensor, settings: HopTraining) -> torch.optim.AdamW:
    return torch.optim.AdamW([weights], lr=settings.lr, betas=(0.9, settings.beta2), weight_decay=0.0)


def _clipped(gradient: Float[Tensor, "S parameters"], most: float) -> Float[Tensor, "S parameters"]:
    """As torch.nn.utils.clip_grad_norm_, for each model by itself."""
    return gradient * (most / (gradient.norm(dim=1, keepdim=True) + 1e-6)).clamp(max=1.0)


def _keep(
    stack: Stack, optimizer: torch.optim.AdamW, kept: list[int], settings: HopTraining
) -> tuple[Tensor, Stack, torch.optim.AdamW]:
    """The weights, their stack and their optimizer with the models of these places alone."""
    smaller = {name: values.detach()[kept].requires_grad_(values.requires_grad) for name, values in stack.items()}
    weights, views = _flattened(smaller)
    fresh = _optimizer(weights, settings)
    ((_, old),) = optimizer.state.items()
    fresh.state[weights] = {"step": old["step"], **{key: old[key][kept] for key in ("exp_avg", "exp_avg_sq")}}
    return weights, views, fresh
