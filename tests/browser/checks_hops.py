"""What holds of widgets 7a and 7b in a browser: PyTorch's numbers with the shipped weights, the runs' records."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mechbook.hops.task import hop_targets
from mechbook.hops.widgets.hops import ShippedHops
from tests.browser.checks import CLOSE, settle, widget


def wrong_path(page: Any, name: str, sent: ShippedHops, head: int | None = None) -> list[str]:
    """Where widget 7a, showing this head or the strongest (None), has other numbers than PyTorch."""
    settle(page)
    shown, spec = widget(page, name), sent.spec
    sigma = torch.tensor([[int(digit) for digit in row] for row in shown.get_attribute("data-sigma").split("-")])
    start, value = int(shown.get_attribute("data-start")), int(shown.get_attribute("data-from"))
    query = start * spec.n + value
    trace = sent.model().double().trace(sigma.reshape(1, -1))
    targets = hop_targets(sent.task(), sigma[None])[0, start, value]
    probabilities = trace.logits[0, query].softmax(-1)
    wrong = []
    for r in range(1, spec.k + 1):
        row = shown.locator(f'.mb-bars li[data-label="{r}"]')
        found = float(row.locator(".mb-readout").get_attribute("data-value"))
        expected, said = float(probabilities[r - 1, targets[r - 1]]), int(probabilities[r - 1].argmax())
        if abs(found - expected) > CLOSE or f"says {said}" not in row.text_content():
            wrong.append(f"{r} hops: {found}, PyTorch gives {expected} and says {said}")
    for layer in range(spec.n_layers):
        cell = shown.locator(".mb-cell").nth(layer)
        row, column = (int(cell.get_attribute(f"data-{axis}")) for axis in ("row", "column"))
        heads = trace.attention[layer][0, :, query, column * spec.n + row]
        expected = float(heads.max() if head is None else heads[head])
        found = float(cell.get_attribute("data-value"))
        if abs(found - expected) > CLOSE:
            wrong.append(f"attention {layer + 1} at {row}, {column}: {found}, PyTorch gives {expected}")
    return wrong


def wrong_regimes(page: Any, name: str, curves: Mapping[str, Tensor], every: int, step: int) -> list[str]:
    """Where widget 7b at a step shows other accuracies than the runs' records, (seeds, records, hops) each."""
    settle(page)
    shown = widget(page, name)
    wrong = [] if shown.get_attribute("data-step") == str(step) else [f"the step is {shown.get_attribute('data-step')}"]
    for title, values in curves.items():
        means = values[:, min(step // every, values.shape[1]) - 1].double().mean(0)
        for hop, expected in enumerate(means.tolist(), 1):
            cell = shown.locator(f'td[data-regime="{title}"][data-hop="{hop}"]')
            found = float(cell.get_attribute("data-value"))
            if abs(found - expected) > CLOSE:
                wrong.append(f"{title}, {hop} hops: {found}, recorded is {expected}")
    return wrong
