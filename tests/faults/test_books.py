"""Faults of whole builds, on a book of two pages. Oracle: exit codes, what is said, and what the next build does."""

import json
from typing import Any

import pytest

from tests.site_build.conftest import HEADER, Project

# A page that changes a module of the package before it imports it, and changes it back: what another hand might do.
EDITS = (
    HEADER
    + """# First

```{code-cell} ipython3
from pathlib import Path
import mechbook
file = Path(mechbook.__file__).with_name("one.py")
before = file.read_text()
_ = file.write_text("NUMBER = 9.0\\n")
from mechbook import one
_ = file.write_text(before)
one.NUMBER
```
"""
)
PLAIN = HEADER + '# Café ✓\n\n```{code-cell} ipython3\nimport mechbook.one\n"naïve ✓"\n```\n'
TOC = "format: jb-book\nroot: book/index\nchapters:\n  - file: book/01_first\n"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A book with one page of code, in a folder whose name has what a path may have."""
    project = Project(tmp_path_factory.mktemp("b") / 'it\'s a "book" & é $HOME {x}; true')
    project.write("_toc.yml", TOC)
    project.write("book/01_first.md", PLAIN)
    project.write("mechbook/one.py", 'NUMBER = 1.0\nNAME = "é"\n')
    return project


def test_no_locale_of_the_users_and_no_path_breaks_a_build(small: Any) -> None:
    """In a locale of ASCII Python reads and prints nothing else, unless it is told to, as the Makefile does."""
    done = small.run("build", LC_ALL="POSIX", PYTHONCOERCECLOCALE="0", PYTHONUTF8="1", MPLBACKEND="agg")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "naïve ✓" in small.page("01_first")
    assert (small.root / "_build" / "html" / ".nojekyll").is_file()
    # none of it belongs to the key
    assert "book/01_first: unchanged" in small.run("execute").stdout


def test_a_package_that_is_changed_and_changed_back_while_a_page_runs_leaves_no_false_page(small: Any) -> None:
    small.write("book/01_first.md", EDITS)
    first = small.run("execute")
    small.write("book/01_first.md", EDITS.replace("# First", "# Second"))
    second = small.run("execute")
    small.write("book/01_first.md", PLAIN)
    assert (first.returncode, second.returncode) == (1, 1)
    assert "was changed while it ran" in first.stderr and "They are not kept: build again." in first.stderr
    assert "unchanged" not in second.stdout


def test_a_build_that_cannot_write_is_one_sentence(small: Any) -> None:
    build = small.root / "_build"
    build.rename(small.root / "aside")
    build.write_text("a file, where a folder is wanted")
    done = small.run("build")
    build.unlink()
    (small.root / "aside").rename(build)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("The book cannot be built: ") and len(done.stderr.splitlines()) == 1


def test_a_stage_of_pages_that_writes_nothing_says_no_site_is_written(small: Any) -> None:
    small.edit("_config.yml", "    - sphinx_proof\n", "    - no_such_extension\n")
    done = small.run("build")
    small.edit("_config.yml", "    - no_such_extension\n", "    - sphinx_proof\n")
    assert done.returncode == 1 and "no_such_extension" in done.stderr
    assert "The site is" not in done.stdout + done.stderr, done.stderr


def test_timings_that_are_cut_and_a_page_s_entry_that_is_none_cost_one_page(small: Any) -> None:
    small.run("execute")
    (small.root / "_build" / "chapter_seconds.json").write_text('{"book/01')
    for entry in (small.root / "_build" / ".jupyter_cache" / "executed").glob("*/base.ipynb"):
        entry.write_bytes(b"\xff{}")
    done = small.run("execute")
    assert done.returncode == 0, done.stderr
    assert "it is executed again" in done.stdout and "book/01_first: executed in" in done.stdout
    assert set(json.loads((small.root / "_build" / "chapter_seconds.json").read_text())) == {"book/01_first"}


def test_a_disk_that_is_full_ends_a_build_in_a_sentence_and_costs_no_page(small: Any) -> None:
    """No file may grow beyond a limit, as on a full disk. Oracle: the pages that were there before, and those after."""
    small.write("book/01_first.md", PLAIN)
    assert small.run("execute").returncode == 0
    kept = sorted((small.root / "_build" / ".jupyter_cache").rglob("base.ipynb"))
    small.write("book/01_first.md", PLAIN.replace("# Café", "# Another").replace("naïve", "another"))
    done = small.run_limited(0, "build")
    assert done.returncode == 1 and "Traceback" not in done.stderr and done.stderr.strip(), done.stderr
    assert sorted((small.root / "_build" / ".jupyter_cache").rglob("base.ipynb")) == kept
    small.write("book/01_first.md", PLAIN)
    assert "book/01_first: unchanged" in small.run("execute").stdout
