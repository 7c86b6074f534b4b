"""The notebooks that the built site's download buttons lead to. Oracle: nbformat's check, and the page beside each."""

import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml

from mechbook.site.addresses import addresses
from mechbook.site.notebooks import FRONT_MATTER, pages

ROOT = Path(__file__).resolve().parents[2]
# As the site was built with, before a test forgets the user's settings.
GIVEN = dict(os.environ)
NOTEBOOKS = [page for page in pages(ROOT) if "kernelspec:" in (ROOT / f"{page}.md").read_text(encoding="utf-8")[:500]]
# A role, a directive, a label or a place for a number, as none may be left.
LEFT = re.compile(r"\{[a-z][a-z:-]*\}`|^\s*(?::{3,}|`{3,}\{)|^\([\w-]+\)=$|%s|\[No\.|<script", re.M)


@pytest.fixture(scope="module")
def notebooks(html: Path) -> dict[str, Any]:
    return {page: nbformat.read(html / "_sources" / f"{page}.ipynb", as_version=4) for page in NOTEBOOKS}


def words(notebook: Any) -> str:
    """Its Markdown, without what stands as code in it."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.sub(r"^(`{3,})\w*\n.*?^\1$|`[^`\n]+`", "", text, flags=re.M | re.S)


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_a_notebook_is_whole_and_holds_no_markup_of_the_site(notebooks: dict[str, Any], page: str) -> None:
    notebook = notebooks[page]
    nbformat.validate(notebook)
    text = words(notebook)
    assert LEFT.findall(text) == []
    assert text.count("<details>") == text.count("</details>")
    assert all(not cell.get("outputs") for cell in notebook.cells)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert "myst_nb" not in "\n".join(code)
    for source in code:
        compile(source, page, "exec")


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_it_has_the_page_s_cells_and_headings_in_order(notebooks: dict[str, Any], page: str) -> None:
    """Oracle: the chapter's own text."""
    source = FRONT_MATTER.sub("", (ROOT / f"{page}.md").read_text(encoding="utf-8"))
    fences = len(re.findall(r"^```\{code-cell\}", source, re.M))
    code = [cell for cell in notebooks[page].cells if cell.cell_type == "code"]
    assert len(code) == fences + 1
    bare = re.sub(r"^(`{3,}).*?^\1$", "", source, flags=re.M | re.S)
    levels = [len(marks) for marks in re.findall(r"^(#+) ", bare, re.M)]
    text = words(notebooks[page])
    assert [len(marks) for marks in re.findall(r"^(#+) ", text, re.M)] == levels


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_a_claim_s_outcome_is_told_where_it_is_reported(notebooks: dict[str, Any], html: Path, page: str) -> None:
    claims = json.loads((html / "claims.json").read_text(encoding="utf-8"))
    own = {claim["id"] for claim in claims if claim["page"] == f"{page}.html"}
    text = "\n".join(cell.source for cell in notebooks[page].cells)
    assert set(re.findall(r"In the site's build `([^`]+)`: ", text)) == own


def test_what_notebooks_fetch_is_served(notebooks: dict[str, Any], html: Path) -> None:
    wanted: set[str] = set()
    for notebook in notebooks.values():
        (line,) = re.findall(r"^WHEEL, RUNS = (.*)$", notebook.cells[0].source, re.M)
        wanted.update(name for name in re.findall(r"'([^']+)'", line))
    there = {path.name for path in (html / "downloads").iterdir()}
    assert wanted == there
    for name in there:
        assert zipfile.ZipFile(html / "downloads" / name).testzip() is None
        assert (html / "downloads" / name).stat().st_size < 50_000_000


def test_no_link_leads_to_a_repository_that_nobody_named(html: Path) -> None:
    found = addresses(yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8")), GIVEN)
    for page in pages(ROOT):
        text = (html / f"{page}.html").read_text(encoding="utf-8")
        assert ("colab.research" in text) == (bool(found.on_github) and page in NOTEBOOKS), page
        assert ("btn-source-repository-button" in text) == bool(found.repository), page
