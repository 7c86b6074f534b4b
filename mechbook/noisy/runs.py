"""Runs of noisy recall by their settings, with what is measured along them; equal settings are the same run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor, nn

from mechbook.core import devices, settings
from mechbook.core.cache.entries import cached, scratch
from mechbook.core.training.allocator import keep_freed_memory
from mechbook.core.training.loop import Probe, TrainingResult, train, use_threads
from mechbook.core.training.settings import TrainingSettings
from mechbook.noisy import task_ahead, task_device
from mechbook.noisy.everywhere import logits
from mechbook.noisy.fast import before_F2
from mechbook.noisy.model import NoisyConfig, NoisyTransformer
from mechbook.noisy.probes import attention_after_trigger, noise_margin, prediction
from mechbook.noisy.step import selected_losses
from mechbook.noisy.streams import BATCHES, PANEL, WEIGHTS
from mechbook.noisy.task import NoisyBatch, NoisyTask, sample, shakespeare_noisy_task
from mechbook.shared.truncation import truncated

# The sequences that a run is measured on along the way.
PANEL_SIZE = 128
# Noise among the contexts on which attention is measured: as many noisy pairs as clean ones.
PANEL_ALPHA = 0.5

Cut = tuple[str, float]
"""A weight's name and the fraction rho of its rank that is kept; 0 drops the block it leads into."""


@dataclass(frozen=True, kw_only=True)
class NoisySettings:
    """One training run on tiny Shakespeare's noisy-recall task, on triggers from their second occurrence on.

    T, alpha, K: the task (`shakespeare_noisy_task`); T is the model's too
    seed_key: names this run's weights and data among the streams of `settings.generator`
    cuts: the truncations under which the model is measured along the way, each alone
    cool_down: updates at a last, smaller step size: (how many, the step size); they follow those of `training`
    start: the run whose final weights this one starts from; None: fresh ones
    """

    T: int
    alpha: float
    K: int = 1
    model: NoisyConfig
    training: TrainingSettings
    seed_key: tuple[int, ...]
    probe_steps: tuple[int, ...]
    checkpoint_steps: tuple[int, ...] = ()
    cuts: tuple[Cut, ...] = ()
    cool_down: tuple[int, float] | None = None
    start: "NoisySettings | None" = None

    def __post_init__(self) -> None:
        task = self.task()
        if (self.model.T, self.model.V) != (task.T, task.N + 1):
            raise ValueError(
                f"The model has T = {self.model.T}, V = {self.model.V}; it must have the task's {task.T} inputs and "
                f"{task.N + 1} tokens."
            )
        if self.start is not None and self.start.model != self.model:
            raise ValueError("The run starts from another model's weights; both must have the same settings.")
        if not self.probe_steps:
            raise ValueError("probe_steps is empty; a run is measured at one step at least.")
        for name in ("probe_steps", "checkpoint_steps"):
            if outside := [step for step in getattr(self, name) if not 0 <= step <= self.steps]:
                raise ValueError(f"{name} names {outside[0]}; the steps of this run are 0 to {self.steps}.")

    @property
    def steps(self) -> int:
        """All updates, those of the cool-down among them."""
        return self.training.steps + (self.cool_down[0] if self.cool_down else 0)

    def task(self, alpha: float | None = None) -> NoisyTask:
        """The data's distribution, at this run's noise level or another."""
        return shakespeare_noisy_task(T=self.T, alpha=self.alpha if alpha is None else alpha, K=self.K)

    def build(self) -> NoisyTransformer:
        """The model as it is before the first step, on the CPU."""
        model = NoisyTransformer(self.model, settings.generator(*self.seed_key, WEIGHTS))
        if self.start is not None:
            model.load_state_dict(self.start.run().final)
        return model

    def key(self) -> dict[str, Any]:
        """All that decides the run besides its code and the machine, as JSON values."""
        return {"run": asdict(self), "seed": settings.seed(), "task": self.task().fingerprint()}

    def run(self) -> TrainingResult:
        """The run, from the cache where it was made before; one that was interrupted goes on where it stopped."""
        use_threads()
        keep_freed_memory()
        return TrainingResult(**cached(self.key(), self._trained, modules=(__name__,)))

    def _trained(self) -> dict[str, Any]:
        # built first: what it starts from is a run of its own, which leaves the mode as it was for others
        model = self.build()
        # attention here gets so sharp that its small weights fall below 1e-38, where arithmetic is many times slower
        torch.set_flush_denormal(True)
        try:
            return vars(self._train(model))
        finally:
            torch.set_flush_denormal(False)

    def _train(self, model: NoisyTransformer) -> TrainingResult:
        device, task = settings.device(), self.task()
        model = model.to(device)
        panel = Panel(self, device)

        sampler = task_device.sampler if devices.is_accelerator(device) else task_ahead.sampler
        draw = sampler(task, self.training.batch_size, device)
        phases = [(0, self.training)]
        if self.cool_down is not None:
            steps, lr = self.cool_down
            phases.append((self.training.steps, replace(self.training, steps=steps, lr=lr, warmup=0)))
        runs, states = [], []
        for number, (first, how) in enumerate(phases):
            states.append(scratch(self.key(), modules=(__name__,), name=f"state{number}"))
            last = number == len(phases) - 1

            def own(
                steps: Sequence[int], first: int = first, how: TrainingSettings = how, last: bool = last
            ) -> list[int]:
                # where two phases meet, the step belongs to the second
                return [s - first for s in steps if first <= s < first + how.steps + last]

            runs.append(
                train(
                    model,
                    draw,
                    how,
                    settings.generator(*self.seed_key, BATCHES, number),
                    losses_at=_selected,
                    logits_of=_everywhere,
                    probes=panel.probes(),
                    probe_steps=own(self.probe_steps),
                    checkpoint_steps=own(self.checkpoint_steps),
                    state_path=states[-1],
                )
            )
        for state in states:
            if state is not None:
                state.unlink(missing_ok=True)
        return _joined(runs, [first for first, _ in phases])


