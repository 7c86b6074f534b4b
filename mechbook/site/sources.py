"""The Sphinx extension that shows the package's source: excerpts in the chapters, and each such file as a page.

A chapter's `source(...)` displays names; the code is read here, at every build, so a page never shows an old version
though its outputs come from the execution cache. The files are pages of the site: a reader without a network has them.
"""

import html
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from mechbook.core.cache.closure import PACKAGE
from mechbook.reader.source import MIME, Excerpt, excerpt, grouped, where


class SourceRenderer:
    """myst-nb's renderer of the outputs by which a chapter shows code."""

    mime_priority_overrides: ClassVar[list[tuple[str, str, int]]] = [("*", MIME, 1)]

    @staticmethod
    def handle_mime(renderer: NbElementRenderer, data: MimeData, inline: bool) -> list[nodes.Element] | None:
        """The excerpts, each with a link to its file; None for other outputs."""
        if data.mime_type != MIME:
            return None
        content: dict[str, Any] = json.loads(json.dumps(data.content))
        env, shown = renderer.renderer.sphinx_env, [excerpt(names) for names in grouped(content["names"])]
        for each in shown:
            env.note_dependency(str(PACKAGE.parent / each.file))
            files(env).setdefault(each.file, set()).add(env.docname)
        return [block(each, env.docname) for each in shown]


def files(env: BuildEnvironment) -> dict[str, set[str]]:
    """The files shown so far, with the pages that show them."""
    if not hasattr(env, "mechbook_sources"):
        env.mechbook_sources = {}  # type: ignore[attr-defined]
    return env.mechbook_sources  # type: ignore[attr-defined]


def page_of(file: str) -> str:
    """The page of a file: code/mechbook/noisy/model for mechbook/noisy/model.py."""
    return f"code/{file.removesuffix('.py')}"


def block(shown: Excerpt, docname: str) -> nodes.Element:
    """An excerpt as a page shows it: where it stands, and the code."""
    up = os.path.relpath(f"{page_of(shown.file)}.html", os.path.dirname(docname) or ".").replace(os.sep, "/")
    link = nodes.reference("", "", nodes.literal("", shown.file), refuri=f"{up}#L{shown.first}", internal=True)
    rest = where(shown).removeprefix(shown.file)
    head = nodes.paragraph("", "", link, nodes.Text(rest), classes=["mb-source-place"])
    code = nodes.literal_block(shown.text, shown.text, language="python")
    return nodes.container("", head, code, classes=["mb-source"])


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page for each file shown: where it is shown, and every line with its number, which is an anchor."""
    for file, shown_on in sorted(files(app.env).items()):
        text = (PACKAGE.parent / file).read_text(encoding="utf-8")
        code: str = app.builder.highlighter.highlight_block(text, "python")  # type: ignore[attr-defined]
        opening, rest = code.split("<pre>", 1)
        body, closing = rest.rsplit("</pre>", 1)
        numbered = "".join(
            f'<span class="mb-line" id="L{n}"><a href="#L{n}" aria-label="line {n}"></a>{line}\n</span>'
            for n, line in enumerate(body.rstrip("\n").split("\n"), 1)
        )
        *folders, name = (html.escape(part) for part in file.split("/"))
        title = "/<wbr>".join([*folders, name])
        back = ", ".join(_back(app, page_of(file), docname) for docname in sorted(shown_on))
        head = f'<h1>{title}</h1>\n<p class="mb-source-place">Shown in {back}.</p>\n'
        whole = f'{head}<div class="mb-file">{opening}<pre>{numbered}</pre>{closing}</div>'
        yield page_of(file), {"title": html.escape(file), "body": whole}, "page.html"


def _back(app: Sphinx, page: str, docname: str) -> str:
    """A link from one page to another, by its title."""
    address = html.escape(app.builder.get_relative_uri(page, docname))
    return f'<a href="{address}">{html.escape(app.env.titles[docname].astext())}</a>'


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget what a page that is read anew has shown."""
    for file in list(files(env)):
        files(env)[file].discard(docname)
        if not files(env)[file]:
            del files(env)[file]


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader found."""
    for file, shown_on in files(other).items():
        files(env).setdefault(file, set()).update(shown_on & set(docnames))


def setup(app: Sphinx) -> Mapping[str, Any]:
    """Register all of it."""
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("html-collect-pages", pages)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
