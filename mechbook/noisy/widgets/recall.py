"""Widget 4c: noisy recall on sixteen letters is trained in the page, and F_2 can be dropped at any moment."""

from mechbook.widgets.base import BookWidget, Store

LETTERS, NOISE = "abcdefghijklmnop", "τ"
ALPHAS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
RATES = (0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.3)
# A model that learns in the seconds one is willing to watch: no F_1, W_V1 frozen, F_2 an MLP of width 4 d.
SIZES = {"T": 32, "d": 64, "B": 32, "every": 20, "steps": 1200}
START = {"alpha": 0.5, "lr": 0.03, "seq": f"hafcdbgka{NOISE}lmdafpeca"}


def recall_widget(*, name: str = "widget-4c") -> BookWidget:
    """Return widget 4c: training, the switch that drops F_2, and the prediction on a sequence of the reader's."""
    words = (
        "A small model of noisy recall is trained in this page, where scripts run: first the noise is learned, then "
        "attention finds the answer; and without the second feed-forward block less of the noise is left."
    )
    settings = {
        "title": "Drop F_2 while it learns",
        "letters": LETTERS,
        "noise": NOISE,
        "alphas": list(ALPHAS),
        "rates": list(RATES),
        "start": START,
        "run": SIZES,
    }
    return BookWidget(kind="noisy_recall", name=name, settings=settings, store=Store(), picture=None, words=words)
