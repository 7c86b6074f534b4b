"""The landing page of the built site. Oracles: claims.json, the licence, what lies on the screen, letters' pixels."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import jupytext
import pytest

from mechbook.site.configuration import addresses_of
from mechbook.site.notebooks import pages
from tests.browser import checks
from tests.browser.browser import opened, served

ROOT = Path(__file__).resolve().parents[2]
LANDING = pages(ROOT)[0]
SCREENS = {"phone": (390, 844), "laptop": (1280, 900)}
QUOTED = re.compile(r"\{about\}`([\w.]+):?(\w*)\s*(%?)`")
# Words of a drawing, the font size times how much the drawing is enlarged on the screen.
LETTERS = """() => [...document.querySelectorAll("svg.mb-thumb text, .mb-hero svg text")].map((text) =>
  [text.textContent, parseFloat(text.getAttribute("font-size")) * text.getScreenCTM().a])"""
ON_SCREEN = """(selector) => [...document.querySelectorAll(selector)].map((one) => {
  const box = one.getBoundingClientRect();
  return box.width > 0 && box.top >= 0 && box.bottom <= innerHeight && box.left >= 0 && box.right <= innerWidth;
})"""


@pytest.fixture(scope="module")
def address(html: Path) -> Iterator[str]:
    """The site over http."""
    with served(html) as found:
        yield found


@pytest.fixture(scope="module")
def rows(html: Path) -> dict[str, dict[str, Any]]:
    """The claims of the build by their id."""
    return {row["id"]: row for row in json.loads((html / "claims.json").read_text(encoding="utf-8"))}


@pytest.fixture(scope="module")
def text(html: Path) -> str:
    """The page as it is served."""
    return (html / f"{LANDING}.html").read_text(encoding="utf-8")


def plain(markup: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", re.sub(r"<svg.*?</svg>", "", markup, flags=re.S))))


def findings(text: str) -> list[str]:
    """The markup of each finding on the page."""
    parts = re.split(r'<div class="mb-finding docutils container">', text)[1:]
    return [part.split("</section>")[0] for part in parts]


def written() -> list[tuple[list[str], list[str], str]]:
    """Of each finding in the page's source: the claims it stands on, those beside it, and its sentences."""
    source = (ROOT / f"{LANDING}.md").read_text(encoding="utf-8")
    found = []
    for head, body in re.findall(r"^```\{finding\} (.*?)\n(.*?)^```", source, re.M | re.S):
        beside = re.search(r"^:beside: (.*)$", body, re.M)
        found.append((head.split(), beside[1].split() if beside else [], re.sub(r"^:.*\n", "", body, flags=re.M)))
    return found


def test_each_finding_is_said_just_where_its_claims_hold(text: str, rows: dict[str, dict[str, Any]]) -> None:
    shown = findings(text)
    assert len(shown) == len(written()) == 7
    for (claims, beside, body), markup in zip(written(), shown, strict=True):
        # the last words are no number, and no finding has another's
        end = re.sub(r"\{[^}]*\}`[^`]*`.*", "", body.strip().splitlines()[-1]).strip() or body.split("**")[1]
        holds = all(rows[id]["held"] for id in claims)
        if not holds:
            assert "Not so, or not known, in this build" in markup and end not in plain(markup)
        elif "Not so" not in markup:
            assert "<svg" in markup
        for id in (*claims, *beside):
            link = f'href="{Path(rows[id]["page"]).name}#{rows[id]["anchor"]}"'
            assert link in markup, id


def test_the_numbers_are_those_of_claims_json(text: str, rows: dict[str, dict[str, Any]]) -> None:
    for (_, _, body), markup in zip(written(), findings(text), strict=True):
        if "Not so" in markup:
            continue
        told = plain(markup)
        for id, name, percent in QUOTED.findall(body):
            value = rows[id]["measured"][name] if name else rows[id]["measured"]
            if name in rows[id]["never"]:
                continue
            number = f"{100 * value:.0f}%" if percent else f"{value:.0f}" if value >= 10 else f"{value:.2g}"
            assert re.search(rf"(?<![\d.]){re.escape(number)}", told), (id, name, number)


