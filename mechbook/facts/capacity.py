"""Chapter 6's trained capacities (Nichani et al. Figure 3): facts against parameters, and attention against MLP.

Models of one shape are trained side by side as a stack, over seeds and over sizes of the task. On the CPU: products of
this size gain nothing elsewhere.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.core.training.loop import use_threads
from mechbook.facts.model import FactConfig, FactWeights, count_logits, initial_weights, stack
from mechbook.facts.task import FactTask, random_answers
from mechbook.facts.task_stack import FactStack
from mechbook.shared.capacity_search import candidates, capacities_by_climbing

TEST_SIZE = 1024


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How every model of Figure 3 is trained: AdamW without weight decay, the rate falling linearly to 0, fresh data.

    With several rates the best one counts, for each model.
    """

    steps: int
    batch_size: int
    rates: tuple[float, ...]


def capacity_recipe() -> Recipe:
    """Figure 3, left."""
    return settings.choose(
        laptop=Recipe(steps=1500, batch_size=256, rates=(1e-2,)),
        paper=Recipe(steps=2**14, batch_size=1024, rates=(1e-3, 3e-3, 1e-2)),
    )


def tradeoff_recipe() -> Recipe:
    """Figure 3, right."""
    return settings.choose(
        laptop=Recipe(steps=1200, batch_size=256, rates=(1e-2,)),
        paper=Recipe(steps=2**14, batch_size=1024, rates=(1e-2,)),
    )


def random_task(S: int, generator: torch.Generator) -> FactTask:
    """S subjects and S relations, 8 answers each, random facts, twice as many noise tokens, T = 32."""
    return FactTask(S=S, R=S, D=8, T=32, n_noise=2 * S, answers=random_answers(S, S, 8, generator))


def train_stack(
    tasks: Sequence[FactTask],
    weights: FactWeights,
    recipe: Recipe,
    rate: float,
    generator: torch.Generator,
    *,
    hidden: Tensor | None = None,
) -> Tensor:
    """Train the stack in place, model g on task g, and return each model's accuracy on fresh sequences.

    `hidden` (G, m), of zeros and ones, says which neurons of its MLP a model has; None: all of them.
    """
    together = FactStack(tasks)
    impossible = None if bool(together.possible.all()) else ~together.possible.unsqueeze(1)

    def logits(counts: Tensor) -> Tensor:
        out = count_logits(weights, counts)
        return out if impossible is None else out.masked_fill(impossible, -torch.inf)

    if hidden is not None:
        # Far below its threshold a neuron is off, and so are all of its gradients.
        weights.b_in.sub_(1e3 * (1 - hidden))
        # As drawn for the width that is left.
        weights.W_out.mul_((hidden.shape[1] / hidden.sum(1).clamp(min=1)).sqrt().view(-1, 1, 1))
    parameters = [p.requires_grad_() for p in weights.trained()]
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.0, fused=True)
    for step in range(recipe.steps):
        batch = together.sample_counts(recipe.batch_size, generator)
        out = logits(batch.counts)
        loss = F.cross_entropy(out.flatten(0, 1), batch.targets.flatten(), reduction="sum") / recipe.batch_size
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / recipe.steps)
        optimizer.step()
    test = together.sample_counts(TEST_SIZE, generator)
    with torch.no_grad():
        return (logits(test.counts).argmax(-1) == test.targets).double().mean(-1)


def shape(d: int, alpha: float, beta: float, S: int) -> FactConfig:
    """The model of Figure 3, left, in dimension d for a task of size S: H = 8, d_h = alpha d / 8, m = beta d."""
    return FactConfig(V=4 * S + 1, A=8 * S, d=d, H=8, d_h=max(1, round(alpha * d / 8)), m=round(beta * d))


