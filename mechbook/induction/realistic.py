"""Figure 10's architecture: LayerNorm and trained embeddings as in the vanilla transformer, an MLP in layer 2 only.

Its runs are longer in T than the chapter's other vanilla runs, and are probed with both readings of equation (9).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from mechbook.core import devices, settings
from mechbook.core.cache.entries import cached, scratch
from mechbook.core.training.loop import Probe, TrainingResult, train, use_threads
from mechbook.core.training.settings import TrainingSettings
from mechbook.induction.metrics import in_context_accuracy
from mechbook.induction.positions import checked
from mechbook.induction.runs import BATCHES, FRESH, WEIGHTS, standard_probes
from mechbook.shared import bigrams_device
from mechbook.shared.bigrams import BigramBatch, BigramTask, sample, shakespeare_task
from mechbook.shared.recall import memory_recall
from mechbook.shared.shakespeare import load_counts
from mechbook.shared.vanilla import VanillaBlock, VanillaConfig, VanillaTransformer

# Updates between two probes.
PROBE_EVERY = 20
# The name of W_K1's recall by equation (9), over all keys.
ALL_KEYS = "W_K1_all_keys"


class AttentionBlock(VanillaBlock):
    """A layer without MLP: x := x + W_O attention(LN_1 x)."""

    def __init__(self, config: VanillaConfig, generator: Generator) -> None:
        super().__init__(config, generator)
        for name in ("norm_2", "W_in", "b_in", "W_out", "b_out"):
            delattr(self, name)

    def _finish(self, x: Float[Tensor, "B T d"], mixed: Float[Tensor, "B H T d_h"]) -> Float[Tensor, "B T d"]:
        return x + mixed.transpose(1, 2).flatten(2) @ self.W_O.T


class RealisticTransformer(VanillaTransformer):
    """The vanilla transformer without the MLP of its first layer (Birth Figure 10)."""

    def __init__(self, config: VanillaConfig, generator: Generator) -> None:
        super().__init__(config, generator)
        self.blocks[0] = AttentionBlock(config, generator)


def recall_W_K1_all_keys(model: VanillaTransformer, window: tuple[int, int] | None = None) -> Float[Tensor, ""]:
    """Return the share of positions t whose query W_Q LN(p_t) prefers key t - 1 of all keys W_K LN(p_s) (Birth eq. 9).

    Of a model with one head, whose d is the head's. `window` (start, stop) restricts t, counted from 0; None is (1, T).
    Raises ValueError when the window is empty or outside 1..T.
    """
    block = model.blocks[0]
    assert isinstance(block, VanillaBlock)
    start, stop = checked(len(model.P), window)
    positions = block.norm_1(model.P)
    queries = torch.arange(start, stop, device=positions.device)
    return memory_recall(block.W_K.T @ block.W_Q, positions[start:stop], positions, targets=queries - 1)


@dataclass(frozen=True, kw_only=True)
class RealisticSettings:
    """What decides one run of Figure 10: random triggers, uniform outputs, everything trained on every token.

    T, K, d: inputs and triggers of a sequence, and width
    seed_key: names the run's weights and data among the streams
    """

    T: int
    K: int
    d: int
    training: TrainingSettings
    seed_key: tuple[int, ...]

    def task(self) -> BigramTask:
        """The data's distribution."""
        return shakespeare_task(T=self.T, K=self.K)

    def key(self) -> dict[str, Any]:
        """All that decides the run besides its code and the machine, as JSON values."""
        return {"realistic": asdict(self), "seed": settings.seed(), "task": self.task().fingerprint()}

    def build(self) -> RealisticTransformer:
        """The model as it is before the first step, on the CPU."""
        config = VanillaConfig(N=load_counts().N, T=self.T, d=self.d, position_std=1.0)
        return RealisticTransformer(config, settings.generator(*self.seed_key, WEIGHTS))

    def run(self) -> TrainingResult:
        """The run, from the cache where it was made before; one that was interrupted goes on where it stopped."""
        use_threads()
        key = self.key()
        return TrainingResult(**cached(key, lambda: vars(self._train(key)), modules=(__name__,)))

    def accuracy(self) -> float:
        """In-context accuracy of the trained model on fresh sequences."""
        run, model = self.run(), self.build()
        model.load_state_dict(run.final)
        model = model.to(settings.device()).requires_grad_(False)
        batch = sample(self.task(), 512, settings.generator(*self.seed_key, FRESH), settings.device())
        return float(in_context_accuracy(model(batch.inputs), batch))

    def _train(self, key: dict[str, Any]) -> TrainingResult:
        device, task = settings.device(), self.task()
        model = self.build().to(device)
        path = scratch(key, modules=(__name__,))
        probes: dict[str, Probe] = standard_probes(model, task) | {ALL_KEYS: recall_W_K1_all_keys}
        run = train(
            model,
            self._draw(task, device),
            self.training,
            settings.generator(*self.seed_key, BATCHES),
            probes=probes,
            probe_steps=sorted({*range(0, self.training.steps, PROBE_EVERY), self.training.steps}),
            state_path=path,
        )
        if path is not None:
            path.unlink(missing_ok=True)
        return run

    def _draw(self, task: BigramTask, device: torch.device) -> Callable[[Generator], BigramBatch]:
        size = self.training.batch_size
        if devices.is_accelerator(device):
            return bigrams_device.sampler(task, size, device)
        return lambda generator: sample(task, size, generator)
