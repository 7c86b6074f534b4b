"""Every page of the built site. Oracle: the table of contents, the claims' list, and the pages' own anchors."""

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from mechbook.claims.catalogue import load_claims
from mechbook.site.notebooks import pages

ROOT = Path(__file__).resolve().parents[2]
TOC = pages(ROOT)


def no_constant(name: str) -> None:
    raise AssertionError(f"claims.json holds {name}")


@pytest.fixture(scope="session")
def claims(html: Path) -> list[dict[str, Any]]:
    path = html / "claims.json"
    assert path.exists(), "the last build did not get as far as claims.json"
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"), parse_constant=no_constant)
    return found


@pytest.mark.parametrize("name", TOC)
def test_a_page_is_there_and_newer_than_its_text(html: Path, name: str) -> None:
    built, source = html / f"{name}.html", ROOT / f"{name}.md"
    assert built.exists()
    assert built.stat().st_mtime >= source.stat().st_mtime, f"{source.name} changed since the build: run make book"


@pytest.mark.parametrize("name", TOC)
def test_links_within_the_site_lead_somewhere(site: dict[str, Any], html: Path, name: str) -> None:
    page = site[f"{name}.html"]
    lost = []
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = f"{name}.html"
        if parts.path:
            target = os.path.normpath(os.path.join(os.path.dirname(target), unquote(parts.path))).replace(os.sep, "/")
        if not (html / target).exists():
            lost.append(link)
        elif parts.fragment and target in site and unquote(parts.fragment) not in site[target].ids:
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("name", TOC)
def test_anchors_are_unique(site: dict[str, Any], name: str) -> None:
    ids = site[f"{name}.html"].ids
    # The theme itself shows its search and its navigation twice, for wide and for narrow windows.
    twice = {id for id in ids if ids.count(id) > 1} - {"search-input", "searchbox"}
    assert {id for id in twice if not id.startswith(("pst-", "__", "bd-"))} == set()


@pytest.mark.parametrize("name", TOC)
def test_nothing_is_left_of_the_markup(site: dict[str, Any], name: str) -> None:
    page = site[f"{name}.html"]
    code_apart = re.sub(r"<(pre|code)\b.*?</\1>", "", page.html, flags=re.S)
    assert not page.classes & {"system-message", "problematic"}
    assert "{glue" not in code_apart and "{numref" not in code_apart and "{eq}" not in code_apart
    assert not re.search(r"Traceback \(most recent call last\)|Unknown directive|Unknown interpreted text", page.text)


@pytest.mark.parametrize("name", TOC)
def test_no_number_is_missing(site: dict[str, Any], name: str) -> None:
    """What was not measured is said in words: a number that is none would stand as "nan" in a sentence or a table."""
    code_apart = re.sub(r"<(pre|code|script|style)\b.*?</\1>", "", site[f"{name}.html"].html, flags=re.S)
    words = re.sub(r"<[^>]+>", " ", code_apart)
    assert [words[found.start() - 60 : found.end()] for found in re.finditer(r"(?<![\w.])nan(?![\w-])", words)] == []


@pytest.mark.parametrize("name", TOC)
def test_every_image_has_a_text_alternative(site: dict[str, Any], name: str) -> None:
    images = [image for image in site[f"{name}.html"].images if "logo" not in (image.get("class") or "")]
    bad = [image.get("src") for image in images if not (image.get("alt") or "").strip()]
    # What myst-nb writes where the author wrote nothing is the file's path.
    bad += [image["src"] for image in images if re.search(r"\.(png|svg|jpg)$", image.get("alt") or "")]
    assert bad == []


def test_no_page_names_a_folder_of_this_machine(html: Path) -> None:
    names = {str(ROOT), str(Path.home())} - {"/"}
    texts = [path for path in html.rglob("*") if path.suffix in (".html", ".json", ".ipynb", ".md", ".txt")]
    assert [str(path) for path in texts if any(name in path.read_text(encoding="utf-8") for name in names)] == []


def test_the_claims_that_are_written_down_are_on_their_pages(
    site: dict[str, Any], claims: list[dict[str, Any]]
) -> None:
    ids = [claim["id"] for claim in claims]
    assert len(set(ids)) == len(ids) and set(ids) <= set(load_claims())
    for claim in claims:
        page = site[claim["page"]]
        assert claim["anchor"] in page.ids, claim["id"]
        assert claim["figure"] is None or claim["figure"] in page.ids, claim["id"]
        assert (claim["measured"] is None) == (claim["held"] is None) == (claim["reason"] is not None), claim["id"]
        assert len(claim["values"]) == len(claim["seeds"]), claim["id"]


def test_the_scorecard_shows_every_claim_once(site: dict[str, Any], claims: list[dict[str, Any]]) -> None:
    page = site["book/scorecard.html"]
    listed = load_claims()
    rows = re.findall(r'<tr class="mb-[^"]*" id="(row-[^"]+)"', page.html)
    assert sorted(rows) == sorted("row-" + re.sub(r"[^a-z0-9]+", "-", id) for id in listed)
    assert all(f'<span class="pre">{id}</span>' in page.html for id in listed)
    held = sum(claim["held"] is True for claim in claims)
    assert f"Of {len(listed)} claims {len(claims)} are reported: {held} held" in page.text
