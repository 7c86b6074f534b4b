"""What a page says before it is opened. Oracle: pages written here; `test_travel.py` builds a small book with them."""

import struct
from pathlib import Path

import pytest
from docutils import nodes
from matplotlib import rc_context

from mechbook.site import head

TOLD = {"text": "Madrid is in", "answer": "Spain", "before": "the", "after": "Spain"}
TOLD |= {"p": {"the": [0.384, 0.08], "Spain": [0.09, 0.224]}}


def page(*paragraphs: str) -> nodes.document:
    from docutils.utils import new_document

    document = new_document("page")
    document += nodes.section("", nodes.title("", "A title"), *[nodes.paragraph("", text) for text in paragraphs])
    return document


@pytest.mark.parametrize(
    ("paragraphs", "told"),
    [
        (("First,\nin two lines.", "Second."), "First, in two lines."),
        (("", "Second."), "Second."),
        ((), ""),
        # whole sentences where they say enough of it
        (
            (" ".join([f"Sentence {i} is here." for i in range(20)]),),
            " ".join(f"Sentence {i} is here." for i in range(10)),
        ),
        # else a word's end
        (("word " * 60,), "word " * 38 + "word…"),
    ],
)
def test_the_description_is_the_first_paragraph_cut_where_it_is_long(paragraphs: tuple[str, ...], told: str) -> None:
    found = head.description(page(*paragraphs))
    assert found == told and len(found) <= head.LONGEST


def test_what_stands_in_a_box_is_no_beginning() -> None:
    document = page("The text.")
    document[0].insert(1, nodes.note("", nodes.paragraph("", "A note.")))
    assert head.description(document) == "The text."


@pytest.mark.parametrize("told", [TOLD, {}])
def test_the_picture_has_the_size_that_is_told(tmp_path: Path, told: dict[str, object]) -> None:
    """Oracle: the width and the height in the file's own header."""
    path = tmp_path / "preview.png"
    with rc_context({"savefig.bbox": "tight", "savefig.dpi": 30, "font.size": 50}):
        head.preview(path, "A book", told)
    assert struct.unpack(">II", path.read_bytes()[16:24]) == head.SIZE
    assert path.stat().st_size < 100_000
