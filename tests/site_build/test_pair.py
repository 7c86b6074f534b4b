"""Notebooks beside the chapters' sources. Oracle: the source's cells."""

from pathlib import Path

import pytest

from mechbook.site.pair import paired, write

SOURCE = """---
jupytext:
  formats: md:myst,ipynb
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A page

```{code-cell} ipython3
1 + 1
```
"""


@pytest.mark.parametrize("there", [None, "<<<<<<< HEAD\n", '{"cells": [\n<<<<<<< HEAD\n]}', ""])
def test_a_notebook_that_a_merge_left_its_marks_in_is_written_anew(tmp_path: Path, there: str | None) -> None:
    chapter, target = tmp_path / "a.md", tmp_path / "a.ipynb"
    chapter.write_text(SOURCE, encoding="utf-8")
    if there is not None:
        target.write_text(there, encoding="utf-8")
    assert not paired(chapter) and write(chapter) and paired(chapter)
    assert not write(chapter)
    assert "1 + 1" in target.read_text(encoding="utf-8")
