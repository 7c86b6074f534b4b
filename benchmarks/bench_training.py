"""Time training in the page beside PyTorch's fast path on one thread, for the same two models, in headless Chromium.

Run `python -m benchmarks.bench_training`; `make bench` does. Both sides draw their batches. They take turns, a stretch
of steps each, so that a busy machine slows both alike; the table has each one's fastest stretch. The 16-letter model is
to make at least 400 steps a second and 3 times PyTorch's, the Shakespeare model at least 0.8 times PyTorch's.
"""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mechbook.core.progress import Line, say
from mechbook.induction.presets import LAPTOP
from mechbook.shared.bigrams import BigramTask, sample, shakespeare_task
from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer
from mechbook.shared.simplified_step import selected_losses
from tests.browser.browser import launched, library_page, served

TURNS = 5
HTML = Path(__file__).resolve().parents[1] / "_build" / "html"
# The landing page's button, as soon as it is there; the time is the page's own, which starts with its navigation.
WATCH = """() => new Promise((done) => {
  const tasks = [];
  new PerformanceObserver((list) => tasks.push(...list.getEntries().map((task) => task.duration)))
    .observe({ type: "longtask", buffered: false });
  let pressed = 0;
  const look = () => {
    const root = document.querySelector("[data-widget='widget-birth']"), button = root?.querySelector("button.mb-main");
    if (!pressed && button) {
      pressed = performance.now();
      tasks.length = 0;
      button.click();
    }
    if (Number(root?.dataset.accuracy) >= 0.9) {
      return setTimeout(() => done([pressed, performance.now(), Math.max(0, ...tasks)]), 0);
    }
    return setTimeout(look, 5);
  };
  look();
})"""
# Another trainer: it plays from start to end; the longest task of the page's thread.
PLAYED = """(name) => new Promise((done) => {
  const root = document.querySelector(`[data-widget="${name}"]`), tasks = [];
  new PerformanceObserver((list) => tasks.push(...list.getEntries().map((task) => task.duration)))
    .observe({ type: "longtask", buffered: false });
  root.scrollIntoView();
  root.querySelector("button.mb-main").click();
  const look = () => {
    if (root.dataset.done !== "true") return setTimeout(look, 20);
    return setTimeout(() => done([Number(root.dataset.step), tasks.length, Math.max(0, ...tasks)]), 100);
  };
  look();
})"""
TRAINERS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("02_gradients_as_memories", "widget-2b", {}),
    ("03_induction_heads", "widget-3c", {"Speed": "watch"}),
    ("03_induction_heads", "widget-3c", {"Speed": "fast"}),
    ("03_induction_heads", "widget-3c", {"Model": "shakespeare"}),
    ("04_noisy_recall", "widget-4c", {"Speed": "watch"}),
    ("06_factual_recall", "widget-6c", {}),
)
# One stretch of a run that goes on, in the page's own thread: what a worker does between two views.
BEGIN = """([settings, plain]) => {
  globalThis.trained = mechbook.training.runOf(plain ? null : mechbook.training.code(), settings);
}"""
STRETCH = """(steps) => {
  const start = performance.now();
  for (let i = 0; i < steps; i++) globalThis.trained.advance();
  return [steps / (performance.now() - start) * 1000, globalThis.trained.step];
}"""


@dataclass(frozen=True)
class Case:
    """A model, its task, and the steps of a stretch with vectors, without, and of PyTorch's."""

    name: str
    task: BigramTask
    d: int
    batch: int
    lr: float
    stretch: tuple[int, int, int]


def uniform_task(N: int, T: int, K: int) -> BigramTask:
    """Every token equally likely, whatever came before."""
    even = torch.full((N,), 1 / N)
    return BigramTask(pi_u=even, pi_b=even.expand(N, N).contiguous(), T=T, K=K)


CASES = (
    Case("16 letters", uniform_task(16, 32, 2), 64, 32, 0.01, (150, 20, 40)),
    Case("Shakespeare", shakespeare_task(T=LAPTOP.T, K=LAPTOP.K), LAPTOP.d, LAPTOP.batch_size, LAPTOP.lr, (30, 2, 15)),
)


