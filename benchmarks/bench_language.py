"""Time the language model in the page, in headless Chromium: opening it, a forward pass, a decomposition, a redraw.

Run `python -m benchmarks.bench_language`. The prompt has 24 tokens; each time is the least of several, with the median
beside it, since the machine may have other work. What a redraw costs depends on the block: those before it are kept.
The rate of products with packed weights stands beside that of a plain float32 product of the same kernels, whose
factors stay in the cache.
"""

import base64
import json
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from mechbook.pretrained.packages import packaged
from mechbook.widgets import bundle
from tests.browser.browser import launched, opened, served

ENTRY = "tests/widgets/language/page.js"
PART = 24_000_000
TOKENS = list(range(1000, 1024))
BLOCKS = (28, 27, 20, 10, 5, 0)
OPEN = """async () => {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  globalThis.codes = given.kernels.map(bytes);
  globalThis.model = null;
  return codes.map((code) => WebAssembly.validate(code));
}"""
LOAD = """async (which) => {
  globalThis.model?.stop();
  globalThis.model = language(given.worker, codes[which]);
  const begun = performance.now();
  const said = await model.load(given.parts);
  return [performance.now() - begun, said.bytes];
}"""
ASK = """async ([order, times]) => {
  const all = [];
  for (let i = 0; i < times; i++) {
    const begun = performance.now();
    await model.ask(order);
    all.push(performance.now() - begun);
  }
  return all;
}"""
# GFLOP/s of the kernels alone, in the page's own thread: a plain product, and the matrices of a block at 24 tokens.
RATES = """(which) => {
  const memory = new WebAssembly.Memory({ initial: 400 });
  const { exports: k } = new WebAssembly.Instance(new WebAssembly.Module(codes[which]), { env: { memory } });
  const f = new Float32Array(memory.buffer), bytes = new Uint8Array(memory.buffer), W = 1 << 20;
  for (let i = 0; i < 1536 * 576; i++) bytes[W + i] = i % 60;
  const [x, y, work] = [3e6, 3.2e6, 3.5e6];
  for (let i = 0; i < 24 * 1536; i++) f[x + i] = Math.sin(i);
  const best = (flops, run) => {
    let least = Infinity;
    // a page's clock has steps of 0.1 ms
    const runs = Math.ceil(1e8 / flops);
    for (let i = 0; i < 100; i++) {
      const begun = performance.now();
      for (let j = 0; j < runs; j++) run();
      least = Math.min(least, (performance.now() - begun) / runs);
    }
    return flops / least / 1e6;
  };
  const plain = best(2 * 64 ** 3, () => k.product(x, 64, 1, x + 8192, 64, y, 64, 64, 64, 64, 0, 0));
  const packed = (kind, rows, width) => best(2 * rows * width * 24,
    () => k.multiply(kind, W, rows, width, x, width, 24, y, rows, work));
  return [plain, packed(3, 1536, 576), packed(3, 576, 1536), packed(8, 1536, 576)];
}"""


def site(folder: Path) -> None:
    """A page with the engine, and the model in parts beside it."""
    whole = packaged("smollm2-135m")
    parts = []
    with open(whole, "rb") as stream:
        while part := stream.read(PART):
            name = f"part.{len(parts)}"
            (folder / name).write_bytes(part)
            parts.append({"url": name, "bytes": len(part)})
    compiled = [bundle.kernels(entry=bundle.LANGUAGE_KERNELS, more=more) for more in ((), bundle.RELAXED)]
    given = {
        "worker": bundle.bundle(entry=bundle.LANGUAGE_WORKER),
        "kernels": [base64.b64encode(code).decode() for code in compiled],
        "parts": parts,
    }
    script = f"globalThis.given = {json.dumps(given)};\n{bundle.bundle(entry=ENTRY)}"
    (folder / "page.js").write_text(script, encoding="utf-8")
    text = '<!doctype html><meta charset="utf-8"><title>t</title><script src="page.js"></script>'
    (folder / "index.html").write_text(text, encoding="utf-8")


def measure(page: Any, which: int) -> None:
    """Print all numbers of one of the two sets of kernels."""

    def asked(words: str, order: dict[str, Any], times: int = 9) -> None:
        all_ms = page.evaluate(ASK, [order, times])
        print(f"  {words:44s} {min(all_ms):7.1f} ms least, {median(all_ms):7.1f} median")

    plain, wide, high, eight = page.evaluate(RATES, which)
    print(f"  plain float32 product, 64 x 64 x 64          {plain:7.1f} GFLOP/s")
    for words, rate in (("Q4_1 1536 x 576", wide), ("Q4_1 576 x 1536", high), ("Q8_0 1536 x 576", eight)):
        print(f"  {words}, 24 tokens                  {rate:7.1f} GFLOP/s, {rate / plain:.0%} of it")
    loads = [page.evaluate(LOAD, which) for _ in range(3)]
    print(f"  opening it, fetched from this machine        {min(load[0] for load in loads):7.1f} ms")
    print(f"  the worker's memory then                     {loads[0][1] / 1e6:7.1f} MB")
    prompt = {"ids": TOKENS}
    asked("the output matrix alone (prompt kept)", {"type": "next", **prompt}, 1)
    asked("the output matrix alone (prompt kept)", {"type": "next", **prompt})
    asked("all blocks and the output matrix", {"type": "next", "off": [[0, 0]], **prompt})
    for layer in BLOCKS:
        asked(f"decomposition of block {layer}'s mlp_in", {"type": "decompose", "layer": layer, "name": "mlp_in"}, 1)
        cut = {"layer": layer, "name": "mlp_in", "rho": 0.3}
        asked(f"redraw with block {layer}'s mlp_in cut", {"type": "next", "cut": cut, **prompt})
    asked("every position's probabilities", {"type": "along", **prompt})
    asked("logit lens", {"type": "lens", **prompt})
    asked("attribution of the heads", {"type": "attribution", "tokens": [260, 4200], **prompt})
    asked("attention of block 29", {"type": "attention", "layer": 29, **prompt})


def main() -> int:
    """Print the table, of both sets of kernels where this browser runs both."""
    folder = Path(tempfile.mkdtemp())
    try:
        site(folder)
        with (
            launched() as browser,
            served(folder) as address,
            opened(browser, f"{address}/index.html", script=True) as found,
        ):
            runs = found.page.evaluate(OPEN)
            for which, words in enumerate(("SIMD", "relaxed SIMD")):
                if runs[which]:
                    print(f"{words}:")
                    measure(found.page, which)
    finally:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
