"""Experiments on the bigram task by their settings, so that every page asking for the same run gets the same one."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn

from mechbook.core import devices, settings
from mechbook.core.cache.entries import cached, scratch
from mechbook.core.training.loop import Probe, TrainingResult, train, use_threads
from mechbook.core.training.settings import TrainingSettings
from mechbook.shared import bigrams_device
from mechbook.shared.bigrams import BigramBatch, BigramTask, sample, shakespeare_task
from mechbook.shared.recall import feed_forward_kl, previous_token_recall, recall_W_K2, recall_W_O2
from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer
from mechbook.shared.simplified_step import selected_losses
from mechbook.shared.vanilla import VanillaConfig, VanillaTransformer
from mechbook.shared.vanilla_recall import vanilla_recall_W_K1, vanilla_recall_W_K2, vanilla_recall_W_O2

# What the random stream of a run's `seed_key` goes on with.
WEIGHTS, BATCHES, FRESH = range(3)


@dataclass(frozen=True, kw_only=True)
class InductionSettings:
    """What decides one training run on tiny Shakespeare's bigram task; equal settings are the same run.

    T, K, triggers, outputs: the task (`shakespeare_task`); T is the model's too
    seed_key: names this run's weights and data among the streams of `settings.generator`
    probe_every: a probe step every so many updates, from 0 to the end, or `probe_steps` themselves
    checkpoint_steps: where the whole model is kept
    """

    T: int
    K: int
    triggers: Literal["random", "frequent", "rare"] = "random"
    outputs: Literal["uniform", "bigram"] = "uniform"
    model: SimplifiedConfig | VanillaConfig
    training: TrainingSettings
    seed_key: tuple[int, ...]
    probe_every: int | None = None
    probe_steps: tuple[int, ...] = ()
    checkpoint_steps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        task = self.task()
        if (self.model.T, self.model.N) != (task.T, task.N):
            raise ValueError(
                f"The model has T = {self.model.T}, N = {self.model.N}; it must have the task's {task.T} and {task.N}."
            )
        if (self.probe_every is None) == (not self.probe_steps):
            raise ValueError(
                f"probe_every is {self.probe_every}, probe_steps is {self.probe_steps}; exactly one must be given."
            )
        if self.probe_every is not None and self.probe_every < 1:
            raise ValueError(f"probe_every is {self.probe_every}; it must be 1 or more.")
        steps = self.training.steps
        for name in ("probe_steps", "checkpoint_steps"):
            if outside := [step for step in getattr(self, name) if not 0 <= step <= steps]:
                raise ValueError(f"{name} names {outside[0]}; the steps of this run are 0 to {steps}.")

    def task(self) -> BigramTask:
        """The data's distribution."""
        return shakespeare_task(T=self.T, K=self.K, triggers=self.triggers, outputs=self.outputs)

    def all_probe_steps(self) -> tuple[int, ...]:
        """Every step at which the run is probed, the last always among those of `probe_every`."""
        if self.probe_every is None:
            return self.probe_steps
        return tuple(sorted({*range(0, self.training.steps, self.probe_every), self.training.steps}))

    def run(self) -> TrainingResult:
        """The run, from the cache where it was made before; one that was interrupted goes on where it stopped.

        On the device of the settings; the measurements and states returned are on the CPU.
        """
        use_threads()
        key = self.key()
        return TrainingResult(**cached(key, lambda: vars(self._train(key)), modules=(__name__,)))

    def key(self) -> dict[str, Any]:
        """All that decides the run besides its code and the machine, as JSON values."""
        kind = type(self.model).__name__
        return {"run": asdict(self), "model": kind, "seed": settings.seed(), "task": self.task().fingerprint()}

    def build(self) -> SimplifiedTransformer | VanillaTransformer:
        """The model as it is before the first step, on the CPU."""
        generator = settings.generator(*self.seed_key, WEIGHTS)
        if isinstance(self.model, SimplifiedConfig):
            return SimplifiedTransformer(self.model, generator)
        return VanillaTransformer(self.model, generator)

    def _train(self, key: dict[str, Any]) -> TrainingResult:
        device, task = settings.device(), self.task()
        model = self.build().to(device)

        path = scratch(key, modules=(__name__,))
        run = train(
            model,
            self._draw(task, device),
            self.training,
            settings.generator(*self.seed_key, BATCHES),
            losses_at=_selected if self._is_fast() else None,
            probes=standard_probes(model, task),
            probe_steps=self.all_probe_steps(),
            checkpoint_steps=self.checkpoint_steps,
            state_path=path,
        )
        if path is not None:
            path.unlink(missing_ok=True)
        return run

    def _draw(self, task: BigramTask, device: torch.device) -> Callable[[Generator], BigramBatch]:
        """What draws the batches, where they are used."""
        size = self.training.batch_size
        if devices.is_accelerator(device):
            return bigrams_device.sampler(task, size, device)
        return lambda generator: sample(task, size, generator)

    def _is_fast(self) -> bool:
        # its tables pay where every position is wanted, too
        return isinstance(self.model, SimplifiedConfig) and self.model.n_layers == 2


