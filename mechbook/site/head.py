"""The Sphinx extension for what a page tells a search engine, and whoever is sent a link to it, before it is opened.

Every page has a description, its first paragraph. Where the site's address is known (`addresses.py`) pages also have
what a shared link is shown as, and its picture, PREVIEW, is drawn from this build; else there would be a dead address.
"""

import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from mechbook.site import findings
from mechbook.site.configuration import addresses_of

# In characters: what search engines show of it.
LONGEST = 200
PREVIEW, SIZE = "_static/preview.png", (1200, 630)
TAGLINE = "an executable book"


def description(doctree: nodes.Element) -> str:
    """The first paragraph of a page in plain words, cut after a sentence or a word; "" where there is none."""
    for paragraph in doctree.findall(nodes.paragraph):
        # one beside the text, such as a caption's or a card's, is no beginning
        if isinstance(paragraph.parent, nodes.section | nodes.container) and (words := _words(paragraph)):
            return _cut(words)
    return ""


def _words(node: nodes.Element) -> str:
    return re.sub(r"\s+", " ", node.astext()).strip()


def _cut(words: str) -> str:
    if len(words) <= LONGEST:
        return words
    whole = words[: LONGEST + 1]
    sentences = re.match(r"(?s)(.*[.?!])\s", whole)
    if sentences and len(sentences[1]) > LONGEST / 2:
        return sentences[1]
    return whole[: LONGEST - 1].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"


def tags(title: str, told: str, address: str, picture: str, alternative: str) -> dict[str, str]:
    """What a shared link is shown as, by property."""
    return {
        "og:type": "website",
        "og:site_name": title.split(" — ")[-1],
        "og:title": title,
        "og:description": told,
        "og:url": address,
        "og:image": picture,
        "og:image:type": "image/png",
        "og:image:width": str(SIZE[0]),
        "og:image:height": str(SIZE[1]),
        "og:image:alt": alternative,
        "twitter:card": "summary_large_image",
    }


def add(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Add description and title to a page, and where the site's address is known what a link to it is shown as."""
    if doctree is None:
        return
    book = str(app.config.html_title or app.config.project)
    own = re.sub(r"<[^>]+>", "", str(context.get("title") or book)).strip()
    if page == app.config.root_doc:
        # its own name is the book's, which would stand there twice
        title = context["title"] = f"{book}: {TAGLINE}"
        context["docstitle"] = ""
        context["theme_logo"] = {**(context.get("theme_logo") or {}), "text": book}
    else:
        title = f"{own} — {book}"
    told = description(doctree)
    found = {"description": told} if told else {}
    lines = [f'<meta name="{name}" content="{escape(text)}" />' for name, text in found.items()]
    if site := addresses_of(Path(app.srcdir)).site:
        address = f"{site}/{app.builder.get_target_uri(page)}"
        for name, text in tags(title, told, address, f"{site}/{PREVIEW}", words(book)).items():
            kind = "name" if name.startswith("twitter:") else "property"
            lines.append(f'<meta {kind}="{name}" content="{escape(text)}" />')
    context["metatags"] = "\n    ".join([str(context.get("metatags") or ""), *lines])


def words(book: str) -> str:
    """What the picture of a shared link shows."""
    return f"{book}, {TAGLINE}: what a language model says before and after one of its matrices is cut."


def draw(app: Sphinx, exception: Exception | None) -> None:
    """Draw the picture of a shared link, where pages name one; an earlier build's goes."""
    if exception is not None or app.builder.format != "html":
        return
    if not addresses_of(Path(app.srcdir)).site:
        (Path(app.outdir) / PREVIEW).unlink(missing_ok=True)
        return
    book = str(app.config.html_title or app.config.project)
    preview(Path(app.outdir) / PREVIEW, book, findings.headline(app.env))


def preview(path: Path, book: str, told: Mapping[str, Any]) -> None:
    """Write the picture: the book's name and, where chapter 5 tells of it, what one cut does to one answer."""
    from matplotlib import style
    from matplotlib.figure import Figure

    from mechbook.reader.figures import ROLE

    # whatever was set before, as by figures that are cut to what is drawn, the picture has the size that its tags tell
    with style.context(["default", {"font.family": "DejaVu Sans"}]):
        figure = Figure(figsize=(SIZE[0] / 100, SIZE[1] / 100), dpi=100, facecolor="white")
        figure.text(0.06, 0.82, book, size=40, weight="bold", color="#1a2233", va="center")
        figure.text(0.06, 0.71, TAGLINE, size=24, color="#4a5568", va="center")
        if told:
            first, last = told["before"], told["after"]
            figure.text(0.06, 0.5, f"“{told['text']} …”", size=25, color="#1a2233", va="center")
            rows = (
                (0.33, "the whole model", first, told["p"][first][0], "noise"),
                (0.15, "one matrix cut", last, told["p"][last][1], "correct"),
            )
            for y, when, word, p, role in rows:
                colour = ROLE[role].colour
                figure.text(0.06, y, when, size=20, color="#4a5568", va="center")
                figure.text(0.27, y, word, size=30, weight="bold", color=colour, va="center")
                figure.patches.append(_bar(figure, 0.42, y, 0.42 * p / max(rows[0][3], rows[1][3]), colour))
                figure.text(0.945, y, f"{p:.0%}", size=24, color="#1a2233", va="center", ha="right")
        figure.savefig(path, metadata={"Software": None})


def _bar(figure: Any, x: float, y: float, wide: float, colour: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y - 0.045), wide, 0.09, transform=figure.transFigure, figure=figure, color=colour)


def setup(app: Sphinx) -> Mapping[str, Any]:
    """Register both."""
    app.connect("html-page-context", add, priority=700)
    app.connect("build-finished", draw)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
