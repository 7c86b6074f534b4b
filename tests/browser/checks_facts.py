"""What holds of widgets 6a and 6b in a browser: their numbers are PyTorch's on the tables as shipped."""

from typing import Any

import torch
from torch import Tensor

from mechbook.facts.tradeoff import TradeoffSettings
from mechbook.facts.widgets.facts import PRESET_WORDS, ShippedFacts, preset_steps
from tests.browser.checks import CLOSE, settle, widget

# Everything that a state shows, read at once: a question to the browser costs more than the answer.
BARS = """(all) => all.map((one) => ({
  answer: Number(one.dataset.label), value: Number(one.querySelector(".mb-readout").dataset.value),
  mark: one.querySelector(".mb-mark").textContent }))"""


def wrong_answers(page: Any, name: str, sent: ShippedFacts) -> list[str]:
    """Where widget 6a shows another probability, sum or mark than PyTorch, in the state that it shows."""
    settle(page)
    shown, task = widget(page, name), sent.task
    state = _state(shown)
    model = state["model"]
    step, s, r, noise = (int(state[key]) for key in ("step", "s", "r", "noise"))
    p = sent.logits(model, step, s, r, noise).softmax(0)
    truth, valid = int(task.answers[s, r]), p[r * task.D : (r + 1) * task.D].sum()
    bars = shown.locator(".mb-bars li").evaluate_all(BARS)
    if (answers := [bar["answer"] for bar in bars]) != list(range(task.A)):
        return [f"the answers shown are {answers}, of {task.A}"]
    wrong = []
    for bar in bars:
        answer = bar["answer"]
        wrong += _differs(f"{model}, step {step}: answer {answer}", bar["value"], float(p[answer]))
        mark = "true answer" if answer == truth else "valid" if answer // task.D == r else ""
        if bar["mark"] != mark:
            wrong.append(f"answer {answer} is marked {bar['mark']!r}, not {mark!r}")
    wrong += _differs("mass on valid answers", float(state["valid"]), float(valid))
    return wrong + _differs("mass on the true answer", float(state["truth"]), float(p[truth]))


def exercise_time(page: Any, name: str, sent: ShippedFacts, every: int = 1) -> list[str]:
    """Move every control of widget 6a and compare, the slider to the first checkpoint, each `every`-th and the last."""
    shown, wrong = widget(page, name), []
    for kind, run in sent.runs.items():
        shown.get_by_label("Model").select_option(kind)
        settle(page)
        last = len(run.checkpoint_steps) - 1
        for index in sorted({*range(0, last, every), last}):
            shown.get_by_label("Training step").locator("visible=true").fill(str(index))
            wrong += _at(page, name, kind, run.checkpoint_steps[index], f"the slider's place {index}")
            wrong += wrong_answers(page, name, sent)
        for words, step in zip(PRESET_WORDS, preset_steps(run), strict=True):
            button = shown.get_by_role("button", name=words, exact=True).locator("visible=true")
            button.click()
            wrong += _at(page, name, kind, step, words)
            if button.get_attribute("aria-pressed") != "true":
                wrong.append(f"{words} is not pressed")
            wrong += wrong_answers(page, name, sent)
        for label, key, count in (
            ("Subject", "s", sent.task.S),
            ("Relation", "r", sent.task.R),
            ("Noise around them", "noise", len(sent.noise)),
        ):
            for value in range(count):
                shown.get_by_label(label).select_option(str(value))
                settle(page)
                if _state(shown)[key] != str(value):
                    wrong.append(f"{label} is not {value}")
                wrong += wrong_answers(page, name, sent)
    return wrong


def _at(page: Any, name: str, kind: str, step: int, what: str) -> list[str]:
    settle(page)
    state = _state(widget(page, name))
    found = state["model"], int(state["step"])
    return [] if found == (kind, step) else [f"{what} leads to {found}, not to {kind}, step {step}"]


def exercise_tradeoff(page: Any, name: str, grid: TradeoffSettings, accuracy: Tensor) -> list[str]:
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
            state, cell = _state(shown), _state(shown.locator(".mb-cell"))
            within = [cell for cell in cells if cell[1] <= budget]
            best = max(within, key=lambda cell: (cell[0], -cell[1]))
            reach = [cost for value, cost, _, _ in within if value >= float(bar)]
            expected = {"budget": budget, "within": len(within), "heads": best[2], "width": best[3]}
            for key, value in expected.items():
                if int(state[key]) != value:
                    wrong.append(f"budget {budget}: {key} is {state[key]}, not {value}")
            wrong += _differs("best accuracy", float(state["best"]), best[0])
            if state["cheapest"] != (str(min(reach)) if reach else ""):
                wrong.append(f"budget {budget}, bar {bar}: the cheapest is {state['cheapest']!r}")
            i, j = (int(cell[axis]) for axis in ("row", "column"))
            wrong += _differs(f"cell {i}, {j}", float(cell["value"]), float(accuracy[i, j]))
    return wrong


def _state(shown: Any) -> dict[str, str]:
    found: dict[str, str] = shown.evaluate("(element) => ({ ...element.dataset })")
    return found


def _differs(what: str, found: float, expected: float) -> list[str]:
    return [] if abs(found - expected) <= CLOSE else [f"{what} is {found}, PyTorch gives {expected}"]


def grid_accuracy(values: Tensor) -> Tensor:
    """The mean over seeds, as widget 6b ships it."""
    return torch.as_tensor(values).mean(-1).float()
