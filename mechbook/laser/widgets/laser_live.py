"""Widget 5d: the language model itself in the page. The reader types, cuts a matrix, switches heads off; it answers."""

from collections.abc import Mapping, Sequence
from typing import Any

from mechbook.laser.edits import Edit
from mechbook.laser.ioi.circuit import Roles
from mechbook.laser.prompts import Row
from mechbook.laser.study import StudyResult
from mechbook.laser.widgets.laser_map import TASKS
from mechbook.widgets.base import BookWidget, Store, in_site_build
from mechbook.widgets.language_engine import engine

MATRICES = ("mlp_in", "mlp_gate", "mlp_out", "q", "k", "v", "o")
FACT = ("Madrid is located in", "Spain")
IOI = ("When Mary and John went to the store, John gave a drink to", "Mary", "John")
PROMPTS = (
    {"text": FACT[0], "answer": FACT[1], "other": "the"},
    {"text": IOI[0], "answer": IOI[1], "other": IOI[2]},
)
# a sentence of ordinary text in which "the" is right
RIGHT = "She put the book on"
# Heads of the circuit to switch off, by the names of their roles in `Roles`.
GROUPS = {
    "Copying movers off": ("copying",),
    "Heads against S off": ("suppressors", "inhibition"),
    "Negative mover off": ("negative",),
}


def hints(rows: Sequence[Row], whole: Mapping[str, Row]) -> dict[str, list[list[list[float]]]]:
    """What a map found, for each matrix and block: of each task of TASKS the largest factor on the ratio, and its rho.

    rows: truncations; whole: the full model's row of each task. Zeros where a matrix and block were not cut.
    """
    layers = 1 + max(row.layer for row in rows)
    names = dict.fromkeys(row.matrix for row in rows)
    found = {name: [[[0.0, 0.0] for _ in TASKS] for _ in range(layers)] for name in names}
    for row in rows:
        if row.group in TASKS and row.rho is not None:
            place = found[row.matrix][row.layer]
            number = list(TASKS).index(row.group)
            place[number] = max(place[number], [round(row.ratio / whole[row.group].ratio, 3), row.rho])
    return found


def laser_live_widget(study: StudyResult, roles: Roles, *, name: str = "widget-5d") -> BookWidget:
    """Return the widget; it begins with the edits that `study` has chosen, and offers the heads of `roles`."""
    return live_widget(
        study.chosen,
        hints(study.map_rows, study.map_whole),
        {words: [head for role in group for head in getattr(roles, role)] for words, group in GROUPS.items()},
        name=name,
    )


def live_widget(
    chosen: Mapping[str, Edit],
    hinted: Mapping[str, list[list[list[float]]]],
    heads: Mapping[str, Sequence[tuple[int, int]]],
    *,
    prompts: Sequence[Mapping[str, str]] = PROMPTS,
    name: str = "widget-5d",
) -> BookWidget:
    """Return the widget for an edit of each task of TASKS, what `hints` gives, and sets of heads by their name.

    prompts: one for each task; that of the second is set with a set of heads
    """
    settings: dict[str, Any] = {
        "title": "The model itself: type, cut, and watch",
        "tasks": list(TASKS.values()),
        "chosen": [_place(chosen[task]) for task in TASKS],
        "prompts": [dict(prompt) for prompt in prompts],
        "right": RIGHT,
        "matrices": list(MATRICES),
        "hints": dict(hinted),
        "blocks": max(len(lines) for lines in hinted.values()),
        "heads": [[words, [list(head) for head in group]] for words, group in heads.items() if group],
        # with a kernel it travels in the widget; a built site has it in a file of its own
        "engine": None if in_site_build() else _engine(),
    }
    words = (
        "The model of this chapter, SmolLM2-135M-Instruct, can be opened in this page, where scripts run: any prompt, "
        "any matrix cut at any rate, heads switched off, and what follows before and after."
    )
    return BookWidget(kind="laser_live", name=name, settings=settings, store=Store(), picture=None, words=words)


def _place(edit: Edit) -> dict[str, Any]:
    return {"block": edit.layer + 1, "matrix": edit.matrix, "rho": edit.rho}


def _engine() -> dict[str, Any] | None:
    """The engine; None where the package has no scripts, which the widget's base tells."""
    try:
        return engine()
    except RuntimeError:
        return None
