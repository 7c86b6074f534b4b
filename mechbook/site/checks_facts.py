"""What holds of widgets 6a and 6b in a browser: their numbers are PyTorch's on the tables as shipped."""

from typing import Any

import torch
from torch import Tensor

from mechbook.experiments.facts_capacity import TradeoffGrid
from mechbook.site.checks import CLOSE, settle, widget
from mechbook.widgets.facts import PRESET_WORDS, ShippedFacts, preset_steps


def wrong_answers(page: Any, name: str, sent: ShippedFacts) -> list[str]:
    """Where widget 6a shows another probability, sum or mark than PyTorch, in the state that it shows."""
    settle(page)
    shown, task = widget(page, name), sent.task
    model = shown.get_attribute("data-model")
    step, s, r, noise = (int(shown.get_attribute(f"data-{key}")) for key in ("step", "s", "r", "noise"))
    p = sent.logits(model, step, s, r, noise).softmax(0)
    truth, valid = int(task.answers[s, r]), p[r * task.D : (r + 1) * task.D].sum()
    bars = shown.locator(".mb-bars li")
    wrong = [] if bars.count() == task.A else [f"{bars.count()} answers are shown, of {task.A}"]
    for index in range(bars.count()):
        bar = bars.nth(index)
        answer = int(bar.get_attribute("data-label"))
        value = float(bar.locator(".mb-readout").get_attribute("data-value"))
        wrong += _differs(f"{model}, step {step}: answer {answer}", value, float(p[answer]))
        mark = "true answer" if answer == truth else "valid" if answer // task.D == r else ""
        if (found := bar.locator(".mb-mark").text_content()) != mark:
            wrong.append(f"answer {answer} is marked {found!r}, not {mark!r}")
    wrong += _differs("mass on valid answers", float(shown.get_attribute("data-valid")), float(valid))
    return wrong + _differs("mass on the true answer", float(shown.get_attribute("data-truth")), float(p[truth]))


def exercise_time(page: Any, name: str, sent: ShippedFacts) -> list[str]:
    """Move every control of widget 6a and compare."""
    shown, wrong = widget(page, name), []
    for kind, run in sent.runs.items():
        shown.get_by_label("Model").select_option(kind)
        settle(page)
        for index, step in enumerate(run.checkpoint_steps):
            shown.get_by_label("Training step").locator("visible=true").fill(str(index))
            settle(page)
            if int(shown.get_attribute("data-step")) != step:
                wrong.append(f"the slider's place {index} is not step {step}")
            wrong += wrong_answers(page, name, sent)
        for words, step in zip(PRESET_WORDS, preset_steps(run), strict=True):
            button = shown.get_by_role("button", name=words, exact=True).locator("visible=true")
            button.click()
            settle(page)
            if int(shown.get_attribute("data-step")) != step or button.get_attribute("aria-pressed") != "true":
                wrong.append(f"{words} does not lead to step {step}")
        counts = {"Subject": sent.task.S, "Relation": sent.task.R, "Noise around them": len(sent.noise)}
        for label, count in counts.items():
            for value in range(count):
                shown.get_by_label(label).select_option(str(value))
                wrong += wrong_answers(page, name, sent)
    return wrong


def exercise_tradeoff(page: Any, name: str, grid: TradeoffGrid, accuracy: Tensor) -> list[str]:
    """Move every control of widget 6b and compare with a loop over the grid's cells."""
    shown, wrong = widget(page, name), []
    accuracy, parameters = accuracy.float(), grid.parameters()
    cells = [
        (float(accuracy[i, j]), int(parameters[i, j]), H, m) for i, H in enumerate(grid.H) for j, m in enumerate(grid.m)
    ]
    budgets = sorted({cost for _, cost, _, _ in cells})
    for bar in ("0.9", "0.99"):
        shown.get_by_label("Accuracy to reach").select_option(bar)
        for index, budget in enumerate(budgets):
            shown.get_by_label("Parameter budget").fill(str(index))
            settle(page)
            within = [cell for cell in cells if cell[1] <= budget]
            best = max(within, key=lambda cell: (cell[0], -cell[1]))
            reach = [cost for value, cost, _, _ in within if value >= float(bar)]
            expected = {"budget": budget, "within": len(within), "heads": best[2], "width": best[3]}
            for key, value in expected.items():
                if int(shown.get_attribute(f"data-{key}")) != value:
                    wrong.append(f"budget {budget}: {key} is {shown.get_attribute(f'data-{key}')}, not {value}")
            wrong += _differs("best accuracy", float(shown.get_attribute("data-best")), best[0])
            if shown.get_attribute("data-cheapest") != (str(min(reach)) if reach else ""):
                wrong.append(f"budget {budget}, bar {bar}: the cheapest is {shown.get_attribute('data-cheapest')!r}")
            cell = shown.locator(".mb-cell")
            i, j = (int(cell.get_attribute(f"data-{axis}")) for axis in ("row", "column"))
            wrong += _differs(f"cell {i}, {j}", float(cell.get_attribute("data-value")), float(accuracy[i, j]))
    return wrong


def _differs(what: str, found: float, expected: float) -> list[str]:
    return [] if abs(found - expected) <= CLOSE else [f"{what} is {found}, PyTorch gives {expected}"]


def grid_accuracy(values: Tensor) -> Tensor:
    """The mean over seeds, as widget 6b ships it."""
    return torch.as_tensor(values).mean(-1).float()
