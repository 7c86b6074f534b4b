"""Bootstrap intervals of what is made of means over prompts: a factor on a ratio, a part that is lost, a difference.

low, high = of_means(lambda m: m[:, 0] / m[:, 1], p, generator)     # of the ratio of two columns' means

Prompts (rows) are drawn with replacement, each with all it has, so what is measured twice on a prompt stays together.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Generator, Tensor

Statistic = Callable[[Tensor], Tensor]


def of_means(
    statistic: Statistic, rows: Float[Tensor, "n k"], generator: Generator, *, draws: int = 2000, level: float = 0.95
) -> tuple[float, float]:
    """The interval of `statistic` of the k columns' means; it takes draws x k means and gives a value for each draw.

    ValueError where there is no row or no draw, and for a level outside (0, 1).
    """
    check_draws(draws, level)
    if not len(rows):
        raise ValueError("there is no row to draw from; give one prompt at least.")
    rows = rows.double()
    index = torch.randint(len(rows), (draws, len(rows)), generator=generator)
    # how often each row was drawn: one product in place of draws x n x k entries
    counts = torch.zeros(draws, len(rows), dtype=rows.dtype).scatter_add_(1, index, torch.ones(index.shape).to(rows))
    # some draws at a time: there may be as many columns as a vocabulary has tokens
    found = torch.cat([statistic(some @ rows / len(rows)) for some in counts.split(50)])
    low, high = torch.quantile(found, torch.tensor([(1 - level) / 2, (1 + level) / 2]).to(found)).tolist()
    return low, high


def check_draws(draws: int, level: float = 0.95) -> None:
    """ValueError, one sentence, for fewer draws than 1 and a level outside (0, 1)."""
    if draws < 1 or not 0 < level < 1:
        raise ValueError(f"draws is {draws} and level is {level}; they must be 1 or more, and between 0 and 1.")


def factor(
    after: Float[Tensor, "n 2"], before: Float[Tensor, "n 2"], generator: Generator
) -> tuple[float, float]:
    """The 95% interval of the factor by which an edit changes mean P(answer) / mean P(generic), same prompts."""
    rows = torch.cat([after, before], 1)
    return of_means(lambda m: (m[:, 0] / m[:, 1]) / (m[:, 2] / m[:, 3]), rows, generator)


def part_lost(after: Float[Tensor, "n"], before: Float[Tensor, "n"], generator: Generator) -> tuple[float, float]:
    """The 95% interval of 1 - mean(after) / mean(before), same prompts."""
    return of_means(lambda m: 1 - m[:, 0] / m[:, 1], torch.stack([after, before], 1), generator)
