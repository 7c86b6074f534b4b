"""What holds of widget 5b in a browser: its cells are the rows of the map it was made from."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mechbook.laser.prompts import Row
from mechbook.laser.widgets.laser_map import columns
from tests.browser.checks import CLOSE, settle, widget

MEASURES = {
    "ratio": lambda row, whole: math.log10(row.answer / row.generic / (whole.answer / whole.generic)),
    "answer": lambda row, _: row.answer,
    "the": lambda row, _: row.generic,
    "top1": lambda row, _: row.top1,
}


def wrong_cell(page: Any, name: str, rows: Sequence[Row], whole: Mapping[str, Row]) -> list[str]:
    """Where the widget's current cell, or the largest ratio it names, is not what the rows say."""
    settle(page)
    shown = widget(page, name)
    task, show = shown.get_attribute("data-task"), shown.get_attribute("data-show")
    own = [row for row in rows if row.group == task]
    cell = shown.locator(".mb-cell")
    layer, column = (int(cell.get_attribute(f"data-{axis}")) for axis in ("row", "column"))
    place = columns(rows)[column]
    (row,) = (row for row in own if (row.layer, row.matrix, row.rho) == (layer, *place))
    found, expected = float(cell.get_attribute("data-value")), MEASURES[show](row, whole[task])
    wrong = []
    if abs(found - expected) > CLOSE * max(1, abs(expected)):
        wrong.append(f"{task}, {show}, block {layer + 1}, {place}: {found}, not {expected}")
    if f"block {layer + 1}, {row.matrix.removeprefix('mlp_')}, ρ = {row.rho:g}:" not in cell.text_content():
        wrong.append(f"the readout does not name block {layer + 1}, {place}: {cell.text_content()}")
    most, largest = float(shown.get_attribute("data-best")), max(row.answer / row.generic for row in own)
    if abs(most / largest - 1) > 1e-3:
        wrong.append(f"{task}: the largest ratio is {largest}, and {most} is shown")
    return wrong


def exercise_laser_map(page: Any, name: str, rows: Sequence[Row], whole: Mapping[str, Row]) -> list[str]:
    """Select every task and measure, and walk over the map by keys."""
    shown, wrong = widget(page, name), []
    for task in dict.fromkeys(row.group for row in rows):
        shown.get_by_label("Task").select_option(task)
        settle(page)
        top = max((row for row in rows if row.group == task), key=lambda row: row.answer / row.generic)
        cell = shown.locator(".mb-cell")
        place = [int(cell.get_attribute(f"data-{axis}")) for axis in ("row", "column")]
        if place != [top.layer, next(j for j, at in enumerate(columns(rows)) if at == (top.matrix, top.rho))]:
            wrong.append(f"{task}: the map does not start at its largest ratio but at {place}")
        for show in MEASURES:
            shown.get_by_label("Show").select_option(show)
            wrong += wrong_cell(page, name, rows, whole)
            if (now := (shown.get_attribute("data-task"), shown.get_attribute("data-show"))) != (task, show):
                wrong.append(f"{now} is shown, not {(task, show)}")
        box = shown.get_by_role("application")
        for key in ("Home", "ArrowUp", "ArrowRight", "End", "ArrowUp", "ArrowLeft"):
            box.press(key)
            wrong += wrong_cell(page, name, rows, whole)
    return wrong
