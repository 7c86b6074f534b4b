"""Widget 5a: the most probable next tokens of a prompt, in the whole model and after any truncation of the map."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from mechbook.laser.shown import Shown
from mechbook.laser.widgets.laser_map import TASKS, full_grid
from mechbook.reader.figures import style_of, token_label, use_style
from mechbook.widgets.base import BookWidget, store

THE, PLAIN = " the", "ordinary"
NEUTRAL = "#767676"
# Bits of fraction of the most probable tokens' probabilities: none is off by more than 2^-14.
BITS = 13
NOTE = (
    "“Best” has the largest ratio of mean P(answer) to mean P(the) over the task's prompts offered here, among "
    "truncations that do not lower mean P(answer)."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Where the edits of a `Shown` are: the columns (matrix, rho) and, by block and column, the row of each edit."""

    columns: list[tuple[str, float]]
    rows: Int[Tensor, "layers columns"]

    def place(self, row: int) -> dict[str, Any]:
        """The matrix, block (from 1) and rho of an edit's row."""
        layer, column = (int(at) for at in (self.rows == row).nonzero()[0])
        matrix, rho = self.columns[column]
        return {"matrix": matrix, "block": layer + 1, "rho": rho}


def grid(shown: Shown) -> Grid:
    """The edits by block and column. ValueError where they are not a full grid, each with its row."""
    columns = list(dict.fromkeys((matrix, rho) for _, matrix, rho in shown.places))
    places = full_grid(shown.places, columns)
    if len(shown.top) != len(shown.places) + 1:
        raise ValueError(f"there are {len(shown.places)} edits and {len(shown.top)} rows; row 0 is the whole model's.")
    return Grid(columns=columns, rows=torch.tensor(places) + 1)


def best_row(shown: Shown, task: str) -> int:
    """The row of the edit with the largest ratio of mean P(answer) to mean P(the) over the prompts of a task.

    Only edits that do not lower mean P(answer) count, if there is one: a broken model may have any ratio.
    """
    own = torch.tensor([name == task for name in shown.tasks])
    answer, the = (p[:, own].double().mean(1) for p in (shown.p_answer, shown.p_the))
    keeps = answer[1:] >= answer[0]
    ratios = (answer / the)[1:]
    return 1 + int((ratios.where(keeps, -1.0) if bool(keeps.any()) else ratios).argmax())


def shipped(shown: Shown) -> dict[str, Tensor]:
    """Tokens, numbered as `shown.words` are, their probabilities, and P(answer), P(the).

    (1 + edits) x prompts x (tokens, tokens, 2): the whole model first, then the edits block by block.
    """
    order = torch.cat([torch.tensor([0]), grid(shown).rows.flatten()])
    number = {token: i for i, token in enumerate(shown.words)}
    tokens = torch.tensor([number[token] for token in shown.top[order].flatten().tolist()])
    mantissa, exponent = torch.frexp(shown.p_top[order].float())
    return {
        # whole numbers up to 2^24 are exact in float32
        "tokens": tokens.view(shown.top.shape).float(),
        "p_top": torch.ldexp((mantissa * 2**BITS).round() / 2**BITS, exponent),
        "p": torch.stack([shown.p_answer, shown.p_the], -1)[order].float(),
    }


def laser_tokens_widget(shown: Shown, *, name: str = "widget-5a") -> BookWidget:
    """Return the widget for what is shown of the prompts of a map.

    ValueError where the edits are not a full grid of blocks for each matrix and rate, or no prompt is of a task.
    """
    tasks = [task for task in TASKS if task in shown.tasks]
    if not tasks:
        raise ValueError(f"no prompt is of a task, {' or '.join(TASKS)}: there is no best truncation to begin with.")
    place, number = grid(shown), {token: i for i, token in enumerate(shown.words)}
    blocks = len(place.rows)
    answers = [number[token] for token in shown.answers]
    first = best_row(shown, tasks[0])
    return BookWidget(
        kind="laser_tokens",
        name=name,
        settings={
            "title": "What a truncation makes of one prompt",
            "prompts": [
                {"text": text, "task": task, "answer": answer}
                for text, task, answer in zip(shown.texts, shown.tasks, answers, strict=True)
            ],
            "words": list(shown.words.values()),
            "columns": [list(column) for column in place.columns],
            "blocks": blocks,
            "best": [
                {"task": task, "words": f"Best for {TASKS[task]}", **place.place(best_row(shown, task))}
                for task in tasks
            ],
            # a tenth of the way through
            "early": max(1, round(blocks / 10)),
            "plain": PLAIN,
            "note": NOTE,
        },
        store=store(shipped(shown), dtype="float32"),
        picture=_picture(shown, first),
        words=_words(shown, first, place.place(first)),
    )


def _words(shown: Shown, row: int, place: dict[str, Any]) -> str:
    """What the picture shows: the first prompt's probabilities, and its likeliest tokens, before and after."""
    before, after = ([float(p[at, 0]) for p in (shown.p_the, shown.p_answer)] for at in (0, row))
    likeliest = [shown.words[int(shown.top[at, 0, 0])].strip() for at in (0, row)]
    return (
        f"The likeliest tokens after “{shown.texts[0]}”, in the full model and after LASER at block {place['block']}, "
        f"{place['matrix']}, ρ = {place['rho']:g}: “the” goes from {before[0]:.2g} to {after[0]:.2g}, "
        f"“{shown.words[shown.answers[0]].strip()}” from {before[1]:.2g} to {after[1]:.2g}, and the likeliest token "
        f"from “{likeliest[0]}” to “{likeliest[1]}”."
    )


def _picture(shown: Shown, row: int) -> Figure:
    use_style()
    figure = Figure(figsize=(5.2, 5.4))
    for axes, at, title in zip(
        figure.subplots(2, 1, sharex=True), (0, row), ("full model", "after LASER"), strict=True
    ):
        _bars(axes, shown, at)
        axes.set_title(title)
    figure.axes[1].set_xlabel("probability of the next token")
    return figure


def _bars(axes: Axes, shown: Shown, row: int) -> None:
    bars = list(zip(shown.top[row, 0].tolist(), shown.p_top[row, 0].tolist(), strict=True))
    if shown.answers[0] not in dict(bars):
        bars.append((shown.answers[0], float(shown.p_answer[row, 0])))
    roles = ["correct" if t == shown.answers[0] else "noise" if shown.words[t] == THE else None for t, _ in bars]
    colours = [style_of(role).colour if role else NEUTRAL for role in roles]
    axes.barh(range(len(bars)), [p for _, p in bars], color=colours)
    for k, ((_, p), role) in enumerate(zip(bars, roles, strict=True)):
        axes.annotate(
            f"{p:.3f}" + (" answer" if role == "correct" else ""),
            (p, k),
            (3, 0),
            textcoords="offset points",
            va="center",
        )
    axes.set_yticks(range(len(bars)), [_printed(shown.words[token]) for token, _ in bars])
    for label in axes.get_yticklabels():
        # a token may be $
        label.set_parse_math(False)
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.grid(axis="y", visible=False)


def _printed(word: str) -> str:
    """A token in a figure: its spaces visible, and signs that the font may lack by their number."""
    return "".join(token_label(c) if c in " \n" or c.isascii() and c.isprintable() else f"U+{ord(c):04X}" for c in word)
