"""Time the page's model and widget 3a's way from a control's move to the repaint, in headless Chromium.

Run `python benchmarks/bench_widget.py`; `make bench` does. The page is the built book's chapter 3. The median forward
at T = 64, d = 128 is to take at most 10 ms, the median move at most 32 ms.
"""

import base64
import sys
from pathlib import Path
from statistics import median

import torch

from mechbook.models.simplified import SimplifiedConfig, SimplifiedTransformer
from mechbook.site import checks
from mechbook.site.browser import launched, library_page, opened, served
from mechbook.widgets.weights import pack

HTML = Path(__file__).resolve().parents[1] / "_build" / "html"
PAGE = "book/03_induction_heads.html"
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
    range.value = i % (Number(range.max) + 1);
    const start = performance.now();
    range.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    times.push(performance.now() - start);
  }
  return times;
}"""


def main() -> int:
    """Print both medians."""
    model = SimplifiedTransformer(SimplifiedConfig(N=65, T=64, d=128), torch.Generator().manual_seed(0))
    packed = pack(model.state_dict(), dtype="float16")
    try:
        with launched() as browser:
            with library_page(browser) as page:
                times = page.evaluate(FORWARD, [packed.description, base64.b64encode(packed.data).decode()])
                print(f"forward in the page, T = 64, d = 128: median {median(times):.1f} ms")
            if not (HTML / PAGE).exists() or 'id="widget-3a"' not in (HTML / PAGE).read_text(encoding="utf-8"):
                print(f"{PAGE} with widget 3a is not built: run make book for the time of a move.")
                return 0
            with served(HTML) as address, opened(browser, f"{address}/{PAGE}") as found:
                shown = checks.widget(found.page, "widget-3a")
                # The longest sequence there is.
                shown.get_by_label("The model reads").fill("q" * 64)
                times = shown.get_by_label("Training step").evaluate(MOVE)
                print(f"widget 3a, from a move to the repaint: median {median(times):.1f} ms, T = 64")
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
