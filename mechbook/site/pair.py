"""Write the .ipynb beside each chapter's .md, which is the source: `python -m mechbook.site.pair book`."""

import sys
from pathlib import Path

import jupytext
import nbformat
from myst_nb.core.read import is_myst_markdown_notebook
from nbformat.reader import NotJSONError


def chapters(folder: Path) -> list[Path]:
    """The pages of `folder` that are notebooks."""
    return [path for path in sorted(folder.glob("*.md")) if is_myst_markdown_notebook(path.read_text(encoding="utf-8"))]


def contents(notebook: nbformat.NotebookNode) -> list[tuple[str, str, dict[str, object]]]:
    """Type, source and metadata of each cell: what a pair has in common."""
    return [(cell.cell_type, cell.source, dict(cell.metadata)) for cell in notebook.cells]


def write(chapter: Path) -> bool:
    """Write the notebook of `chapter` where its cells changed, without outputs; return whether it was written."""
    target = chapter.with_suffix(".ipynb")
    wanted = jupytext.read(chapter)
    if target.exists() and paired(chapter):
        return False
    # Random ids would make every conversion a change.
    for index, cell in enumerate(wanted.cells):
        cell["id"] = f"cell-{index}"
    jupytext.write(wanted, target)
    return True


def paired(chapter: Path) -> bool:
    """Whether the notebook beside `chapter` has its cells and no outputs."""
    target = chapter.with_suffix(".ipynb")
    if not target.exists():
        return False
    try:
        notebook = nbformat.read(target, as_version=4)
    except NotJSONError:
        # a merge left its marks in it, say: the .md is the source
        return False
    empty = all(not cell.get("outputs") for cell in notebook.cells)
    return empty and contents(notebook) == contents(jupytext.read(chapter))


def main() -> int:
    """Pair the chapters of the folder named on the command line."""
    for chapter in chapters(Path(sys.argv[1])):
        if write(chapter):
            print(f"{chapter.with_suffix('.ipynb')} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
