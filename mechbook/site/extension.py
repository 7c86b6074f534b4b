"""The book's Sphinx extension: fingerprints into the cache's key, claims from the outputs, scorecard, versions.

A report reaches the page as an output of its own MIME type, also when the execution cache gives it. The renderer notes
it in Sphinx's environment and leaves a place for its card; once every page is read, the reports are judged together and
the places are filled. Problems become errors at the very end, so the site and claims.json are there beside them.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from mechbook.claims.report import MIME
from mechbook.site import quoted, scorecard, status
from mechbook.site.notebooks import chapter_number, with_fingerprint

LOG = logging.getLogger(__name__)


class ClaimPlace(nodes.General, nodes.Element):
    """Where the card of a report comes."""


class ScorecardPlace(nodes.General, nodes.Element):
    """Where the scorecard comes."""


class ClaimRenderer:
    """myst-nb's renderer of the outputs by which a chapter reports a claim."""

    mime_priority_overrides: ClassVar[list[tuple[str, str, int]]] = [("*", MIME, 1)]

    @staticmethod
    def handle_mime(renderer: NbElementRenderer, data: MimeData, inline: bool) -> list[nodes.Element] | None:
        """Note a report and leave a place for its card; None for other outputs."""
        if data.mime_type != MIME:
            return None
        env = renderer.renderer.sphinx_env
        reports(env).setdefault(env.docname, []).append(json.loads(json.dumps(data.content)))
        return [ClaimPlace(id=data.content["id"])]


class ScorecardDirective(SphinxDirective):
    """The directive {scorecard}: every claim of the book, with its verdict in this build."""

    def run(self) -> list[nodes.Node]:
        """Note the page, and leave a place that is filled once every page is read."""
        self.env.mechbook_scorecard = self.env.docname  # type: ignore[attr-defined]
        return [ScorecardPlace()]


class VersionsDirective(SphinxDirective):
    """The directive {versions}: what this build ran with."""

    def run(self) -> list[nodes.Node]:
        """Return the list of facts; the page is read anew in every build, since they change without it."""
        self.env.note_reread()
        return [status.facts(Path(self.env.srcdir))]


def reports(env: BuildEnvironment) -> dict[str, list[dict[str, Any]]]:
    """The reports found so far, by page."""
    if not hasattr(env, "mechbook_reports"):
        env.mechbook_reports = {}  # type: ignore[attr-defined]
    return env.mechbook_reports  # type: ignore[attr-defined]


def judged(env: BuildEnvironment) -> tuple[list[dict[str, Any]], list[str]]:
    """The scorecard's rows and the problems, of every report in reading order."""
    # Here and not above: criteria are applied when the site is built, and no chapter depends on them.
    from mechbook.site.judge import judge

    labels = env.get_domain("std").anonlabels  # type: ignore[attr-defined]
    uri = env.app.builder.get_target_uri
    found: list[dict[str, Any]] = []
    problems: list[str] = []
    for page in sorted(reports(env)):
        for report in reports(env)[page]:
            place, anchor = labels.get((report["figure"] or "").lower(), (None, None))[:2]
            if report["figure"] and place is None:
                problems.append(f"{report['id']} names the figure {report['figure']!r}, a label that no page has.")
            elif report["figure"] and place != page:
                problems.append(f"{report['id']} on {page} names the figure {report['figure']!r} of {place}.")
            anchors = {"anchor": scorecard.card_anchor(report["id"]), "figure": anchor}
            found.append({**report, "page": uri(page), **anchors})
    chapters = {number for page in env.found_docs if (number := chapter_number(page)) is not None}
    rows, more = judge(found, chapters)
    return rows, problems + more


def add_fingerprint(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the fingerprint into a chapter's header as it is read, as the execution did."""
    try:
        source[0] = with_fingerprint(source[0], app.env.myst_config)  # type: ignore[attr-defined]
    except ValueError as error:
        LOG.error(str(error), location=docname)


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget the reports of a page that is read anew."""
    reports(env).pop(docname, None)
    quoted.pages(env).discard(docname)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader found."""
    reports(env).update({page: found for page, found in reports(other).items() if page in docnames})
    quoted.pages(env).update(quoted.pages(other) & docnames)
    if getattr(other, "mechbook_scorecard", None) in docnames:
        env.mechbook_scorecard = other.mechbook_scorecard  # type: ignore[attr-defined]


def changed_pages(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """The pages that show verdicts, when any verdict is new: they are written again though their source is old."""
    rows, problems = judged(env)
    env.mechbook_problems = problems  # type: ignore[attr-defined]
    if getattr(env, "mechbook_rows", None) == rows:
        return []
    env.mechbook_rows = rows  # type: ignore[attr-defined]
    showing = {*reports(env), *quoted.pages(env), getattr(env, "mechbook_scorecard", "")}
    return [page for page in showing if page in env.found_docs]


def link_from(app: Sphinx, docname: str) -> scorecard.Link:
    """What gives the address of a page and anchor as seen from the page `docname`."""

    def link(uri: str, anchor: str | None) -> str:
        here = app.builder.get_target_uri(docname)
        path = os.path.relpath(uri, os.path.dirname(here) or ".").replace(os.sep, "/")
        return f"{path}#{anchor}" if anchor else path

    return link


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put cards and scorecard in their places."""
    rows: list[dict[str, Any]] = app.env.mechbook_rows  # type: ignore[attr-defined]
    home = getattr(app.env, "mechbook_scorecard", None)
    link = link_from(app, docname)
    by_id = {row["id"]: row for row in rows}
    for place in list(doctree.findall(ClaimPlace)):
        row = by_id.get(place["id"])
        target = link(app.builder.get_target_uri(home), scorecard.row_anchor(place["id"])) if home else None
        place.replace_self(scorecard.unknown_card(place["id"]) if row is None else scorecard.card(row, target))
    for board in list(doctree.findall(ScorecardPlace)):
        board.replace_self(scorecard.scorecard(rows, link))
    for problem in quoted.fill(doctree, by_id, link):
        LOG.error(problem, location=docname)


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Write claims.json, then log every problem as an error."""
    if exception is not None or not hasattr(app.env, "mechbook_rows"):
        return
    from mechbook.site.judge import claims_json

    path = Path(app.outdir) / "claims.json"
    partial = path.with_suffix(".part")
    text = json.dumps(claims_json(app.env.mechbook_rows), indent=1, allow_nan=False, ensure_ascii=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)
    for problem in app.env.mechbook_problems:  # type: ignore[attr-defined]
        LOG.error(problem)
    if app.env.mechbook_problems:  # type: ignore[attr-defined]
        app.statuscode = 1


def skip(translator: Any, node: nodes.Node) -> None:
    """Write nothing: by now every place is filled."""
    raise nodes.SkipNode


def setup(app: Sphinx) -> Mapping[str, Any]:
    """Register all of it."""
    app.add_node(ClaimPlace, html=(skip, None))
    app.add_node(ScorecardPlace, html=(skip, None))
    app.add_node(quoted.QuotedPlace, html=(skip, None))
    app.add_node(quoted.FailedPlace, html=(skip, None))
    app.add_directive("scorecard", ScorecardDirective)
    app.add_directive("failed-claims", quoted.FailedDirective)
    app.add_role("measured", quoted.MeasuredRole())
    app.add_role("about", quoted.AboutRole())
    app.add_role("verdict", quoted.VerdictRole())
    app.add_directive("versions", VersionsDirective)
    app.connect("source-read", add_fingerprint)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", changed_pages)
    app.connect("doctree-resolved", fill)
    app.connect("build-finished", finish)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
