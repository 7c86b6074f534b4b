"""Widget 5b in a page of its own. Oracle: the rows of a map that it is made from."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from mechbook.laser.prompts import Row
from mechbook.laser.widgets import laser_map
from mechbook.widgets.base import BookWidget
from tests.browser import checks, checks_laser_map

LAYERS, PLACES = 5, (("mlp_in", 0.01), ("mlp_in", 0.3), ("q", 0.1))


def rows() -> list[Row]:
    generator = torch.Generator().manual_seed(7)
    found = []
    for matrix, rho in PLACES:
        for layer in range(LAYERS):
            for group in ("facts", "ioi"):
                answer, generic, top1 = torch.rand(3, generator=generator).tolist()
                found.append(
                    Row(
                        group=group,
                        kind=f"rho {rho}",
                        matrix=matrix,
                        layer=layer,
                        layer_from_1=layer + 1,
                        rho=rho,
                        dropped=1,
                        n=11,
                        answer=answer,
                        generic=generic,
                        ratio=answer / generic,
                        top1=top1,
                        second=0.5,
                    )
                )
    return found


ROWS = rows()
# the full model: one more row a task
WHOLE = {row.group: replace(row, layer=-1, matrix="", answer=0.3, generic=0.6, ratio=0.5) for row in ROWS[:2]}


@pytest.fixture
def page(alone: Callable[[BookWidget], Any]) -> Any:
    return alone(laser_map.laser_map_widget(ROWS, WHOLE))


def test_what_is_shipped_is_the_rows_block_by_column() -> None:
    """Oracle: a search through the rows for each cell."""
    for task in ("facts", "ioi"):
        grid = laser_map.shipped(ROWS, task)
        assert grid.shape == (LAYERS, len(PLACES), 3)
        for layer in range(LAYERS):
            for column, place in enumerate(PLACES):
                (row,) = (r for r in ROWS if (r.group, r.layer, r.matrix, r.rho) == (task, layer, *place))
                assert grid[layer, column].tolist() == pytest.approx([row.answer, row.generic, row.top1], rel=1e-6)
        top = max((r for r in ROWS if r.group == task), key=lambda r: r.answer / r.generic)
        at = laser_map.laser_map_widget(ROWS, WHOLE).settings["best"][task]
        assert at == [top.layer, PLACES.index((top.matrix, top.rho))]


def test_a_map_with_holes_is_refused() -> None:
    for wrong in (ROWS[2:], [*ROWS, ROWS[0]], [r for r in ROWS if r.layer != 2]):
        with pytest.raises(ValueError, match="not a full grid: each block, matrix and rate must be there once"):
            laser_map.laser_map_widget(wrong, WHOLE)
    with pytest.raises(ValueError, match="a row of the map has no rho"):
        laser_map.laser_map_widget([replace(ROWS[0], rho=None), *ROWS[1:]], WHOLE)


def test_every_control_moves_what_the_rows_give(page: Any) -> None:
    """Oracle: the rows, for both tasks and all measures, and the cells that keys lead to."""
    assert checks_laser_map.exercise_laser_map(page, "widget-5b", ROWS, WHOLE) == []


@pytest.mark.parametrize(
    ("fragment", "words", "state"),
    [
        ("task=ioi&show=the", "", {"task": "ioi", "show": "the"}),
        ("show=nothing", "show cannot be", {"show": "ratio"}),
        ("task=__proto__", "task cannot be", {"task": "facts"}),
    ],
)
def test_an_address_sets_what_it_may(page: Any, fragment: str, words: str, state: dict[str, str]) -> None:
    """Oracle: the allowed values; what is not allowed is named and changes nothing."""
    said = checks.follow(page, "widget-5b", fragment)
    shown = checks.widget(page, "widget-5b")
    for key, value in state.items():
        assert shown.get_attribute(f"data-{key}") == value
    assert words in said and bool(said) == bool(words)
    # the controls go on from there
    shown.get_by_label("Show").select_option("answer")
    assert shown.get_attribute("data-task") == state.get("task", "facts")
    checks.settle(page)
    assert shown.get_attribute("data-show") == "answer"
    assert checks_laser_map.wrong_cell(page, "widget-5b", ROWS, WHOLE) == []
