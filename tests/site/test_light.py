"""How light the built site's pages are. Oracle: an empty page of the theme, loaded by the same browser beside them.

Bytes are counted. Times are of a processor slowed down four times; only their ratios to the empty page's are held, the
best of some runs on each side, so that a busy machine moves both.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mechbook.site.notebooks import pages
from tests.browser.browser import served
from tests.browser.loading import EMPTY, Times, asked, empty_site, first_widget, parts, timed

TOC = [name for name in pages(Path(__file__).resolve().parents[2]) if re.search(r"/(index|\d\d_)", name)]
LANDING, MEGABYTE = TOC[0], 1_000_000
RUNS = 3
# Against the time in which the empty page is parsed, which takes it most of a second: the end of DOMContentLoaded, the
# way from a widget's place on the screen to its first words, and the longest task of that way.
MOST = {"parsed": 2.0, "alive": 3.0, "after": 0.5}


@pytest.fixture(scope="module")
def address(html: Path) -> Iterator[str]:
    """The site over http."""
    with served(html) as found:
        yield found


@pytest.fixture(scope="module")
def empty() -> Iterator[tuple[Path, str]]:
    """The empty page's folder, and its own address."""
    with empty_site() as (folder, address):
        yield folder, f"{address}/{EMPTY}"


@pytest.fixture(scope="module")
def bare(browser: Any, empty: tuple[Path, str]) -> int:
    """The empty page's bytes over the wire."""
    folder, url = empty
    return sum(part.wire for part in parts(folder, asked(browser, url, whole=True)))


def best(runs: list[Times], name: str) -> float:
    """The smallest of what was measured."""
    return min(value for one in runs if (value := getattr(one, name)) is not None)


@pytest.mark.parametrize("name", TOC)
def test_a_page_weighs_little_to_its_end(browser: Any, html: Path, address: str, bare: int, name: str) -> None:
    found = parts(html, asked(browser, f"{address}/{name}.html", whole=True))
    beside = [part for part in found if not part.path.startswith("widgets/")]
    assert sum(part.wire for part in beside) <= bare
    if name == LANDING:
        assert sum(part.wire for part in found) <= 1.2 * MEGABYTE
        assert sum(part.raw for part in found) <= 3 * MEGABYTE
    else:
        assert sum(part.raw for part in beside) <= 4 * MEGABYTE


@pytest.mark.parametrize("name", TOC)
def test_a_page_is_there_soon_and_its_widget_too(
    browser: Any, html: Path, address: str, empty: tuple[Path, str], name: str
) -> None:
    leap = first_widget(html / f"{name}.html")
    unit, own = [], []
    for _ in range(RUNS):
        unit.append(timed(browser, empty[1]))
        own.append(timed(browser, f"{address}/{name}.html", leap=leap))
    took = {one: best(own, one) / best(unit, "parsed") for one in MOST if leap or one == "parsed"}
    assert {one: round(share, 2) for one, share in took.items() if share > MOST[one]} == {}


@pytest.mark.parametrize("name", TOC)
def test_a_link_into_a_page_leads_there_though_what_is_before_is_not_laid_out(
    browser: Any, html: Path, address: str, name: str
) -> None:
    """Oracle: the screen, on which the last headings stand at the top."""
    anchors = re.findall(r'<section id="([\w-]+)">\n<h2>', (html / f"{name}.html").read_text(encoding="utf-8"))
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    try:
        for anchor in anchors[len(anchors) // 2 : -1 : 3]:
            page.goto(f"{address}/{name}.html#{anchor}", wait_until="load")
            page.wait_for_timeout(700)
            top, height = page.evaluate(
                "(id) => [document.getElementById(id).getBoundingClientRect().top, "
                "document.documentElement.scrollHeight - scrollY - innerHeight]",
                anchor,
            )
            assert -5 <= top <= 150 or height < 5, f"#{anchor} stands at {top}"
    finally:
        page.close()
