"""The Sphinx extension that lets the site serve itself: vendored scripts and fonts, the widgets' own script.

`_config.yml` names them by their place in the site, /vendor; only pages with widgets load the widgets' scripts.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.util import logging

from mechbook.site import places, vendor

LOG = logging.getLogger(__name__)


def add_vendored(app: Sphinx, config: Config) -> None:
    """Have Sphinx copy the vendored folder, fetched where it is not there yet."""
    try:
        config.html_extra_path = [*config.html_extra_path, str(vendor.folder() / "site")]
    except RuntimeError as error:
        raise ExtensionError(str(error)) from error


def drop_thebe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Leave out the script of a button the book does not have: it asks another host, and declares a constant twice."""
    context["script_files"] = [script for script in context["script_files"] if not _is_thebe(script)]


def _is_thebe(script: Any) -> bool:
    body = getattr(script, "attributes", {}).get("body") or ""
    return "sphinx-thebe" in str(getattr(script, "filename", "")) or "THEBE_JS_URL" in body


def place_widgets(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Put the widgets' settings into their places and their weights into files; leave out the rest of their states."""
    states = [
        script for script in context["script_files"] if getattr(script, "attributes", {}).get("type") == places.STATE
    ]
    context["script_files"] = [script for script in context["script_files"] if script not in states]
    found: dict[str, Any] = {}
    for script in states:
        found |= json.loads(script.attributes["body"])["state"]
    try:
        context["body"], files = places.placed(context.get("body", ""), found)
    except places.NotOurs as error:
        LOG.error(str(error), location=page)
        return
    places.write(Path(app.outdir) / places.FOLDER, files)


# What others' extensions write, and what a page should say instead.
MENDED = {
    # A bibliography's entries are no items of a list.
    ' role="list" class="citation-list"': ' class="citation-list"',
    # Every exercise and every solution of a page has the same anchor; nothing links there.
    '<section id="exercise-content">': "<section>",
    '<section id="solution-content">': "<section>",
}


def mend_body(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Replace what other extensions write into a page and a browser or a reader's aid stumbles over."""
    for written, mended in MENDED.items():
        context["body"] = context.get("body", "").replace(written, mended)


def write_scripts(app: Sphinx) -> None:
    """Write the script of the widgets, and the one that asks for it when a widget is neared.

    Before any page: Sphinx puts a file's checksum into its address, so that a new one is not taken from a cache. The
    address of the widgets' script has their version, which the other is told.
    """
    if app.builder.format != "html":
        return
    # Here and not above: figures' styles are a part of it, and take a second to import.
    from mechbook.widgets.bundle import library

    place = Path(app.outdir) / "vendor"
    place.mkdir(parents=True, exist_ok=True)
    # What pages of an earlier build read.
    shutil.rmtree(Path(app.outdir) / places.FOLDER, ignore_errors=True)
    try:
        text = library()
    except RuntimeError as error:
        raise ExtensionError(str(error)) from error
    (place / "mechbook.js").write_text(text, encoding="utf-8")
    version = hashlib.sha256(text.encode()).hexdigest()[:16]
    live = Path(__file__).with_name("live.js").read_text(encoding="utf-8")
    (place / "live.js").write_text(f'const VERSION = "{version}";\n{live}', encoding="utf-8")


def setup(app: Sphinx) -> Mapping[str, Any]:
    """Register all of it."""
    app.connect("config-inited", add_vendored)
    # After sphinx-thebe has added it.
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("html-page-context", place_widgets, priority=900)
    app.connect("html-page-context", mend_body)
    app.connect("builder-inited", write_scripts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
