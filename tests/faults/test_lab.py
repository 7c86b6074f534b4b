"""What JupyterLab opens: copies, of which the reader's are never overwritten. Oracle: the files before and after."""

from pathlib import Path

import nbformat
import pytest

from mechbook.site.lab import copy
from mechbook.site.pair import write

TEXT = """---
jupytext:
  formats: md:myst,ipynb
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
mystnb:
  render_markdown_format: myst
---
# Title

```{code-cell} ipython3
1 + 1
```
"""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    (tmp_path / "book").mkdir()
    for name in ("01_a.md", "02_b.md"):
        (tmp_path / "book" / name).write_text(TEXT)
        write(tmp_path / "book" / name)
    (tmp_path / "book" / "text.md").write_text("# Only text\n")
    return tmp_path / "book"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_copies_are_paired_with_nothing_and_the_sources_stay(book: Path) -> None:
    before, lab = contents(book), book.parent / "_lab"
    assert copy(book, lab) == []
    assert sorted(path.name for path in lab.glob("*.ipynb")) == ["01_a.ipynb", "02_b.ipynb"]
    notebook = nbformat.read(lab / "01_a.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert "jupytext" not in notebook.metadata and [cell.source for cell in notebook.cells] == ["# Title", "1 + 1"]
    assert contents(book) == before


def test_a_copy_that_the_reader_changed_stays_and_the_others_follow_their_chapters(book: Path) -> None:
    lab = book.parent / "_lab"
    copy(book, lab)
    mine = nbformat.read(lab / "01_a.ipynb", as_version=4)
    mine.cells[1].source = "my own"
    nbformat.write(mine, lab / "01_a.ipynb")
    assert copy(book, lab) == []
    for name in ("01_a.md", "02_b.md"):
        (book / name).write_text(TEXT.replace("1 + 1", "2 + 2"))
    (told,) = copy(book, lab)
    assert told.startswith(f"{lab / '01_a.ipynb'} is as you left it; its chapter has changed since")
    sources = [nbformat.read(lab / name, as_version=4).cells[1].source for name in ("01_a.ipynb", "02_b.ipynb")]
    assert sources == ["my own", "2 + 2"]
    (lab / "01_a.ipynb").unlink()
    assert copy(book, lab) == []
    assert nbformat.read(lab / "01_a.ipynb", as_version=4).cells[1].source == "2 + 2"
