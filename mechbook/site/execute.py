"""Execute the chapters that changed, several at a time, into the cache the site is built from.

    python -m mechbook.site.execute --workers 2 --threads 1 [--fresh]

Every chapter runs in a kernel of this interpreter, in the folder of its page, with a fixed number of threads. A chapter
that fails is never kept, so it fails again; the others are, so an interrupted or failed build resumes.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_async
from myst_parser.config.main import MdParserConfig
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, CellExecutionError, DeadKernelError
from nbformat.reader import NotJSONError

from mechbook.core.cache.closure import PACKAGE
from mechbook.site.configuration import markdown_config
from mechbook.site.fingerprint import dependencies, module_names
from mechbook.site.layers import THEMES, check_chapter
from mechbook.site.limits import cell_limit
from mechbook.site.notebooks import chapter_number, code, pages, read, with_fingerprint

THREAD_VARIABLES = ("MECHBOOK_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Run after a chapter's last cell: what it really imported, for comparison with what its fingerprint covers.
LOADED = "import sys as _s; print(*sorted(m for m in _s.modules if m.split('.')[0] == 'mechbook'))"
# Whose kernels an interruption has to stop.
RUNNING: set[NotebookClient] = set()
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Outcome:
    """How a chapter went: the executed notebook as JSON, or the words of its failure."""

    page: str
    seconds: float
    notebook: str | None
    failure: str | None


class OwnKernel(AsyncKernelManager):
    """A kernel of the running interpreter, whatever kernels the user has installed under its name."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """The one specification there is."""
        # Its notice that a local kernel talks over TCP, once for each chapter, would bury a failure.
        argv = [sys.executable, "-m", "ipykernel_launcher", "--log-level=ERROR", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


def run(page: str, text: str, folder: str, config: MdParserConfig, limit: int | None) -> Outcome:
    """Execute the page `text` in `folder` and check that it imported nothing its fingerprint does not cover.

    A cell may take `limit` seconds; None: any time.
    """
    notebook = read(text, config)
    assert notebook is not None
    started = time.perf_counter()
    probe = nbformat.v4.new_code_cell(LOADED)
    notebook.cells.append(probe)
    client = NotebookClient(
        notebook,
        timeout=limit,
        kernel_manager_class=OwnKernel,
        resources={"metadata": {"path": folder}},
        record_timing=False,
    )
    RUNNING.add(client)
    try:
        client.execute()
    except (CellExecutionError, CellControlSignal, DeadKernelError, TimeoutError) as error:
        return Outcome(page, time.perf_counter() - started, None, str(error) or type(error).__name__)
    finally:
        RUNNING.discard(client)
    notebook.cells.pop()
    loaded = set(probe.outputs[0]["text"].split())
    missed = loaded - module_names(dependencies(code(notebook)))
    if missed:
        names = ", ".join(sorted(missed))
        words = f"The chapter loaded {names} in a way its fingerprint does not see: write an import statement."
        return Outcome(page, time.perf_counter() - started, None, words)
    return Outcome(page, time.perf_counter() - started, nbformat.writes(notebook), None)


def execute(root: Path, *, workers: int, fresh: bool = False) -> dict[str, float]:
    """Bring the cache of the book in `root` up to date; return the seconds each chapter took, 0 from the cache.

    Prints a line for each chapter, then each failure with cell and traceback. Raises RuntimeError, once every other
    chapter is done, when one failed.
    """
    config = markdown_config(root)
    cache = get_cache(root / "_build" / ".jupyter_cache")
    seconds: dict[str, float] = {}
    todo: dict[str, str] = {}
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
        if fresh or not _kept(cache, notebook):
            todo[page] = text
    times = root / "_build" / "chapter_seconds.json"
    known = json.loads(times.read_text(encoding="utf-8")) if times.exists() else {}
    order = sorted(todo, key=lambda page: -known.get(page, float("inf")))
    failures = []
    if todo:
        # Its first import on a machine builds the font cache, with a notice that would land on a page.
        import matplotlib.font_manager  # noqa: F401
    limits = {page: cell_limit(root, page) for page in order}
    for outcome in _outcomes(root, order, todo, config, limits, workers):
        seconds[outcome.page] = outcome.seconds
        if outcome.failure is not None or outcome.notebook is None:
            failures.append(outcome)
            print(f"{outcome.page}: failed after {outcome.seconds:.1f} s", flush=True)
            continue
        _keep(cache, outcome, root / f"{outcome.page}.md")
        known[outcome.page] = outcome.seconds
        partial = times.with_suffix(".part")
        partial.write_text(json.dumps(known), encoding="utf-8")
        partial.replace(times)
        print(f"{outcome.page}: executed in {outcome.seconds:.1f} s", flush=True)
    for page in sorted(set(seconds) - set(todo)):
        print(f"{page}: unchanged, taken from the cache ({known.get(page, 0.0):.1f} s when it ran)", flush=True)
    for outcome in failures:
        words = outcome.failure or ""
        words = words if sys.stderr.isatty() else ANSI.sub("", words)
        print(f"\n{outcome.page}.md failed:\n{words}", file=sys.stderr)
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
) -> Iterable[Outcome]:
    # Threads are enough, since each only waits for its kernel, and nbclient leaves signals alone outside the main one.
    with ThreadPoolExecutor(workers) as pool:
        futures = [
            pool.submit(run, page, texts[page], str((root / page).parent), config, limits[page]) for page in order
        ]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for client in list(RUNNING):
                asyncio.run(_stop(client))
            raise


async def _stop(client: NotebookClient) -> None:
    if client.km is not None and client.km.has_kernel:
        await ensure_async(client.km.signal_kernel(signal.SIGTERM))


def _kept(cache: JupyterCacheAbstract, notebook: nbformat.NotebookNode) -> bool:
    """Whether the cache can give this notebook's outputs; an entry cut short by an interruption cannot."""
    try:
        cache.merge_match_into_notebook(notebook)
    except (KeyError, NotJSONError):
        return False
    return True


