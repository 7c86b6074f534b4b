"""One style for every figure: a colour, a marker and a line for each role, and the few drawings that chapters share.

The role colours reach a contrast of 3:1 on white, on which figures are drawn in both themes, and stay apart under
red-green colour blindness. What a page draws itself, widgets, circuits and coloured words, has them too; in the dark
theme it has DARK, which does the same there. A role is never told by its colour alone: each has its own marker
and its own line. Conditions of an experiment (few, rare, random triggers) take SERIES, which are darker than any role.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import numpy as np
from IPython import get_ipython
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib_inline.backend_inline import set_matplotlib_formats

# The most labels along an axis that are set in one line and in full size.
CROWDED = 32

Dashes = tuple[int | float, ...]


@dataclass(frozen=True)
class Style:
    """How one role or one condition is drawn: the colour, the marker, and dashes in points (none: a solid line)."""

    colour: str
    marker: str
    dashes: Dashes = ()

    @property
    def line(self) -> tuple[int, Dashes | None]:
        """The line style as matplotlib takes it."""
        return (0, self.dashes or None)


ROLE: Mapping[str, Style] = MappingProxyType(
    {
        "input": Style("#734fb6", "p", (6, 2)),  # input embeddings, W_E
        "output": Style("#c67c94", "h", (4, 1.5)),  # output embeddings, W_U
        "position": Style("#c65bfe", "d", (2, 1.5)),  # positional embeddings, P
        "W_K1": Style("#688fc5", "s", (5, 1.5, 1, 1.5)),
        "W_K2": Style("#097254", "^", (7, 2)),
        "W_O2": Style("#b13289", "o"),
        "W_F": Style("#999563", "D", (1.2, 1.5)),  # feed-forward
        "noise": Style("#ff0d1c", "X", (3, 1.5, 1, 1.5, 1, 1.5)),  # the noise token
        "correct": Style("#008f16", "P"),
        "predicted": Style("#8802ff", "v", (3, 1.5)),
    }
)

# The same hues, light enough for the dark theme's grounds.
DARK: Mapping[str, str] = MappingProxyType(
    {
        "input": "#a168d2",
        "output": "#fd99b7",
        "position": "#dd9fff",
        "W_K1": "#d4ddff",
        "W_K2": "#0b9866",
        "W_O2": "#e1419c",
        "W_F": "#c4be7c",
        "noise": "#ff201c",
        "correct": "#239927",
        "predicted": "#cc3bff",
    }
)

SERIES: tuple[Style, ...] = (
    Style("#111111", "o"),
    Style("#767676", "s", (6, 2)),
    Style("#1f3fae", "^", (2, 1.5)),
    Style("#8a4b08", "D", (5, 1.5, 1, 1.5)),
    Style("#075e63", "v", (9, 2)),
    Style("#7a1040", "P", (1.2, 1.5)),
)

PAPER = Style("#4d4d4d", "", (1.5, 2))

RC: Mapping[Any, Any] = MappingProxyType(
    {
        "figure.figsize": (6.4, 3.6),
        "figure.dpi": 100,
        "figure.facecolor": "white",
        "figure.constrained_layout.use": True,
        "savefig.facecolor": "white",
        "savefig.bbox": "tight",
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "axes.facecolor": "white",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "grid.color": "#e3e3e3",
        "grid.linewidth": 0.8,
        # a ground for words that curves run under
        "legend.frameon": True,
        "legend.facecolor": "white",
        "legend.edgecolor": "none",
        "legend.framealpha": 0.85,
        "legend.borderpad": 0.2,
        "legend.handlelength": 3.2,
        "lines.linewidth": 1.8,
        "lines.markersize": 5,
        "image.cmap": "cividis",
        # Equal figures are to be equal files: no random ids, and text as paths, the same wherever it is read.
        "svg.hashsalt": "mechbook",
        "svg.fonttype": "path",
    }
)


def use_style() -> None:
    """Set the book's style for what is drawn from here on; in a notebook figures become SVG, sharp at any width."""
    mpl.rcParams.update(RC)
    if get_ipython() is not None:
        set_matplotlib_formats("svg", metadata={"Date": None})


def style_of(role: str | None = None, series: int | None = None) -> Style:
    """Return the style of a role (a key of ROLE) or of the condition number `series`. Raises ValueError for another."""
    if (role is None) == (series is None):
        raise ValueError("A curve has either a role or the number of a series.")
    if role is not None:
        if role not in ROLE:
            raise ValueError(f"There is no role {role!r}: the roles are {', '.join(ROLE)}.")
        return ROLE[role]
    if series is None or not 0 <= series < len(SERIES):
        raise ValueError(f"There is no series {series}: they are numbered 0 to {len(SERIES) - 1}.")
    return SERIES[series]


