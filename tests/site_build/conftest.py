"""A two-chapter book with a package of its own, built by the real site code in a process of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEADER = """---
jupytext:
  formats: md:myst,ipynb
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---
"""
FIRST = (
    HEADER
    + """# First

```{code-cell} ipython3
---
mystnb:
  figure: {caption: A number., name: fig-one}
---
from IPython.display import HTML
HTML("<b>1</b>")
```

```{code-cell} ipython3
from mechbook import one
from mechbook.claims.report import report
report("am.one", values=[one.NUMBER, 3.0], seeds=[0, 1], figure="fig-one")
```
"""
)
SECOND = (
    HEADER
    + """# Second

```{code-cell} ipython3
:tags: [remove-output]
import mechbook.two as two
from myst_nb import glue
glue("the_number", two.number(), display=False)
```

The number is {glue:text}`the_number:.2f`.

```{code-cell} ipython3
:tags: [remove-cell]
glue("nothing", "", display=False)
glue("beside", " Below: another, 2031-05-17.", display=False)
```

```{code-cell} ipython3
---
mystnb:
  figure: {name: fig-two, caption: "Shown.{glue:text}`nothing`{glue:text}`beside`"}
---
from IPython.display import HTML
HTML("<b>2</b>")
```

```{code-cell} ipython3
:tags: [remove-input]
from mechbook.reader.source import source
source(two.number)
```

```{code-cell} ipython3
from mechbook.claims.report import report
report("sm.two", reason="no such model is at hand")
```
"""
)
FILES = {
    "_toc.yml": "format: jb-book\nroot: book/index\nchapters:\n"
    + "".join(f"  - file: book/{page}\n" for page in ("01_first", "02_second", "scorecard", "found", "status")),
    "requirements.txt": "torch==0\n",
    "book/index.md": "# A book\n",
    "book/references.bib": "",
    "book/01_first.md": FIRST,
    "book/02_second.md": SECOND,
    "book/scorecard.md": "# Scorecard\n\n```{scorecard}\n```\n",
    "book/found.md": "# Found\n\nIt is {measured}`am.one`, which {verdict}`am.one`.\n\n```{failed-claims}\n```\n",
    "book/status.md": "# Status\n\n```{versions}\n```\n\n```{nb-exec-table}\n```\n",
    "mechbook/__init__.py": "",
    "mechbook/one.py": "NUMBER = 1.0\n",
    "mechbook/two.py": """from .deep import NUMBER


def number():
    from mechbook import late
    return NUMBER * late.ONE
""",
    "mechbook/deep.py": """import json
from pathlib import Path
NUMBER = json.loads(Path(__file__).with_name("deep.json").read_text())
""",
    "mechbook/deep.json": "2.5\n",
    "mechbook/late.py": "ONE = 1\n",
    "mechbook/core/settings.py": """import os


def scale():
    if os.environ.get("MECHBOOK_SCALE", "laptop") not in ("laptop", "paper"):
        raise ValueError(f"MECHBOOK_SCALE is {os.environ['MECHBOOK_SCALE']!r}; it must be 'laptop' or 'paper'.")
    return os.environ.get("MECHBOOK_SCALE", "laptop")


def seed():
    return 0


def device_name():
    return "cpu"
""",
    # At the papers' scale the limit of a cell follows what is known of a theme's runs: nothing here.
    "mechbook/paper/__init__.py": "",
    "mechbook/paper/everything.py": "THEMES = ()\n",
    "mechbook/paper/estimate.py": "hours_left = None\n",
    "mechbook/paper/standing.py": "computed = kept_step = None\n",
    # One claim of each chapter, and one of a chapter that is not written; a value above 1 holds.
    "mechbook/site/judge.py": """CLAIMS = {"am.one": 1, "sm.two": 2, "nr.three": 3}


def judge(reports, chapters):
    rows, problems = [], []
    for id, chapter in CLAIMS.items():
        found = [report for report in reports if report["id"] == id]
        row = dict(id=id, chapter=chapter, source="eq. 1", statement=f"Statement of {id}", paper="2", criterion="> 1")
        row |= dict(measured=None, spread=None, seeds=[], held=None, marginal=False, reason=None, page=None)
        row |= dict(anchor=None, figure=None, status="chapter not written yet")
        if found:
            row |= found[0]
            row["held"] = None if row["measured"] is None else row["measured"] > 1
            row["status"] = {None: "not run", True: "held", False: "failed"}[row["held"]]
        if len(found) > 1:
            problems.append(f"{id} is reported {len(found)} times.")
        rows.append(row)
    return rows, problems


def claims_json(rows):
    return [row for row in rows if row["page"]]
""",
}


class Project:
    """The book in one folder, with the commands a reader has, each of which may take `limit` seconds."""

    limit = 300

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        # What lies in /vendor of every site is fetched once for all of them.
        (ROOT / "_vendor").mkdir(exist_ok=True)
        (root / "_vendor").symlink_to((ROOT / "_vendor").resolve(), target_is_directory=True)
        for name in ("_config.yml", "package.json", "package-lock.json", ".npmrc"):
            shutil.copy(ROOT / name, root / name)
        parts = ("core", "claims", "reader", "records", "site", "widgets")
        for name in (*(f"mechbook/{part}" for part in parts), "book/_static"):
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        # The script of the pages is bundled from the widgets of all themes.
        for script in ROOT.glob("mechbook/*/widgets/*.js"):
            (root / script.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(script, root / script.relative_to(ROOT))
        for name, text in FILES.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        """Replace one file."""
        (self.root / name).write_text(text, encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace `old`, which is there once, in one file."""
        text = (self.root / name).read_text(encoding="utf-8")
        assert text.count(old) == 1
        self.write(name, text.replace(old, new))

    def run(self, module: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a module of mechbook.site here, with none of the reader's own settings."""
        return self._run([sys.executable, "-m", f"mechbook.site.{module}", *arguments], variables)

    def run_limited(self, kilobytes: int, module: str) -> subprocess.CompletedProcess[str]:
        """The same where no file that is written may become larger than this."""
        words = f'ulimit -f {2 * kilobytes}; exec "$@"'
        return self._run(["sh", "-c", words, "sh", sys.executable, "-m", f"mechbook.site.{module}"], {})

    def _run(self, command: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MECHBOOK_")}
        return subprocess.run(
            command,
            cwd=self.root,
            env={**kept, "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1", **variables},
            capture_output=True,
            text=True,
            timeout=self.limit,
            check=False,
        )

    def page(self, name: str) -> str:
        """A written page."""
        return (self.root / "_build" / "html" / "book" / f"{name}.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The book, not built yet."""
    return Project(tmp_path_factory.mktemp("book"))