def _keep(cache: JupyterCacheAbstract, outcome: Outcome, path: Path) -> None:
    notebook = nbformat.reads(outcome.notebook, as_version=4)
    bundle = CacheBundleIn(notebook, str(path), data={"execution_seconds": outcome.seconds})
    # Its check wants execution counts without gaps, which an empty cell leaves.
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def positive(text: str) -> int:
    """The whole number >= 1 that `text` writes; ValueError otherwise."""
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise ValueError(text)
    return int(text)


def prepare(threads: int) -> None:
    """Fix what every kernel started from here finds in its environment: threads, the build, and when it began."""
    for name in THREAD_VARIABLES:
        os.environ[name] = str(threads)
    os.environ["MECHBOOK_SITE_BUILD"] = "1"
    os.environ["MECHBOOK_BUILD_STARTED"] = str(time.time())
    # Not the user's start-up files. IPython warns of a folder that it would have to make in one that is not there.
    own = PACKAGE.parent / "_build" / ".ipython"
    own.mkdir(parents=True, exist_ok=True)
    os.environ["IPYTHONDIR"] = str(own)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the settings of the execution to a command line."""
    threads = os.environ.get("MECHBOOK_THREADS", "1")
    parser.add_argument("--workers", type=positive, default=2, help="chapters executed at a time")
    parser.add_argument("--threads", type=positive, default=threads, help="threads of each chapter")
    fresh = os.environ.get("MECHBOOK_FRESH") == "1"
    parser.add_argument("--fresh", action="store_true", default=fresh, help="execute unchanged chapters too")


def main() -> int:
    """Execute the chapters of the book this package lies in."""
    parser = argparse.ArgumentParser(description="Execute the chapters that changed.")
    add_arguments(parser)
    arguments = parser.parse_args()
    prepare(arguments.threads)
    try:
        execute(PACKAGE.parent, workers=arguments.workers, fresh=arguments.fresh)
    except (RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