def curve(
    ax: Axes,
    steps: Any,
    values_per_seed: Any,
    *,
    role: str | None = None,
    series: int | None = None,
    label: str | None = None,
    band: str = "range",
) -> Line2D:
    """Draw the mean over seeds as a line, and as a band what the seeds span.

    `values_per_seed` is (seeds, steps), or (steps,) for one seed; `band` is "range" (least to largest), "sd" (one
    sample standard deviation either side) or "none". Raises ValueError for another band, shape, role or series.
    """
    style = style_of(role, series)
    x, y = np.asarray(steps, dtype=float), np.atleast_2d(np.asarray(values_per_seed, dtype=float))
    if x.ndim != 1 or y.ndim != 2 or y.shape[1] != len(x):
        raise ValueError(f"The values have the shape {y.shape}, where (seeds, {x.size}) is wanted.")
    mean = y.mean(axis=0)
    if band == "range":
        low, high = y.min(axis=0), y.max(axis=0)
    elif band == "sd":
        half = y.std(axis=0, ddof=1) if len(y) > 1 else np.zeros_like(mean)
        low, high = mean - half, mean + half
    elif band == "none":
        low = high = mean
    else:
        raise ValueError(f"There is no band {band!r}: it is 'range', 'sd' or 'none'.")
    if band != "none" and len(y) > 1:
        ax.fill_between(x, low, high, color=style.colour, alpha=0.18, linewidth=0)
    (line,) = ax.plot(
        x,
        mean,
        color=style.colour,
        linestyle=style.line,
        marker=style.marker,
        markevery=max(1, math.ceil(len(x) / 8)),
        label=label if label is not None else role,
    )
    return line


def paper_value(ax: Axes, y: int | float, label: str = "paper") -> Line2D:
    """Draw the paper's own number as a dotted level line with its label at the right end."""
    line = ax.axhline(y, color=PAPER.colour, linestyle=PAPER.line, linewidth=1.2, zorder=1)
    ax.annotate(
        label,
        (1, y),
        xycoords=("axes fraction", "data"),
        xytext=(-2, 2),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=8,
        color=PAPER.colour,
    )
    return line


def token_label(token: str) -> str:
    """Return a character as figures show it: a newline as ↵, a space as ␣, every other one as itself."""
    return {"\n": "↵", " ": "␣"}.get(token, token)


def heat_map(
    ax: Axes,
    matrix: Any,
    x_labels: Sequence[str] | None = None,
    y_labels: Sequence[str] | None = None,
    *,
    x_name: str = "",
    y_name: str = "",
    value_name: str | None = None,
    limits: tuple[int | float, int | float] | None = None,
    diverging: bool = False,
    colours: str = "cividis",
) -> Any:
    """Draw a matrix with its row 0 at the top; return the image.

    `x_labels` name the columns and `y_labels` the rows, tokens shown by `token_label`. With `diverging` the colours
    are symmetric about zero. `value_name`, where given, labels a colour bar. Raises ValueError where the
    labels are too few or too many.
    """
    values = np.asarray(matrix, dtype=float)
    if values.ndim != 2:
        raise ValueError(f"A heat map shows a matrix, not an array of shape {values.shape}.")
    if limits is None and diverging:
        reach = float(np.nanmax(np.abs(values))) or 1.0
        limits = (-reach, reach)
    low, high = limits or (None, None)
    image = ax.imshow(
        values, cmap="PuOr_r" if diverging else colours, vmin=low, vmax=high, aspect="auto", interpolation="nearest"
    )
    ax.grid(False)
    ax.set_xlabel(x_name)
    ax.set_ylabel(y_name)
    for axis, labels, size in ((ax.xaxis, x_labels, values.shape[1]), (ax.yaxis, y_labels, values.shape[0])):
        if labels is None:
            continue
        if len(labels) != size:
            raise ValueError(f"There are {len(labels)} labels for {size} rows or columns.")
        words = [token_label(label) for label in labels]
        if size > CROWDED:
            # Every other label steps outwards, or neighbours would run into one another.
            step = "\n{}" if axis is ax.xaxis else "{}    "
            words = [step.format(word) if i % 2 else word for i, word in enumerate(words)]
        axis.set_ticks(range(size), words, fontsize=6.5 if size > CROWDED else 9)
        axis.set_tick_params(length=0)
    if value_name is not None:
        bar = ax.figure.colorbar(image, ax=ax, fraction=0.046, pad=0.02)
        bar.set_label(value_name)
        bar.outline.set_visible(False)
    return image


def attention_map(
    ax: Axes,
    attention: Any,
    tokens: Sequence[str],
    *,
    boxes: Mapping[str, Sequence[tuple[int, int]]] | None = None,
    value_name: str | None = None,
) -> Any:
    """Draw one head's attention, (query, key): a row for each query, the keys after it left tinted; return the image.

    Mass runs from white to black, so that role colours, mid-tones all, show on any cell.
    `boxes` maps a role to the (query, key) cells to frame in its colour and line. Raises ValueError as `heat_map`.
    """
    values = np.asarray(attention, dtype=float)
    if values.ndim == 2:
        values = np.where(np.tril(np.ones(values.shape, dtype=bool)), values, np.nan)
    image = heat_map(
        ax,
        values,
        tokens,
        tokens,
        x_name="key",
        y_name="query",
        value_name=value_name,
        limits=(0.0, 1.0),
        colours="Greys",
    )
    ax.set_facecolor("#e8edf5")
    ax.set_aspect("equal")
    for role, cells in (boxes or {}).items():
        style = style_of(role)
        for query, key in cells:
            frame = Rectangle((key - 0.5, query - 0.5), 1, 1, fill=False, edgecolor=style.colour, linestyle=style.line)
            frame.set_linewidth(1.6)
            ax.add_patch(frame)
    return image
