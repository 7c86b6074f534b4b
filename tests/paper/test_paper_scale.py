"""A chapter at the papers' scale, all of it recorded: its cells train nothing, and its cards are those of the records.

The papers' presets are shrunk to seconds (`mechbook.paper.small`). What a record holds is read from it, what needs
weights from this machine's cache; without a cache only the latter is trained. Oracle: who is asked to train.
"""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import pytest
from IPython.core.interactiveshell import InteractiveShell

from mechbook.core.cache.closure import PACKAGE
from mechbook.hops import runs as hops_runs
from mechbook.induction.realistic import RealisticSettings
from mechbook.induction.runs import InductionSettings
from mechbook.paper import __main__ as paper
from mechbook.paper.everything import Theme
from mechbook.paper.small import HOPS, INDUCTION
from mechbook.records import files
from mechbook.site.configuration import markdown_config
from mechbook.site.notebooks import read

PAGES = {"induction": "03_induction_heads", "hops": "07_khop_curriculum"}
# chapter 4's page measures so much on fresh sequences that it takes minutes whatever its runs' sizes are
THEMES = (INDUCTION, HOPS)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many runs of each theme are trained."""
    found: Counter[str] = Counter()

    def counted(name: str, train: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            found[name] += 1
            return train(*arguments)

        return run

    monkeypatch.setattr(InductionSettings, "_train", counted("induction", InductionSettings._train))
    monkeypatch.setattr(RealisticSettings, "_train", counted("induction", RealisticSettings._train))
    monkeypatch.setattr(hops_runs, "_train", counted("hops", hops_runs._train))
    return found


def cells(theme: Theme, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Run the cells of a theme's chapter at the paper's scale, but for its widgets; what its claims reported."""
    monkeypatch.setenv("MECHBOOK_SCALE", "paper")
    matplotlib.use("agg")
    for module in ("presets", "recorded"):
        monkeypatch.setattr(f"mechbook.{theme.name}.{module}.PAPER", theme.setup)
    reported: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "mechbook.claims.report.display", lambda data, **more: reported.append(next(iter(data.values())))
    )
    text = (PACKAGE.parent / "book" / f"{PAGES[theme.name]}.md").read_text(encoding="utf-8")
    notebook = read(text, markdown_config(PACKAGE.parent))
    assert notebook is not None
    shell = InteractiveShell.instance()
    shell.reset()
    monkeypatch.chdir(PACKAGE.parent / "book")
    for cell in notebook.cells:
        if cell.cell_type == "code" and "_widget(" not in cell.source:
            shell.run_cell(cell.source).raise_error()
            plt.close("all")
    # the next test's figures are not a notebook's
    shell.reset()
    InteractiveShell.clear_instance()
    return reported


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_a_recorded_chapter_trains_nothing(
    theme: Theme, trained: Counter[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert paper.main([], [theme]) == 0
    runs, here = len(theme.runs(theme.setup)), trained[theme.name]
    # more where a run starts from another that is not listed itself
    assert here >= runs
    reported = cells(theme, monkeypatch)
    assert trained[theme.name] == here
    claims = {claim.values.claim for claim in theme.claims}
    read = {row["id"]: row["from_record"]["seeds"] == row["seeds"] for row in reported if "from_record" in row}
    assert set(read) == claims and all(read.values())
    # and where this machine has no weights, only runs are trained that something else than a curve is made of
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "other"))
    assert cells(theme, monkeypatch) == reported
    assert trained[theme.name] - here < runs
    print(f"{theme.name}: {runs} runs; without a cache {trained[theme.name] - here} are trained")
    assert files.files(theme.name) and os.environ["MECHBOOK_RECORDS"] == str(tmp_path / "records")
