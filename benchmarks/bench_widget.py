"""Time the page's model, and the way of widgets 1, 2 and 3a from a control's move to the repaint, in headless Chromium.

Run `python benchmarks/bench_widget.py`; `make bench` does. The pages are the built book's chapters. The median forward
at T = 64, d = 128 is to take at most 10 ms, the median move of 3a at most 32 ms, and of 1 and 2, which compute a memory
of 1024 pairs or fifty gradient steps anew, at most 100 ms.
"""

import base64
import sys
from pathlib import Path
from statistics import median
from typing import Any

import torch

from mechbook.core.progress import Line, say
from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer
from mechbook.widgets.weights import pack
from tests.browser import checks
from tests.browser.browser import launched, library_page, opened, served

HTML = Path(__file__).resolve().parents[1] / "_build" / "html"
# Page, widget, what is set first, and the slider that moves.
MOVES = (
    ("book/01_associative_memories.html", "widget-1", {"Dimension d": "6"}, "Pairs N"),
    ("book/02_gradients_as_memories.html", "widget-2", {"Input": "on", "Dimension d": "6"}, "Step size"),
    # The longest sequence there is.
    ("book/03_induction_heads.html", "widget-3a", {"The model reads": "q" * 64}, "Training step"),
)
FORWARD = """async ([description, bytes]) => {
  const data = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
  const model = mechbook.engine.simplified(await mechbook.engine.unpack(description, data));
  const times = [];
  for (let i = 0; i < 200; i++) {
    const tokens = Array.from({ length: 64 }, (_, t) => (7 * t + i) % 65), start = performance.now();
    model.forward(tokens);
    times.push(performance.now() - start);
  }
  return times;
}"""
# From the event to the first moment after the frame that shows it.
MOVE = """async (range) => {
  const times = [];
  for (let i = 0; i < 60; i++) {
    // At the upper end, where there is most to do; never twice in the same place.
    range.value = Number(range.max) - (i % 2);
    const start = performance.now();
    range.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    times.push(performance.now() - start);
  }
  return times;
}"""


def moves(page: Any, name: str, first: dict[str, str], slider: str) -> list[float]:
    """Return the milliseconds of each move, with the controls set as `first` says."""
    shown = checks.widget(page, name)
    for label, value in first.items():
        control = shown.get_by_label(label)
        if control.evaluate("(one) => one.tagName") == "SELECT":
            control.select_option(value)
        else:
            control.fill(value)
    times: list[float] = shown.get_by_label(slider).evaluate(MOVE)
    return times


def main() -> int:
    """Print all medians."""
    model = SimplifiedTransformer(SimplifiedConfig(N=65, T=64, d=128), torch.Generator().manual_seed(0))
    packed = pack(model.state_dict(), dtype="float16")
    try:
        with launched() as browser:
            with library_page(browser) as page:
                times = page.evaluate(FORWARD, [packed.description, base64.b64encode(packed.data).decode()])
                print(f"forward in the page, T = 64, d = 128: median {median(times):.1f} ms")
            with served(HTML) as address:
                with Line("make bench, moves of widgets", len(MOVES), "widgets") as line:
                    for page, name, first, slider in MOVES:
                        line.advance()
                        path = HTML / page
                        if not path.exists() or f'id="{name}"' not in path.read_text(encoding="utf-8"):
                            say(f"{page} with {name} is not built: run make book for the time of a move.")
                            continue
                        with opened(browser, f"{address}/{page}") as found:
                            times = moves(found.page, name, first, slider)
                            say(f"{name}, from a move to the repaint: median {median(times):.1f} ms")
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
