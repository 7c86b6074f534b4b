"""What holds of widget 5c in a browser: its numbers are those of the dynamics it was made from."""

from collections.abc import Mapping, Sequence
from typing import Any

from mechbook.laser.dynamics import DynamicsResult
from tests.browser.checks import CLOSE, settle, widget


def wrong_means(page: Any, name: str, along: Mapping[str, Sequence[DynamicsResult]]) -> list[str]:
    """Where the widget shows other probabilities or another gain than the dynamics, in the state that it shows."""
    settle(page)
    shown, wrong = widget(page, name), []
    task, step = shown.get_attribute("data-task"), int(shown.get_attribute("data-step"))
    found = along[task]
    at = found[0].steps.index(step)
    ratios = []
    for panel, part in zip(shown.locator(".mb-bars").all(), ("full", "truncated"), strict=True):
        keys = ("the", "answer", "S") if task == "ioi" else ("the", "answer")
        bars = panel.locator("li").all()
        if len(bars) != len(keys):
            wrong.append(f"{len(bars)} bars are shown, of {len(keys)}")
        mean = {key: sum(getattr(getattr(d, part)[at], key) for d in found) / len(found) for key in keys}
        ratios.append(mean["answer"] / mean["the"])
        for bar, key in zip(bars, keys, strict=False):
            value = float(bar.locator(".mb-readout").get_attribute("data-value"))
            if abs(value - mean[key]) > CLOSE:
                wrong.append(f"{task}, step {step}, {part}: {key} is {value}, not {mean[key]}")
    gain = float(shown.get_attribute("data-gain"))
    if abs(gain - ratios[1] / ratios[0]) > 1e-3 * gain:
        wrong.append(f"{task}, step {step}: the gain is {gain}, not {ratios[1] / ratios[0]}")
    return wrong


def exercise_laser_time(page: Any, name: str, along: Mapping[str, Sequence[DynamicsResult]]) -> list[str]:
    """Move every control and compare."""
    shown, wrong = widget(page, name), []
    for task, found in along.items():
        shown.get_by_label("Task").select_option(task)
        for index, step in enumerate(found[0].steps):
            shown.get_by_label("Training step").fill(str(index))
            wrong += wrong_means(page, name, along)
            if int(shown.get_attribute("data-step")) != step:
                wrong.append(f"the slider's place {index} is not step {step}")
        for button in shown.locator(".mb-presets button").all():
            button.click()
            wrong += wrong_means(page, name, along)
            if button.get_attribute("aria-pressed") != "true":
                wrong.append("a preset is pressed and does not show it")
    return wrong
