"""Widget 1: how much an outer-product memory holds, on embeddings that the page draws."""

from matplotlib.figure import Figure

from mechbook.core.cache.entries import cached
from mechbook.memories.outer_product import predicted_recall
from mechbook.reader.figures import SERIES, use_style
from mechbook.widgets.base import BookWidget, Store

# Two to an octave, from 2 to 1024: three times the capacity at the largest dimension.
COUNTS = tuple(round(2 ** (k / 2)) for k in range(2, 21))
DIMENSIONS = (8, 16, 32, 48, 64, 96, 128)
M = 8
# The dimension that the presets show.
TYPICAL = 64
WORDS = (
    "Predicted recall of the outer-product memory against the number of pairs N, in {dimensions} dimensions: on the "
    "left each key has a value of its own, on the right all keys share {M} values. The more dimensions, the "
    "later recall falls."
)


def predicted_table(shared: int = M) -> dict[str, list[list[float]]]:
    """Return the predicted recall for each of DIMENSIONS (rows) and COUNTS, with own values and with `shared` ones.

    Seconds of quadrature, kept in the cache of runs.
    """
    found: dict[str, list[list[float]]] = cached(
        {"widget": "capacity", "counts": list(COUNTS), "dimensions": list(DIMENSIONS), "M": shared},
        lambda: _predict(shared),
        modules=(__name__,),
    )
    return found


def _predict(M: int) -> dict[str, list[list[float]]]:
    own = [[predicted_recall(N, d) for N in COUNTS] for d in DIMENSIONS]
    # Up to M keys have a value each.
    shared = [
        [before if N <= M else predicted_recall(N, d, M) for N, before in zip(COUNTS, row, strict=True)]
        for d, row in zip(DIMENSIONS, own, strict=True)
    ]
    return {"own": own, "shared": shared}


def capacity_widget(*, shared: int = M, name: str = "widget-1") -> BookWidget:
    """Return widget 1: N, d and whether values are shared, against the scores v_j^T W u_i and the recall.

    shared: the number of values where keys share them
    """
    predicted = predicted_table(shared)
    settings = {
        "title": "How many pairs does one matrix hold?",
        "counts": list(COUNTS),
        "dimensions": list(DIMENSIONS),
        "M": shared,
        "typical": TYPICAL,
        "predicted": predicted,
    }
    shown = (16, 32, 64, 128)
    words = WORDS.format(dimensions=", ".join(map(str, shown[:-1])) + f" and {shown[-1]}", M=shared)
    picture = _picture(predicted, shown, shared)
    return BookWidget(kind="capacity", name=name, settings=settings, store=Store(), picture=picture, words=words)


def _picture(predicted: dict[str, list[list[float]]], shown: tuple[int, ...], M: int) -> Figure:
    use_style()
    figure = Figure(figsize=(7.5, 2.8))
    titles = {"own": "each key has its own value", "shared": f"all keys share {M} values"}
    for axes, (name, title) in zip(figure.subplots(1, 2, sharey=True), titles.items(), strict=True):
        for style, d in zip(SERIES, shown, strict=False):
            recall = predicted[name][DIMENSIONS.index(d)]
            axes.plot(COUNTS, recall, color=style.colour, linestyle=style.line, label=f"d = {d}")
        axes.set_xscale("log", base=2)
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("N, pairs stored")
    figure.axes[0].set_ylabel("predicted recall")
    figure.axes[0].legend(fontsize=8)
    return figure
