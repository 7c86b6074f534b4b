"""Widget 5b: the map of LASER, block by matrix and rate: the ratio, or what it is made of, of any cell."""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from mechbook.laser.prompts import Row, best
from mechbook.reader.figures import heat_map, use_style
from mechbook.widgets.base import BookWidget, store

TASKS = {"facts": "cities", "ioi": "names"}
# colours end where log10 of the ratio has changed by so much
REACH = 1.5


def columns(rows: Sequence[Row]) -> list[tuple[str, float]]:
    """The matrices and rates of a map, in its order. ValueError where an edit is no truncation."""
    if any(row.rho is None for row in rows):
        raise ValueError("a row of the map has no rho; the map holds truncations only.")
    return list(dict.fromkeys((row.matrix, row.rho) for row in rows if row.rho is not None))


def full_grid(
    places: Sequence[tuple[int, str, float | None]], columns: Sequence[tuple[str, float]], what: str = "edits"
) -> list[list[int]]:
    """For each block, counted from 0, and each column the number of its place.

    ValueError where the places are not a full grid of blocks and columns, once each.
    """
    found, layers = {place: i for i, place in enumerate(places)}, sorted({layer for layer, _, _ in places})
    wanted = [[(layer, *column) for column in columns] for layer in layers]
    if sum(map(len, wanted)) != len(places) or len(found) != len(places) or layers != list(range(len(layers))):
        raise ValueError(f"the {what} are not a full grid: each block, matrix and rate must be there once.")
    return [[found[key] for key in line] for line in wanted]


def shipped(rows: Sequence[Row], task: str) -> Float[Tensor, "layers columns three"]:
    """Mean P(answer), mean P("the") and the fraction right at first guess, for each block and column.

    ValueError where the rows are not a full grid of blocks and columns, once each.
    """
    own = [row for row in rows if row.group == task]
    places = full_grid([(row.layer, row.matrix, row.rho) for row in own], columns(rows), f"rows of {task!r}")
    cells = [[own[i] for i in line] for line in places]
    return torch.tensor([[(row.answer, row.generic, row.top1) for row in line] for line in cells])


def laser_map_widget(rows: Sequence[Row], whole: Mapping[str, Row], *, name: str = "widget-5b") -> BookWidget:
    """Return the widget for the rows of a map, of the tasks of TASKS, as the study gives them.

    whole: for each task the full model's row on the same prompts
    """
    grids = {task: shipped(rows, task) for task in TASKS}
    chosen = {task: best(rows, task) for task in TASKS}
    places = columns(rows)
    return BookWidget(
        kind="laser_map",
        name=name,
        settings={
            "title": "Where a truncation helps",
            "reach": REACH,
            "tasks": [[task, words] for task, words in TASKS.items()],
            "places": [[matrix.replace("mlp_", ""), rho] for matrix, rho in places],
            "layers": len(grids["facts"]),
            "whole": {task: [whole[task].answer, whole[task].generic, whole[task].top1] for task in TASKS},
            # block and column of the largest ratio
            "best": {
                task: [row.layer, next(j for j, at in enumerate(places) if at == (row.matrix, row.rho))]
                for task, row in chosen.items()
            },
        },
        store=store(grids, dtype="float32"),
        picture=_picture(grids["facts"], whole["facts"].ratio, places),
        words="How a truncation changes the ratio of the answer to “the”, by block, matrix and rate, for cities.",
    )


def _picture(grid: Tensor, whole: float, places: Sequence[tuple[str, float]]) -> Figure:
    use_style()
    figure = Figure(figsize=(5.2, 5.6))
    changes = (grid[..., 0] / grid[..., 1] / whole).log() / math.log(10)
    blocks = [str(i + 1) if i % 3 == 2 else "" for i in range(len(grid))]
    heat_map(
        figure.subplots(),
        changes.numpy(),
        [f"{matrix} {rho:g}" for matrix, rho in places],
        blocks,
        x_name="matrix and ρ",
        y_name="block",
        value_name="log10 of the change",
        diverging=True,
        limits=(-REACH, REACH),
    )
    figure.axes[0].tick_params(axis="x", labelrotation=90, labelsize=8)
    return figure
