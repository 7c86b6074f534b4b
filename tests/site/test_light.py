"""How light the built site's pages are. Oracle: an empty page of the theme, loaded by the same browser beside them.

Bytes are counted. For times stands what the page's main thread works, as ratios to its work for the empty page: on a
machine with nothing else to do (make check-times), as the others do not depend on what else runs.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from mechbook.site.notebooks import pages
from tests.browser.browser import served
from tests.browser.loading import EMPTY, Work, asked, empty_site, first_widget, parts, worked

TOC = [name for name in pages(Path(__file__).resolve().parents[2]) if re.search(r"/(index|\d\d_)", name)]
LANDING, MEGABYTE = TOC[0], 1_000_000
RUNS = 6
# Against the work for the empty page, which is 0.12 s where this was written, its longest task 26 ms. With a processor
# four times slower: loaded within 1.7 s, the widget alive 1.5 s after its place is reached, no task over 300 ms.
MOST = {"load": 3.5, "alive": 3.0}
LONGEST = {"longest": 2.9, "after": 2.9}


# The fonts that formulas of a page are set in, by their classes, and the state of each.
FONTS = """() => [...document.fonts].filter(({ family }) => family.startsWith("MJXTEX"))
  .filter(({ family }) => family === "MJXTEX" || document.querySelector(`mjx-container .${family.slice(3)}`))
  .map(({ family, status }) => [family, status])"""


# Which of the page's parts is the first on the screen, or the one that was before, its words, and where it stands.
READ = """(before) => {
  const all = document.querySelectorAll("article.bd-article :is(p, pre, h2, h3, li, td, img)");
  const parts = [...all].filter((one) => !one.closest(".mb-place"));
  const seen = ({ top, height }) => height > 0 && top >= 80 && top < 800;
  const index = before ?? parts.findIndex((one) => seen(one.getBoundingClientRect()));
  return [index, parts[index].textContent || parts[index].src, parts[index].getBoundingClientRect().top];
}"""


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
def unit(browser: Any, empty: tuple[Path, str]) -> dict[str, float]:
    """The work for the empty page, and its longest task: the medians of five runs."""
    runs = [worked(browser, empty[1]) for _ in range(5)]
    return {name: median(getattr(one, name) for one in runs) for name in ("load", "longest")}


@pytest.fixture(scope="module")
def bare(browser: Any, empty: tuple[Path, str]) -> int:
    """The empty page's bytes over the wire."""
    folder, url = empty
    return sum(part.wire for part in parts(folder, asked(browser, url, whole=True)))


def best(runs: list[Work], name: str) -> float:
    """The smallest of what was measured."""
    return min(value for one in runs if (value := getattr(one, name)) is not None)


@pytest.mark.parametrize("name", TOC)
def test_a_page_weighs_little_to_its_end(browser: Any, html: Path, address: str, bare: int, name: str) -> None:
    found = parts(html, asked(browser, f"{address}/{name}.html", whole=True))
    beside = [part for part in found if not part.path.startswith("widgets/")]
    assert sum(part.wire for part in beside) <= (0.5 if name == LANDING else 1.1) * bare
    if name == LANDING:
        assert sum(part.wire for part in found) <= 1.2 * MEGABYTE
        assert sum(part.raw for part in found) <= 3 * MEGABYTE
    else:
        assert sum(part.raw for part in beside) <= 4 * MEGABYTE


@pytest.mark.slow
@pytest.mark.parametrize("name", TOC)
def test_a_page_is_there_soon_and_its_widget_too(
    browser: Any, html: Path, address: str, unit: dict[str, float], name: str
) -> None:
    """By itself, as make check-times: what else runs lengthens single tasks. The best of up to `RUNS` loads counts."""
    leap = first_widget(html / f"{name}.html")
    wanted = ("load", "longest", *(("alive", "after") if leap else ()))
    most, own, over = MOST | LONGEST, [], {}
    for _ in range(RUNS):
        own.append(worked(browser, f"{address}/{name}.html", leap=leap))
        shares = {one: best(own, one) / unit["load" if one in MOST else "longest"] for one in wanted}
        over = {one: round(share, 2) for one, share in shares.items() if share > most[one]}
        if not over:
            break
    assert over == {}


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


@pytest.mark.parametrize("name", TOC)
def test_formulas_that_nobody_has_neared_have_their_fonts_for_paper(
    browser: Any, html: Path, address: str, name: str
) -> None:
    """Oracle: the browser's own list of fonts, on a page of which only the top was on the screen."""
    least = 2 if "<mjx-container" in (html / f"{name}.html").read_text(encoding="utf-8") else 0
    page = browser.new_page(viewport={"width": 1280, "height": 300})
    try:
        page.goto(f"{address}/{name}.html", wait_until="load")
        page.wait_for_timeout(1000)
        found = page.evaluate(FONTS)
        assert len(found) >= least and [family for family, status in found if status != "loaded"] == []
    finally:
        page.close()


@pytest.mark.parametrize("away", ["reload", "back"])
@pytest.mark.parametrize("anchor", ["", "#the-task"])
def test_a_reader_comes_back_to_where_they_were(browser: Any, address: str, anchor: str, away: str) -> None:
    """Oracle: the words on the screen before; what is above them is not laid out again."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    try:
        page.goto(f"{address}/book/03_induction_heads.html{anchor}", wait_until="load")
        for _ in range(30):
            page.mouse.wheel(0, 800)
            page.wait_for_timeout(40)
        page.wait_for_timeout(1000)
        index, words, top = page.evaluate(READ)
        if away == "reload":
            page.reload()
        else:
            page.goto(f"{address}/book/status.html")
            page.go_back()
        page.wait_for_timeout(1500)
        _, again, now = page.evaluate(READ, index)
        assert again == words and abs(now - top) < 60
    finally:
        page.close()


def test_whoever_drags_the_bar_at_the_side_is_not_drawn_back_to_the_link(browser: Any, address: str) -> None:
    """Oracle: where it was dragged to. Dragging tells a page nothing but that it scrolls."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    try:
        page.goto(f"{address}/book/03_induction_heads.html#the-task", wait_until="load")
        page.wait_for_timeout(700)
        for y in (9000, 12000, 15000):
            page.evaluate("(top) => scrollTo({ top, behavior: 'instant' })", y)
            page.wait_for_timeout(300)
        page.wait_for_timeout(700)
        assert page.evaluate("scrollY") > 9000
    finally:
        page.close()
