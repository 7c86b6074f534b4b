"""How facts are learned (Nichani et al. Figure 5): gradient descent on linear attention, and on one softmax head.

All seeds of a run are trained side by side, as one stack of models; each has its own initial weights and data.
`mechbook.facts.plain.descend_one` is the definition, for one model.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from mechbook.core import settings
from mechbook.core.cache.entries import cached, scratch
from mechbook.core.progress import Line
from mechbook.core.training.keeper import Keeper
from mechbook.core.training.loop import use_threads
from mechbook.facts.model import head_tables, linear_logits, softmax_logits
from mechbook.facts.probes import FactScores, fact_scores
from mechbook.facts.streams import STREAMS
from mechbook.facts.task import FactTask, structured_answers
from mechbook.facts.task_stack import FactStack, StackBatch
from mechbook.facts.task_stack_device import drawing

Model = Literal["linear", "softmax"]
SCORES = ("loss", "relation_only", "subject_only", "accuracy", "valid")


@dataclass(frozen=True, kw_only=True)
class DynamicsSettings:
    """One panel of Figure 5: gradient descent without momentum on fresh batches, for several seeds.

    model: "linear" (attention without softmax, one-hot embeddings) or "softmax" (random unit embeddings, dimension d)
    init: what every trained entry is at first; with jitter > 0, times 1 + jitter N(0, 1)
    probe_every: scores on a fixed test batch every so many steps, and at the end
    checkpoints: how many times the first seed's tables are kept, spread over the logarithm of the steps
    """

    model: Model
    S: int
    R: int
    D: int
    T: int
    n_noise: int
    d: int = 0
    lr: float
    steps: int
    batch_size: int
    init: float
    jitter: float = 0.1
    seeds: int
    probe_every: int = 16
    test_size: int = 4096
    checkpoints: int = 25

    def task(self) -> FactTask:
        """The data: structured answers."""
        answers = structured_answers(self.S, self.R, self.D)
        return FactTask(S=self.S, R=self.R, D=self.D, T=self.T, n_noise=self.n_noise, answers=answers)

    def key(self) -> dict[str, Any]:
        """All that decides the run besides its code and the machine, as JSON values."""
        return {"dynamics": asdict(self), "seed": settings.seed()}

    def run(self) -> "DynamicsResult":
        """The run, from the cache where it was made before; interrupted, it goes on from where it was kept.

        On the device of the settings, the result on the CPU.
        """
        use_threads()
        return DynamicsResult(**cached(self.key(), lambda: vars(_train(self)), modules=(__name__,)))


@dataclass(frozen=True, kw_only=True, eq=False)
class DynamicsResult:
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


def checkpoint_steps(steps: int, count: int) -> list[int]:
    """Return 0, `steps`, and between them about `count` steps, evenly spaced on a logarithmic scale."""
    return sorted({0, steps, *(round(steps ** (i / count)) for i in range(count // 4, count))})


def _train(spec: DynamicsSettings) -> DynamicsResult:
    started, device = time.monotonic(), settings.device()
    stack = FactStack([spec.task()] * spec.seeds)
    draw = drawing(stack, device)
    stream = STREAMS.generator(spec.model, 1)
    logits, tables, kernels = _model(spec, stack, STREAMS.generator(spec.model, 0), device)
    test = draw(spec.test_size, STREAMS.generator(spec.model, 2))
    probes = sorted({*range(0, spec.steps, spec.probe_every), spec.steps})
    kept = checkpoint_steps(spec.steps, spec.checkpoints)
    scores: list[FactScores] = []
    snapshots: list[tuple[Tensor, Tensor]] = []
    path, first, before = scratch(spec.key(), modules=(__name__,)), 0, 0.0
    keeper = Keeper(path, {"run": spec.key()})
    if (state := keeper.read()) is not None:
        first, before = state["step"], state["seconds"]
        snapshots = [(values.to(device), weights.to(device)) for values, weights in state["snapshots"]]
        scores = [FactScores(**{name: row[name].to(device) for name in SCORES}) for row in state["scores"]]
        stream.set_state(state["stream"])
        for table, found in zip(tables, state["tables"], strict=True):
            table.copy_(found)

    def now() -> dict[str, Any]:
        return {
            "tables": [table.clone() for table in tables],
            "snapshots": snapshots,
            "scores": [{name: getattr(score, name) for name in SCORES} for score in scores],
            "stream": stream.get_state(),
            "seconds": before + time.monotonic() - started,
        }

    what = f"how facts are learned, {spec.model} attention, {spec.seeds} seeds"
    with Line(what, spec.steps, "steps", start=first) as line:
        for step in range(first, spec.steps + 1):
            keeper.turn(step, now)
            if step in kept:
                snapshots.append((tables[0][0].clone(), tables[1][0].clone()))
            if step % spec.probe_every == 0 or step == spec.steps:
                scores.append(fact_scores(logits(*tables, test.counts), test.targets, spec.D))
            if step < spec.steps:
                descend(logits, tables, kernels, draw(spec.batch_size, stream), spec.lr)
                line.advance()
    if not all(bool(table.isfinite().all()) for table in tables):
        raise FloatingPointError(f"The weights are not finite after {spec.steps} steps: lower lr = {spec.lr:g}.")
    if path is not None:
        path.unlink(missing_ok=True)
    return DynamicsResult(
        steps=probes,
        scores={name: torch.stack([getattr(score, name) for score in scores]).cpu() for name in SCORES},
        checkpoint_steps=kept,
        values=torch.stack([values for values, _ in snapshots]).cpu(),
        weights=torch.stack([weights for _, weights in snapshots]).cpu(),
        final_values=tables[0].cpu(),
        final_weights=tables[1].cpu(),
        seconds=before + time.monotonic() - started,
    )


Logits = Callable[[Tensor, Tensor, Tensor], Tensor]


def _model(
    spec: DynamicsSettings, stack: FactStack, generator: torch.Generator, device: torch.device
) -> tuple[Logits, tuple[Tensor, Tensor], tuple[Tensor, Tensor] | None]:
    """The model as a function of its two tables and the counts, the tables at first, and the kernels of `descend`."""

    def start(*shape: int) -> Tensor:
        return (spec.init * (1 + spec.jitter * torch.randn(spec.seeds, *shape, generator=generator))).to(device)

    if spec.model == "linear":
        return linear_logits, (start(stack.V, stack.A), start(stack.V)), None
    drawn = (torch.randn(spec.seeds, n, spec.d, generator=generator) for n in (stack.V, stack.A))
    E, U = (F.normalize(rows, dim=-1).to(device) for rows in drawn)
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
