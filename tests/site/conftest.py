"""The built site, read once."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


@dataclass
class Page:
    """What the checks need of one page: anchors, links, images and the words a reader sees."""

    path: Path
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    images: list[dict[str, str | None]] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)
    text: str = ""
    html: str = ""


class Reader(HTMLParser):
    """Fills a Page; scripts and styles are not words."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note anchors, links and images."""
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if values.get("id"):
            self.page.ids.append(str(values["id"]))
        if tag == "a" and values.get("href"):
            self.page.links.append(str(values["href"]))
        if tag == "img":
            self.page.images.append(values)
        self.page.classes.update((values.get("class") or "").split())

    def handle_endtag(self, tag: str) -> None:
        """Leave the element."""
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        """Note words outside scripts and styles."""
        if not {"script", "style"} & set(self.open):
            self.page.text += data


def read(path: Path) -> Page:
    """Read one page."""
    page = Page(path, html=path.read_text(encoding="utf-8"))
    Reader(page).feed(page.html)
    return page


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say once, and not in every worker, that there is no site."""
    if not (HTML / "index.html").exists():
        pytest.exit("There is no site to check: run make book first.", returncode=1)


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the built site."""
    if not (HTML / "index.html").exists():
        pytest.exit("There is no site to check: run make book first.", returncode=1)
    return HTML


@pytest.fixture(scope="session")
def site(html: Path) -> dict[str, Page]:
    """Every page by its address within the site."""
    paths = [path for path in sorted(html.rglob("*.html")) if "_static" not in path.parts]
    return {path.relative_to(html).as_posix(): read(path) for path in paths}
