"""Reading the chapters: what _toc.yml lists, the cells of a page, and the fingerprint put where the cache looks."""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig
from nbformat import NotebookNode

from mechbook.site.fingerprint import fingerprint

FRONT_MATTER = re.compile(r"\A---\n(.*?\n)---\s*\n", re.S)
CHAPTER = re.compile(r"(?:.*/)?(\d\d)_\w+")


def pages(root: Path) -> list[str]:
    """The pages of `root`/_toc.yml in reading order, as paths without suffix."""
    found: list[str] = []

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            found.extend(str(Path(node[key]).with_suffix("")) for key in ("root", "file") if key in node)
            for key in ("parts", "chapters", "sections", "subtrees", "entries"):
                collect(node.get(key))
        elif isinstance(node, list):
            for item in node:
                collect(item)

    collect(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8")))
    return found


def chapter_number(page: str) -> int | None:
    """The number of a chapter's page, from its name (3 for book/03_induction_heads), else None."""
    match = CHAPTER.fullmatch(page)
    return int(match[1]) if match else None


def read(text: str, config: MdParserConfig) -> NotebookNode | None:
    """The page as a notebook, or None where it is text only.

    Raises ValueError for a page with code cells and no jupytext header: nothing would execute it.
    """
    if is_myst_markdown_notebook(text):
        return read_myst_markdown_notebook(text, config)
    if re.search(r"^```\{code-cell\}", text, re.M):
        raise ValueError("The page has code cells and no jupytext header, so nothing would execute them.")
    return None


def code(notebook: NotebookNode) -> list[str]:
    """The sources of a notebook's code cells."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def with_fingerprint(text: str, config: MdParserConfig) -> str:
    """The page's text with the fingerprint in its kernelspec, which the execution cache hashes.

    A page without code cells comes back as it is. No line moves, so that warnings name the author's line.
    """
    notebook = read(text, config)
    if notebook is None or not code(notebook):
        return text
    match = FRONT_MATTER.match(text)
    node = yaml.compose(match[1]) if match else None
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if match and key.value == "kernelspec":
            start, end = (match.start(1) + mark.index for mark in (value.start_mark, value.end_mark))
            spec = {**notebook.metadata["kernelspec"], "mechbook": fingerprint(code(notebook))}
            return text[:start] + json.dumps(spec) + "\n" * text[start:end].count("\n") + text[end:]
    raise ValueError("The page's header has no kernelspec; it wants {display_name: Python 3, name: python3}.")
