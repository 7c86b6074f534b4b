"""The drawn circuits in Chromium. Oracles: the layout that the package made, and the figures' role colours."""

from collections.abc import Iterator
from typing import Any

import pytest

from mechbook.facts.drawing import TWO_CONSTRUCTIONS
from mechbook.hops.drawing import DOUBLING
from mechbook.noisy.drawing import NOISY_RECALL
from mechbook.reader.circuits.elements import Circuit
from mechbook.reader.circuits.induction_head import INDUCTION_HEAD
from mechbook.reader.circuits.layout import frames, texts
from mechbook.reader.circuits.svg import svg
from mechbook.reader.figures import DARK, ROLE

CIRCUITS = (INDUCTION_HEAD, NOISY_RECALL, TWO_CONSTRUCTIONS, DOUBLING)
# Each run's room, as set and as drawn, in the drawing's units.
LENGTHS = """() => [...document.querySelectorAll("text")].map((text) =>
  [text.textContent, Number(text.getAttribute("textLength")), text.getComputedTextLength()])"""
# The frame of each element of a class, in the drawing's units.
FRAMES = """(selector) => [...document.querySelectorAll(selector)].map((element) => {
  const box = element.getBBox();
  return [box.x, box.y, box.x + box.width, box.y + box.height];
})"""
OF = "([selector, property]) => getComputedStyle(document.querySelector(selector))[property]"
COLOURS = """(names) => names.map((name) => {
  const line = document.querySelector(`.mb-way.mb-c-${name}`);
  return line && getComputedStyle(line).stroke;
})"""


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    """A page as wide as a phone."""
    found = browser.new_page(viewport={"width": 390, "height": 800})
    yield found
    found.close()


def put(page: Any, circuit: Circuit, style: str = "", body: str = "<body>") -> None:
    """Show one drawing alone."""
    page.set_content(f"<!doctype html><title>t</title><style>{style}</style>{body}{svg(circuit)}")


def in_css(colour: str) -> str:
    """A colour #rrggbb as a browser says it."""
    return f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"


@pytest.mark.parametrize("circuit", CIRCUITS, ids=lambda circuit: circuit.name)
def test_texts_take_the_room_that_was_left_for_them(page: Any, circuit: Circuit) -> None:
    put(page, circuit)
    lengths = page.evaluate(LENGTHS)
    assert lengths and all(abs(wanted - drawn) < 0.5 for _, wanted, drawn in lengths), lengths
    drawn = page.evaluate(FRAMES, "text")
    placed = [text.frame for text in texts(circuit)]
    for left, top, right, bottom in drawn:
        # A letter may lean over its frame's edge, and a line's box is a little higher than its letters.
        assert any(
            f.left - 2 < left and f.top - 4 < top and right < f.right + 2.5 and bottom < f.bottom + 4 for f in placed
        ), (left, top, right, bottom)


@pytest.mark.parametrize("circuit", CIRCUITS, ids=lambda circuit: circuit.name)
def test_boxes_are_drawn_where_they_lie(page: Any, circuit: Circuit) -> None:
    put(page, circuit)
    at = frames(circuit)
    wanted = sorted((at[b.id].left, at[b.id].top) for b in circuit.boxes if b.kind in ("token", "chip", "part"))
    found = sorted((left, top) for left, top, _, _ in page.evaluate(FRAMES, "rect.mb-box"))
    assert len(found) == len(wanted)
    assert all(place == pytest.approx(there, abs=0.01) for place, there in zip(found, wanted, strict=True))


@pytest.mark.parametrize("ink", ["rgb(34, 40, 50)", "rgb(206, 214, 221)"])
def test_roles_keep_their_colour_and_the_rest_follows_the_theme(page: Any, ink: str) -> None:
    put(page, INDUCTION_HEAD, f"html {{ --pst-color-text-base: {ink}; }}")
    roles = ("W_K1", "W_K2", "W_O2", "correct")
    assert page.evaluate(COLOURS, list(roles)) == [in_css(ROLE[name].colour) for name in roles]
    for selector, property in ((".mb-way.mb-copy:not([class*=mb-c-])", "stroke"), ("text:not([class])", "fill")):
        assert page.evaluate(OF, [selector, property]) == ink, selector


@pytest.mark.parametrize("light", ["true", "false"])
def test_in_jupyterlab_roles_take_the_colours_of_its_theme(page: Any, light: str) -> None:
    """JupyterLab has none of the site's variables, and says on the body whether its theme is light."""
    roles = ("W_K1", "W_K2", "W_O2", "correct")
    colours = {"true": {name: ROLE[name].colour for name in roles}, "false": DARK}[light]
    put(page, INDUCTION_HEAD, body=f'<body data-jp-theme-light="{light}">')
    assert page.evaluate(COLOURS, list(roles)) == [in_css(colours[name]) for name in roles]
    # on white paper the roles are as in the light theme
    page.emulate_media(media="print")
    printed = page.evaluate(COLOURS, list(roles))
    page.emulate_media(media="screen")
    assert printed == [in_css(ROLE[name].colour) for name in roles]


def test_in_print_it_is_black_on_white_in_the_dark_theme_too(page: Any) -> None:
    put(page, DOUBLING, "html { --pst-color-text-base: rgb(206, 214, 221); --pst-color-background: rgb(18, 18, 18); }")
    page.emulate_media(media="print")
    found = [page.evaluate(OF, pair) for pair in (["text:not([class])", "fill"], ["svg", "backgroundColor"])]
    page.emulate_media(media="screen")
    assert found == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
