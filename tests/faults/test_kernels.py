"""What may go wrong while a page runs, each in a kernel of its own. Oracles: what a page prints, the faults planted."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from myst_parser.config.main import MdParserConfig

from mechbook.site import kernel
from mechbook.site.kernel import Outcome, environment, run

HEADER = """---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run a page of these cells with folders of its own."""
    monkeypatch.setattr(kernel, "environment", lambda: environment(tmp_path))
    (tmp_path / "_build" / ".ipython").mkdir(parents=True)

    def run_page(*cells: str) -> Outcome:
        text = HEADER + "".join(f"\n```{{code-cell}} ipython3\n{cell}\n```\n" for cell in cells)
        return run("book/01_page", text, str(tmp_path), MdParserConfig(), 120)

    return run_page


def printed(outcome: Outcome) -> str:
    assert outcome.failure is None and outcome.notebook is not None, outcome.failure
    cells = nbformat.reads(outcome.notebook, as_version=4).cells
    return "".join(output.text for cell in cells for output in cell.outputs)


def test_an_error_while_a_figure_is_drawn_fails_the_page(page: Callable[..., Outcome]) -> None:
    drawn = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.title(r'$\\notacommand{x}$')\nplt.show()"
    outcome = page("1 + 1", drawn)
    assert outcome.notebook is None and outcome.failure is not None
    assert "notacommand" in outcome.failure and "plt.title" in outcome.failure and "1 + 1" not in outcome.failure


def test_an_error_while_an_object_is_shown_fails_the_page(page: Callable[..., Outcome]) -> None:
    shown = "class Bad:\n    def _repr_html_(self):\n        raise ArithmeticError('no such number')\nBad()"
    outcome = page(shown)
    assert outcome.failure is not None and "no such number" in outcome.failure and "class Bad" in outcome.failure


def test_the_processor_s_seconds_are_those_spent_and_not_those_waited(page: Callable[..., Outcome]) -> None:
    """Oracle: a page that works for two seconds, another that sleeps for two; no cell is added to either."""
    worked = page("import time\nwhile time.process_time() < 2: pass\nprint('ab')")
    slept = page("import time\ntime.sleep(2)\nprint('ab')")
    assert printed(worked) == printed(slept) == "ab\n"
    # the system counts a process's seconds in ticks of a hundredth
    assert worked.cpu >= 1.95 and slept.seconds >= 2
    assert worked.cpu - slept.cpu > 0.5


def test_what_a_cell_writes_to_stderr_is_quoted(page: Callable[..., Outcome]) -> None:
    outcome = page("import warnings\nwarnings.warn('so it went')")
    assert outcome.notebook is None and outcome.failure is not None
    assert "A cell wrote to stderr" in outcome.failure and "so it went" in outcome.failure


def test_a_kernel_that_dies_names_the_cell(page: Callable[..., Outcome]) -> None:
    outcome = page("1 + 1", "import os\nos._exit(1)")
    assert outcome.failure is not None and "It died in this cell:\nimport os\nos._exit(1)" in outcome.failure


def test_no_variable_of_the_users_reaches_a_page(
    page: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the names that are passed, and what the kernel says of its own start."""
    start = tmp_path / "start.py"
    start.write_text("import builtins\nbuiltins.STARTED = True\n")
    bad = {"MPLBACKEND": "agg", "PYTHONSTARTUP": str(start), "PYTHONWARNINGS": "error", "LC_ALL": "POSIX"}
    bad |= {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "MATPLOTLIBRC": "/nowhere", "IPYTHONDIR": "/nowhere"}
    bad |= {"SECRET": "1"}
    for name, value in {**bad, "MECHBOOK_SEED": "3"}.items():
        monkeypatch.setenv(name, value)
    said = json.loads(
        printed(
            page(
                "import builtins, json, locale, matplotlib, os, sys\n"
                "print(json.dumps([dict(os.environ), hasattr(builtins, 'STARTED'), matplotlib.get_backend(), "
                "locale.getpreferredencoding(), sys.stdout.encoding]))"
            )
        )
    )
    variables, started, backend, encoding, out = said
    # what ipykernel, Jupyter, torch and C's own library set by themselves
    own = {"CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "GIT_PAGER", "JPY_PARENT_PID", "JPY_SESSION_NAME", "MPLBACKEND"}
    own |= {"PAGER", "PYDEVD_USE_FRAME_EVAL", "TERM", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK"}
    settings = {name for name in os.environ if name.startswith(kernel.OWN)}
    assert set(variables) <= {*kernel.PASSED, *own, *environment(tmp_path, {}), *settings}
    assert "inline" in backend and (started, encoding.lower(), out.lower()) == (False, "utf-8", "utf-8")
    assert variables["MECHBOOK_SEED"] == "3" and variables["IPYTHONDIR"].startswith(str(tmp_path))


def test_what_the_cache_of_runs_mends_is_told_beside_the_page(
    page: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the cache's own words for an entry that is really damaged, and a folder that is none."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "runs"))
    cell = "from mechbook.core.cache.entries import cached\n"
    cell += 'print(cached({"a": 1}, lambda: 2, modules=("mechbook.core.cache.store",)))'
    first = page(cell)
    assert (printed(first), first.notices) == ("2\n", ())
    (entry,) = (tmp_path / "runs").glob("*.safetensors")
    entry.write_bytes(entry.read_bytes()[:40])
    mended = page(cell)
    assert printed(mended) == "2\n" and mended.notices[0].startswith("A damaged cache entry is computed again")
    assert page(cell).notices == ()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "file"))
    assert page(cell).notices[0].startswith("The cache folder")


def test_a_module_dated_ahead_fails_no_page(
    page: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the cache it is edited just now, in every build. Oracle: the cache's own words, and what the page has."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "runs"))
    cell = "from mechbook.core.cache import entries\nentries._STARTED = 0.0\n"
    cell += 'print(entries.cached({"a": 1}, lambda: 2, modules=("mechbook.core.cache.store",)))'
    outcome = page(cell)
    assert printed(outcome) == "2\n"
    assert len(outcome.notices) == 1 and " changed since this process began: " in outcome.notices[0]
