"""How light the pages of the built site are. Oracle: an empty page of the theme, loaded by the same browser beside them.

Bytes are counted; times are of a processor slowed down four times, and only ratios to the empty page are held, the best
of some runs on each side, so that a busy machine moves both.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mechbook.site.notebooks import pages
from tests.browser.browser import served
from tests.browser.loading import EMPTY, Part, Times, asked, empty_site, parts, timed

TOC = [name for name in pages(Path(__file__).resolve().parents[2]) if re.search(r"/(index|\d\d_)", name)]
LANDING, MEGABYTE = TOC[0], 1_000_000
# Over the wire, against the empty page's 0.8 MB.
WIRE = {LANDING: 1.2}
RUNS = 3


@pytest.fixture(scope="module")
def address(html: Path) -> Iterator[str]:
    """The site over http."""
    with served(html) as found:
        yield found


@pytest.fixture(scope="module")
def empty() -> Iterator[tuple[Path, str]]:
    """The empty page's folder and address."""
    with empty_site() as found:
        yield found


@pytest.fixture(scope="module")
def bare(browser: Any, empty: tuple[Path, str]) -> int:
    """The empty page's bytes over the wire."""
    folder, address = empty
    return sum(part.wire for part in parts(folder, asked(browser, f"{address}/{EMPTY}", whole=True)))


def whole(browser: Any, html: Path, address: str, name: str) -> list[Part]:
    return parts(html, asked(browser, f"{address}/{name}.html", whole=True))


@pytest.mark.parametrize("name", TOC)
def test_a_page_weighs_little_to_its_end(browser: Any, html: Path, address: str, bare: int, name: str) -> None:
    found = whole(browser, html, address, name)
    beside = [part for part in found if not part.path.startswith("widgets/")]
    most_sent, most = (1.2, 3.0) if name == LANDING else (None, 4.0)
    assert sum(part.raw for part in (found if name == LANDING else beside)) <= most * MEGABYTE
    assert most_sent is None or sum(part.wire for part in found) <= most_sent * MEGABYTE
    assert sum(part.wire for part in beside) <= 1.5 * bare
