"""Which files a chapter depends on. Oracles: a small package by hand, and what Python really loads for the chapters."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager
from myst_nb.core.read import read_myst_markdown_notebook

from mechbook.core.cache.closure import PACKAGE
from mechbook.site.fingerprint import dependencies, fingerprint, module_names
from mechbook.site.kernel import LOADED
from mechbook.site.notebooks import code
from mechbook.site.pair import chapters

FILES = {
    "__init__.py": "",
    "a.py": "from . import b\nDATA = 'a.csv'\nSCRIPT = 'a.js'\n",
    "a.csv": "1\n",
    "a.js": "1\n",
    "b.py": "from .sub.c import f\n",
    "sub/__init__.py": "",
    "sub/c.py": "def f():\n    from .. import d\n",
    "d.py": "X = 1\n",
    "e.py": "import mechbook.d as d\n",
    "unrelated.py": "",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    root = tmp_path / "mechbook"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("cell", "files"),
    [
        ("import mechbook.a", {"__init__.py", "a.py", "a.csv", "b.py", "sub/__init__.py", "sub/c.py", "d.py"}),
        ("from mechbook import e as other", {"__init__.py", "e.py", "d.py"}),
        ("%matplotlib inline\nfrom mechbook.d import X\n!true", {"__init__.py", "d.py"}),
        ("def later():\n    from mechbook import d", {"__init__.py", "d.py"}),
        ("from mechbook.sub.c import f", {"__init__.py", "sub/__init__.py", "sub/c.py", "d.py"}),
        ("import numpy, mechbookish", set()),
        ("this is not Python", set()),
    ],
)
def test_the_dependencies_of_a_cell(package: Path, cell: str, files: set[str]) -> None:
    found = dependencies([cell], package=package)
    assert {path.relative_to(package).as_posix() for path in found} == files


@pytest.mark.parametrize(
    ("name", "changes"),
    [("a.csv", True), ("sub/c.py", True), ("a.js", False), ("unrelated.py", False), ("e.py", False)],
)
def test_the_fingerprint_changes_with_what_the_cells_reach(package: Path, name: str, changes: bool) -> None:
    before = fingerprint(["import mechbook.a"], package=package)
    path = package / name
    path.write_text(path.read_text(encoding="utf-8") + "\nMORE = 1\n", encoding="utf-8")
    assert (fingerprint(["import mechbook.a"], package=package) != before) is changes


def test_the_fingerprint_does_not_change_with_a_comment(package: Path) -> None:
    before = fingerprint(["import mechbook.a"], package=package)
    path = package / "sub/c.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n# said\n", encoding="utf-8")
    assert fingerprint(["import mechbook.a"], package=package) == before


@pytest.mark.parametrize(
    ("name", "value"), [("MECHBOOK_SCALE", "paper"), ("MECHBOOK_SEED", "7"), ("MECHBOOK_THREADS", "2")]
)
def test_the_fingerprint_changes_with_a_setting(
    package: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    before = fingerprint(["1"], package=package)
    monkeypatch.setenv(name, value)
    assert fingerprint(["1"], package=package) != before


def test_every_module_a_chapter_loads_is_covered() -> None:
    """The oracle is sys.modules after a chapter's imports; the build compares it again after the whole chapter."""
    book = PACKAGE.parent / "book"
    for chapter in chapters(book):
        cells = code(read_myst_markdown_notebook(chapter.read_text(encoding="utf-8")))
        trees = [ast.parse(TransformerManager().transform_cell(cell)) for cell in cells]
        imports = [
            ast.unparse(node)
            for tree in trees
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        script = "\n".join([*imports, LOADED])
        done = subprocess.run([sys.executable, "-c", script], cwd=book, capture_output=True, text=True, check=True)
        assert set(done.stdout.split()) <= module_names(dependencies(cells)), chapter.name


def test_the_fingerprint_changes_with_the_records_of_the_cells_theme(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that reads records depends on its theme's; on claims' at the papers' scale alone, where it reads them."""
    monkeypatch.setenv("MECHBOOK_RECORDS", str(tmp_path / "paper"))
    for folder in ("records", "noisy", "hops"):
        (package / folder).mkdir()
        (package / folder / "__init__.py").write_text("", encoding="utf-8")
    cells = {
        "reads": ["import mechbook.records\nimport mechbook.noisy"],
        "another theme": ["import mechbook.records, mechbook.hops"],
        "none": ["import mechbook.noisy"],
    }

    def all_of_them() -> dict[str, str]:
        return {name: fingerprint(code, package=package) for name, code in cells.items()}

    def changed(file: str) -> set[str]:
        before = all_of_them()
        (tmp_path / "paper" / file).parent.mkdir(parents=True, exist_ok=True)
        with (tmp_path / "paper" / file).open("a", encoding="utf-8") as record:
            record.write("more")
        after = all_of_them()
        return {name for name in cells if before[name] != after[name]}

    assert changed("noisy/main/0.json") == {"reads"}
    assert changed("noisy/main/0.json") == {"reads"}
    # a second model's record is chapter 5's alone
    monkeypatch.setattr("mechbook.site.fingerprint.SECOND_MODELS", tmp_path / "paper")
    (package / "laser").mkdir()
    (package / "laser" / "__init__.py").write_text("", encoding="utf-8")
    cells["chapter 5"] = ["import mechbook.records, mechbook.laser"]
    assert changed("gemma.json") == {"chapter 5"}
    assert changed("claims/noisy.drop_f2.json") == set()
    monkeypatch.setenv("MECHBOOK_SCALE", "paper")
    assert changed("claims/noisy.drop_f1.json") == {"reads", "another theme", "chapter 5"}
