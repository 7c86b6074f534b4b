"""Attention matrices of the last third of the blocks at other rates than the map has: do they help as the MLP's do?"""

from dataclasses import replace

from mechbook.laser.held_out import HeldOut
from mechbook.laser.prompts import edit_rows
from mechbook.laser.sweep import sweep

RHOS = (0.01, 0.3)
Point = tuple[int, str, float, float]
"""Block (from 0), matrix, rho, and the ratio over the whole model's on the same prompts."""


def attention_rates(held: HeldOut) -> dict[str, list[Point]]:
    """By task every point, on every other one of the prompts."""
    few = replace(held, prompts=held.prompts[::2], streams=None)
    adapter = held.model.adapter
    names = [name for name in adapter.matrix_names if not name.startswith("mlp")]
    layers = range(adapter.n_layers - max(1, adapter.n_layers // 3), adapter.n_layers)
    result = sweep(held.model, few.prompts, matrices=names, layers=layers, rhos=RHOS)
    whole = few.ratios(result.before)
    points: dict[str, list[Point]] = {task: [] for task in whole}
    for row in edit_rows(result, few.prompts):
        points[row.group].append((row.layer, row.matrix, float(row.rho or 0), row.ratio / whole[row.group]))
    return points
