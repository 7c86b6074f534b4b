"""Widget 2: population gradient descent on a deterministic map, step by step, on embeddings that the page draws."""

import torch
from matplotlib.figure import Figure

from mechbook.reader.figures import heat_map, use_style
from mechbook.shared.embeddings import random_embeddings
from mechbook.widgets.base import BookWidget, Store

# Few enough for a table that is read cell by cell; primes, so that no position lines up with a token.
N, T = 13, 7
SHIFT = 4
DIMENSIONS = (4, 8, 16, 32, 64, 128, 256)
# Of about equal steps in the logarithm.
ETAS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)


def outputs() -> list[int]:
    """Return f: each of N tokens goes to the one SHIFT places on, around the end, so the right cells are a band."""
    return [(z + SHIFT) % N for z in range(N)]


def gradient_step_widget(*, name: str = "widget-2") -> BookWidget:
    """Return widget 2: steps, step size and dimension against the table of logits, with positions on or off."""
    settings = {
        "title": "What does one gradient step store?",
        "N": N,
        "T": T,
        "f": outputs(),
        "etas": list(ETAS),
        "dimensions": list(DIMENSIONS),
    }
    words = (
        f"The logits of {N} outputs (rows) for {N} inputs (columns) after one population gradient step of size 10, in "
        "8, 32 and 128 dimensions: the right cells form a band, which the crosstalk blurs in few dimensions."
    )
    return BookWidget(
        kind="gradient_step", name=name, settings=settings, store=Store(), picture=_picture(), words=words
    )


def _picture() -> Figure:
    use_style()
    figure = Figure(figsize=(7.5, 2.7))
    generator = torch.Generator().manual_seed(0)
    target = torch.zeros(N, N)
    target[outputs(), range(N)] = 1.0
    for axes, d in zip(figure.subplots(1, 3), (8, 32, 128), strict=True):
        W_E, W_U = (random_embeddings(N, d, std=d**-0.5, generator=generator) for _ in range(2))
        # Birth Lemma 1 at W = 0, where every output has probability 1/N.
        W = 10 / N * W_U.T @ (target - 1 / N) @ W_E
        letters = [chr(97 + z) for z in range(N)]
        heat_map(axes, W_U @ W @ W_E.T, letters, letters, diverging=True, x_name="input z", y_name="output k")
        axes.set_aspect("equal")
        axes.tick_params(labelsize=6)
        axes.set_title(f"d = {d}", fontsize=9)
    return figure
