"""What holds of a page in a browser: shared by the tests of the small site and those of the built book."""

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import torch

from mechbook.induction.widgets.induction import Shipped
from mechbook.reader.figures import token_label
from mechbook.shared.recall import induction_memory_maps, recall_W_K1, recall_W_K2, recall_W_O2
from mechbook.shared.shakespeare import encode, load_counts
from mechbook.widgets.base import BookWidget
from tests.browser.browser import Opened

# What the theme itself logs where the reader has not chosen light or dark yet.
KNOWN = ("Got invalid theme mode",)
# The theme's search button is named otherwise than it reads, outside of what the book writes.
CONTENT = "article.bd-article"
CLOSE = 1e-4
FRAME = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
ALIVE = "(place) => Boolean(place.querySelector('.mb-widget .mb-says:not(:empty)'))"
WIDE_FORMULAS = """() => [...document.querySelectorAll('mjx-container[display="true"]')]
  .filter((formula) => formula.clientWidth > 0 && formula.scrollWidth > formula.clientWidth + 3)
  .map((formula) => `${formula.closest("[id]")?.id}: ${formula.scrollWidth} in ${formula.clientWidth} pixels`)"""
AXE = """async (context) => (await axe.run(context, { resultTypes: ["violations"] })).violations
  .filter((rule) => ["serious", "critical"].includes(rule.impact))
  .map((rule) => `${rule.id}: ${rule.nodes.map((node) => node.html.slice(0, 200)).join(" | ")}`)"""

# The options that are wider than the box that shows them, whose arrow takes 20 pixels.
CUT = """(root) => [...root.querySelectorAll("select")].flatMap((box) => {
  const pen = document.createElement("canvas").getContext("2d"), style = getComputedStyle(box);
  pen.font = style.font;
  const room = box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 20;
  return [...box.options].map((one) => one.textContent).filter((words) => pen.measureText(words).width > room);
})"""

# As anywidget calls a widget, with a store that holds the bytes.
RENDER = """async ([kind, name, settings, description, bytes]) => {
  const raw = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
  const store = { description, data: new DataView(raw.buffer) };
  const model = {
    get: (key) => ({ kind, name, settings, store: "IPY_MODEL_1" })[key],
    widget_manager: { get_model: async () => ({ get: (key) => store[key] }) },
  };
  document.documentElement.lang = "en";
  document.querySelectorAll("main").forEach((old) => old.remove());
  const el = document.body.appendChild(document.createElement("main"));
  await mechbook.widgets[kind]({ model, el });
}"""


def render(page: Any, shown: BookWidget) -> Any:
    """Show a widget alone on a page that has the book's scripts; return its element."""
    data = base64.b64encode(shown.store.data).decode()
    settings = json.loads(json.dumps(shown.settings))
    page.evaluate(RENDER, [shown.kind, shown.name, settings, shown.store.description, data])
    return widget(page, shown.name)


def widget(page: Any, name: str) -> Any:
    """The widget `name`, once it lives; on a page of a site it is brought on the screen, which wakes it."""
    place = page.locator(f'.mb-place[data-name="{name}"]')
    if place.count() and not place.locator(".mb-widget").count():
        place.evaluate("(one) => one.scrollIntoView({ block: 'center', behavior: 'instant' })")
    found = page.locator(f'section.mb-widget[data-widget="{name}"]')
    found.locator(".mb-says:not(:empty)").wait_for(timeout=30_000)
    return found


def follow(page: Any, name: str, fragment: str) -> str:
    """Go to a state of a widget by its address; return what its notice says then."""
    # in one step, and on a page that has another address the moment before: each call is a change
    page.evaluate("(hash) => new Promise((done) => { addEventListener('hashchange', done, { once: true }); "
                  "location.hash = hash; })", f"#{name}?{fragment}")  # fmt: skip
    settle(page)
    said: str = widget(page, name).locator(".mb-notice").text_content()
    return said


def settle(page: Any) -> None:
    """Wait until what was asked for is drawn."""
    page.evaluate(FRAME)


def complaints(found: Opened) -> list[str]:
    """Requests to other hosts, errors, and widgets that are on the page and do not live."""
    page = found.page
    missing = dead(page)
    found.settle()
    errors = [error for error in found.errors if not error.startswith(KNOWN)]
    return [f"asks {url}" for url in found.outside] + errors + missing


def dead(page: Any) -> list[str]:
    """Bring the place of each widget on the screen, as a reader does, and go back; name those that do not live."""
    missing, at = [], page.evaluate("scrollY")
    for place in page.locator(".mb-place").all():
        place.evaluate("(one) => one.scrollIntoView({ block: 'center', behavior: 'instant' })")
        try:
            page.wait_for_function(ALIVE, arg=place.element_handle(), timeout=30_000)
        except Exception as error:
            if type(error).__name__ != "TimeoutError":
                raise
            missing.append(f"{place.get_attribute('data-name')} does not live")
    page.evaluate("(top) => scrollTo({ top, behavior: 'instant' })", at)
    return missing


