"""One training loop for every small model of the book: optimise, probe, checkpoint, resume."""

import dataclasses
import math
import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from mechbook.core import devices
from mechbook.core.cache import store
from mechbook.core.training import stopping
from mechbook.core.training.measuring import (
    Logits,
    LogitsAt,
    LossesAt,
    losses_by,
    masked,
    plain_logits,
    plain_logits_at,
    selected,
)
from mechbook.core.training.meter import Batch, Meter
from mechbook.core.training.progress import Progress
from mechbook.core.training.resume import optimizer_state, read_state, restore_optimizer
from mechbook.core.training.settings import TrainingSettings

StateDict = dict[str, Tensor]
STATE_SECONDS = 30.0
# Reading a loss costs nothing on the CPU and a wait for the device elsewhere.
ACCELERATOR_CHECK_STEPS = 32

Draw = Callable[[Generator], Batch]
Probe = Callable[[Any], float | Tensor]
Callback = Callable[[int, nn.Module, Mapping[str, float]], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingResult:
    """What `train` measured: at `steps[i]` (updates made so far) the probe `name` was `values[name][i]`.

    `checkpoints` maps a step to the model's state then, `final` is the state at the end, both on the CPU; parameters
    that were not trained are one tensor shared by all of them. `seconds` is the time the training took when computed.
    """

    steps: list[int]
    values: dict[str, list[float]]
    checkpoints: dict[int, StateDict]
    final: StateDict
    seconds: float


def use_threads() -> None:
    """Give torch MECHBOOK_THREADS threads where that is set: with another count float32 sums come out differently.

    And the precision that the settings ask for.
    """
    devices.use_precision()
    wanted = os.environ.get("MECHBOOK_THREADS", "")
    if not wanted:
        return
    if not wanted.isdecimal() or int(wanted) < 1:
        raise ValueError(f"MECHBOOK_THREADS is {wanted!r}; it must be a whole number, 1 or more.")
    if int(wanted) != torch.get_num_threads():
        torch.set_num_threads(int(wanted))


def train(
    model: nn.Module,
    draw: Draw,
    settings: TrainingSettings,
    generator: Generator,
    *,
    logits_at: LogitsAt | None = None,
    losses_at: LossesAt | None = None,
    logits_of: Logits | None = None,
    probes: Mapping[str, Probe] | None = None,
    probe_steps: Iterable[int],
    checkpoint_steps: Iterable[int] = (),
    callbacks: Iterable[Callback] = (),
    state_path: Path | None = None,
    state_every: int | None = None,
) -> TrainingResult:
    """Train `model` in place on batches `draw(generator)`, all parameters that require a gradient.

    Step s stands for "after s updates", from 0 to `settings.steps`. At a probe step the run records every probe and
      "loss"         the loss that is minimised,
      "accuracy"     the fraction of in-context positions predicted right,
      "global_loss"  with loss_on="all", the mean cross-entropy over the global tokens,
    the last three over all positions of the batches since the previous probe step, this step's included, each measured
    before it is used; 0 where those hold no such position. Then each callback gets (step, model, this step's values). A
    batch without a position to learn from has loss 0 and makes no update at all, though it counts as a step.

    On the CPU `logits_at(model, batch, select)` gives the logits (n, N) at the positions of the mask `select` (B, T),
    in its order; `losses_at(model, batch, select)`, if there is one, the cross-entropies (n,) there, whose mean is what
    is minimised, and then the logits. On an accelerator `logits_of(model, batch)` gives those of all positions,
    (B, T, N), and nothing is read within a step: losses are looked at every 32 steps and at probe steps, and a batch
    without a position to learn from has gradient 0, so that momentum and weight decay still act. By default logits are
    model(batch.inputs)'s.

    With `state_path` the complete state is kept there every `state_every` steps (None: every 30 seconds), and a call
    that starts like the one that wrote it (initial weights, generator, settings, steps) goes on from it, to the same
    result bit for bit; callbacks run again from that state on. The file stays: it is the caller's to remove. Within
    `stopping.at` such a run keeps its state and raises Stopped when it is asked to stop.

    FloatingPointError on a loss that is not finite; ValueError for steps or parameters that do not exist.
    """
    use_threads()
    loop = _Loop(model, settings, generator, dict(probes or {}), set(probe_steps), set(checkpoint_steps))
    try:
        paths = (losses_at or losses_by(logits_at or plain_logits_at), logits_of or plain_logits)
        loop.run(draw, paths, tuple(callbacks), state_path, state_every)
    finally:
        for parameter in loop.trained.values():
            parameter.requires_grad_(True)
    return TrainingResult(
        steps=loop.steps,
        values=loop.values,
        checkpoints=loop.checkpoints,
        final=loop.snapshot(),
        seconds=loop.seconds,
    )


@dataclass
class _Loop:
    model: nn.Module
    settings: TrainingSettings
    generator: Generator
    probes: dict[str, Probe]
    probe_steps: set[int]
    checkpoint_steps: set[int]
    steps: list[int] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)
    checkpoints: dict[int, StateDict] = field(default_factory=dict)
    meter: Meter = field(default_factory=Meter)
    unchecked: list[tuple[int, Tensor]] = field(default_factory=list)
    seconds: float = 0.0
    start: int = 0

    def __post_init__(self) -> None:
        settings = self.settings
        self.trained = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self.release = dict(settings.frozen_until)
        if unknown := sorted(set(self.release) - set(self.trained)):
            raise ValueError(f"frozen_until names {unknown[0]!r}; it must name one of {', '.join(self.trained)}.")
        if outside := sorted(s for s in self.probe_steps | self.checkpoint_steps if not 0 <= s <= settings.steps):
            raise ValueError(f"Step {outside[0]} is asked for; the steps of this run are 0 to {settings.steps}.")
        if taken := sorted({"loss", "accuracy", "global_loss"} & set(self.probes)):
            raise ValueError(f"A probe is named {taken[0]!r}; the loop itself records that name.")
        self.values = {name: [] for name in ("loss", "accuracy", *self.probes)}
        if settings.loss_on == "all":
            self.values["global_loss"] = []
        self.device = next((p.device for p in self.model.parameters()), torch.device("cpu"))
        # kept once for all checkpoints: what is not trained does not change
        self.fixed = {n: _copy(p) for n, p in self.model.named_parameters() if n not in self.trained}
        self.accelerated = devices.is_accelerator(self.device)
        how: dict[str, Any] = {"lr": settings.lr, "weight_decay": settings.weight_decay}
        if self.accelerated:
            how["foreach"] = True
        parameters = list(self.trained.values())
        # a gradient left from before would move a frozen parameter
        self.model.zero_grad(set_to_none=True)
        self.optimizer: torch.optim.Optimizer | None = None
        if parameters and settings.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(parameters, momentum=settings.momentum, **how)
        elif parameters:
            self.optimizer = torch.optim.AdamW(parameters, **how)

    def run(
        self,
        draw: Draw,
        paths: tuple[LossesAt, Logits],
        callbacks: tuple[Callback, ...],
        state_path: Path | None,
        state_every: int | None,
    ) -> None:
        if state_every is not None and state_every < 1:
            raise ValueError(f"state_every is {state_every}; it must be 1 or more, or None.")
        identity = self.identity() if state_path else ""
        if state_path:
            self.resume(state_path, identity)
        began = saved = time.monotonic()
        earlier = self.seconds
        check_every = ACCELERATOR_CHECK_STEPS if self.accelerated else 1
        with Progress(self.start, self.settings.steps) as progress:
            for step in range(self.start, self.settings.steps + 1):
                self.seconds = earlier + time.monotonic() - began
                due = time.monotonic() - saved > STATE_SECONDS if state_every is None else step % state_every == 0
                stop = state_path is not None and stopping.due()
                if state_path and (due or stop) and step > self.start:
                    self.check_losses()
                    try:
                        self.save(state_path, identity, step)
                    except OSError as error:
                        warnings.warn(f"The training goes on without its state: {error}.", RuntimeWarning, stacklevel=3)
                        state_path = None
                    saved = time.monotonic()
                if stop and state_path:
                    raise stopping.Stopped(step, state_path)
                if step in self.checkpoint_steps:
                    self.checkpoints[step] = self.snapshot()
                last = step == self.settings.steps
                if last and step not in self.probe_steps:
                    break
                for name, released in self.release.items():
                    self.trained[name].requires_grad_(step >= released)
                with torch.set_grad_enabled(not last):
                    loss = self.measure(draw(self.generator), *paths)
                self.unchecked.append((step, loss.detach()))
                if step in self.probe_steps or last or len(self.unchecked) >= check_every:
                    self.check_losses()
                if step in self.probe_steps:
                    record = self.record(step)
                    with torch.no_grad():
                        for callback in callbacks:
                            callback(step, self.model, record)
                if not last:
                    self.update(step, loss)
                    progress.advance()
        self.check_losses()
        self.seconds = earlier + time.monotonic() - began

    def measure(self, batch: Batch, losses_at: LossesAt, logits_of: Logits) -> Tensor:
        """The batch's loss, its parts added to the totals since the last probe step."""
        everywhere = self.settings.loss_on == "all"
        if self.accelerated:
            return masked(self.model, batch, everywhere, logits_of, self.meter)
        return selected(self.model, batch, everywhere, losses_at, self.meter)

    def record(self, step: int) -> dict[str, float]:
        """Averages since the last probe step, and every probe, now."""
        record = self.meter.read()
        with torch.no_grad():
            record |= devices.read({name: probe(self.model) for name, probe in self.probes.items()})
        self.steps.append(step)
        for name, value in record.items():
            self.values[name].append(value)
        return record

    def update(self, step: int, loss: Tensor) -> None:
        """One step of the optimizer at step `step`'s learning rate; nothing where everything is frozen."""
        if self.optimizer is None or not loss.requires_grad:
            return
        loss.backward()
        if self.settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.trained.values(), self.settings.clip_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr(step)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def lr(self, step: int) -> float:
        return self.settings.lr * min(1.0, (step + 1) / max(self.settings.warmup, 1))

    def check_losses(self) -> None:
        """Raise for the first loss not yet looked at that is not finite."""
        losses = devices.read({str(step): loss for step, loss in self.unchecked})
        for step, value in losses.items():
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"The loss is {value} at step {step} with learning rate {self.lr(int(step)):g}: "
                    "lower the learning rate, warm up for longer or clip the gradient."
                )
        self.unchecked.clear()

    def snapshot(self) -> StateDict:
        """The model's state on the CPU, what is not trained shared between snapshots."""
        return {n: self.fixed[n] if n in self.fixed else _copy(t) for n, t in self.model.state_dict().items()}

    def identity(self) -> str:
        """A digest of all that decides the run but `draw`, `logits_at`, `losses_at` and the probes' code."""
        return store.checksum(
            {
                "settings": dataclasses.astuple(self.settings),
                "steps": [sorted(self.probe_steps), sorted(self.checkpoint_steps)],
                "probes": list(self.probes),
                "machine": [torch.__version__, torch.get_num_threads()],
                "model": self.model.state_dict(),
                "trained": list(self.trained),
                "generator": self.generator.get_state(),
            }
        )

    def save(self, path: Path, identity: str, step: int) -> None:
        """Keep everything the rest of the run depends on."""
        state = {
            "step": step,
            "model": self.snapshot(),
            "optimizer": optimizer_state(self.optimizer, self.trained),
            "generator": self.generator.get_state(),
            "totals": self.meter.totals,
            "steps": self.steps,
            "values": self.values,
            "checkpoints": self.checkpoints,
            "seconds": self.seconds,
        }
        store.save(path, state, identity)

    def resume(self, path: Path, identity: str) -> None:
        """Take up the state at `path` where it belongs to this run."""
        state = read_state(path, identity)
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        restore_optimizer(self.optimizer, self.trained, state["optimizer"])
        self.generator.set_state(state["generator"])
        self.meter.restore(state["totals"], self.device)
        self.start, self.steps, self.values = state["step"], state["steps"], state["values"]
        self.checkpoints = {s: {n: self.fixed.get(n, t) for n, t in c.items()} for s, c in state["checkpoints"].items()}
        self.seconds = state["seconds"]


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True)