class Panel:
    """What a run is measured on, and the measurements: a fixed set of clean sequences, and one of noisy contexts.

    Everything is asked at the last position, which holds a trigger, where that trigger occurred before. For the full
    model and under each cut, on clean sequences (alpha = 0): what `prediction` returns, named by `value_name`. On noisy
    contexts: "attention_correct" and "attention_noise", layer 2's attention on answers and on noise right after earlier
    occurrences of the trigger. "margin": `noise_margin` of F_2 at w_E(q), the smallest over triggers, where there is an
    F_2. `size` sequences of each kind are drawn from the run's stream `stream` (`mechbook.noisy.streams`).
    """

    def __init__(
        self,
        spec: NoisySettings,
        device: torch.device,
        *,
        cuts: tuple[Cut, ...] | None = None,
        size: int = PANEL_SIZE,
        stream: int = PANEL,
    ) -> None:
        self.spec, self.cuts = spec, spec.cuts if cuts is None else cuts
        task = spec.task()
        self.noise, self.triggers = task.noise_token, torch.tensor(task.triggers, device=device)
        self.clean, self.noisy = (
            answerable(sample(spec.task(alpha), size, settings.generator(*spec.seed_key, stream, part))).to(device)
            for part, alpha in enumerate((0.0, PANEL_ALPHA))
        )
        # a copy: truncating the model itself would spoil the gradients of the step under way
        self.model = NoisyTransformer(spec.model, Generator()).to(device).requires_grad_(False)
        self.values: dict[str, float] = {}

    def names(self) -> list[str]:
        """The names of all measurements."""
        what = ("noise", "correct", "clean_loss", "noise_first")
        named = [value_name(name, cut) for cut in (None, *self.cuts) for name in what]
        margin = [] if self.spec.model.F2 == "none" else ["margin"]
        return [*named, "attention_correct", "attention_noise", *margin]

    def probes(self) -> dict[str, Probe]:
        """One probe for each name; the first, which the loop asks first, measures all of them."""
        names = self.names()
        return {name: partial(self._value, name=name, refresh=name == names[0]) for name in names}

    def _value(self, model: nn.Module, *, name: str, refresh: bool) -> float:
        if refresh:
            self.values = self.measure(model)
        return self.values[name]

    def measure(self, model: nn.Module) -> dict[str, float]:
        """All measurements of a model."""
        self.model.load_state_dict(model.state_dict())
        y, _ = last_before_F2(self.model, self.clean)
        values = self._scores(y, None)
        for name in dict.fromkeys(name for name, _ in self.cuts):
            with truncated(self.model, name) as weight:
                for cut in self.cuts:
                    if cut[0] == name:
                        weight.keep(rho=cut[1])
                        # what reaches F_2 does not depend on F_2
                        read = y if name.startswith("F2.") else last_before_F2(self.model, self.clean)[0]
                        values |= self._scores(read, cut)
        _, attention = last_before_F2(self.model, self.noisy)
        noise = torch.full_like(self.noisy.answer, self.noise)
        for name, token in (("correct", self.noisy.answer), ("noise", noise)):
            values[f"attention_{name}"] = float(attention_after_trigger(attention, self.noisy.inputs, token).mean())
        if self.spec.model.F2 != "none":
            added = self.model.F2(self.model.W_E[self.triggers])
            values["margin"] = float(noise_margin(added, self.model.W_U, self.noise).min())
        return values

    def _scores(self, y: Tensor, cut: Cut | None) -> dict[str, float]:
        scores = prediction((y + self.model.F2(y)) @ self.model.W_U.T, self.clean.answer, self.noise)
        return {value_name(name, cut): score for name, score in scores.items()}


