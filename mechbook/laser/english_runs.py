"""Training runs of the small GPT-NeoX on generated English, with the checkpoints that Pythia has."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn
from transformers import GPTNeoXForCausalLM

from mechbook.core import devices, settings
from mechbook.core.cache.entries import cached, scratch
from mechbook.core.training.ahead import seeded
from mechbook.core.training.loop import TrainingResult, train, use_threads
from mechbook.core.training.settings import TrainingSettings
from mechbook.laser.data import english
from mechbook.laser.data.english import EnglishBatch, EnglishTask
from mechbook.laser.presets import N_HEADS, LaserPreset
from mechbook.laser.streams import STREAMS
from mechbook.pretrained.small_neox import SmallNeoXConfig, small_neox


def pythia_steps(last: int) -> tuple[int, ...]:
    """The steps up to `last` at which Pythia has checkpoints: 0, 1, 2, 4, ..., 512, 1000, 2000, ..., 143000."""
    early = (0, *(2**power for power in range(10)))
    return tuple(step for step in (*early, *range(1000, 143001, 1000)) if step <= last)


@dataclass(frozen=True, kw_only=True)
class EnglishSettings:
    """One run: the task, the model's sizes, how it is trained, and the key of its random streams."""

    task: EnglishTask
    model: SmallNeoXConfig
    training: TrainingSettings
    seed_key: tuple[int, ...]

    def __post_init__(self) -> None:
        if (self.model.N, self.model.T) != (english.N, self.task.T):
            raise ValueError(
                f"The model has N = {self.model.N}, T = {self.model.T}; it must have the language's {english.N} words "
                f"and the task's {self.task.T} inputs."
            )

    def checkpoint_steps(self) -> tuple[int, ...]:
        """The steps whose weights are kept, the last of the training among them."""
        return tuple(sorted({*pythia_steps(self.training.steps), self.training.steps}))

    def key(self) -> dict[str, Any]:
        """All that decides the run besides its code and the machine, as JSON values."""
        return {"run": asdict(self), "seed": settings.seed()}

    def run(self) -> TrainingResult:
        """The run, from the cache where it was made before; one that was interrupted goes on where it stopped."""
        use_threads()
        return TrainingResult(**cached(self.key(), lambda: vars(self._train()), modules=(__name__,)))

    def build(self) -> GPTNeoXForCausalLM:
        """The model as it is before the first step, on the CPU."""
        return small_neox(self.model, settings.generator(*self.seed_key, 0))

    def checkpoints(self) -> "Checkpoints":
        """One model on the settings' device, in evaluation mode, that can be set to each of the run's checkpoints."""
        return Checkpoints(_placed(self.build()), self.run())

    def _train(self) -> TrainingResult:
        device = settings.device()
        model = _placed(self.build())

        def draw(generator: Generator) -> EnglishBatch:
            return english.sample(self.task, self.training.batch_size, generator)

        state = scratch(self.key(), modules=(__name__,))
        run = train(
            model,
            seeded(draw, device) if devices.is_accelerator(device) else draw,
            self.training,
            settings.generator(*self.seed_key, 1),
            logits_at=_selected,
            logits_of=_everywhere,
            probe_steps=self.checkpoint_steps(),
            checkpoint_steps=self.checkpoint_steps(),
            state_path=state,
        )
        if state is not None:
            state.unlink(missing_ok=True)
        return run


@dataclass(frozen=True, eq=False)
class Checkpoints:
    """A model and the run whose checkpoints it can be set to."""

    model: nn.Module
    run: TrainingResult

    def at(self, step: int) -> nn.Module:
        """The model as it was after `step` updates. Raises KeyError for a step that was not kept."""
        self.model.load_state_dict(self.run.checkpoints[step])
        return self.model


def english_settings(setup: LaserPreset, seed: int) -> EnglishSettings:
    """The chapter's run number `seed`: AdamW on documents that are about names for the most part."""
    return EnglishSettings(
        task=EnglishTask(T=setup.T, alpha=setup.alpha, ioi=0.6),
        model=SmallNeoXConfig(N=english.N, T=setup.T, d=setup.d, n_layers=setup.layers, n_heads=N_HEADS),
        training=TrainingSettings(
            steps=setup.steps,
            batch_size=setup.batch_size,
            optimizer="adamw",
            lr=setup.lr,
            weight_decay=0.01,
            warmup=50,
            clip_norm=1.0,
            loss_on="all",
        ),
        seed_key=(*STREAMS["english"], seed),
    )


def _placed(model: nn.Module) -> nn.Module:
    return model.to(settings.device())


def _everywhere(model: nn.Module, batch: EnglishBatch) -> Tensor:
    T = batch.inputs.shape[1]
    # without a mask transformers reads from the device whether documents are packed
    causal = torch.ones(1, 1, T, T, dtype=torch.bool, device=batch.inputs.device).tril()
    logits: Tensor = model(batch.inputs, attention_mask=causal).logits
    return logits


def _selected(model: nn.Module, batch: EnglishBatch, select: Tensor) -> Tensor:
    logits: Tensor = model(batch.inputs).logits
    return logits[select]