def capacity_points() -> tuple[tuple[int, float, float], ...]:
    """(d, alpha, beta) of every point of Figure 3, left.

    Laptop: of the paper's dimensions those up to 45 whose models store at least 8 x 8 facts, where its search begins.
    """
    wide = (0.25, 0.5, 1.0, 2.0, 4.0)
    return settings.choose(
        laptop=((16, 1.0, 1.0), (23, 1.0, 1.0), (32, 1.0, 1.0), (45, 1.0, 1.0),
                (11, 1.0, 4.0), (16, 1.0, 4.0), (23, 1.0, 4.0), (32, 1.0, 4.0)),
        paper=tuple((round(2 ** (k / 2)), a, b) for k in range(6, 16) for a in wide for b in wide),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What a search found for one shape: its parameters, and for each seed the largest S with accuracy 0.99."""

    parameters: int
    sizes: list[int]
    seconds: float


def capacity(d: int, alpha: float, beta: float, seeds: int = 3) -> Capacity:
    """The largest S = R of which a model of this shape learns 99% of the S^2 facts, for each seed; cached."""
    use_threads()
    recipe = capacity_recipe()
    key = {"capacity": [d, alpha, beta, seeds], "recipe": asdict(recipe), "seed": settings.seed()}
    return Capacity(**cached(key, lambda: vars(_capacity(d, alpha, beta, seeds, recipe)), modules=(__name__,)))


def _capacity(d: int, alpha: float, beta: float, seeds: int, recipe: Recipe) -> Capacity:
    started = time.monotonic()
    place = (6, 3, d, round(100 * alpha), round(100 * beta))
    asked = 0

    def passes(pairs: Sequence[tuple[int, int]]) -> list[bool]:
        nonlocal asked
        asked += 1
        largest = max(size for _, size in pairs)
        best = torch.zeros(len(pairs), dtype=torch.float64)
        for number, rate in enumerate(recipe.rates):
            stream = settings.generator(*place, 1, asked, number)
            tasks = [random_task(size, settings.generator(*place, 0, seed, size)) for seed, size in pairs]
            weights = stack([initial_weights(shape(d, alpha, beta, largest), stream) for _ in pairs])
            best = torch.maximum(best, train_stack(tasks, weights, recipe, rate, stream))
        return [accuracy >= 0.99 for accuracy in best.tolist()]

    parameters = shape(d, alpha, beta, 1).parameters
    guess = max(2, round(0.25 * parameters**0.5))
    sizes = capacities_by_climbing(passes, [candidates(2, 8 * guess, 1.06)] * seeds, [guess] * seeds)
    return Capacity(parameters=parameters, sizes=sizes, seconds=time.monotonic() - started)


@dataclass(frozen=True, kw_only=True)
class TradeoffGrid:
    """The grid of Figure 3, right: S = R, dimension d, head dimension d_h, numbers of heads H, and MLP widths m."""

    S: int
    d: int = 32
    d_h: int = 8
    H: tuple[int, ...]
    m: tuple[int, ...]
    seeds: int = 3

    def parameters(self) -> Tensor:
        """Parameters of each cell, (len(H), len(m)): 4 H d_h d + 2 m d."""
        return torch.tensor([[4 * H * self.d_h * self.d + 2 * m * self.d for m in self.m] for H in self.H])


def tradeoff_grid() -> TradeoffGrid:
    """Figure 3, right, at the scale of the settings."""
    return settings.choose(
        laptop=TradeoffGrid(S=16, H=(1, 2, 4, 6, 8, 12, 16), m=(0, 16, 32, 64, 128)),
        paper=TradeoffGrid(
            S=32,
            H=(1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32),
            m=(0, 8, 16, 32, 48, 64, 96, 128, 192, 256, 320, 384, 512),
        ),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Tradeoff:
    """Accuracy of every cell and seed, (len(H), len(m), seeds), and the seconds it took."""

    accuracy: Tensor
    seconds: float


def tradeoff(grid: TradeoffGrid) -> Tradeoff:
    """Train every cell of the grid; cached."""
    use_threads()
    recipe = tradeoff_recipe()
    key = {"tradeoff": asdict(grid), "recipe": asdict(recipe), "seed": settings.seed()}
    return Tradeoff(**cached(key, lambda: vars(_tradeoff(grid, recipe)), modules=(__name__,)))


def _tradeoff(grid: TradeoffGrid, recipe: Recipe) -> Tradeoff:
    started = time.monotonic()
    tasks = [random_task(grid.S, settings.generator(6, 4, 0, seed)) for seed in range(grid.seeds)]
    accuracy = torch.zeros(len(grid.H), len(grid.m), grid.seeds, dtype=torch.float64)
    # Widths up to 32, padded, train in one stack; so do wider ones. In one stack for all the padding would cost more.
    groups = [[j for j, m in enumerate(grid.m) if m <= 32], [j for j, m in enumerate(grid.m) if m > 32]]
    for i, H in enumerate(grid.H):
        for number, columns in enumerate(group for group in groups if group):
            stream = settings.generator(6, 4, 1, H, number)
            m = max(grid.m[j] for j in columns)
            config = FactConfig(V=tasks[0].V, A=tasks[0].A, d=grid.d, H=H, d_h=grid.d_h, m=m)
            models = [initial_weights(config, stream) for _ in columns for _ in tasks]
            hidden = torch.stack([(torch.arange(m) < grid.m[j]).float() for j in columns for _ in tasks])
            found = train_stack(tasks * len(columns), stack(models), recipe, recipe.rates[0], stream, hidden=hidden)
            accuracy[i, columns] = found.view(len(columns), grid.seeds)
    return Tradeoff(accuracy=accuracy, seconds=time.monotonic() - started)
