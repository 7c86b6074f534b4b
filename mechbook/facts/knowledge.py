"""Chapter 6's knowledge capacity: bits a parameter that small GPTs learn of bioS-style people, and what int8 keeps.

Allen-Zhu and Li (2024), Definition 4.3. The people's alphabet is small, so that embeddings do not dominate a model of a
few thousand parameters. All seeds of a run are trained side by side.
"""

import math
import time
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.core.training.loop import use_threads
from mechbook.core.training.progress import Progress
from mechbook.facts.gpt import Weights, gpt_logits, initial_gpt, parameter_count, quantise_rows
from mechbook.facts.people import PeopleTask, draw_people, learned_bits, model_inputs
from mechbook.shared.vanilla import VanillaConfig

# (layers, dimension, heads): three shapes of six to nine thousand parameters, from wide to deep.
SHAPES: tuple[tuple[int, int, int], ...] = ((1, 20, 2), (2, 16, 2), (4, 12, 2))
WARMUP = 100


@dataclass(frozen=True, kw_only=True)
class KnowledgeRun:
    """One run: N people, each seen `exposures` times, all seeds side by side.

    AdamW with betas (0.9, 0.98); the rate warms up over 100 steps and falls to 0 as a cosine.
    """

    shape: tuple[int, int, int]
    N: int
    exposures: int
    batch_size: int = 100
    lr: float = 1e-2
    weight_decay: float = 0.01
    seeds: int = 3

    def people(self) -> PeopleTask:
        """The data's sizes."""
        return PeopleTask(N=self.N)

    def config(self) -> VanillaConfig:
        """The model's sizes; the vocabulary has one token more than the alphabet, for the start."""
        layers, d, heads = self.shape
        task = self.people()
        return VanillaConfig(N=task.Q + 1, T=task.length, d=d, n_layers=layers, n_heads=heads)

    def run(self) -> "Knowledge":
        """The run, from the cache where it was made before."""
        use_threads()
        key = {"knowledge": asdict(self), "seed": settings.seed()}
        return Knowledge(**cached(key, lambda: vars(_train(self)), modules=(__name__,)))


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """Bits per parameter for each seed, before and after int8 rounding, and R_max (Definition 4.3)."""

    parameters: int
    ratio: list[float]
    ratio_int8: list[float]
    most: float
    seconds: float


def exposures() -> tuple[int, ...]:
    """Exposures of the experiment, fewest first."""
    return settings.choose(laptop=(30, 100, 360), paper=(100, 300, 1000))


def people() -> tuple[int, ...]:
    """N of the experiment."""
    return settings.choose(laptop=(300, 700), paper=(300, 500, 700, 1000, 1500))


def knowledge_run(shape: tuple[int, int, int], N: int, seen: int) -> KnowledgeRun:
    """The run of one shape, N and number of exposures."""
    return KnowledgeRun(shape=shape, N=N, exposures=seen)


def _train(spec: KnowledgeRun) -> Knowledge:
    started = time.monotonic()
    task, config, G = spec.people(), spec.config(), spec.seeds
    place = (6, 8, *spec.shape, spec.N, spec.exposures)
    everyone = torch.stack([draw_people(task, settings.generator(*place, 0, seed)) for seed in range(G)])
    inputs = model_inputs(task, everyone)
    weights = initial_gpt(config, G, settings.generator(*place, 1))
    parameters = [values.requires_grad_() for values in weights.values()]
    optimizer = torch.optim.AdamW(parameters, lr=spec.lr, weight_decay=spec.weight_decay, betas=(0.9, 0.98), fused=True)
    stream, each = settings.generator(*place, 2), torch.arange(G).unsqueeze(1)
    batches = -(-spec.N // spec.batch_size)
    steps = spec.exposures * batches
    with Progress(0, steps) as progress:
        for step in range(steps):
            if step % batches == 0:
                order = torch.rand(G, spec.N, generator=stream).argsort(1)
            chosen = order[:, (step % batches) * spec.batch_size :][:, : spec.batch_size]
            logits = gpt_logits(weights, inputs[each, chosen], config)
            loss = F.cross_entropy(logits.flatten(0, 2), everyone[each, chosen].flatten()) * G
            optimizer.zero_grad()
            loss.backward()
            for group in optimizer.param_groups:
                group["lr"] = spec.lr * min(1, (step + 1) / WARMUP) * (1 + math.cos(math.pi * step / steps)) / 2
            optimizer.step()
            progress.advance()
    count = parameter_count(weights)

    def ratio(held: Weights) -> list[float]:
        return (learned_bits(task, token_losses(held, inputs, everyone, config)) / count).tolist()

    with torch.no_grad():
        exact, rounded = ratio(weights), ratio(quantise_rows(weights))
    return Knowledge(
        parameters=count,
        ratio=exact,
        ratio_int8=rounded,
        most=task.most_bits() / count,
        seconds=time.monotonic() - started,
    )


def token_losses(weights: Weights, inputs: Tensor, targets: Tensor, config: VanillaConfig) -> Tensor:
    """Cross-entropy of every token, (G, N, length), in nats."""
    logits = gpt_logits(weights, inputs, config)
    return F.cross_entropy(logits.flatten(0, 2), targets.flatten(), reduction="none").view(targets.shape)
