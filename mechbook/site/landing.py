"""The Sphinx extension with what the landing page is made of.

    {hero}       what is asked, beside the circuit of the model that its reader is to train first
    {finding}    a finding with its picture, said where its claims hold (`findings.py`)
    {tally}      how many claims held, did not, and were not run, and a square for each
    {colophon}   authors, licence, how to cite, date and commit of the build

Pictures are drawn and numbers filled in once all pages are read and claims are judged; nothing is trained for them.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from mechbook.site import findings, quoted, status
from mechbook.site.configuration import addresses_of
from mechbook.site.extension import link_from
from mechbook.site.findings import PageOnly
from mechbook.site.thumbnails import squares

LOG = logging.getLogger(__name__)
COUNTED = (("held", "held"), ("failed", "did not hold"), ("not run", "not run"))


class TallyPlace(nodes.General, nodes.Element):
    """Where the scorecard's numbers come."""


class HeroDirective(SphinxDirective):
    """The directive {hero}."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """What is asked, and the circuit in the letters of the widget below it."""
        # a mini book has none of it
        from mechbook.induction.widgets.trainer import SMALL
        from mechbook.reader.circuits.copying import copying
        from mechbook.reader.circuits.svg import svg

        read = str(SMALL["seq"])
        drawn = svg(copying(read[-1], read[read.index(read[-1]) + 1]))
        text, box = nodes.container(classes=["mb-hero-words"]), nodes.container(classes=["mb-hero"])
        self.state.nested_parse(self.content, self.content_offset, text)
        box += [text, PageOnly("", nodes.raw("", f'<div class="mb-hero-circuit">{drawn}</div>', format="html"))]
        return [box]


class TallyDirective(SphinxDirective):
    """The directive {tally}."""

    def run(self) -> list[nodes.Node]:
        """Note the page and leave a place."""
        quoted.pages(self.env).add(self.env.docname)
        return [TallyPlace()]


class ColophonDirective(SphinxDirective):
    """The directive {colophon}."""

    def run(self) -> list[nodes.Node]:
        """Who wrote it, on what terms, how to cite it, and when it was built; read anew in every build."""
        self.env.note_reread()
        root = Path(self.env.srcdir)
        return colophon(root, addresses_of(root).site or addresses_of(root).repository, datetime.now(UTC))


def licence(root: Path) -> tuple[str, str, str]:
    """The licence's name, its year and the authors that it names. ValueError for a file that has no such lines."""
    text = (root / "LICENSE").read_text(encoding="utf-8")
    name = re.match(r"(\S.*?)(?: License)?\n", text)
    holder = re.search(r"^Copyright \(c\) (\d{4}),? (.+)$", text, re.M)
    if not name or not holder:
        raise ValueError("LICENSE names no licence in its first line, or no year and holder of the copyright.")
    return name[1], holder[1], holder[2].strip()


def bibtex(root: Path, address: str) -> str:
    """How to cite the book: the title and version of CITATION.cff, the authors and the year of the licence."""
    cited = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    _, year, authors = licence(root)
    name = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
    rows = {"author": f"{{{authors}}}", "title": cited["title"], "year": year, "version": str(cited["version"])}
    if address:
        rows["url"] = address
    lines = [f"  {field:<7} = {{{value}}}," for field, value in rows.items()]
    return "\n".join([f"@software{{{name},", *lines, "}"])


def colophon(root: Path, address: str, now: datetime) -> list[nodes.Node]:
    """Authors and licence, the BibTeX entry, and the date and commit of the build, which no notebook takes along."""
    name, _, authors = licence(root)
    who = nodes.paragraph("", f"By {authors}, under the {name} licence. To cite the book:")
    entry = nodes.literal_block(text := bibtex(root, address), text, language="bibtex")
    built = f"Built on {now:%Y-%m-%d} from commit "
    stamp = nodes.paragraph("", built, classes=["mb-built"])
    stamp += [nodes.literal("", status.commit(root) or "unknown"), nodes.Text(".")]
    return [who, entry, PageOnly("", stamp)]


def tally(rows: Sequence[findings.Row], address: str) -> list[nodes.Node]:
    """Three numbers that lead to the scorecard at `address`, and a square for each claim."""
    named = dict(COUNTED)
    counts = {status: sum(row["status"] == status for row in rows) for status in named}
    words = [(count, named[status], status) for status, count in counts.items()]
    if other := len(rows) - sum(counts.values()):
        words.append((other, "not judged", "other"))
    numbers = nodes.container(classes=["mb-counts-row"])
    for count, name, kind in words:
        one = nodes.paragraph("", classes=["mb-count", f"mb-{kind.replace(' ', '-')}"])
        number = [nodes.strong("", str(count)), nodes.Text(f" {name}")]
        one += nodes.reference("", "", *number, refuri=address, internal=True)
        numbers += one
    chapters = sorted({row["chapter"] for row in rows})
    lines = [[row["status"] for row in rows if row["chapter"] == chapter] for chapter in chapters]
    told = "; ".join(
        f"chapter {chapter}: {', '.join(f'{line.count(status)} {name}' for status, name in COUNTED if status in line)}"
        for chapter, line in zip(chapters, lines, strict=True)
    )
    picture = squares(lines, f"The claims of each chapter. {told[:1].upper()}{told[1:]}.")
    caption = nodes.paragraph("", "A square for each claim, a row for each chapter.", classes=["mb-squares-caption"])
    shown = nodes.container(classes=["mb-tally"])
    before, after = (nodes.raw("", markup, format="html") for markup in (f"<div>{picture}", "</div>"))
    shown += [numbers, PageOnly("", before, caption, after)]
    return [nodes.paragraph("", f"Of {len(rows)} claims, in this build:"), shown]


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put findings and numbers in their places, before what they quote is filled in."""
    places = [*doctree.findall(findings.FindingPlace), *doctree.findall(findings.LikeliestPlace)]
    link = link_from(app, docname)
    rows: list[dict[str, Any]] = app.env.mechbook_rows  # type: ignore[attr-defined]
    if places:
        told = findings.headline(app.env)
        for problem in findings.fill(doctree, {row["id"]: row for row in rows}, told, link):
            LOG.error(problem, location=docname)
    home = getattr(app.env, "mechbook_scorecard", None)
    for place in list(doctree.findall(TallyPlace)):
        if home is None:
            LOG.error("The numbers of claims have no scorecard to lead to.", location=docname)
        place.replace_self(tally(rows, link(app.builder.get_target_uri(home), None) if home else ""))


def passed(translator: Any, node: nodes.Node) -> None:
    """Its parts write themselves."""


def skip(translator: Any, node: nodes.Node) -> None:
    """Write nothing: by now every place is filled."""
    raise nodes.SkipNode


def setup(app: Sphinx) -> Mapping[str, Any]:
    """Register all of it."""
    app.add_node(PageOnly, html=(passed, passed))
    for place in (findings.FindingPlace, findings.LikeliestPlace, TallyPlace):
        app.add_node(place, html=(skip, None))
    app.add_directive("hero", HeroDirective)
    app.add_directive("finding", findings.FindingDirective)
    app.add_role("likeliest", findings.LikeliestRole())
    app.add_directive("tally", TallyDirective)
    app.add_directive("colophon", ColophonDirective)
    # before mechbook.site.extension fills in what is quoted
    app.connect("doctree-resolved", fill, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
