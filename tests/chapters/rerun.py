"""Run a chapter from top to bottom, then each of its cells once more, and tell which cells then show something else.

    python -m tests.chapters.rerun book/04_noisy_recall

Trained runs come from the cache, so after `make book` this takes a fraction of the chapter's time.
"""

import asyncio
import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from mechbook.core.cache.closure import PACKAGE
from mechbook.site.configuration import markdown_config
from mechbook.site.execute import prepare
from mechbook.site.kernel import OwnKernel
from mechbook.site.limits import cell_limit
from mechbook.site.notebooks import read

ROOT = PACKAGE.parent
# What differs between two runs of one cell though nothing that a reader sees does.
ADDRESS = re.compile(r"0x[0-9a-f]{6,}|IPY_MODEL_\w+")
WIDGET = "application/vnd.jupyter.widget-view+json"


def rerun(
    page: str, *, root: Path = ROOT, first: str = "", watch: Callable[[NotebookNode], None] | None = None
) -> list[str]:
    """A sentence for each cell of `page` that shows other things when it is run again after the whole page.

    `first` is code to run before the page; `watch` gets the executed page. What a cell raises is raised here.
    """
    notebook = read((root / f"{page}.md").read_text(encoding="utf-8"), markdown_config(root))
    assert notebook is not None
    if first:
        notebook.cells.insert(0, nbformat.v4.new_code_cell(first))
    folder = str((root / page).parent)
    limit = cell_limit(root, page)
    client = NotebookClient(
        notebook, timeout=limit, kernel_manager_class=OwnKernel, resources={"metadata": {"path": folder}}
    )
    return asyncio.run(_rerun(client, watch))


async def _rerun(client: NotebookClient, watch: Callable[[NotebookNode], None] | None) -> list[str]:
    told = []
    code = [(number, cell) for number, cell in enumerate(client.nb.cells) if cell.cell_type == "code"]
    async with client.async_setup_kernel():
        for number, cell in code:
            await client.async_execute_cell(cell, number)
        if watch is not None:
            watch(client.nb)
        before = {number: plain(cell.outputs) for number, cell in code}
        for number, cell in code:
            await client.async_execute_cell(cell, number)
            if plain(cell.outputs) != before[number]:
                told.append(f"Cell {number} shows something else when it is run again: {cell.source[:60]!r}.")
    return told


def plain(outputs: Iterable[Any]) -> list[str]:
    """What outputs show, as text that two runs of one cell can be compared by; pieces of one stream as one."""
    shown: list[str] = []
    streams: dict[str, str] = {}
    for output in outputs:
        if output["output_type"] == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + output["text"]
            continue
        data = {kind: text for kind, text in output.get("data", {}).items() if kind != WIDGET}
        if WIDGET in output.get("data", {}):
            data = {}
        shown.append(ADDRESS.sub("", json.dumps(data, sort_keys=True)))
    return [*shown, *(f"{name}: {text}" for name, text in sorted(streams.items()))]


def main() -> int:
    """Run the chapters named on the command line again."""
    prepare(1)
    told = [f"{page}: {sentence}" for page in sys.argv[1:] for sentence in rerun(page)]
    print("\n".join(told) or f"{len(sys.argv) - 1} chapters show the same when their cells are run again.")
    return int(bool(told))


if __name__ == "__main__":
    sys.exit(main())