def serious_violations(page: Any, script: Path, context: str = CONTENT) -> list[str]:
    """What axe-core finds serious or critical in the book's own content."""
    page.add_script_tag(path=str(script))
    found: list[str] = page.evaluate(AXE, context)
    return found


def overflow(page: Any) -> int:
    """How many pixels the page is wider than the screen."""
    width: int = page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
    return max(0, width)


def cut_choices(shown: Any) -> list[str]:
    """The options of a widget's choices that do not fit into the box that shows the chosen one."""
    found: list[str] = shown.evaluate(CUT)
    return found


def wide_formulas(page: Any) -> list[str]:
    """The displayed formulas that have to be scrolled to be read: label and width against the width of their place."""
    settle(page)
    found: list[str] = page.evaluate(WIDE_FORMULAS)
    return found


def weight(html: Path, name: str) -> int:
    """The bytes of a page over the wire: itself and its images, gzipped."""
    page = html / f"{name}.html"
    images = set(re.findall(r'(?:src|data)="([^":]+\.(?:svg|png|jpg))"', page.read_text(encoding="utf-8")))
    return sum(len(gzip.compress(path.read_bytes())) for path in (page, *(page.parent / image for image in images)))


def wrong_predictions(page: Any, name: str, sent: Shipped, step: int, text: str) -> list[str]:
    """Where widget 3a, or its small version, shows other numbers than PyTorch with the same weights."""
    settle(page)
    shown, counts = widget(page, name), load_counts()
    with torch.no_grad():
        trace = sent.model(step).double().trace(encode(counts, text).unsqueeze(0))
    wrong = _differs("step", float(shown.get_attribute("data-step")), step)
    probabilities = trace.logits[0, -1].softmax(0)
    bars = shown.locator(".mb-bars li")
    tokens = {token_label(character): token for token, character in enumerate(counts.vocabulary)}
    order = probabilities.argsort(descending=True)
    for index in range(bars.count()):
        bar = bars.nth(index)
        value = float(bar.locator(".mb-readout").get_attribute("data-value"))
        expected = float(probabilities[tokens[bar.get_attribute("data-label")]])
        wrong += _differs(f"probability of {bar.get_attribute('data-label')}", value, expected)
        # Ranked alike, up to ties.
        wrong += _differs(f"probability number {index + 1}", value, float(probabilities[order[index]]))
    cells = shown.locator(".mb-cell")
    for layer in range(cells.count()):
        cell = cells.nth(layer)
        row, column = (int(cell.get_attribute(f"data-{axis}")) for axis in ("row", "column"))
        expected = float(trace.attention[layer][0, row, column])
        wrong += _differs(f"attention {layer + 1}", float(cell.get_attribute("data-value")), expected)
    for index in range(shown.locator(".mb-strip li").count()):
        value = float(shown.locator(".mb-strip li").nth(index).get_attribute("data-value"))
        wrong += _differs(f"attention to character {index}", value, float(trace.attention[1][0, -1, index]))
    for line, expected in sent_probes(sent, step).items() if cells.count() else ():
        value = float(shown.locator(f'[data-series="{line}"]').get_attribute("data-value"))
        wrong += _differs(line, value, expected)
    return wrong


def sent_probes(sent: Shipped, step: int) -> dict[str, float]:
    """The probes that the legend of widget 3a shows at a step."""
    at = sent.run.steps.index(step)
    names = {"W_O2": "W_O2", "W_K2_weighted": "W_K2, by trigger", "W_K1": "W_K1", "accuracy": "accuracy"}
    return {words: sent.run.values[name][at] for name, words in names.items()}


def wrong_memories(page: Any, name: str, sent: Shipped, step: int, matrix: str) -> list[str]:
    """Where widget 3b shows another cell or recall than PyTorch with the same weights."""
    settle(page)
    shown, model = widget(page, name), sent.model(step)
    with torch.no_grad():
        values = induction_memory_maps(model.double())[matrix]
    cell = shown.locator(".mb-cell")
    row, column = (int(cell.get_attribute(f"data-{axis}")) for axis in ("row", "column"))
    expected = float(values[row, column])
    wrong = _differs("step", float(shown.get_attribute("data-step")), step)
    wrong += _differs(f"{matrix} at {row}, {column}", float(cell.get_attribute("data-value")), expected)
    weights = sent.spec.task().trigger_distribution
    recall = {
        "W_K1": lambda: recall_W_K1(model),
        "W_K2": lambda: recall_W_K2(model, weights=weights),
        "W_O2": lambda: recall_W_O2(model),
    }
    return wrong + _differs("recall", float(shown.get_attribute("data-share")), float(recall[matrix]()))


def _differs(what: str, found: float, expected: float | int) -> list[str]:
    # Values beyond 1 are compared by their size: float32 holds seven digits.
    close = abs(found - expected) <= CLOSE * max(1.0, abs(expected))
    return [] if close else [f"{what} is {found}, PyTorch gives {expected}"]
