"""Execute the chapters that changed, several at a time, into the cache the site is built from.

    python -m mechbook.site.execute --workers 2 --threads 1 [--fresh]

Every chapter runs in a kernel of this interpreter, in the folder of its page, with a fixed number of threads. A chapter
that fails is never kept, so it fails again; the others are, so an interrupted or failed build resumes.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from pathlib import Path

from myst_parser.config.main import MdParserConfig
from sqlalchemy.exc import SQLAlchemyError

from mechbook.core.cache import entries
from mechbook.core.cache.closure import PACKAGE
from mechbook.core.progress import Line, on_screen, say
from mechbook.site.clock import drop_runs_ahead, modules_ahead
from mechbook.site.configuration import markdown_config
from mechbook.site.fingerprint import dependencies
from mechbook.site.kernel import RUNNING, Outcome, environment, run, stop
from mechbook.site.layers import THEMES, check_chapter
from mechbook.site.limits import cell_limit
from mechbook.site.notebooks import chapter_number, code, pages, read, with_fingerprint
from mechbook.site.page_cache import keep, kept, opened, timings
from mechbook.site.settings import Parser, add_arguments

THREAD_VARIABLES = ("MECHBOOK_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Settings that name a folder, which is meant from where the build was called, not from a chapter's.
FOLDERS = ("MECHBOOK_CACHE", "MECHBOOK_RECORDS", "MECHBOOK_MODELS")
EDITED = (
    "The page, or a file of the package that it depends on, was changed while it ran, so that nobody can say which "
    "version its outputs are of. They are not kept: build again."
)
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def execute(root: Path, *, workers: int, fresh: bool = False) -> dict[str, float]:
    """Bring the cache of the book in `root` up to date; return the seconds each chapter took, 0 from the cache.

    Prints a line for each chapter, then each failure with cell and traceback. Raises RuntimeError, once every other
    chapter is done, when one failed.
    """
    config = markdown_config(root)
    cache = opened(root / "_build" / ".jupyter_cache")
    seconds: dict[str, float] = {}
    todo: dict[str, str] = {}
    cells: dict[str, int] = {}
    before: dict[str, State] = {}
    for page in pages(root):
        path = root / f"{page}.md"
        if not path.exists():
            continue
        try:
            text = with_fingerprint(path.read_text(encoding="utf-8"), config)
        except ValueError as error:
            raise ValueError(f"{path.relative_to(root)}: {error}") from error
        notebook = read(text, config)
        if notebook is None or not code(notebook):
            continue
        if (number := chapter_number(page)) is not None and number <= len(THEMES):
            try:
                check_chapter(number, code(notebook))
            except ValueError as error:
                raise ValueError(f"{path.relative_to(root)}: {error}") from error
        seconds[page] = 0.0
        if fresh or not kept(cache, notebook):
            todo[page], cells[page] = text, len(code(notebook))
            before[page] = _state(path, config)
    times = root / "_build" / "chapter_seconds.json"
    known = timings(times)
    order = sorted(todo, key=lambda page: -known.get(page, float("inf")))
    failures, spent = [], 0.0
    if todo:
        _font_cache()
    limits = {page: cell_limit(root, page) for page in order}
    with Chapters(order, cells, known) as chapters:
        for outcome in _outcomes(root, order, todo, config, limits, workers, chapters):
            path = root / f"{outcome.page}.md"
            seconds[outcome.page] = outcome.seconds
            for notice in outcome.notices:
                say(f"{outcome.page}: {notice}")
            if outcome.failure is None and _state(path, config) != before[outcome.page]:
                outcome = replace(outcome, failure=EDITED)
            if outcome.failure is not None or outcome.notebook is None:
                failures.append(outcome)
                say(f"{outcome.page}: failed after {outcome.seconds:.1f} s")
                continue
            try:
                keep(cache, outcome.notebook, outcome.seconds, path)
            except (OSError, SQLAlchemyError) as error:
                first = str(error).strip().splitlines()[0]
                raise RuntimeError(f"{outcome.page}.md ran and cannot be kept in _build: {first}.") from error
            known[outcome.page] = outcome.seconds
            draft = times.with_suffix(".part")
            draft.write_text(json.dumps(known), encoding="utf-8")
            draft.replace(times)
            spent += outcome.cpu
            say(f"{outcome.page}: executed in {outcome.seconds:.1f} s, {outcome.cpu:.1f} s of a processor")
    for page in sorted(set(seconds) - set(todo)):
        print(f"{page}: unchanged, taken from the cache ({known.get(page, 0.0):.1f} s when it ran)", flush=True)
    for outcome in failures:
        words = outcome.failure or ""
        words = words if sys.stderr.isatty() else ANSI.sub("", words)
        print(f"\n{outcome.page}.md failed:\n{words}", file=sys.stderr)
    if spent > 60:
        print(f"Executed in all: {spent / 60:.1f} minutes of a processor.", flush=True)
    if failures:
        raise RuntimeError(f"{len(failures)} of {len(seconds)} chapters failed: {', '.join(f.page for f in failures)}.")
    return seconds


def _outcomes(
    root: Path,
    order: list[str],
    texts: dict[str, str],
    config: MdParserConfig,
    limits: dict[str, int | None],
    workers: int,
    chapters: "Chapters",
) -> Iterable[Outcome]:
    # Threads are enough, since each only waits for its kernel, and nbclient leaves signals alone outside the main one.
    with ThreadPoolExecutor(workers) as pool:
        futures = [
            pool.submit(
                run, page, texts[page], str((root / page).parent), config, limits[page], partial(chapters.cell, page)
            )
            for page in order
        ]
        try:
            for future in as_completed(futures):
                outcome = future.result()
                chapters.over(outcome.page)
                yield outcome
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for client in list(RUNNING):
                asyncio.run(stop(client))
            raise


class Chapters(Line):
    """How far the chapters are: a chapter counts as long as it took when it last ran, its cells are equal parts of it.

    One that never ran counts as long as the others do on average. Shown on a screen, as the build is no page.
    """

    def __init__(self, order: list[str], cells: dict[str, int], known: dict[str, float]) -> None:
        old = [known[page] for page in order if known.get(page)]
        usual = sum(old) / len(old) if old else 1.0
        self.weights = {page: known.get(page) or usual for page in order}
        self.cells, self.finished, self.begun = cells, 0, dict.fromkeys(order, 0)
        super().__init__("", sum(self.weights.values()), "", show=on_screen())

    def cell(self, page: str) -> None:
        """A cell of a page is done; some of the build's own come after the page's."""
        if self.begun[page] < self.cells[page]:
            self.begun[page] += 1
            self.advance(self.weights[page] / self.cells[page])

    def over(self, page: str) -> None:
        """A page is done, in whichever cell it ended."""
        while self.begun[page] < self.cells[page]:
            self.cell(page)
        self.finished += 1

    def __enter__(self) -> "Chapters":
        super().__enter__()
        return self

    def words(self) -> str:
        """The chapters that are done, and how far those are that have begun."""
        under_way = [page for page, count in self.begun.items() if 0 < count < self.cells[page]]
        parts = [f"{page.rpartition('/')[2]}: {self.begun[page]} of {self.cells[page]} cells" for page in under_way]
        return "; ".join([f"{self.finished} of {len(self.begun)} chapters are executed", *parts])


State = tuple[str, tuple[tuple[str, int, int], ...]]
"""A page's cells with their fingerprint, and when each file of the package that it depends on was last written."""


