"""What a test does with widget 5d on its page, and what the package says that it should show."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from mechbook.laser.edits import laser
from mechbook.pretrained.load import LanguageModel
from tests.browser import checks

NAME = "widget-5d"
# the bar for probabilities of the book's model
BOOK = 2e-2
DRAWN = """([key, value, least]) => {
  const { dataset } = document.querySelector('section[data-widget="widget-5d"]');
  return Number(dataset.drawn ?? 0) > least && (key === "" || dataset[key] === value);
}"""
BARS = """() => [...document.querySelectorAll('section[data-widget="widget-5d"] .mb-bars')].map((panel) =>
  [...panel.querySelectorAll("li")].map((bar) =>
    [bar.dataset.label, Number(bar.querySelector(".mb-readout").dataset.value)]))"""


def shown(page: Any) -> Any:
    """The widget, once it lives and has asked what the site offers."""
    found = checks.widget(page, NAME)
    found.locator(".mb-choices:visible, .mb-open:visible").wait_for(timeout=30_000)
    return found


def data(page: Any, key: str) -> str:
    """What the widget says of itself."""
    found: str | None = page.evaluate(
        "([name, key]) => document.querySelector(`section[data-widget='${name}']`).dataset[key]", [NAME, key]
    )
    return found or ""


def until(page: Any, key: str = "", value: str = "", since: int = 0) -> None:
    """Wait until more than `since` answers are whole, and the last of them was asked with this."""
    page.wait_for_function(DRAWN, arg=[key, value, since], timeout=60_000)


def drawn(page: Any) -> int:
    """How many answers are whole."""
    return int(data(page, "drawn") or 0)


def load(page: Any) -> Any:
    """Press the button; return the widget once it has answered."""
    found = shown(page)
    found.get_by_role("button", name="Load the model").click()
    until(page)
    return found


def move(page: Any, label: str, index: int) -> None:
    """Move a slider to a place, and wait for what it gives."""
    before, key = drawn(page), "block" if label.startswith("Block") else "rho"
    value = str(index + 1) if key == "block" else f"{index / 100:g}"
    shown(page).get_by_label(label).fill(str(index))
    until(page, key, value, before)


def first_head_of_the_last_block(page: Any) -> None:
    """Go there on the map of heads, by keys."""
    page.locator(".mb-more .mb-canvas").focus()
    for key in (*["ArrowDown"] * 40, "Home"):
        page.keyboard.press(key)


def fill(page: Any, label: str, text: str) -> None:
    """Type into a line."""
    shown(page).get_by_label(label, exact=True).fill(text)


def message(page: Any, label: str) -> str:
    """What is said below a line, once it is a problem."""
    box = shown(page).get_by_label(label, exact=True)
    below = page.locator(f"#{box.get_attribute('aria-describedby')}")
    page.wait_for_function("(id) => document.getElementById(id).matches('.mb-problem')", arg=below.get_attribute("id"))
    assert box.get_attribute("aria-invalid") == "true"
    said: str = below.text_content()
    return said


def wrong(page: Any, model: LanguageModel, close: float) -> list[str]:
    """Where bars or numbers are others than the package's, in the state that the widget says it shows.

    Oracle: the package's float32 forward, with the matrix truncated by torch's singular value decomposition.
    """
    text, matrix = data(page, "text"), data(page, "matrix")
    block, rho = int(data(page, "block")), float(data(page, "rho"))
    answer = shown(page).get_by_label("Answer", exact=True).input_value().strip()
    right = shown(page).get_by_label("A sentence where “the” is right").input_value()
    off = [tuple(map(int, head.split("."))) for head in data(page, "off").split(",") if head]
    before = [after(model, one) for one in (text, right)]
    with truncated(model, block - 1, matrix, rho):
        cut = [after(model, one, off) for one in (text, right)]
    a, the = model.token(f" {answer}"), model.token(" the")
    expected = {
        "answer": before[0][a],
        "the": before[0][the],
        "cutAnswer": cut[0][a],
        "cutThe": cut[0][the],
        "costFull": before[1][the],
        "costCut": cut[1][the],
    }
    found = [
        f"{key} is {data(page, key)}, not {float(p):.5f}"
        for key, p in expected.items()
        if abs(float(data(page, key)) - float(p)) > close
    ]
    for panel, p in zip(page.evaluate(BARS), (before[0], cut[0]), strict=True):
        for (label, value), k in zip(panel[:6], p.topk(6).indices.tolist(), strict=True):
            if abs(value - float(p[k])) > close:
                found.append(f"{label} has {value}, and the package's likeliest there {float(p[k]):.5f}")
    return found


def exercise(page: Any, model: LanguageModel) -> list[str]:
    """Load the model on a page of the book, move every control, and switch heads off."""
    found, said = load(page), []
    for preset in ("Chosen for names", "Nothing cut", "Chosen for cities"):
        before = drawn(page)
        found.get_by_role("button", name=preset).click()
        until(page, since=before)
    said += wrong(page, model, BOOK)
    move(page, "Block, from 1", 29)
    found.get_by_label("Matrix").select_option("mlp_out")
    until(page, "matrix", "mlp_out")
    move(page, "ρ", 1)
    found.locator("summary").click()
    found.get_by_role("button", name="Heads against S off").click()
    page.wait_for_function(f"document.querySelector('section[data-widget={NAME}]').dataset.off.includes('.')")
    page.wait_for_function(f"document.querySelectorAll('section[data-widget={NAME}] .mb-lens li').length === 31")
    said += wrong(page, model, BOOK)
    found.get_by_role("button", name="Close the model").click()
    return said


@contextmanager
def truncated(model: LanguageModel, layer: int, matrix: str, rho: float) -> Iterator[None]:
    """Have one matrix with the share rho of its rank, by torch's decomposition in float64."""
    W = model.adapter.matrix(layer, matrix)
    whole = W.read()
    if rho < 1:
        U, S, Vh = torch.linalg.svd(whole.double(), full_matrices=False)
        kept = len(S) - len(laser(model, layer, matrix, rho=rho).dropped)
        W.write((U[:, :kept] * S[:kept] @ Vh[:kept]).float())
    try:
        yield
    finally:
        W.write(whole)


def after(model: LanguageModel, text: str, off: Any = ()) -> torch.Tensor:
    """The next token's probabilities, with heads switched off."""

    def patch(layer: int, z: torch.Tensor) -> torch.Tensor:
        z = z.clone()
        for at, head in off:
            if at == layer:
                z[:, :, head] = 0
        return z

    adapter = model.adapter
    end = adapter.run(adapter.embed(torch.tensor([model.prompt_tokens(text)])), patch=patch)
    return adapter.logits(end)[0, -1].softmax(-1)
