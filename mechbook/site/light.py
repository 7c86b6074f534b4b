"""The Sphinx extension that makes the written pages light: what a page does not use, it does not ask for.

When all pages are written: formulas are set (`formulas.py`), icons and their fonts cut down (`icons.py`), pictures wait
until they are neared, the pictures of widgets lie beside the page, scripts do not hold up the page's text. The index
of the search is made before, from the words as they were written (`search.py`).
"""

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sphinx.application import Sphinx
from sphinx.util import logging

from mechbook.site import formulas, icons, search

LOG = logging.getLogger(__name__)
# Scripts and styles that only some pages use, and what such a page has in its body.
OPTIONAL = {
    "sphinx-thebe.css": "thebe",
    "sphinx-design.min.css": 'class="sd-',
    "design-tabs.js": 'class="sd-tab',
    "clipboard.min.js": 'class="highlight"',
    "copybutton.js": 'class="highlight"',
    "copybutton.css": 'class="highlight"',
    "togglebutton.js": "toggle",
    "togglebutton.css": "toggle",
    "proof.css": 'class="proof',
    "exercise.css": 'class="exercise',
}
# The theme's search, which reads its whole index on every page and finds excerpts only over http.
SEARCHES = ("searchtools.js", "language_data.js", "searchindex.js")
# What inline scripts of the head read at once.
AT_ONCE = ("documentation_options.js",)
LOADED = re.compile(r'[ \t]*<(?:script|link)\b[^>]*?(?:src|href)="([^"]*\.(?:js|css))[^"]*"[^>]*>(?:</script>)?\n?')
EMBEDDED = re.compile(r'<img alt="([^"]*)" src="data:image/png;base64,([^"]+)">')
IMAGE = re.compile(r"<img\b[^>]*>")
# In points, as matplotlib writes them, or in pixels.
SIZE = re.compile(
    r'<svg\b[^>]*?\b(width|height)="([\d.]+)(pt|px)?"[^>]*?\b(width|height)="([\d.]+)(pt|px)?"', re.DOTALL
)
POINT = {"pt": 4 / 3, "px": 1.0, None: 1.0}
# In the theme's script, what `boxes.js` does in its place.
THRASHING = re.compile(r'(?:window\.)?addEventListener\("load",\w\)(?=\}\)\(\);)')
MATHJAX = re.compile(r"mathjax", re.IGNORECASE)