def _state(path: Path, config: MdParserConfig) -> State:
    """What a page's outputs depend on as it lies on the disk now: changed and changed back is another state.

    The text is none of it; a page that can no longer be read is a state of its own.
    """
    try:
        text = with_fingerprint(path.read_text(encoding="utf-8"), config)
        notebook = read(text, config)
        cells = [] if notebook is None else code(notebook)
        stats = [(str(file), file.stat()) for file in dependencies(cells)]
        spec = {} if notebook is None else notebook.metadata.get("kernelspec", {})
    except (OSError, ValueError, SyntaxError) as error:
        return f"unreadable: {error}", ()
    return json.dumps([spec, cells]), tuple((name, stat.st_mtime_ns, stat.st_ino) for name, stat in stats)


def _font_cache() -> None:
    """Have matplotlib make its list of fonts, which it does once, with a notice that would land on a page."""
    command = [sys.executable, "-c", "import matplotlib.font_manager"]
    subprocess.run(command, env=environment(), capture_output=True, check=False)


def prepare(threads: int) -> None:
    """Fix what every kernel started from here finds in its environment: threads, the build, and when it began.

    What is dated ahead of the clock is said; with MECHBOOK_FRESH=1 no run of then is left. OSError where `_build` or
    such a run cannot be written.
    """
    for name in THREAD_VARIABLES:
        os.environ[name] = str(threads)
    for name in FOLDERS:
        if chosen := os.environ.get(name):
            os.environ[name] = str(Path(chosen).expanduser().absolute())
    os.environ["MECHBOOK_SITE_BUILD"] = "1"
    os.environ["MECHBOOK_BUILD_STARTED"] = str(time.time())
    fresh = os.environ.get("MECHBOOK_FRESH") == "1"
    for said in (modules_ahead(PACKAGE), drop_runs_ahead(entries.folder()) if fresh else ""):
        if said:
            print(said, flush=True)
    # IPython warns of a folder that it would have to make in one that is not there.
    for name in (".ipython", ".matplotlib"):
        (PACKAGE.parent / "_build" / name).mkdir(parents=True, exist_ok=True)


def main() -> int:
    """Execute the chapters of the book this package lies in."""
    parser = Parser(description="Execute the chapters that changed.")
    add_arguments(parser)
    try:
        arguments = parser.parse_args()
        prepare(arguments.threads)
        execute(PACKAGE.parent, workers=arguments.workers, fresh=arguments.fresh)
    except (OSError, RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
