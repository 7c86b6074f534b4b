"""Chapter 6's training dynamics (Nichani et al. Figure 5) at both scales: linear attention, and one softmax head.

All seeds of a run are trained side by side, as one stack of models; each has its own initial weights and data.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.core.training.loop import use_threads
from mechbook.core.training.progress import Progress
from mechbook.facts.model import head_tables, linear_logits, softmax_logits
from mechbook.facts.probes import FactScores, fact_scores
from mechbook.facts.task import FactTask, structured_answers
from mechbook.facts.task_stack import FactStack, StackBatch

SCORES = ("loss", "relation_only", "subject_only", "accuracy", "valid")


@dataclass(frozen=True, kw_only=True)
class DynamicsRun:
    """One panel of Figure 5: gradient descent without momentum on fresh batches, for several seeds.

    model: "linear" (attention without softmax, one-hot embeddings) or "softmax" (random unit embeddings, dimension d)
    init: what every trained entry is at first; with jitter > 0, times 1 + jitter N(0, 1)
    probe_every: scores on a fixed test batch every so many steps, and at the end
    checkpoints: how many times the first seed's tables are kept, spread over the logarithm of the steps
    """

    model: str
    S: int = 16
    R: int = 4
    D: int = 8
    T: int = 32
    n_noise: int = 20
    d: int = 0
    lr: float
    steps: int
    batch_size: int
    init: float = 1e-5
    jitter: float = 0.1
    seeds: int
    probe_every: int = 16
    test_size: int = 4096
    checkpoints: int = 25

    def task(self) -> FactTask:
        """The data: structured answers."""
        answers = structured_answers(self.S, self.R, self.D)
        return FactTask(S=self.S, R=self.R, D=self.D, T=self.T, n_noise=self.n_noise, answers=answers)

    def run(self) -> "Dynamics":
        """The run, from the cache where it was made before; on the CPU."""
        use_threads()
        key = {"dynamics": asdict(self), "seed": settings.seed()}
        return Dynamics(**cached(key, lambda: vars(_train(self)), modules=(__name__,)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Dynamics:
    """What a run measured: `scores[name]` is (probe steps, seeds); tables of the first seed at `checkpoint_steps`.

    values: (checkpoints, V, A), what one token adds to each logit; weights: (checkpoints, V), w_KQ(z) of the linear
    model or the attention score of the softmax head. `final_values` and `final_weights` have all seeds.
    """

    steps: list[int]
    scores: dict[str, Tensor]
    checkpoint_steps: list[int]
    values: Tensor
    weights: Tensor
    final_values: Tensor
    final_weights: Tensor
    seconds: float


def linear_run() -> DynamicsRun:
    """Figure 5, left."""
    batch = settings.choose(laptop=512, paper=1024)
    return DynamicsRun(model="linear", lr=0.1, steps=8192, batch_size=batch, seeds=5)


def softmax_run(d: int = 256) -> DynamicsRun:
    """Figure 5, right; `d` is the embeddings' dimension."""
    batch = settings.choose(laptop=128, paper=1024)
    return DynamicsRun(model="softmax", d=d, lr=4.0, steps=8192, batch_size=batch, seeds=5)


def longest_stretch(steps: Sequence[int], inside: Sequence[bool]) -> tuple[int, int]:
    """Return first and last of the longest stretch of probe steps that are all inside; (0, 0) for none."""
    best, start = (0, 0), None
    for step, here in zip(steps, inside, strict=True):
        start = (step if start is None else start) if here else None
        if start is not None and step - start > best[1] - best[0]:
            best = (start, step)
    return best


