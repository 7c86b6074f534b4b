"""What a page costs who opens it: bytes over the wire, and times on a processor slowed down, beside an empty page.

The empty page is the theme's own, written by Sphinx with nothing of the book in it: what a machine takes for that one,
the same minute, is the unit in which times compare across machines.
"""

import gzip
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.browser.browser import served

# What a server does not compress, as it is compressed already.
PACKED = (".png", ".jpg", ".woff", ".woff2", ".whl", ".gz")
THROTTLE = 4
EMPTY = "empty.html"
TASK = "ThreadControllerImpl::RunTask"
# Notes, from before the page's first byte on: long tasks, first text, and the moments of each widget's place.
WATCH = """() => {
  const seen = globalThis.seen = { tasks: [], reached: {}, alive: {}, text: null };
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) seen.tasks.push([startTime, duration]);
  }).observe({ type: "longtask", buffered: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (entry.name === "first-contentful-paint") seen.text = entry.startTime;
  }).observe({ type: "paint", buffered: true });
  const wanted = LEAP;
  const look = () => {
    const now = performance.now();
    for (const place of document.querySelectorAll(".mb-static")) {
      if (place.id === wanted) seen.reached[place.id] ??= now;
    }
    for (const widget of document.querySelectorAll(".mb-widget[data-widget]")) {
      const says = widget.querySelector(".mb-says");
      if (says?.textContent) seen.alive[widget.dataset.widget] ??= now;
    }
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true, characterData: true });
}"""
TIMES = """() => {
  const [entry] = performance.getEntriesByType("navigation");
  return { ...globalThis.seen, parsed: entry.domContentLoadedEventEnd, nodes: document.querySelectorAll("*").length };
}"""
# Down the page, a screen at a time, as a reader comes by everything.
SCROLL = """async () => {
  for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight / 2) {
    scrollTo({ top: y, behavior: "instant" });
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)));
  }
}"""


@dataclass(frozen=True)
class Part:
    """One file that a page asked for: its path in the site, its bytes, and those a server sends that compresses."""

    path: str
    raw: int
    wire: int


@dataclass(frozen=True)
class Times:
    """Milliseconds since the page was asked for, at the processor's slowed pace; None for what never came.

    `text` the first paint with text, `parsed` the end of DOMContentLoaded, `task` the longest task; `alive` from the
    moment the widget's place is brought on the screen to the widget's first words, `after` the longest task since then.
    """

    text: float
    parsed: float
    task: float
    alive: float | None
    after: float | None
    nodes: int


def parts(html: Path, urls: list[str]) -> list[Part]:
    """The files of the site at `html` among the addresses that a page asked for, the heaviest over the wire first."""
    found = {}
    for url in urls:
        place = urlsplit(url)
        if place.scheme not in ("http", "https"):
            continue
        path = unquote(place.path).lstrip("/")
        file = html / path
        if file.is_file():
            content = file.read_bytes()
            packed = content if file.suffix in PACKED else gzip.compress(content, 6)
            found[path] = Part(path, len(content), min(len(content), len(packed)))
    return sorted(found.values(), key=lambda part: -part.wire)


