"""Tables as Markdown, read back by the parser that the site uses."""

import pytest
from markdown_it import MarkdownIt

from mechbook.reader.tables import table


def cells(text: str) -> list[list[str]]:
    """The rows of the first table of a Markdown text, as its parser sees them."""
    rows: list[list[str]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows:
            rows[-1].append(token.content)
    return rows


def test_every_cell_comes_back() -> None:
    head, rows = ["a", "$|x|$"], [[1, "two"], ["P(a | b)", "$\\|W\\|$"], [2.5, "line\nbreak"]]
    shown = table(head, rows).data
    assert cells(shown) == [["a", "$|x|$"], ["1", "two"], ["P(a | b)", "$\\|W\\|$"], ["2.5", "line break"]]


def test_a_note_is_a_paragraph_below() -> None:
    assert table(["a"], [[1]], note="Why | how.").data.endswith("| 1 |\n\nWhy | how.")


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^A row has 1 cells where the table has 2 columns: \(1,\)\.$"):
        table(["a", "b"], [[1]])
