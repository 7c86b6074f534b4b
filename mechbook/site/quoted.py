"""What a text page quotes of the claims in this build: a measured number, a verdict, the list of those that fail.

    {measured}`khop.depth:two`      the mean over seeds of the value "two" with its spread; plain where there is one
    {measured}`laser.cost:share %`  the same in percent, for a part of one
    {about}`khop.depth:two`         the mean alone, rounded, where a page has its card beside it; with % in percent
    {verdict}`khop.depth`           "held", "did not hold", "not run: ...", with a link to the claim's card
    ```{failed-claims}
    ```                             every claim that did not hold

No chapter can print these: a claim is judged, and its numbers are gathered, when all pages have been read.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective, SphinxRole

from mechbook.site import scorecard

Row = Mapping[str, Any]
Link = Callable[[str, str | None], str]


class QuotedPlace(nodes.Inline, nodes.Element):
    """Where a number or a verdict comes."""


class FailedPlace(nodes.General, nodes.Element):
    """Where the list of claims that did not hold comes."""


class MeasuredRole(SphinxRole):
    """The role {measured}: a value of a claim."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Note the page and leave a place."""
        id, _, name = self.text.partition(":")
        pages(self.env).add(self.env.docname)
        return [QuotedPlace(id=id.strip(), name=name.strip(), what="measured")], []


class AboutRole(SphinxRole):
    """The role {about}: a value of a claim, rounded and without its spread."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Note the page and leave a place."""
        id, _, name = self.text.partition(":")
        pages(self.env).add(self.env.docname)
        return [QuotedPlace(id=id.strip(), name=name.strip(), what="about")], []


class VerdictRole(SphinxRole):
    """The role {verdict}: whether a claim held."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Note the page and leave a place."""
        pages(self.env).add(self.env.docname)
        return [QuotedPlace(id=self.text.strip(), name="", what="verdict")], []


class FailedDirective(SphinxDirective):
    """The directive {failed-claims}: the claims that did not hold in this build."""

    def run(self) -> list[nodes.Node]:
        """Note the page and leave a place."""
        pages(self.env).add(self.env.docname)
        return [FailedPlace()]


def pages(env: Any) -> set[str]:
    """The pages that quote something; they are written anew with every new verdict."""
    if not hasattr(env, "mechbook_quoting"):
        env.mechbook_quoting = set()
    found: set[str] = env.mechbook_quoting
    return found


def measured_text(row: Row, name: str) -> str:
    """One value of a claim as text, "0.34 ± 0.02"; `name` is empty for a claim of one number, "share %" for percent.

    Raises ValueError for a value that the claim does not have, saying which it has.
    """
    if row["measured"] is None:
        return f"({scorecard.verdict(row)})"
    name, percent = name.removesuffix("%").strip(), name.endswith("%")
    names = list(row["measured"]) if isinstance(row["measured"], Mapping) else [""]
    if name not in names:
        known = ", ".join(names) if names != [""] else "one number without a name"
        raise ValueError(f"{row['id']} has no value named {name!r}; it has {known}.")
    if percent:
        mean, spread = (each[name] if isinstance(each, Mapping) else each for each in (row["measured"], row["spread"]))
        return f"{mean:.0%}" + ("" if spread is None else f" ± {100 * spread:.0f}")
    part = scorecard.measured_parts(row)[names.index(name)]
    return part.removeprefix(f"{name} ")


def about_text(row: Row, name: str) -> str:
    """The mean of one value as text, "395" or "0.34", and with "share %" as "93%"; as `measured_text` raises.

    Where some seeds never got there it is what `measured_text` says.
    """
    text = measured_text(row, name)
    plain = name.removesuffix("%").strip()
    if row["measured"] is None or plain in row.get("never", {}):
        return text
    mean = row["measured"][plain] if isinstance(row["measured"], Mapping) else row["measured"]
    if name.endswith("%"):
        return f"{mean:.0%}"
    return f"{mean:.0f}" if abs(mean) >= 10 else f"{mean:.2g}"


def fill(doctree: nodes.Element, rows: Mapping[str, Row], link: Link) -> list[str]:
    """Put what is quoted in its places; the problems, a sentence for each place that could not be filled."""
    problems = []
    for place in list(doctree.findall(QuotedPlace)):
        row = rows.get(place["id"])
        try:
            if row is None:
                raise ValueError(f"{place['id']} is quoted and is not in the list of claims.")
            place.replace_self(_quoted(row, place["what"], place["name"], link))
        except ValueError as error:
            problems.append(str(error))
            place.replace_self(nodes.strong("", f"[{error}]"))
    for place in list(doctree.findall(FailedPlace)):
        place.replace_self(failed_claims(list(rows.values()), link))
    return problems


def _quoted(row: Row, what: str, name: str, link: Link) -> nodes.Node:
    texts = {"measured": measured_text, "about": about_text}
    text = texts[what](row, name) if what in texts else scorecard.verdict(row)
    if what in texts or not row["page"]:
        return nodes.inline("", text, classes=["mb-quoted"])
    return nodes.reference("", text, refuri=link(row["page"], row["anchor"]), internal=True)


def failed_claims(rows: Sequence[Row], link: Link) -> nodes.Element:
    """A list of the claims that did not hold: statement, what was measured, and where the chapter says why."""
    failed = [row for row in rows if row["status"] == "failed"]
    if not failed:
        return nodes.paragraph("", "In this build every claim that was judged held.")
    shown = nodes.bullet_list(classes=["mb-failed-claims"])
    for row in failed:
        card = nodes.reference("", f"Chapter {row['chapter']}", refuri=link(row["page"], row["anchor"]), internal=True)
        marginally = ", marginally" if row["marginal"] else ""
        told = nodes.paragraph("", f"{row['statement']}. ", classes=["mb-statement"])
        told += [nodes.literal("", row["id"]), nodes.Text(f" did not hold{marginally}. "), card, nodes.Text(".")]
        shown += nodes.list_item("", told)
    return shown
