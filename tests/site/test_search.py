"""The search of the built site, over http and from files. Oracle: `queries.py`, written before any answer was seen."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import checks
from tests.browser.browser import opened, served
from tests.site.queries import FIRST

# Milliseconds from the words to the answer, when the index is there.
LONGEST = 150
ASK = """async (query) => {
  await mechbookAnswer("warm");
  let took = Infinity, pages;
  // the best of some: a machine has more to do
  for (let run = 0; run < 5; run++) {
    const start = performance.now();
    pages = await mechbookAnswer(query);
    took = Math.min(took, performance.now() - start);
  }
  return [took, pages.map((page) => [page.address, page.hits.map((hit) => hit.anchor)])];
}"""


@pytest.fixture(scope="module", params=["http", "file"])
def searched(request: Any, browser: Any, html: Path) -> Iterator[Any]:
    """The page that searches; it complains of nothing and asks no other host."""
    with served(html) as address:
        url = f"{address}/search.html" if request.param == "http" else (html / "search.html").as_uri()
        with opened(browser, url) as found:
            yield found.page
            assert checks.complaints(found) == []


@pytest.mark.parametrize("query", FIRST)
def test_the_page_about_a_thing_comes_first_and_at_once(searched: Any, query: str) -> None:
    took, pages = searched.evaluate(ASK, query)
    assert pages and pages[0][0] == f"{FIRST[query]}.html"
    assert took <= LONGEST


def test_every_claim_is_found_by_its_id(searched: Any, html: Path) -> None:
    """Oracle: what the build wrote down of the claims that its pages report."""
    claims = json.loads((html / "claims.json").read_text(encoding="utf-8"))
    wrong = []
    for claim in claims:
        _, pages = searched.evaluate(ASK, claim["id"])
        if not pages or (pages[0][0], pages[0][1][0]) != (claim["page"], claim["anchor"]):
            wrong.append((claim["id"], pages[:1]))
    assert wrong == [] and len(claims) > 50


def test_what_is_typed_is_answered_with_excerpts_that_lead_there(searched: Any, html: Path) -> None:
    searched.get_by_role("searchbox").last.fill("induction head")
    first = searched.locator(".mb-found li").first
    first.wait_for(timeout=20_000)
    assert first.locator(".mb-found-page a").get_attribute("href").endswith("book/03_induction_heads.html")
    assert first.locator("mark").count() >= 2
    words = first.locator(".mb-found-place p").all_inner_texts()
    assert all(20 <= len(one) <= 260 and "\\" not in one for one in words)
    for link in searched.locator(".mb-found a").all():
        path, _, anchor = link.get_attribute("href").partition("#")
        page = html / "book" / path.rsplit("/book/", 1)[-1]
        assert page.is_file() and (not anchor or f'id="{anchor}"' in page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("typed", ["<img src=x onerror=alert(1)>", "zzzzqqq", "   ", "[(*+?"])
def test_what_nobody_wrote_is_answered_in_words(searched: Any, typed: str) -> None:
    searched.get_by_role("searchbox").last.fill(typed)
    searched.wait_for_timeout(300)
    assert searched.locator("#search-results img").count() == 0
    if typed == "zzzzqqq":
        assert searched.locator("#search-results").inner_text().strip() == "Nothing has “zzzzqqq”."


def test_a_place_on_the_same_page_is_seen_once_it_is_chosen(browser: Any, html: Path) -> None:
    """Oracle: the page: nothing lies over the heading."""
    with served(html) as address, opened(browser, f"{address}/book/03_induction_heads.html") as found:
        found.page.keyboard.press("Control+k")
        found.page.keyboard.type("freezing")
        found.page.locator('dialog .mb-found a[href$="#freezing"]').first.click()
        found.page.wait_for_timeout(500)
        assert found.page.locator("dialog[open]").count() == 0
        assert 0 <= found.page.locator("#freezing h3").bounding_box()["y"] < 200
