"""What is written. Oracles: an XML parser, the figures' roles, the site's style sheet, and the layout."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from mechbook.reader.circuits.elements import Arrow, Box, Note
from mechbook.reader.circuits.layout import frames, ways
from mechbook.reader.circuits.svg import show, svg
from mechbook.reader.circuits.words import runs
from mechbook.reader.figures import DARK, ROLE
from tests.reader.circuits.test_elements import GOOD

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "</desc><script>alert('x')</script>&\""


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def test_it_is_an_image_with_a_title_and_words() -> None:
    root = parsed(svg(GOOD))
    named = {child.get("id"): child.text for child in root if child.get("id")}
    assert root.get("role") == "img" and root.get("viewBox") == "0 0 211 101"
    assert [named[id] for id in str(root.get("aria-labelledby")).split()] == [GOOD.title, GOOD.words]


@pytest.mark.parametrize("where", ["name", "title", "words", "box", "note", "label"])
def test_whatever_is_written_is_text(where: str) -> None:
    change: dict[str, object] = {where: EVIL}
    if where == "box":
        change = {"boxes": (replace(GOOD.boxes[0], text=EVIL), *GOOD.boxes[1:])}
    elif where == "note":
        change = {"notes": (Note(1, 1, EVIL),)}
    elif where == "label":
        change = {"arrows": (replace(GOOD.arrows[0], label=EVIL),)}
    root = parsed(svg(replace(GOOD, **change)))  # type: ignore[arg-type]
    known = {"svg", "title", "desc", "style", "rect", "path", "text", "circle"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= known
    assert "<script" not in svg(replace(GOOD, **change))  # type: ignore[arg-type]


def test_the_roles_colours_are_the_sites_and_without_it_the_figures() -> None:
    style = parsed(svg(GOOD)).find(f"{SVG}style")
    assert style is not None and style.text is not None
    found = re.findall(r"\.mb-c-(\w+) \{ --hue: var\(--mb-(\w+), (#\w{6})\)", style.text)
    # and once more for a dark JupyterLab
    both = [*((name, role.colour) for name, role in ROLE.items()), *DARK.items()]
    assert [(name, name, colour) for name, colour in both] == found


def test_a_role_reaches_the_line_the_head_and_the_label() -> None:
    text = svg(replace(GOOD, arrows=(Arrow("a", "b", "top", "left", "W_O2", label="moves"),)))
    hued = [e for e in parsed(text).iter() if "mb-c-W_O2" in str(e.get("class")).split()]
    assert [(e.tag.removeprefix(SVG), str(e.get("class")).split()[0]) for e in hued] == [
        ("path", "mb-way"),
        ("path", "mb-head"),
        ("text", "mb-hued"),
    ]


def test_every_run_of_text_has_the_room_that_was_measured() -> None:
    written = list(parsed(svg(GOOD)).iter(f"{SVG}text"))
    wanted = [(run.text, 14 * run.width) for text in ("a", "b", "c", "moves") for run in runs(text)]
    wanted += [(run.text, 13 * run.width) for run in runs("words")]
    found = [(each.text, float(str(each.get("textLength")))) for each in written]
    assert [text for text, _ in found] == [text for text, _ in wanted]
    assert [length for _, length in found] == pytest.approx([length for _, length in wanted], abs=0.006)


def test_a_head_points_at_the_end_and_a_stream_has_none() -> None:
    arrow = GOOD.arrows[0]
    end = ways(GOOD)[0].points[-1]
    heads = [e.get("d") for e in parsed(svg(GOOD)).iter() if e.get("class") == "mb-head"]
    tip = [float(number) for number in re.findall(r"-?[\d.]+", str(heads[0]))[:2]]
    assert len(heads) == 2 and tip == pytest.approx(end, abs=0.006)
    assert frames(GOOD)["b"].on_border((tip[0], tip[1]), 0.01)
    streams = svg(replace(GOOD, arrows=(replace(arrow, kind="stream"),)))
    assert not [e for e in parsed(streams).iter() if e.get("class") == "mb-head"]


@pytest.mark.parametrize("kind", ["token", "chip", "part", "sum", "dot"])
def test_every_kind_of_box_is_drawn(kind: str) -> None:
    box = Box("lone", 90, 50, role="noise", kind=kind)  # type: ignore[arg-type]
    root = parsed(svg(replace(GOOD, boxes=(box,), groups=(), arrows=(), notes=())))
    assert [e for e in root.iter() if "mb-c-noise" in str(e.get("class")).split()]


def test_it_is_shown_as_html_and_as_words(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, str]] = []
    monkeypatch.setattr("mechbook.reader.circuits.svg.display", lambda data, raw: shown.append(data))
    show(GOOD)
    assert shown == [{"text/html": svg(GOOD), "text/plain": "One arrow: An arrow from a to b."}]
    assert json.dumps(shown)
