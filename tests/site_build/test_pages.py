"""Pages and their headers. Oracles: jupytext's own conversion, YAML's own reader, pages written out by hand."""

from pathlib import Path

import jupytext
import nbformat
import pytest
import yaml
from myst_parser.config.main import MdParserConfig

from mechbook.core.cache.closure import PACKAGE
from mechbook.site import notebooks, pair

BLOCK = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
other: 1
---
# Title

```{code-cell} ipython3
:tags: [hide-input]
1 + 1
```
"""
FLOW = BLOCK.replace(
    "kernelspec:\n  display_name: Python 3\n  language: python\n  name: python3\n",
    "kernelspec: {display_name: Python 3, language: python, name: python3}\n",
)


@pytest.mark.parametrize("text", [BLOCK, FLOW])
def test_the_fingerprint_goes_into_the_header_and_moves_no_line(text: str) -> None:
    changed = notebooks.with_fingerprint(text, MdParserConfig())
    header = yaml.safe_load(changed.split("---\n")[1])
    assert len(header["kernelspec"].pop("mechbook")) == 64
    assert header == yaml.safe_load(text.split("---\n")[1])
    assert [line for line in changed.splitlines()][-7:] == text.splitlines()[-7:]
    assert changed.count("\n") == text.count("\n")


def test_text_pages_stay_as_they_are() -> None:
    assert notebooks.with_fingerprint("# Title\n", MdParserConfig()) == "# Title\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [("```{code-cell}\n1\n```\n", "no jupytext header"), (FLOW.replace("kernelspec", "kernel"), "has no kernelspec")],
)
def test_a_page_nothing_would_execute_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        notebooks.with_fingerprint(text, MdParserConfig())


def test_the_toc_in_reading_order_and_the_chapters_numbers(tmp_path: Path) -> None:
    toc = "format: jb-book\nroot: book/index\nparts:\n- caption: A\n  chapters:\n  - file: book/03_a.md\n"
    sections = "    sections:\n    - file: book/b\n    - file: book/03_c\n"
    (tmp_path / "_toc.yml").write_text(toc + sections, encoding="utf-8")
    assert notebooks.pages(tmp_path) == ["book/index", "book/03_a", "book/b", "book/03_c"]
    # a chapter's second page counts as that chapter
    assert [notebooks.chapter_number(page) for page in notebooks.pages(tmp_path)] == [None, 3, None, 3]


def test_a_pair_is_written_once_without_outputs(tmp_path: Path) -> None:
    chapter, target = tmp_path / "01_a.md", tmp_path / "01_a.ipynb"
    chapter.write_text(BLOCK, encoding="utf-8")
    assert not pair.paired(chapter)
    assert pair.write(chapter) and not pair.write(chapter)
    assert pair.paired(chapter)
    notebook = nbformat.read(target, as_version=4)
    nbformat.validate(notebook)
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == [("markdown", "# Title"), ("code", "1 + 1")]
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="2")]
    nbformat.write(notebook, target)
    assert not pair.paired(chapter)
    chapter.write_text(BLOCK.replace("1 + 1", "1 + 2"), encoding="utf-8")
    assert pair.write(chapter) and pair.paired(chapter)


def test_every_chapter_has_its_notebook_beside_it() -> None:
    """The oracle is jupytext's conversion; `make sync` mends a failure."""
    book = PACKAGE.parent / "book"
    found = pair.chapters(book)
    for chapter in found:
        assert pair.paired(chapter), f"{chapter.with_suffix('.ipynb').name} is not {chapter.name}: run make sync"
        assert pair.contents(jupytext.read(chapter)) == pair.contents(jupytext.read(chapter.with_suffix(".ipynb")))
    assert {path.stem for path in book.glob("*.ipynb")} == {path.stem for path in found}
