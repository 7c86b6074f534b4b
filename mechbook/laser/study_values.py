"""What chapter 5 reports of its study: the values of its claims and the rows of its tables, from the measurements."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from mechbook.laser.intervals import check_draws, of_means
from mechbook.laser.prompts import Row, ratio_interval
from mechbook.laser.study import StudyResult
from mechbook.laser.values import REAL_LM_FACTS, REAL_LM_IOI

FALL = 0.01


def facts_values(study: StudyResult) -> dict[str, int | float]:
    """`laser.real_lm_facts`."""
    whole, edited = study.whole["facts"], study.controls["facts"][0]
    return REAL_LM_FACTS(cities=whole.n, before=whole.ratio, after=edited.ratio)


def ioi_values(study: StudyResult) -> dict[str, int | float]:
    """`laser.real_lm_ioi`."""
    whole, edited = study.whole["ioi"], study.controls["ioi"][0]
    return REAL_LM_IOI(
        sentences=study.sizes["ioi"],
        before=whole.ratio,
        after=edited.ratio,
        accuracy_before=whole.second,
        accuracy_after=edited.second,
    )


def worst_factor(study: StudyResult, task: str, kind: str) -> float:
    """By what factor >= 1 the ratio changes under the control, of those whose name has `kind` in it, that changes it
    most."""
    whole = math.log(study.whole[task].ratio)
    return math.exp(max(abs(math.log(row.ratio) - whole) for row in study.controls[task] if kind in row.kind))


def share_of_gain(study: StudyResult, task: str, kind: str, generator: Generator) -> tuple[float, float, float]:
    """The part of the chosen edit's log gain that another control of its matrix has, with its 95% interval.

    kind: how the control's name begins; prompts of half B are drawn with replacement, each with its probabilities under
    the whole model and both edits. ValueError where no control's name begins so.
    """
    edits = [row.kind for row in study.controls[task]]
    if (place := next((i for i, name in enumerate(edits) if name.startswith(kind)), None)) is None:
        raise ValueError(f"no control of {task!r} is called {kind!r}; there are {', '.join(edits)}.")
    whole, chosen, other = (p[:, :2].double() for p in (study.p_whole[task], *study.p[task][[0, place]]))

    def share(m: Tensor) -> Tensor:
        before, edited, controlled = (m[:, i].log() - m[:, i + 1].log() for i in (0, 2, 4))
        return (controlled - before) / (edited - before)

    rows = torch.cat([whole, chosen, other], 1)
    low, high = of_means(share, rows, generator)
    return float(share(rows.mean(0, keepdim=True))[0]), low, high


def paired_change(
    after: Float[Tensor, "n"], before: Float[Tensor, "n"], generator: Generator
) -> tuple[float, float, float]:
    """The mean of after - before with its 95% bootstrap interval; ValueError for none of them."""
    return interval_of_mean(after - before, generator)


def interval_of_mean(
    change: Float[Tensor, "n"], generator: Generator, *, level: float = 0.95, draws: int = 2000
) -> tuple[float, float, float]:
    """The mean with its bootstrap interval. ValueError for nothing to draw from, no draw, a level outside (0, 1)."""
    if not len(change):
        raise ValueError("there is nothing to draw from; give one change at least.")
    check_draws(draws, level)
    change = change.double()
    means = change[torch.randint(len(change), (draws, len(change)), generator=generator)].mean(1)
    low, high = torch.quantile(means, torch.tensor([(1 - level) / 2, (1 + level) / 2]).double()).tolist()
    return float(change.mean()), low, high


def perplexity_ratio(
    after: Float[Tensor, "t"], before: Float[Tensor, "t"], generator: Generator
) -> tuple[float, float, float]:
    """Perplexity after over before with its 95% interval: tokens drawn with replacement, each with both its losses."""
    change, low, high = paired_change(after, before, generator)
    return math.exp(change), math.exp(low), math.exp(high)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One edit in the chapter's table: its row, its ratio's 95% interval, the control text's perplexity.

    gain: perplexity over the whole model's, with its interval
    """

    row: Row
    low: float
    high: float
    perplexity: float
    gain: tuple[float, float, float]


def lines(study: StudyResult, task: str, generator: Generator) -> list[Line]:
    """The whole model and each control of a task, on half B."""
    whole = study.losses_whole
    found = []
    for row, p, losses in zip(
        (study.whole[task], *study.controls[task]),
        (study.p_whole[task], *study.p[task]),
        (whole, *study.losses[task]),
        strict=True,
    ):
        low, high = ratio_interval(p, generator)
        gain = perplexity_ratio(losses, whole, generator)
        found.append(Line(row=row, low=low, high=high, perplexity=math.exp(float(losses.mean())), gain=gain))
    return found


def map_grid(study: StudyResult, task: str) -> tuple[list[str], Float[Tensor, "layers columns"]]:
    """The map as a matrix, log10 of the ratio over the whole model's: block (row 0 the first) by matrix and rate.

    The columns' names come first.
    """
    rows = [row for row in study.map_rows if row.group == task]
    columns = list(dict.fromkeys((row.matrix, row.rho) for row in rows))
    grid = torch.full((max(row.layer_from_1 for row in rows), len(columns)), math.nan)
    for row in rows:
        change = row.ratio / study.map_whole[task].ratio
        grid[row.layer, columns.index((row.matrix, row.rho))] = math.log10(change)
    return [f"{matrix.removeprefix('mlp_')} {rho:g}" for matrix, rho in columns], grid
