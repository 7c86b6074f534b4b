"""What holds of widgets 4a and 4b in a browser: their numbers are PyTorch's, holding the weights as shipped."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor

from mechbook.noisy.widgets.truncation import NOISE, RECORDED, Shipped
from mechbook.reader.figures import token_label
from mechbook.shared.truncation import rank_of
from tests.browser.checks import CLOSE, settle, widget


def correct_token(text: str) -> str | None:
    """What follows earlier copies of the last character most often, the noise apart; of several the latest."""
    after = [b for a, b in zip(text, text[1:], strict=False) if a == text[-1] and b != NOISE]
    counts = Counter(after)
    return max(reversed(after), key=counts.__getitem__, default=None)


def wrong_truncation(page: Any, name: str, sent: Shipped, rho: float, text: str) -> list[str]:
    """Where widget 4a shows another state, other probabilities or another number of kept singular values."""
    settle(page)
    shown, step, characters = widget(page, name), sent.steps[-1], sent.characters
    probabilities = sent.model(step, rho)(sent.encode(text))[0, -1].softmax(0)
    state = _state(shown)
    rank = rank_of(rho, sent.spec.model.d)
    wrong = [] if (state["rho"], state["rank"]) == (f"{rho:g}", str(rank)) else [f"the state is {state}"]
    wrong += _bars(shown, sent, probabilities, probabilities.argsort(descending=True))
    found = {"P(noise)": probabilities[characters.index(NOISE)]}
    wrong += _differ("P(noise)", state["noise"], found["P(noise)"])
    answer = correct_token(text)
    if answer is not None:
        found["P(correct)"] = probabilities[characters.index(answer)]
        wrong += _differ("P(correct)", state["correct"], found["P(correct)"])
    elif state["correct"] != "NaN":
        wrong.append(f"P(correct) is {state['correct']}, and nothing is correct")
    for series, expected in found.items():
        wrong += _differ(f"{series} in the legend", _legend(shown, series), expected)
    drawn = shown.locator("circle.mb-dot").count()
    return wrong + ([] if drawn == rank else [f"{drawn} singular values are drawn as kept, not {rank}"])


def wrong_noise_attention(page: Any, name: str, sent: Shipped, step: int, text: str) -> list[str]:
    """Where widget 4b shows another state, other attention, other sums of it, or other recorded values."""
    settle(page)
    shown, state = widget(page, name), _state(widget(page, name))
    mass = sent.model(step).trace(sent.encode(text)).attention[1][0, -1]
    wrong = [] if state["step"] == str(step) else [f"the state is {state}"]
    columns = shown.locator(".mb-strip li").evaluate_all("(all) => all.map((one) => Number(one.dataset.value))")
    if len(columns) != len(text):
        return [*wrong, f"{len(columns)} columns for {len(text)} characters"]
    wrong += _differ("attention", torch.tensor(columns), mass)
    heights = shown.locator(".mb-column-fill").evaluate_all("(all) => all.map((one) => parseFloat(one.style.height))")
    wrong += _differ("height of a column", torch.tensor(heights) / 100, mass)
    on = torch.zeros(len(sent.characters), dtype=torch.float64)
    for t in range(1, len(text)):
        if text[t - 1] == text[-1]:
            on[sent.characters.index(text[t])] += mass[t]
    if shown.locator(".mb-bars").is_visible():
        wrong += _bars(shown, sent, on, on.argsort(descending=True))
    elif text[-1] in text[:-1]:
        wrong.append("the sums are not shown")
    answer = correct_token(text)
    for key, character in (("noise", NOISE), ("correct", answer)):
        if character is not None:
            wrong += _differ(f"attention on {key}", state[key], on[sent.characters.index(character)])
    at = sent.run.steps.index(step)
    for probe, words, _ in RECORDED:
        wrong += _differ(probe, _legend(shown, words), sent.run.values[probe][at])
    return wrong


def _bars(shown: Any, sent: Shipped, values: Tensor, order: Tensor) -> list[str]:
    tokens = {token_label(character): token for token, character in enumerate(sent.characters)}
    wrong, bars = [], shown.locator(".mb-bars li")
    for index in range(bars.count()):
        label = bars.nth(index).get_attribute("data-label")
        value = bars.nth(index).locator(".mb-readout").get_attribute("data-value")
        wrong += _differ(f"the bar of {label}", value, values[tokens[label]])
        # Ranked alike, up to ties.
        wrong += _differ(f"bar number {index + 1}", value, values[order[index]])
    return wrong if bars.count() else ["there are no bars"]


def _state(shown: Any) -> dict[str, str]:
    state: dict[str, str] = shown.evaluate("(root) => ({ ...root.dataset })")
    return state


def _legend(shown: Any, series: str) -> float:
    return float(shown.locator(f'[data-series="{series}"]').get_attribute("data-value"))


def _differ(what: str, found: Any, expected: Any) -> list[str]:
    found = torch.as_tensor(float(found) if isinstance(found, str) else found).double()
    worst = float((found - torch.as_tensor(expected).double()).abs().max())
    return [] if worst <= CLOSE else [f"{what} is off by {worst:.2g}"]
