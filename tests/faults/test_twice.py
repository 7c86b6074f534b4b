"""The same commit, twice: with one worker, and with two on a busy machine. Oracle: the bytes of claims.json."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.site_build.conftest import ROOT, Project

# The pages that compute their numbers soonest with nothing in a cache: in a few minutes.
CHAPTERS = ("02_gradients_as_memories", "04_where_the_noise_goes")
TOC = "format: jb-book\nroot: book/index\nchapters:\n" + "".join(f"  - file: book/{page}\n" for page in CHAPTERS)


@contextmanager
def load(processes: int) -> Iterator[None]:
    """So many processes that do nothing but take the processor."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def claims(root: Path, workers: int) -> bytes:
    """What the chapters claim in a book of their own, with a cache of its own, all computed anew."""
    book = Project(root)
    book.limit = 3600
    for name in ("mechbook", "results"):
        shutil.copytree(ROOT / name, root / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (*(f"{page}.md" for page in CHAPTERS), "references.bib"):
        shutil.copy(ROOT / "book" / name, root / "book" / name)
    shutil.copy(ROOT / "requirements.txt", root / "requirements.txt")
    book.write("_toc.yml", TOC)
    # links to chapters that are not in this book are problems of its pages, not of its numbers
    given = {"MECHBOOK_DEVICE": "cpu", "MECHBOOK_FRESH": "1", "MECHBOOK_CACHE": str(root / "_cache")}
    done = book.run("build", "--workers", str(workers), **given)
    assert done.stdout.count("executed in") == len(CHAPTERS), done.stdout + done.stderr
    return (root / "_build" / "html" / "claims.json").read_bytes()


@pytest.mark.slow
def test_one_worker_and_two_on_a_busy_machine_measure_the_same(tmp_path: Path) -> None:
    one = claims(tmp_path / "one", 1)
    with load(2):
        two = claims(tmp_path / "two", 2)
    assert one.count(b'"measured": {') > 10
    assert one == two
