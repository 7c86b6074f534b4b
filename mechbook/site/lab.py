"""Open the chapters in JupyterLab as copies, so that running or trying something never changes the book's sources.

    python -m mechbook.site.lab

The copies lie in `_lab`. One that nobody has changed is made anew from its chapter each time; one that somebody has
changed stays, with a line that says so where its chapter has changed since.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

import jupytext
import nbformat

from mechbook.core.cache.closure import PACKAGE
from mechbook.site.pair import chapters

# What was written last, by name: how a copy that somebody has changed is told from one that nobody has.
WRITTEN = ".written.json"


def copy(book: Path, lab: Path) -> list[str]:
    """Bring the copies in `lab` up to date with the chapters of `book`; return what there is to say."""
    lab.mkdir(exist_ok=True)
    notes = lab / WRITTEN
    known: dict[str, dict[str, str]] = json.loads(notes.read_text(encoding="utf-8")) if notes.exists() else {}
    told = []
    for chapter in chapters(book):
        target = lab / f"{chapter.stem}.ipynb"
        text = _notebook(chapter)
        last = known.get(target.name, {})
        if target.exists() and _hash(target.read_bytes()) != last.get("written"):
            if last.get("chapter") != _hash(text.encode()):
                told.append(f"{target} is as you left it; its chapter has changed since: remove it to have the new.")
            continue
        target.write_text(text, encoding="utf-8")
        known[target.name] = {"written": _hash(text.encode()), "chapter": _hash(text.encode())}
    notes.write_text(json.dumps(known, indent=1), encoding="utf-8")
    return told


def _notebook(chapter: Path) -> str:
    """The chapter as a notebook that is paired with nothing: Lab would write the pair with every save."""
    notebook = jupytext.read(chapter)
    notebook.metadata.pop("jupytext", None)
    for index, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{index}"
    return nbformat.writes(notebook)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main() -> int:
    """Bring the copies up to date and open them."""
    root = PACKAGE.parent
    lab = root / "_lab"
    try:
        told = copy(root / "book", lab)
    except OSError as error:
        print(f"The chapters cannot be copied: {error.strerror}: {error.filename}.", file=sys.stderr)
        return 1
    told.append("These are copies, in _lab: the chapters' sources, book/*.md, stay as they are.")
    print("\n".join(told), flush=True)
    as_root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", "--notebook-dir", str(lab), *as_root])


if __name__ == "__main__":
    sys.exit(main())
