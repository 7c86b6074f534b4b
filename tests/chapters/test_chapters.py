"""Every chapter's source: cells that can be run again, code that is shown, imports of its own theme.

Oracles: the syntax trees of its cells, and the package's files.
"""

import ast
import re
from pathlib import Path

import jupytext
import pytest

from mechbook.reader.source import excerpt, grouped
from mechbook.site.layers import check_chapter
from mechbook.site.notebooks import chapter_number
from tests.chapters.cells import changed_in_place, modules, tree_of, twice_bound

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted(path.stem for path in (ROOT / "book").glob("[0-9][0-9]_*.md"))
HIDING = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
SETUP = re.compile(r"^setup = replace\(\s*at_scale\(LAPTOP, PAPER\)", re.M)


def cells(chapter: str, *, visible: bool | None = None) -> list[str]:
    """The sources of a chapter's code cells: all, or those a reader sees, or those that are folded away."""
    notebook = jupytext.read(ROOT / "book" / f"{chapter}.md")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    hidden = [bool(HIDING & set(cell.metadata.get("tags", []))) for cell in code]
    return [cell.source for cell, away in zip(code, hidden, strict=True) if visible is None or away is not visible]


def imported(chapter: str) -> dict[str, str]:
    """Where each name that a chapter imports with `from ... import` comes from."""
    found = {}
    for cell in cells(chapter):
        for node in ast.walk(tree_of(cell)):
            if isinstance(node, ast.ImportFrom):
                found.update({alias.asname or alias.name: f"{node.module}:{alias.name}" for alias in node.names})
    return found


def shown(chapter: str) -> list[list[str]]:
    """The arguments of each `source(...)` of a chapter, as "module:name"."""
    names, calls = imported(chapter), []
    for cell in cells(chapter):
        for node in ast.walk(tree_of(cell)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "source":
                calls.append([_spelled(argument, names) for argument in node.args])
    return calls


def _spelled(argument: ast.expr, names: dict[str, str]) -> str:
    if isinstance(argument, ast.Constant):
        return str(argument.value)
    first, *rest = ast.unparse(argument).split(".")
    place = names[first]
    module, _, name = place.partition(":")
    if (ROOT / Path(*module.split("."), f"{name}.py")).is_file():  # a module: what follows is in it
        return f"{module}.{name}:{'.'.join(rest)}"
    return ".".join([place, *rest])


def lines(text: str) -> int:
    """Lines that are not blank."""
    return sum(bool(line.strip()) for line in text.splitlines())


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_global_is_bound_by_two_cells(chapter: str) -> None:
    assert twice_bound(cells(chapter)) == {}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_global_is_changed_after_its_cell(chapter: str) -> None:
    code = cells(chapter)
    known = modules(code)
    assert {number: names for number, cell in enumerate(code) if (names := changed_in_place(cell) - known)} == {}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_first_visible_cell_holds_the_settings(chapter: str) -> None:
    first = cells(chapter, visible=True)[0]
    assert SETUP.search(first), first
    assert re.search(r'report = reporter\(setup, LAPTOP, PAPER(, device="cpu")?\)', "\n".join(cells(chapter)))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_reader_sees_the_code_that_the_chapter_stands_on(chapter: str) -> None:
    own = sum(lines(cell) for cell in cells(chapter, visible=True))
    excerpts = [excerpt(group) for call in shown(chapter) for group in grouped(call)]
    assert all(lines(each.text) <= 45 for each in excerpts), [e.file for e in excerpts if lines(e.text) > 45]
    # a page that `make new-chapter` has begun says that it is a draft
    least = 0 if jupytext.read(ROOT / "book" / f"{chapter}.md").metadata.get("draft") else 150
    assert least <= own + sum(lines(each.text) for each in excerpts) <= 350


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_two_folded_cells_follow_each_other(chapter: str) -> None:
    notebook = jupytext.read(ROOT / "book" / f"{chapter}.md")
    plain = [
        cell.cell_type == "code" and "hide-input" in cell.metadata.get("tags", []) and "mystnb" not in cell.metadata
        for cell in notebook.cells
    ]
    assert not any(a and b for a, b in zip(plain, plain[1:], strict=False))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_imports_its_own_theme_alone(chapter: str) -> None:
    number = chapter_number(f"book/{chapter}")
    assert number is not None
    check_chapter(number, cells(chapter))