def pytorch(case: Case) -> Callable[[int], float]:
    """Return what makes so many steps more and gives the steps a second."""
    generator = torch.Generator().manual_seed(0)
    config = SimplifiedConfig(N=case.task.N, T=case.task.T, d=case.d)
    model = SimplifiedTransformer(config, generator)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=case.lr, momentum=0.9, weight_decay=1e-4)

    def stretch(steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            batch = sample(case.task, case.batch, generator)
            losses, _ = selected_losses(model, batch.inputs, batch.in_context, batch.targets)
            optimizer.zero_grad()
            losses.mean().backward()
            optimizer.step()
        return steps / (time.perf_counter() - start)

    return stretch


def settings(case: Case) -> dict[str, Any]:
    """The same run as the page's."""
    task = case.task
    sizes = {"N": task.N, "T": task.T, "d": case.d, "B": case.batch, "K": task.K, "triggers": None}
    given = {"pi_u": task.pi_u.tolist(), "pi_b": task.pi_b.tolist()}
    how = {"optimizer": "sgd", "lr": case.lr, "momentum": 0.9, "decay": 1e-4, "seed": 0, "frozen": []}
    return {**sizes, **given, **how, "every": 10, "steps": 100_000}


def measure(page: Any, case: Case) -> str:
    """Return one line of the table."""
    ours = pytorch(case)
    best = {"vectors": 0.0, "plain": 0.0, "torch": 0.0}
    page.evaluate(BEGIN, [settings(case), False])
    ours(case.stretch[2])
    for turn in range(TURNS):
        best["vectors"] = max(best["vectors"], page.evaluate(STRETCH, case.stretch[0])[0])
        best["torch"] = max(best["torch"], ours(case.stretch[2]))
        if turn == TURNS - 1:
            page.evaluate(BEGIN, [settings(case), True])
            best["plain"] = page.evaluate(STRETCH, case.stretch[1])[0]
    rates = " ".join(f"{best[way]:>9.0f}" for way in ("vectors", "torch", "plain"))
    return f"{case.name:<12} {rates} {best['vectors'] / best['torch']:>12.2f}"


def landing(browser: Any, address: str, page: str) -> str:
    """Return a sentence: from the load of the landing page, on a warm cache, to an accuracy of 0.9."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        for _ in range(2):
            shown = context.new_page()
            shown.goto(f"{address}/{page}", wait_until="commit")
            begun, reached, longest = shown.evaluate(WATCH)
            shown.close()
    finally:
        context.close()
    return (
        f"{page}: the button after {begun / 1000:.1f} s, accuracy 0.9 after {reached / 1000:.1f} s; "
        f"the page's longest task meanwhile {longest:.0f} ms (0: none of 50 ms or more)"
    )


def played(browser: Any, address: str, page: str, name: str, choices: Mapping[str, str]) -> str:
    """Return a sentence: the longest task of the page's thread while one of its trainers plays from start to end."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        shown = context.new_page()
        # a widget that a link names comes without being scrolled to
        shown.goto(f"{address}/book/{page}.html#{name}", wait_until="load")
        root = shown.locator(f'section[data-widget="{name}"]')
        root.locator('xpath=self::*[@data-step="0"]').wait_for(timeout=60_000)
        for label, value in choices.items():
            root.get_by_label(label, exact=True).select_option(value)
        # what the page itself does after its load is none of the trainer's
        shown.wait_for_timeout(3000)
        steps, count, longest = shown.evaluate(PLAYED, name)
    finally:
        context.close()
    how = f" ({', '.join(choices.values())})" if choices else ""
    return f"{name}{how}: {steps} steps, {count} tasks of 50 ms or more, the longest {longest:.0f} ms"


def main() -> int:
    """Print the table, and the landing page's time where the site is built."""
    torch.set_num_threads(1)
    try:
        with launched() as browser, library_page(browser) as page:
            print("training in the page, steps a second (fastest of 5 turns), one thread")
            print(f"{'model':<12} {'vectors':>9} {'PyTorch':>9} {'plain':>9} page/PyTorch")
            with Line("make bench, training in the page", len(CASES), "models") as line:
                for case in CASES:
                    say(line.passed(measure(page, case)))
        if (HTML / "book" / "index.html").exists():
            with launched() as browser, served(HTML) as address:
                print(landing(browser, address, "book/index.html"))
                print("the page's own thread while a trainer plays from start to end")
                with Line("make bench, trainers that play", len(TRAINERS), "trainers") as line:
                    for page_name, name, choices in TRAINERS:
                        say(line.passed(played(browser, address, page_name, name, choices)))
        else:
            print("The landing page is timed on the built site: run make book first.")
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