def test_no_number_is_typed_in() -> None:
    """Outside roles, links, code and headers. How many matrices a circuit has may be said in a word."""
    words = [cell.source for cell in jupytext.read(ROOT / f"{LANDING}.md").cells if cell.cell_type == "markdown"]
    left = "\n".join(words)
    for taken in (r"\{[\w:]+\}`[^`]*`", r"^```\{\w+\}.*$", r"^:\w+:.*$", r"^\d+\. ", r"SmolLM2-135M", r"in 4 bits"):
        left = re.sub(taken, "", left, flags=re.M)
    left = re.sub(r"[Cc]hapter \d", "", left)
    assert re.findall(r".{0,30}\d.{0,30}", left) == []


def test_the_scorecard_s_numbers_are_those_of_the_build(text: str, rows: dict[str, dict[str, Any]]) -> None:
    counted = {
        "held": sum(row["held"] is True for row in rows.values()),
        "did not hold": sum(row["status"] == "failed" for row in rows.values()),
        "not run": sum(row["status"] == "not run" for row in rows.values()),
    }
    found = re.findall(
        r'<p class="mb-count[^>]*><a[^>]*href="scorecard.html"><strong>(\d+)</strong> ([\w ]+)</a>', text
    )
    assert {name: int(number) for number, name in found[:3]} == counted
    assert text.count('class="mb-failed"/>') == counted["did not hold"]


def test_who_wrote_it_on_what_terms_and_when_it_was_built(text: str) -> None:
    words = plain(text)
    (holder,) = re.findall(r"^Copyright \(c\) \d+, (.+)$", (ROOT / "LICENSE").read_text(encoding="utf-8"), re.M)
    assert f"By {holder}, under the BSD 3-Clause licence." in words
    assert "@software{mechbook," in words and f"author = {{{{{holder}}}}}" in words
    assert re.search(
        r"Built on \d{4}-\d\d-\d\d from commit [0-9a-f]{12}|Built on \d{4}-\d\d-\d\d from commit unknown", words
    )


def test_the_head_says_what_the_page_is(text: str, html: Path) -> None:
    (title,) = re.findall(r"<title>(.*?)</title>", text)
    assert title == "How transformers store facts: an executable book"
    (told,) = re.findall(r'<meta name="description" content="([^"]*)"', text)
    assert 50 < len(told) <= 200 and unescape(told) in plain(text)
    (icon,) = re.findall(r'<link rel="icon" href="([^"]*)"', text)
    assert (html / LANDING).parent.joinpath(icon).resolve().is_file()
    shared = re.findall(r'<meta property="og:image" content="([^"]*)"', text)
    site = addresses_of(ROOT).site
    assert bool(shared) == bool(site)
    assert all((html / one.removeprefix(f"{site}/")).is_file() for one in shared)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("screen", SCREENS)
def test_the_first_screen_has_the_question_the_circuit_and_the_button(
    browser: Any, address: str, screen: str, dark: bool
) -> None:
    width, height = SCREENS[screen]
    with opened(browser, f"{address}/{LANDING}.html", width=width, height=height, dark=dark) as found:
        assert checks.complaints(found) == []
        checks.widget(found.page, "widget-birth")
        circuit, curves = ".mb-hero svg.mb-circuit", "svg.mb-lines"
        for part in ("article h1", ".mb-hero-words strong", circuit, "button.mb-main", curves):
            assert found.page.evaluate(ON_SCREEN, part) == [True], part


def test_letters_in_pictures_are_nine_pixels_on_a_phone(browser: Any, address: str) -> None:
    with opened(browser, f"{address}/{LANDING}.html", width=390, height=844) as found:
        assert checks.complaints(found) == []
        sizes = found.page.evaluate(LETTERS)
        assert len(sizes) > 20 and [(words, size) for words, size in sizes if size < 9] == []