def drop_mathjax(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Leave out the script that would set formulas in the page, and its settings."""

    def sets(script: Any) -> bool:
        body = getattr(script, "attributes", {}).get("body") or ""
        return "window.MathJax" in body or bool(MATHJAX.search(str(getattr(script, "filename", None) or script)))

    context["script_files"] = [script for script in context["script_files"] if not sets(script)]


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Make every page light that Sphinx has written; what is wrong with a formula becomes an error of the build."""
    if exception is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    static = site / "_static"
    pages = {path: path.read_text(encoding="utf-8") for path in written(site)}
    try:
        search.write(site, pages, getattr(app.env, "mechbook_rows", ()))
        known, style = formulas.rendered(one for text in pages.values() for one in formulas.found(text))
    except RuntimeError as error:
        LOG.error(str(error))
        app.statuscode = 1
        return
    (static / "formulas.css").write_text(style, encoding="utf-8")
    shown = {ord(one) for one in style} | icons.characters([style])
    for font in sorted((site / "vendor" / "formulas").glob("*.woff")):
        icons.cut_in_place(font, shown)
    icons.cut(static, pages.values())
    calm(static / "scripts" / "pydata-sphinx-theme.js")
    for path, text in pages.items():
        mine = beside(formulas.filled(text, known), site)
        mine = fewer(sized(mine, path.parent))
        static_path = "../" * (len(path.relative_to(site).parts) - 1) + "_static"
        more = [f'<script defer src="{static_path}/search.js?v={digest(static / "search.js")}"></script>']
        if "<mjx-container" in mine:
            sheet = f"{static_path}/formulas.css?v={digest(static / 'formulas.css')}"
            more.append(f'<link rel="stylesheet" type="text/css" href="{sheet}" />')
        path.write_text(
            mine.replace("</head>", "".join(f"  {one}\n" for one in more) + "  </head>", 1), encoding="utf-8"
        )


def calm(script: Path) -> None:
    """Take out of the theme's script what measures all of a page again whenever something in it changes.

    It is a warning of the build where the theme has another script: then the page is slow, or nothing is to be done.
    """
    if not script.is_file():
        return
    text, count = THRASHING.subn("0", script.read_text(encoding="utf-8"))
    if count != 1 and "scrollWidth" in text:
        LOG.warning("The theme's script is another one: see what measures all boxes there, and mechbook/site/light.py.")
    script.write_text(text, encoding="utf-8")


def digest(file: Path) -> str:
    """What is added to a file's address, so that a new one is not taken from a cache."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:8]


def written(site: Path) -> list[Path]:
    """The pages of a site; what is only to be downloaded or a part of the theme is none."""
    apart = {"_static", "_sources", "downloads"}
    return [path for path in sorted(site.rglob("*.html")) if not apart & set(path.relative_to(site).parts)]


def fewer(page: str) -> str:
    """The page without the scripts and styles that it does not use; the others are not in the way of its text."""
    head, end, body = page.partition("</head>")
    head = icons.SCRIPT.sub("", head)

    def judge(match: re.Match[str]) -> str:
        name = match[1].rsplit("/", 1)[-1]
        if name in SEARCHES or (name in OPTIONAL and OPTIONAL[name] not in body):
            return ""
        if not name.endswith(".js") or name in AT_ONCE or " defer" in match[0] or "<link" in match[0]:
            return match[0]
        return match[0].replace("<script ", "<script defer ", 1)

    # On the page that searches they stand in the body.
    for name in SEARCHES:
        body = re.sub(rf'\s*<script src="[^"]*{re.escape(name)}[^"]*"></script>', "", body)
    return LOADED.sub(judge, head) + end + body


def beside(page: str, site: Path) -> str:
    """The page with the pictures that it held itself as files beside the others."""
    root = re.search(r'data-content_root="([^"]*)"', page)

    def move(match: re.Match[str]) -> str:
        content = base64.b64decode(match[2])
        name = f"widget-{hashlib.sha256(content).hexdigest()[:16]}.png"
        (site / "_images").mkdir(exist_ok=True)
        (site / "_images" / name).write_bytes(content)
        return f'<img alt="{match[1]}" src="{root[1] if root else ""}_images/{name}">'

    return EMBEDDED.sub(move, page)


def sized(page: str, folder: Path) -> str:
    """The page with every picture of the site asked for when it is neared, and its room kept until then."""

    def wait(match: re.Match[str]) -> str:
        source = re.search(r'\bsrc="([^":]+)"', match[0])
        if source is None or "loading=" in match[0]:
            return match[0]
        size = measured(folder / unquote(html.unescape(source[1])))
        if size is None:
            return match[0]
        named = "" if re.search(r"\b(width|height)=", match[0]) else f' width="{size[0]}" height="{size[1]}"'
        return f'<img loading="lazy"{named}{match[0][4:]}'

    return IMAGE.sub(wait, page)


def measured(picture: Path) -> tuple[int, int] | None:
    """Width and height of a PNG or an SVG in CSS pixels, as a browser shows it; None for anything else."""
    if not picture.is_file():
        return None
    head = picture.read_bytes()[:4096]
    if head.startswith(b"\x89PNG"):
        return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if found := SIZE.search(head.decode(errors="replace")):
        sizes = {found[at]: float(found[at + 1]) * POINT[found[at + 2]] for at in (1, 4)}
        if len(sizes) == 2:
            return round(sizes["width"]), round(sizes["height"])
    return None


def setup(app: Sphinx) -> Mapping[str, Any]:
    """Register all of it."""
    app.connect("html-page-context", drop_mathjax, priority=900)
    # Before what makes something of the pages.
    app.connect("build-finished", finish, priority=100)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