def run_all(specs: Iterable[InductionSettings]) -> list[TrainingResult]:
    """What `run` gives for each of `specs`, one after the other."""
    return [spec.run() for spec in specs]


def standard_probes(model: nn.Module, task: BigramTask) -> dict[str, Probe]:
    """The memory recalls of a model (Birth eq. 9, 10) under the names every chapter uses.

    "W_K1" over all positions that have a predecessor, "W_K1_early" over those of the first quarter, "W_K1_late" over
    the rest. With two layers "W_O2" over the vocabulary, "W_K2" over the tokens that can be triggers (all, or the fixed
    ones), "W_K2_weighted" by how often each is one. "W_F_kl" where there is a linear feed-forward. Of several heads,
    the best one's value.
    """
    device = next(model.parameters()).device
    probes: dict[str, Probe] = {}
    windows = {"W_K1": (1, task.T)}
    if task.T >= 8:
        windows |= {"W_K1_early": (1, task.T // 4), "W_K1_late": (task.T // 4, task.T)}
    can_be, often = torch.ones(task.N), task.trigger_distribution.float()
    if task.triggers is not None:
        can_be = often = torch.zeros(task.N).index_fill_(0, torch.tensor(task.triggers), 1.0)
    can_be, often = can_be.to(device), often.to(device)
    if isinstance(model, SimplifiedTransformer):
        probes |= {name: partial(_recall_W_K1, window=window) for name, window in windows.items()}
        if model.config.n_layers == 2:
            probes["W_O2"] = recall_W_O2
            probes["W_K2"] = partial(recall_W_K2, weights=can_be)
            probes["W_K2_weighted"] = partial(recall_W_K2, weights=often)
        if model.config.feed_forward != "none":
            pi_b = task.pi_b.float().to(device)
            probes["W_F_kl"] = lambda m: feed_forward_kl(m.W_F, m.W_E, m.W_U, pi_b)
    elif isinstance(model, VanillaTransformer):
        probes |= {name: _best(vanilla_recall_W_K1, window=window) for name, window in windows.items()}
        if len(model.blocks) >= 2:
            probes["W_O2"] = _best(vanilla_recall_W_O2)
            probes["W_K2"] = _best(vanilla_recall_W_K2, weights=can_be)
            probes["W_K2_weighted"] = _best(vanilla_recall_W_K2, weights=often)
    return probes


def _recall_W_K1(model: SimplifiedTransformer, window: tuple[int, int]) -> Tensor:
    # of the two matrices, not of the model: one layer has no W_K2
    return previous_token_recall(model.W_K1, model.P, window)


def _best(recall: Callable[..., Tensor], **arguments: Any) -> Probe:
    return lambda model: recall(model, **arguments).max()


def _selected(model: nn.Module, batch: BigramBatch, select: Tensor) -> tuple[Tensor, Tensor]:
    assert isinstance(model, SimplifiedTransformer)
    return selected_losses(model, batch.inputs, select, batch.targets)
