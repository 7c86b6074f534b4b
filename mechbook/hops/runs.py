"""The training runs on hops that the book asks for: several seeds trained as one program, kept in one cache entry."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from mechbook.core import devices, settings
from mechbook.core.cache.entries import cached, scratch
from mechbook.core.training.ahead import seeded
from mechbook.core.training.loop import use_threads
from mechbook.hops.fast_training import train_stacked
from mechbook.hops.model import HopConfig, HopTransformer
from mechbook.hops.streams import PURPOSES, STREAMS, Purpose
from mechbook.hops.task import Composition, draw_composition, hop_head_targets, sample_letters, sample_sequences
from mechbook.hops.training import HopTrainingResult, HopTrainingSettings


@dataclass(frozen=True, kw_only=True)
class CompositionSettings:
    """Runs on the k-fold composition of permutations of n values, readout r for r hops, r = 1, ..., k.

    A seed has its hidden permutations, initial weights and batches, the same under every regime.
    """

    n: int
    k: int
    training: HopTrainingSettings
    seeds: tuple[int, ...]
    n_layers: int = 3
    n_heads: int = 8
    d: int = 64

    def config(self) -> HopConfig:
        """The model's sizes."""
        T, layers, heads = self.n * self.k, self.n_layers, self.n_heads
        return HopConfig(T=T, N=self.n, hops=self.k, n_layers=layers, n_heads=heads, d=self.d)

    def task(self, seed: int) -> Composition:
        """The hidden permutations of a seed."""
        return draw_composition(self.n, self.k, self.stream(seed, "task"))

    def sampler(
        self, seed: int, device: torch.device | str = "cpu"
    ) -> Callable[[int, Generator], tuple[Tensor, Tensor]]:
        """What draws B sequences: values carried (B, T) and targets (B, T, k), by a generator on `device`."""
        task = Composition(self.task(seed).pi.to(device))

        return lambda B, generator: sample_sequences(task, B, generator)

    def stream(self, seed: int, purpose: Purpose) -> Generator:
        """The stream of random numbers that this seed uses for one purpose."""
        return STREAMS.generator("composition", self.n, self.k, seed, PURPOSES[purpose])

    def key(self) -> dict[str, Any]:
        """All that decides the runs besides their code and the machine, as JSON values."""
        return _key(self)

    def run(self) -> list[HopTrainingResult]:
        """The runs, one for each seed, from the cache where they were made; interrupted, they go on where they were."""
        return _run(self)


@dataclass(frozen=True, kw_only=True)
class HeadSettings:
    """Runs on k-hop induction heads (Sanford et al. 2024): T places, `letters` letters, a readout for each of `hops`.

    The model is causal; one more answer, number `letters`, stands for "undefined".
    """

    letters: int
    T: int
    hops: tuple[int, ...]
    training: HopTrainingSettings
    seeds: tuple[int, ...]
    n_layers: int
    n_heads: int = 4
    d: int = 64

    def config(self) -> HopConfig:
        """The model's sizes."""
        return HopConfig(
            T=self.T,
            N=self.letters,
            N_out=self.letters + 1,
            hops=len(self.hops),
            causal=True,
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            d=self.d,
        )

    def sampler(
        self, seed: int, device: torch.device | str = "cpu"
    ) -> Callable[[int, Generator], tuple[Tensor, Tensor]]:
        """What draws B sequences: letters (B, T) and targets (B, T, hops), where the generator is."""

        def draw(B: int, generator: Generator) -> tuple[Tensor, Tensor]:
            z = sample_letters(B, self.T, self.letters, generator)
            return z, hop_head_targets(z, self.letters, self.hops)

        return draw

    def stream(self, seed: int, purpose: Purpose) -> Generator:
        """The stream of random numbers that this seed uses for one purpose."""
        return STREAMS.generator("induction heads", self.letters, self.T, seed, PURPOSES[purpose])

    def key(self) -> dict[str, Any]:
        """All that decides the runs besides their code and the machine, as JSON values."""
        return _key(self)

    def run(self) -> list[HopTrainingResult]:
        """The runs, one for each seed, from the cache where they were made; interrupted, they go on where they were."""
        return _run(self)


def _run(spec: CompositionSettings | HeadSettings) -> list[HopTrainingResult]:
    use_threads()
    return [HopTrainingResult(**result) for result in cached(spec.key(), lambda: _train(spec), modules=(__name__,))]


def _key(spec: CompositionSettings | HeadSettings) -> dict[str, Any]:
    return {"runs": asdict(spec), "kind": type(spec).__name__, "seed": settings.seed()}


def _train(spec: CompositionSettings | HeadSettings) -> list[dict[str, Any]]:
    device, B = settings.device(), spec.training.batch_size

    def drawing(seed: int) -> Callable[[Generator], tuple[Tensor, Tensor]]:
        sample = spec.sampler(seed, device)

        def draw(generator: Generator) -> tuple[Tensor, Tensor]:
            return sample(B, generator)

        return seeded(draw, device) if devices.is_accelerator(device) else draw

    models = [HopTransformer(spec.config(), spec.stream(s, "weights")).to(device) for s in spec.seeds]
    batches = [spec.stream(s, "batches") for s in spec.seeds]
    # attention that learns nothing gets sharp all the same: weights fall below 1e-38, where arithmetic is slower
    torch.set_flush_denormal(True)
    try:
        path = scratch(spec.key(), modules=(__name__,))
        results = train_stacked(models, [drawing(s) for s in spec.seeds], spec.training, batches, state_path=path)
    finally:
        torch.set_flush_denormal(False)
    if path is not None:
        path.unlink(missing_ok=True)
    return [vars(result) for result in results]


def trained(spec: CompositionSettings | HeadSettings, seed: int) -> HopTransformer:
    """The model of one seed after its training, on the settings' device. Raises ValueError for a seed not there."""
    if seed not in spec.seeds:
        raise ValueError(f"There is no seed {seed} among these runs; they are {list(spec.seeds)}.")
    model = HopTransformer(spec.config(), spec.stream(seed, "weights"))
    model.load_state_dict(spec.run()[spec.seeds.index(seed)].final)
    return model.to(settings.device()).requires_grad_(False)


def fresh(
    spec: CompositionSettings | HeadSettings, seed: int, B: int
) -> tuple[Int[Tensor, "B T"], Int[Tensor, "B T hops"]]:
    """B sequences with their targets that the seed's model was not trained on."""
    z, targets = spec.sampler(seed)(B, spec.stream(seed, "fresh"))
    return z.to(settings.device()), targets.to(settings.device())


def fresh_accuracy(spec: CompositionSettings | HeadSettings, seed: int, B: int = 512) -> Float[Tensor, "hops"]:
    """Each hop's accuracy of the trained model, over all tokens of B fresh sequences."""
    z, targets = fresh(spec, seed, B)
    # float64 on the CPU: not every device has it
    return (trained(spec, seed)(z).argmax(-1) == targets).cpu().double().mean((0, 1))