def checkpoint_steps(steps: int, count: int) -> list[int]:
    """Return 0, `steps`, and between them about `count` steps, evenly spaced on a logarithmic scale."""
    return sorted({0, steps, *(round(steps ** (i / count)) for i in range(count // 4, count))})


def _train(spec: DynamicsRun) -> Dynamics:
    started = time.monotonic()
    panel = 5 if spec.model == "linear" else 6
    stack = FactStack([spec.task()] * spec.seeds)
    stream = settings.generator(6, panel, 1)
    logits, tables, kernels = _model(spec, stack, settings.generator(6, panel, 0))
    test = stack.sample_counts(spec.test_size, settings.generator(6, panel, 2))
    probes = sorted({*range(0, spec.steps, spec.probe_every), spec.steps})
    kept = checkpoint_steps(spec.steps, spec.checkpoints)
    scores: list[FactScores] = []
    snapshots: list[tuple[Tensor, Tensor]] = []
    with Progress(0, spec.steps) as progress:
        for step in range(spec.steps + 1):
            if step in kept:
                snapshots.append((tables[0][0].clone(), tables[1][0].clone()))
            if step % spec.probe_every == 0 or step == spec.steps:
                scores.append(fact_scores(logits(*tables, test.counts), test.targets, spec.D))
            if step < spec.steps:
                descend(logits, tables, kernels, stack.sample_counts(spec.batch_size, stream), spec.lr)
                progress.advance()
    if not all(bool(table.isfinite().all()) for table in tables):
        raise FloatingPointError(f"The weights are not finite after {spec.steps} steps: lower lr = {spec.lr:g}.")
    return Dynamics(
        steps=probes,
        scores={name: torch.stack([getattr(score, name) for score in scores]) for name in SCORES},
        checkpoint_steps=kept,
        values=torch.stack([values for values, _ in snapshots]),
        weights=torch.stack([weights for _, weights in snapshots]),
        final_values=tables[0],
        final_weights=tables[1],
        seconds=time.monotonic() - started,
    )


Logits = Callable[[Tensor, Tensor, Tensor], Tensor]


def _model(
    spec: DynamicsRun, stack: FactStack, generator: torch.Generator
) -> tuple[Logits, tuple[Tensor, Tensor], tuple[Tensor, Tensor] | None]:
    """The model as a function of its two tables and the counts, the tables at first, and the kernels of `descend`."""

    def start(*shape: int) -> Tensor:
        return spec.init * (1 + spec.jitter * torch.randn(spec.seeds, *shape, generator=generator))

    if spec.model == "linear":
        return linear_logits, (start(stack.V, stack.A), start(stack.V)), None
    E, U = (F.normalize(torch.randn(spec.seeds, n, spec.d, generator=generator), dim=-1) for n in (stack.V, stack.A))
    tables = head_tables(E, U, start(spec.d, spec.d), start(spec.d))
    return softmax_logits, tables, (E @ E.mT, U @ U.mT)


def descend(
    logits: Logits,
    tables: tuple[Tensor, Tensor],
    kernels: tuple[Tensor, Tensor] | None,
    batch: StackBatch,
    lr: float,
) -> None:
    """One step of gradient descent on each model's mean cross-entropy, in place.

    The tables are the parameters themselves (kernels None: one-hot embeddings), or made by `head_tables` from W_OV and
    W_KQ e_EOS. A step on those matrices changes values = E W_OV^T U^T by -lr (E E^T) gradient (U U^T), and scores by
    -lr (E E^T) gradient: with the kernels (E E^T, U U^T) it is the same step, at a cost that does not depend on d.
    """
    values, weights = (table.detach().requires_grad_() for table in tables)
    out = logits(values, weights, batch.counts)
    # the sum over models of each one's mean: no model's gradient depends on the others
    loss = F.cross_entropy(out.flatten(0, 1), batch.targets.flatten(), reduction="sum") / batch.targets.shape[1]
    by_values, by_weights = torch.autograd.grad(loss, (values, weights))
    if kernels is not None:
        of_inputs, of_outputs = kernels
        by_values = of_inputs @ by_values @ of_outputs
        by_weights = (of_inputs @ by_weights.unsqueeze(-1)).squeeze(-1)
    tables[0].sub_(by_values, alpha=lr)
    tables[1].sub_(by_weights, alpha=lr)


def uniform_loss(task: FactTask) -> float:
    """log |A|, the loss of a model that knows nothing."""
    return math.log(task.A)


def relation_loss(task: FactTask) -> float:
    """log D, the loss of the best prediction that ignores the subject, for balanced answers."""
    return math.log(task.D)


def results(run: Dynamics, name: str) -> Any:
    """A score as rows of seeds, (seeds, probe steps), as figures take it."""
    return run.scores[name].T.numpy()


def growth_rates(S: int, R: int, D: int) -> tuple[float, float]:
    """Return |g_r| and |g_s|, the rates at which linear attention learns relations and subjects from a small start.

    g_z(a) = E[1{z occurs} (1{a = a*} - 1/|A|)] is minus the loss's gradient by the logit, summed over sequences with z:
    |g_r|^2 = (1 - 1/R) / (R^2 D), |g_s|^2 = (1 - 1/D) / (S^2 R).
    """
    return math.sqrt((1 - 1 / R) / D) / R, math.sqrt((1 - 1 / D) / R) / S


def escape_steps(rate: float, lr: float, init: float) -> float:
    """Return when w_z(t) W_z(t), both growing as (init / 2) e^(rate lr t), is 1: log(2 / init) / (rate lr) steps."""
    return math.log(2 / init) / (rate * lr)


def swapped_run() -> DynamicsRun:
    """Linear attention with few subjects and many relations, where the subject is learned first."""
    return DynamicsRun(model="linear", S=8, R=32, lr=0.3, steps=5120, batch_size=256, seeds=3, test_size=2048)
