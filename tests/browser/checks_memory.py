"""What holds of widgets 1 and 2 in a browser: their numbers are PyTorch's on the very embeddings that the page drew."""

from typing import Any

import torch
from torch import Tensor

from mechbook.gradients.widgets import gradient_step
from mechbook.memories.outer_product import outer_product_memory, predicted_recall, score_variance, shared_map
from mechbook.memories.outer_product import recall as memory_recall
from mechbook.memories.outer_product import scores as memory_scores
from mechbook.memories.widgets import capacity
from tests.browser.checks import CLOSE, settle, widget

# Typed arrays become lists; what is no array stays.
MEMORY = """(root) => Object.fromEntries(Object.entries(root.memory).map(([key, value]) =>
  [key, ArrayBuffer.isView(value) ? Array.from(value) : value]))"""


def wrong_capacity(page: Any, name: str) -> list[str]:
    """Where widget 1 shows other scores, another recall or another prediction than Python."""
    settle(page)
    shown = widget(page, name)
    state, memory = _state(shown), shown.evaluate(MEMORY)
    N, d = int(state["N"]), int(state["d"])
    M = min(capacity.M, N) if state["values"] == "shared" else N
    u, v = _tensor(memory["u"], N, d), _tensor(memory["v"], M, d)
    f = shared_map(N, M)
    scores = memory_scores(outer_product_memory(u, v, f), u, v)
    right = scores[torch.arange(N), f]
    is_wrong = torch.ones(N, M, dtype=torch.bool).scatter_(1, f[:, None], False)
    recall = memory_recall(scores, f)
    predicted = float(predicted_recall(N, d, M))
    wrong = [] if memory["f"] == f.tolist() else [f"the map is {memory['f'][:20]}"]
    wrong += _differ("scores", _tensor(memory["scores"], N, M), scores)
    wrong += _differ("mean right score", memory["right"], right.mean())
    wrong += _differ("crosstalk", memory["crosstalk"], scores[is_wrong].square().mean().sqrt())
    expected = score_variance(f, d, M=M)[is_wrong].mean().sqrt()
    wrong += _differ("expected crosstalk", memory["expected"], expected)
    wrong += _differ("recall", float(state["recall"]), recall)
    wrong += _differ("recall in the legend", _legend(shown, "in this draw"), recall)
    wrong += _differ("prediction", _legend(shown, "predicted at this N"), predicted)
    return wrong + _differ("cell", *_cell(shown, scores.T))


def wrong_gradient_step(page: Any, name: str) -> list[str]:
    """Where widget 2 shows other logits, means or another accuracy than gradient descent by autograd."""
    settle(page)
    shown = widget(page, name)
    state, memory = _state(shown), shown.evaluate(MEMORY)
    N, T, d = gradient_step.N, gradient_step.T, int(state["d"])
    steps, eta = int(state["steps"]), float(state["eta"])
    W_E, W_U, P = _tensor(memory["E"], N, d), _tensor(memory["U"], N, d), _tensor(memory["P"], T, d)
    f = torch.tensor(gradient_step.outputs())
    inputs, targets = W_E, f
    if state["positions"] == "on":
        inputs, targets = (W_E[:, None] + P).reshape(-1, d), f.repeat_interleave(T)
    W = torch.zeros(d, d, dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(inputs @ W.T @ W_U.T, targets), W)
        W = (W - eta * gradient).detach().requires_grad_()
    with torch.no_grad():
        seen, table, positional = inputs @ W.T @ W_U.T, W_U @ W @ W_E.T, W_U @ W @ P.T
    # At zero all logits are equal: nothing stands out, and nothing is right.
    accuracy = float((seen.argmax(1) == targets).double().mean()) if steps else 0.0
    right = table[f, torch.arange(N)].mean()
    wrong_mean = (table.sum() - N * right) / (N * (N - 1))
    wrong = _differ("table", _tensor(memory["table"], N, N), table)
    wrong += _differ("positional logits", _tensor(memory["positional"], N, T), positional)
    wrong += _differ("accuracy", float(state["accuracy"]), accuracy)
    wrong += _differ("probability", float(state["sure"]), seen.softmax(1)[torch.arange(len(targets)), targets].mean())
    wrong += _differ("right logits", _legend(shown, "right output"), right)
    wrong += _differ("wrong logits", _legend(shown, "wrong outputs"), wrong_mean)
    wrong += _differ("line, right", _legend(shown, "on the line"), steps * eta / N * (1 - 1 / N))
    wrong += _differ("line, wrong", _legend(shown, "on their line"), -steps * eta / N**2)
    wrong += _differ("cell", *_cell(shown, table))
    if positions_shown(shown):
        wrong += _differ("positional cell", *_cell(shown, positional, 1))
    return wrong if positions_shown(shown) == (state["positions"] == "on") else [*wrong, "the positions' map"]


def positions_shown(shown: Any) -> bool:
    """Whether widget 2 shows what it has stored of positions."""
    visible: bool = shown.get_by_role("application").nth(1).is_visible()
    return visible


def unmoved(page: Any, name: str, state: dict[str, str]) -> list[str]:
    """Which of the values in `state` the widget is not in, or does not show beside a control."""
    settle(page)
    shown = widget(page, name)
    found, readouts = (
        _state(shown),
        shown.locator("output[data-value]").evaluate_all("(all) => all.map((one) => one.dataset.value)"),
    )
    readouts += shown.locator("select").evaluate_all("(all) => all.map((one) => one.value)")
    return [
        f"{key} is {found[key]}, not {value}"
        for key, value in state.items()
        if found[key] != value or value not in readouts
    ]


def _state(shown: Any) -> dict[str, str]:
    state: dict[str, str] = shown.evaluate("(root) => ({ ...root.dataset })")
    return state


def _tensor(values: list[Any], *shape: int) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).view(*shape)


def _legend(shown: Any, series: str) -> float:
    return float(shown.locator(f'[data-series="{series}"]').get_attribute("data-value"))


def _cell(shown: Any, matrix: Tensor, index: int = 0) -> tuple[float, Tensor]:
    cell = shown.locator(".mb-cell").nth(index)
    row, column = (int(cell.get_attribute(f"data-{axis}")) for axis in ("row", "column"))
    return float(cell.get_attribute("data-value")), matrix[row, column]


def _differ(what: str, found: float | int | Tensor, expected: float | int | Tensor) -> list[str]:
    # Values beyond 1 are compared by their size: float32 holds seven digits.
    found, expected = torch.as_tensor(found).double(), torch.as_tensor(expected).double()
    worst = float(((found - expected).abs() / expected.abs().clamp(min=1.0)).max())
    return [] if worst <= CLOSE else [f"{what} is off by {worst:.2g}"]