def asked(browser: Any, url: str, *, whole: bool) -> list[str]:
    """Every address that a page asks for, of itself or, `whole`, also when it is scrolled to its end."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    try:
        page.goto(url, wait_until="load")
        page.wait_for_timeout(1500)
        if whole:
            page.evaluate(SCROLL)
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(1500)
    finally:
        page.close()
    return urls


def timed(browser: Any, url: str, *, leap: str | None = None, rate: float = THROTTLE) -> Times:
    """The times of a page with the processor slowed down `rate` times.

    With `leap`, a widget's anchor, the page is asked for by a link to it, and watched until the widget lives and two
    seconds more. TimeoutError where it does not within two minutes.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    try:
        page.add_init_script(f"({WATCH.replace('LEAP', repr(leap) if leap else 'null')})()")
        session = context.new_cdp_session(page)
        session.send("Emulation.setCPUThrottlingRate", {"rate": rate})
        page.goto(f"{url}#{leap}" if leap else url, wait_until="load", timeout=120_000)
        if leap:
            page.wait_for_function("(name) => name in globalThis.seen.alive", arg=leap, timeout=120_000)
        page.wait_for_timeout(2000)
        found = page.evaluate(TIMES)
    finally:
        context.close()
    reached, alive = found["reached"].get(leap), found["alive"].get(leap)
    after = [length for start, length in found["tasks"] if reached is not None and start + length >= reached]
    return Times(
        text=found["text"],
        parsed=found["parsed"],
        task=max((length for _, length in found["tasks"]), default=0.0),
        alive=None if alive is None or reached is None else alive - reached,
        after=max(after, default=0.0) if reached is not None else None,
        nodes=found["nodes"],
    )


@dataclass(frozen=True)
class Work:
    """Milliseconds of the processor that a page's main thread works, which a busy machine hardly changes.

    `load` until the page is loaded and quiet, `longest` the longest task of that; `alive` from the moment its widget's
    place is brought on the screen until the widget lives, `after` the longest task of that, both None without a widget.
    """

    load: float
    longest: float
    alive: float | None
    after: float | None


def worked(browser: Any, url: str, *, leap: str | None = None) -> Work:
    """What the main thread works for a page, then for its widget `leap`; TimeoutError where it does not live."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    try:
        session = context.new_cdp_session(page)
        load, longest = _traced(session, page, lambda: page.goto(url, wait_until="load", timeout=60_000))
        if leap is None:
            return Work(load, longest, None, None)
        widget = page.locator(f'.mb-widget[data-widget="{leap}"] .mb-says:not(:empty)')

        def go() -> None:
            page.evaluate("(id) => { location.hash = id; }", leap)
            widget.wait_for(timeout=60_000)

        return Work(load, longest, *_traced(session, page, go))
    finally:
        context.close()


def _traced(session: Any, page: Any, do: Callable[[], object]) -> tuple[float, float]:
    """The sum and the longest of the main thread's tasks while `do` runs and the half second after."""
    events: list[dict[str, Any]] = []
    done: list[object] = []
    session.on("Tracing.dataCollected", lambda found: events.extend(found["value"]))
    session.on("Tracing.tracingComplete", lambda found: done.append(found))
    session.send("Tracing.start", {"categories": "toplevel,devtools.timeline", "transferMode": "ReportEvents"})
    do()
    page.wait_for_timeout(500)
    session.send("Tracing.end")
    while not done:
        page.wait_for_timeout(50)
    # Threads of one name there are several: the page's is the one that works most.
    named = {(one["pid"], one["tid"]) for one in events if one.get("args", {}).get("name") == "CrRendererMain"}
    tasks: dict[tuple[int, int], list[float]] = {thread: [0.0] for thread in named}
    for one in events:
        if one["name"] == TASK and (one["pid"], one["tid"]) in named:
            tasks[one["pid"], one["tid"]].append(one.get("tdur", 0) / 1000)
    own = max(tasks.values(), key=sum)
    return sum(own), max(own)


def first_widget(page: Path) -> str | None:
    """The anchor of a page's first widget; None where it has none."""
    found = re.search(r'class="mb-static" id="([\w-]+)"', page.read_text(encoding="utf-8"))
    return found and found[1]


@contextmanager
def empty_site() -> Iterator[tuple[Path, str]]:
    """A site of one empty page in the book's theme, as Sphinx writes it: its folder, and its address."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "conf.py").write_text('html_theme = "sphinx_book_theme"\nroot_doc = "empty"\n', encoding="utf-8")
        (root / "empty.rst").write_text("Empty\n=====\n\nNothing.\n", encoding="utf-8")
        command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", name, str(root / "html")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"The empty page cannot be written: {done.stderr}")
        with served(root / "html") as address:
            yield root / "html", address
