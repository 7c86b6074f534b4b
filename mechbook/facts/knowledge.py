"""Knowledge capacity: bits a parameter that small GPTs learn of bioS-style people, and what int8 keeps.

Allen-Zhu and Li (2024), Definition 4.3. The people's alphabet is small, so that embeddings do not dominate a model of a
few thousand parameters. All seeds of a run are trained side by side.
"""

import math
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mechbook.core import devices, settings
from mechbook.core.cache.entries import cached, scratch
from mechbook.core.training.ahead import seeded
from mechbook.core.training.keeper import Keeper
from mechbook.core.training.loop import use_threads
from mechbook.core.training.progress import Progress
from mechbook.facts.gpt import Weights, gpt_logits, initial_gpt, parameter_count, quantise_rows
from mechbook.facts.people import PeopleTask, draw_people, learned_bits, model_inputs
from mechbook.facts.streams import STREAMS
from mechbook.shared.vanilla import VanillaConfig

# Steps until the learning rate is reached.
WARMUP = 100
Shape = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class KnowledgeSettings:
    """One run: N people, each seen `exposures` times, all seeds side by side. `shape`: layers, dimension, heads.

    AdamW with betas (0.9, 0.98); the rate warms up over 100 steps and falls to 0 as a cosine.
    """

    shape: Shape
    N: int
    exposures: int
    batch_size: int
    lr: float
    weight_decay: float = 0.01
    seeds: int

    def people(self) -> PeopleTask:
        """The data's sizes."""
        return PeopleTask(N=self.N)

    def config(self) -> VanillaConfig:
        """The model's sizes; the vocabulary has one token more than the alphabet, for the start."""
        layers, d, heads = self.shape
        task = self.people()
        return VanillaConfig(N=task.Q + 1, T=task.length, d=d, n_layers=layers, n_heads=heads)

    def key(self) -> dict[str, Any]:
        """All that decides the run besides its code and the machine, as JSON values."""
        return {"knowledge": asdict(self), "seed": settings.seed()}

    def run(self) -> "KnowledgeResult":
        """The run, from the cache where it was made before, or on from where it was kept."""
        use_threads()
        return KnowledgeResult(**cached(self.key(), lambda: vars(_train(self)), modules=(__name__,)))


@dataclass(frozen=True, kw_only=True)
class KnowledgeResult:
    """Bits per parameter for each seed, before and after int8 rounding, and R_max (Definition 4.3)."""

    parameters: int
    ratio: list[float]
    ratio_int8: list[float]
    most: float
    seconds: float


def _train(spec: KnowledgeSettings) -> KnowledgeResult:
    started = time.monotonic()
    task, config, G = spec.people(), spec.config(), spec.seeds
    place = (*spec.shape, spec.N, spec.exposures)
    everyone = torch.stack([draw_people(task, STREAMS.generator("knowledge", *place, 0, seed)) for seed in range(G)])
    device = settings.device()
    everyone = everyone.to(device)
    drawn = initial_gpt(config, G, STREAMS.generator("knowledge", *place, 1))
    weights = {name: values.to(device) for name, values in drawn.items()}
    path = scratch(spec.key(), modules=(__name__,))
    keeper = Keeper(path, {"run": spec.key()})
    train_people(weights, everyone, spec, STREAMS.generator("knowledge", *place, 2), keeper)
    if path is not None:
        path.unlink(missing_ok=True)
    inputs = model_inputs(task, everyone)
    count = parameter_count(weights)

    def ratio(held: Weights) -> list[float]:
        return (learned_bits(task, token_losses(held, inputs, everyone, config)) / count).tolist()

    with torch.no_grad():
        exact, rounded = ratio(weights), ratio(quantise_rows(weights))
    return KnowledgeResult(
        parameters=count,
        ratio=exact,
        ratio_int8=rounded,
        most=task.most_bits() / count,
        seconds=time.monotonic() - started,
    )


def train_people(
    weights: Weights, everyone: Tensor, spec: KnowledgeSettings, stream: torch.Generator, keeper: Keeper | None = None
) -> None:
    """Train the stack in place, model g on everyone[g], with the people's order drawn from `stream`.

    `keeper` keeps the state between steps, and has that of an interrupted call. `stream` is on the CPU, wherever the
    people and the weights are, and nothing else is read from the device. `mechbook.facts.plain.learn_people` is the
    definition, for one model.
    """
    config, G, device = spec.config(), len(everyone), everyone.device
    inputs = model_inputs(spec.people(), everyone)
    parameters = [values.requires_grad_() for values in weights.values()]
    optimizer = torch.optim.AdamW(
        parameters, lr=spec.lr, weight_decay=spec.weight_decay, betas=(0.9, 0.98), **devices.fast_optimizer(device)
    )
    each = torch.arange(G, device=device).unsqueeze(1)

    def in_any_order(generator: torch.Generator) -> Tensor:
        return torch.rand(G, spec.N, generator=generator, device=device).argsort(1)

    draw = seeded(in_any_order, device) if devices.is_accelerator(device) else in_any_order
    batches = -(-spec.N // spec.batch_size)
    steps, first = spec.exposures * batches, 0
    named = dict(zip(weights, parameters, strict=True))
    order = torch.empty(0)
    if keeper is not None and (state := keeper.read()) is not None:
        first, order = state["step"], state["order"].to(device)
        stream.set_state(state["stream"])
        with torch.no_grad():
            for name, found in state["weights"].items():
                weights[name].copy_(found)
        for name, found in state["moments"].items():
            optimizer.state[named[name]] = {what: value.to(named[name].device) for what, value in found.items()}

    def now() -> dict[str, Any]:
        held = {name: values.detach() for name, values in weights.items()}
        moments = {name: dict(optimizer.state[values]) for name, values in named.items()}
        return {"weights": held, "moments": moments, "order": order, "stream": stream.get_state()}

    with Progress(first, steps) as progress:
        for step in range(first, steps):
            if keeper is not None:
                keeper.turn(step, now)
            if step % batches == 0:
                order = draw(stream)
            chosen = order[:, (step % batches) * spec.batch_size :][:, : spec.batch_size]
            logits = gpt_logits(weights, inputs[each, chosen], config)
            loss = F.cross_entropy(logits.flatten(0, 2), everyone[each, chosen].flatten()) * G
            optimizer.zero_grad()
            loss.backward()
            for group in optimizer.param_groups:
                group["lr"] = spec.lr * min(1, (step + 1) / WARMUP) * (1 + math.cos(math.pi * step / steps)) / 2
            optimizer.step()
            progress.advance()


def token_losses(weights: Weights, inputs: Tensor, targets: Tensor, config: VanillaConfig) -> Tensor:
    """Cross-entropy of every token, (G, N, length), in nats."""
    logits = gpt_logits(weights, inputs, config)
    return F.cross_entropy(logits.flatten(0, 2), targets.flatten(), reduction="none").view(targets.shape)
