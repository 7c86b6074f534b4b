"""Of each seed of chapter 6's experiments, the values by which its claims are judged."""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from mechbook.facts.capacity import CapacityResult
from mechbook.facts.construction_size import ENOUGH, FewestResult, HeadLoadResult, HeadLoadSettings
from mechbook.facts.dynamics import DynamicsResult
from mechbook.facts.knowledge import KnowledgeResult
from mechbook.facts.plateau import plateau
from mechbook.facts.probes import log_slope
from mechbook.facts.task import FactTask
from mechbook.facts.values import CAPACITY, CONSTRUCTION_SIZE, CONVERGENCE, PLATEAU_LINEAR, TOO_FEW, TRADEOFF

Numbers = dict[str, float]


def capacity(found: Mapping[tuple[int, float, float], CapacityResult], seed: int) -> Numbers:
    """Slopes of stored facts by parameters: of all points (d, alpha, beta) of `found`, and of each (alpha, beta)."""
    families: dict[tuple[float, float], list[CapacityResult]] = {}
    for (_, alpha, beta), result in found.items():
        families.setdefault((alpha, beta), []).append(result)

    def slope(results: Iterable[CapacityResult]) -> float:
        points = [(result.parameters, result.sizes[seed] ** 2) for result in results]
        return log_slope([x for x, _ in points], [y for _, y in points])

    # a family of one point has no slope of its own
    slopes = [slope(results) for results in families.values() if len({r.parameters for r in results}) > 1]
    pooled = slope(found.values())
    return CAPACITY(pooled=pooled, least=min(slopes, default=pooled), most=max(slopes, default=pooled))


def construction_size(fewest: FewestResult, load: HeadLoadResult, spec: HeadLoadSettings, seed: int) -> Numbers:
    """Slopes of the fewest parameters by facts, how many tokens a head can serve, and what one with d_h or more does.

    With an MLP, two heads that copy have 4 d^2 parameters with d = 4 S, which grow as S R whatever the MLP needs.
    """
    heads = [4 * (4 * math.isqrt(facts)) ** 2 for facts in fewest.facts]
    mlp = [every - copying for every, copying in zip(fewest.parameters["attention_mlp"][seed], heads, strict=True)]
    cells = [(i, j) for i, d_h in enumerate(spec.d_h) for j, tokens in enumerate(spec.tokens) if tokens >= d_h]
    borders = head_borders(load, spec)
    some = [most for most in borders if most]
    return CONSTRUCTION_SIZE(
        **{kind: fewest.slopes(kind)[seed] for kind in fewest.parameters},
        mlp_alone=log_slope(fewest.facts, mlp),
        border=max(most / d_h for most, d_h in zip(borders, spec.d_h, strict=True)),
        border_rises=borders[-1] / some[0] if some else 0.0,
        crowded=max((float(load.accuracy[i, j, seed]) for i, j in cells), default=0.0),
    )


def head_borders(load: HeadLoadResult, spec: HeadLoadSettings) -> list[int]:
    """For each d_h the most tokens that a head serves with 0.99, the mean over seeds; 0 where none is that good."""
    enough = load.accuracy.mean(-1) >= ENOUGH
    return [max((n for n, good in zip(spec.tokens, row, strict=True) if good), default=0) for row in enough.tolist()]


def where_an_mlp_helps(accuracy: Tensor) -> tuple[int, int]:
    """The row (heads) and column (width, above 0) of the best cell with an MLP, by the mean over seeds.

    Of the rows that stay at TOO_FEW or below without one; of the first where none does. accuracy: (heads, widths,
    seeds), the first width 0.
    """
    mean = accuracy.mean(-1)
    few = mean[:, 0] <= TOO_FEW
    if not few.any():
        few[0] = True
    best = int(torch.where(few.unsqueeze(1), mean[:, 1:], -1.0).argmax())
    width = mean.shape[1] - 1
    return best // width, 1 + best % width


def tradeoff(accuracy: Tensor, fresh: Tensor, seed: int) -> Numbers:
    """Attention alone at its best, too few heads without and with an MLP, and the fewest heads.

    accuracy: (heads, widths, seeds), the first width 0. The cell with an MLP is the same for all seeds.
    fresh: (2, seeds), that cell's heads without an MLP and with it, trained on other facts (`tradeoff_again.again`).
    """
    H, m = where_an_mlp_helps(accuracy)
    return TRADEOFF(
        attention_only=float(accuracy[:, 0, seed].max()),
        without=float(fresh[0, seed]),
        attention_mlp=float(fresh[1, seed]),
        chosen_without=float(accuracy[H, 0, seed]),
        chosen_mlp=float(accuracy[H, m, seed]),
        few_heads=float(accuracy[0, :, seed].max()),
    )


def plateau_linear(run: DynamicsResult, task: FactTask, due: float, seed: int) -> Numbers:
    """The loss before anything is learned, the plateau's length, and the loss at the end.

    due: the step at which relations are predicted to be learned.
    """
    loss = run.scores["loss"][:, seed].tolist()
    early = max(i for i, step in enumerate(run.steps) if step <= max(due / 2, run.steps[0]))
    flat = plateau(run, task, 0.05, seed)
    return PLATEAU_LINEAR(
        start_gap=abs(loss[early] - math.log(task.A)), plateau_steps=flat.end - flat.start, final_loss=loss[-1]
    )


def convergence(run: DynamicsResult, seed: int) -> Numbers:
    """The loss at the end, and at the last probe step up to three quarters of the way."""
    loss = run.scores["loss"][:, seed].tolist()
    earlier = max(i for i, step in enumerate(run.steps) if step <= 0.75 * run.steps[-1])
    return CONVERGENCE(final=loss[-1], earlier=loss[earlier])


def fullest(runs: Iterable[KnowledgeResult], seed: int) -> float:
    """The largest share of R_max that a run has learned."""
    return max(run.ratio[seed] / run.most for run in runs)
