"""The Sphinx extension that writes each chapter as a notebook which runs by itself, where the download button leads.

Beside the notebooks the site serves what they need, in downloads/: the package as a wheel, and for each page the runs
that its cells asked for when it was executed. Nothing in these files says when they were made.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import nbformat
from docutils import nodes
from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

from mechbook.site import first_cell, scorecard, served_runs, status, wheel
from mechbook.site.configuration import addresses_of
from mechbook.site.notebooks import read, with_fingerprint
from mechbook.site.plain_markdown import Cell, Code, Writer

LOG = logging.getLogger(__name__)
FOLDER = "downloads"
# How a chapter gets what only the site's build has, and what stands for it elsewhere.
GLUE = ("from myst_nb import glue", "from mechbook.reader.travelling import glue")
# myst-nb's tags for what a page shows folded or not at all.
HIDES_SOURCE = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
HIDES_OUTPUT = {"hide-output", "hide-cell", "remove-output", "remove-cell"}


def is_notebook(app: Sphinx, page: str) -> bool:
    """Whether a page has code that runs."""
    return "kernelspec" in (app.env.metadata.get(page) or {})


def take(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Note a page's cells once all of its references and numbers are words, and its claims are judged."""
    if app.builder.format != "html" or not is_notebook(app, docname):
        return
    found = addresses_of(Path(app.srcdir))
    number = _numbers(app, docname)
    writer = Writer(lambda node: link(node, docname, found.site), number, lambda cell: verdicts(app, cell))
    try:
        _pages(app)[docname] = writer.page(doctree.deepcopy())
    except ValueError as error:
        LOG.error(f"{docname}: {error}", location=docname)


def _pages(app: Sphinx) -> dict[str, list[Cell]]:
    if not hasattr(app, "mechbook_travelling"):
        app.mechbook_travelling = {}  # type: ignore[attr-defined]
    found: dict[str, list[Cell]] = app.mechbook_travelling  # type: ignore[attr-defined]
    return found


def _numbers(app: Sphinx, docname: str) -> Any:
    known = app.env.toc_fignumbers.get(docname, {})

    def number(kind: str, id: str) -> str | None:
        found = known.get(kind, {}).get(id)
        return ".".join(str(part) for part in found) if found else None

    return number


def link(node: nodes.reference, docname: str, site: str) -> str | None:
    """Where a link leads out of a notebook: another page only where the site's address is known, this page nowhere."""
    address = str(node.get("refuri", ""))
    if "://" in address or address.startswith("mailto:"):
        return address
    if not address or address.startswith("#") or not site:
        return None
    return urljoin(f"{site}/{docname}.html", address)


def verdicts(app: Sphinx, cell: nodes.Element) -> list[str]:
    """A sentence for each claim that a cell reports: what came of it when the site was built."""
    rows = {scorecard.card_anchor(row["id"]): row for row in app.env.mechbook_rows}  # type: ignore[attr-defined]
    told = []
    for node in cell.findall(nodes.Element):
        for row in (rows[id] for id in node.get("ids", ()) if id in rows):
            numbers = "" if row["measured"] is None else f" ({'; '.join(scorecard.measured_parts(row))})"
            told.append(f"In the site's build `{row['id']}`: {scorecard.verdict(row)}{numbers}.")
    return told


def notebook(page: nbformat.NotebookNode, cells: list[Cell], first: str) -> nbformat.NotebookNode:
    """The notebook of a page: `first`, the page's words, and its code without outputs, folded as on the page."""
    made = nbformat.v4.new_notebook()
    made.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    made.cells = [nbformat.v4.new_code_cell(first, metadata={"jupyter": {"source_hidden": True}})]
    written = 0
    for cell in cells:
        if isinstance(cell, Code):
            # what the page removes is nowhere in its text: it comes where it runs, before the next that is shown
            for index in range(written, cell.index + 1):
                made.cells += _code(page.cells[index], cell.hidden and index == cell.index)
            written = cell.index + 1
        else:
            made.cells.append(nbformat.v4.new_markdown_cell(cell.text))
    for index in range(written, len(page.cells)):
        made.cells += _code(page.cells[index], False)
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number}"
    return made


def _code(cell: nbformat.NotebookNode, hidden: bool) -> list[nbformat.NotebookNode]:
    """A code cell as it travels; nothing for a cell of words, or one that only the site's build can run."""
    if cell.cell_type != "code":
        return []
    source = "\n".join(GLUE[1] if line.strip() == GLUE[0] else line for line in cell.source.splitlines())
    if "myst_nb" in source:
        raise ValueError(f"a cell imports myst_nb otherwise than by {GLUE[0]!r}: {source[:80]!r}.")
    tags = set(cell.metadata.get("tags", ()))
    folds = {"source_hidden": tags & HIDES_SOURCE, "outputs_hidden": tags & HIDES_OUTPUT}
    folded = {name: True for name, asked in folds.items() if hidden or asked}
    return [nbformat.v4.new_code_cell(source, metadata={"jupyter": folded} if folded else {})]


def write(app: Sphinx, exception: Exception | None) -> None:
    """Write the wheel, each page's runs and each page's notebook."""
    if exception is not None or app.builder.format != "html":
        return
    root, html = Path(app.srcdir), Path(app.outdir)
    places = addresses_of(root)
    try:
        served = wheel.kept(root, html / FOLDER)
    except (OSError, RuntimeError) as error:
        raise ExtensionError(str(error)) from error
    cache = get_cache(root / "_build" / ".jupyter_cache")
    for docname, cells in sorted(_pages(app).items()):
        source = Path(app.env.doc2path(docname)).read_text(encoding="utf-8")
        page = read(with_fingerprint(source, app.env.myst_config), app.env.myst_config)  # type: ignore[attr-defined]
        assert page is not None
        runs = served_runs.write(html / FOLDER / f"{Path(docname).name}-runs.zip", served_runs.asked(cache, page))
        first = first_cell.text(page, served, runs, places, status.clean_commit(root))
        try:
            made = notebook(page, cells, first)
        except ValueError as error:
            LOG.error(f"{docname}: {error}", location=docname)
            continue
        target = html / "_sources" / f"{docname}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(nbformat.writes(made) + "\n", encoding="utf-8")


def download(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Have the theme's download button lead to the notebook."""
    if is_notebook(app, page):
        context["ipynb_source"] = f"{page}.ipynb"


def launch(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Add the button that opens the published notebook in Colab, where the repository is one that Colab reads."""
    address = addresses_of(Path(app.srcdir)).colab(page) if is_notebook(app, page) else ""
    if address:
        button = {"type": "link", "text": "Colab", "tooltip": "Open in Colab", "icon": "fas fa-rocket", "url": address}
        group = {"type": "group", "tooltip": "Run this page elsewhere", "icon": "fas fa-rocket", "buttons": [button]}
        context["header_buttons"].append({**group, "label": "launch-buttons"})


def setup(app: Sphinx) -> Mapping[str, Any]:
    """Register all of it."""
    # after references, numbers, and what mechbook.site.extension fills in
    app.connect("doctree-resolved", take, priority=900)
    app.connect("html-page-context", download, priority=400)
    # after the theme has begun the list of buttons
    app.connect("html-page-context", launch, priority=600)
    app.connect("build-finished", write)
    # pages are noted in this process
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
