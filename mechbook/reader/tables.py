"""Tables on a page, made of values: the one place that knows how Markdown writes them."""

from collections.abc import Iterable, Sequence
from typing import Any

from IPython.display import Markdown


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], *, note: str = "") -> Markdown:
    """A Markdown table with the columns `head`; cells are text (formulas too) or anything with a text of its own.

    `note` is a paragraph below it. ValueError for a row that has not one cell for each column.
    """
    lines = [_row(head), "|" + "---|" * len(head)]
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"A row has {len(row)} cells where the table has {len(head)} columns: {tuple(row)!r}.")
        lines.append(_row(row))
    return Markdown("\n".join([*lines, *(["", note] if note else [])]))


def _row(cells: Iterable[Any]) -> str:
    # a bar inside a cell, of a formula too, would end the cell
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
