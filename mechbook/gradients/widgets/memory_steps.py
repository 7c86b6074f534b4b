"""Widget 2b: gradient steps on one memory, computed in the page, also along the gradient's polar factor."""

from mechbook.widgets.base import BookWidget, Store

SETTINGS = {
    "title": "Step after step on a memory",
    # few enough for a table whose cells are told apart
    "N": 32,
    "steps": 60,
    "dimensions": [8, 12, 16, 24, 32, 48, 64],
    "exponents": [0, 0.5, 1, 1.5, 2],
    "sizes": [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100],
    # where logits grow about alike
    "rates": {"gradient": 20, "polar": 1},
}


def memory_steps_widget(*, name: str = "widget-2b") -> BookWidget:
    """Return widget 2b: the way of a step, its size, the dimension and the exponent of the pairs' probabilities."""
    words = (
        "Thirty-two pairs of unequal probability are stored in one matrix in this page, where scripts run: step after "
        "step along the gradient, frequent pairs first; or along its polar factor, all pairs alike."
    )
    return BookWidget(kind="memory_steps", name=name, settings=SETTINGS, store=Store(), picture=None, words=words)