def value_name(what: str, cut: Cut | None = None) -> str:
    """The name of a run's measurement under a cut: "correct", or "correct, F2.W_in at 0.05"."""
    return what if cut is None else f"{what}, {cut[0]} at {cut[1]:g}"


def answerable(batch: NoisyBatch) -> NoisyBatch:
    """The sequences whose last trigger occurred before: only there can the answer be known."""
    kept = batch.in_context[:, -1]
    return NoisyBatch(
        z=batch.z[kept],
        is_trigger=batch.is_trigger[kept],
        in_context=batch.in_context[kept],
        answers=batch.answers[kept],
    )


def last_before_F2(model: NoisyTransformer, batch: NoisyBatch) -> tuple[Tensor, Tensor]:
    """At the last position: the stream that F_2 reads, (B, d), and layer 2's attention, (B, T)."""
    last = torch.zeros_like(batch.in_context)
    last[:, -1] = True
    return before_F2(model, batch.inputs, last)


def _selected(model: nn.Module, batch: NoisyBatch, select: Tensor) -> tuple[Tensor, Tensor]:
    assert isinstance(model, NoisyTransformer)
    return selected_losses(model, batch.inputs, select, batch.targets)


def _everywhere(model: nn.Module, batch: NoisyBatch) -> Tensor:
    assert isinstance(model, NoisyTransformer)
    return logits(model, batch.inputs)


def _joined(runs: Sequence[TrainingResult], first: Sequence[int]) -> TrainingResult:
    """One run from its phases, the steps of each counted from `first`."""
    return TrainingResult(
        steps=[start + s for start, run in zip(first, runs, strict=True) for s in run.steps],
        values={name: [v for run in runs for v in run.values[name]] for name in runs[0].values},
        checkpoints={start + s: c for start, run in zip(first, runs, strict=True) for s, c in run.checkpoints.items()},
        final=runs[-1].final,
        seconds=sum(run.seconds for run in runs),
    )
