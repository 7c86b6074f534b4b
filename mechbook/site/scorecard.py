"""What the site shows of the claims: a card in place of each report, and the scorecard with a row for every claim."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from docutils import nodes

from mechbook.claims.report import measured_parts, recorded_words

Row = Mapping[str, Any]
Link = Callable[[str, str | None], str]

WORDS = {
    "held": "held",
    "failed": "did not hold",
    "not run": "not run",
    "settings changed": "not judged: settings changed by the reader",
    "missing": "missing: its chapter does not report it",
    "chapter not written yet": "chapter not written yet",
}
# A card shows more numbers than this as a list.
LONGEST_LINE = 4
COLUMNS = ("Claim", "Verdict", "Measured", "Paper", "Holds when")
# With records of the papers' size there is one more.
COLUMNS_WITH_RECORDS = ("Claim", "This build", "Measured", "Papers' size, recorded", "Paper", "Holds when")


def card_anchor(id: str) -> str:
    """The anchor of the card on the chapter's page."""
    return "claim-" + nodes.make_id(id)


def row_anchor(id: str) -> str:
    """The anchor of the claim's row on the scorecard."""
    return "row-" + nodes.make_id(id)


def verdict(row: Row) -> str:
    """The verdict in words, with "marginal" where the mean lies within two spreads of its bar."""
    words = WORDS[row["status"]]
    if row["status"] == "not run" and row["reason"]:
        words += f": {row['reason']}"
    if row["status"] == "settings changed":
        words += f": {', '.join(row['changed'])}"
    return words + (", marginally" if row["marginal"] else "")


def recorded_verdict(recorded: Row) -> str:
    """The verdict of a record of the papers' size in words, with its seeds where those are not all that are asked for.

    With fewer than the criterion asks for there is no verdict, but how those there are fare by it.
    """
    words = WORDS.get(recorded["status"], f"not judged: {recorded['reason']}")
    words += ", marginally" if recorded["marginal"] else ""
    beside = []
    if recorded.get("so_far") is not None:
        so_far = "holds" if recorded["so_far"] else "does not hold"
        words = f"not judged yet, with {recorded['reason']}: so far it {so_far}"
    elif len(recorded["seeds"]) < recorded.get("of", 0):
        beside.append(f"{len(recorded['seeds'])} of {recorded['of']} seeds")
    if recorded["earlier"]:
        beside.append("of earlier code")
    return words + (f" ({', '.join(beside)})" if beside else "")


def measured(row: Row) -> str:
    """The measurement with its spread and the number of seeds: "0.98 ± 0.01 (5 seeds)"."""
    if not (parts := measured_parts(row)):
        return "–"
    return f"{'; '.join(parts)} ({_seeds(row)})"


def _seeds(row: Row) -> str:
    count = len(row["seeds"])
    if count < row.get("of", 0):
        return f"{count} of {row['of']} seeds"
    return f"{count} seed{'' if count == 1 else 's'}"


def _measured_body(row: Row) -> list[nodes.Element]:
    """The measurement on a card: a few numbers in a line, more of them as a list."""
    parts = measured_parts(row)
    if len(parts) <= LONGEST_LINE:
        return [nodes.paragraph("", measured(row))]
    items = [nodes.list_item("", nodes.paragraph("", part)) for part in parts]
    head = f"{'mean ± spread' if row['spread'] is not None else 'mean'} over {_seeds(row)}:"
    return [nodes.paragraph("", head), nodes.bullet_list("", *items, classes=["mb-numbers"])]


def _read(row: Row) -> list[nodes.Element]:
    """Where a report that was read from a record was measured."""
    told = recorded_words(row)
    return [nodes.paragraph("", f"{told[0].upper()}{told[1:]}.")] if told else []


def css_class(row: Row) -> str:
    """The class that colours a row or card."""
    return "mb-" + row["status"].replace(" ", "-")


def card(row: Row, to_scorecard: str | None) -> nodes.Element:
    """The card of one reported claim."""
    classes = ["mb-claim", css_class(row)] + (["mb-marginal"] if row["marginal"] else [])
    head = nodes.paragraph("", "", nodes.strong("", f"Claim {row['id']}: {verdict(row)}"), classes=["mb-verdict"])
    body = nodes.paragraph("", row["statement"], classes=["mb-statement"])
    facts = nodes.definition_list(classes=["mb-facts"])
    # what was read from the record is not shown twice
    twice = bool(row.get("from_record")) and row["from_record"]["seeds"] == row["seeds"]
    recorded = [("At the papers' size", _recorded(row["recorded"]))] if row.get("recorded") and not twice else []
    for name, content in (
        ("Paper", [nodes.paragraph("", f"{row['paper']} ({row['source']})")]),
        ("Measured", [*_measured_body(row), *_read(row)]),
        *recorded,
        ("Holds when", [nodes.paragraph("", row["criterion"])]),
    ):
        facts += nodes.definition_list_item("", nodes.term("", name), nodes.definition("", *content))
    box = nodes.container("", head, body, facts, classes=classes, ids=[card_anchor(row["id"])])
    if to_scorecard is not None:
        link = nodes.reference("", "on the scorecard", refuri=to_scorecard, internal=True)
        box += nodes.paragraph("", "", link, classes=["mb-link"])
    return box


def unknown_card(id: str) -> nodes.Element:
    """The card of a report whose claim is not in the list."""
    text = nodes.strong("", f"Claim {id} is not in the list of claims")
    return nodes.container("", nodes.paragraph("", "", text), classes=["mb-claim", "mb-missing"])


def counts(rows: Sequence[Row]) -> str:
    """The scorecard in a sentence."""
    number = {status: sum(row["status"] == status for row in rows) for status in WORDS}
    reported = sum(number[status] for status in ("held", "failed", "not run", "settings changed"))
    other = number["settings changed"]
    not_judged = f", {other} not judged, as settings were changed" if other else ""
    marginal = sum(bool(row["marginal"]) for row in rows)
    later = number["chapter not written yet"]
    not_written = f" {later} belong to chapters not written yet." if later else ""
    return (
        f"Of {len(rows)} claims {reported} are reported: {number['held']} held, {number['failed']} did not hold, "
        f"{number['not run']} not run{not_judged}; {marginal} of the verdicts "
        f"{'is' if marginal == 1 else 'are'} marginal. "
        f"{number['missing']} missing.{not_written}{_recorded_counts(rows)}"
    )


def _recorded_counts(rows: Sequence[Row]) -> str:
    found = [row["recorded"] for row in rows if row.get("recorded")]
    if not found:
        return ""
    held, failed = (sum(each["status"] == status for each in found) for status in ("held", "failed"))
    other = len(found) - held - failed
    part = sum(len(each["seeds"]) < each.get("of", 0) for each in found)
    return (
        f" At the papers' size {len(found)} are recorded: {held} held, {failed} did not hold"
        f"{f', {other} not judged' if other else ''}"
        f"{f'; {part} of these with fewer seeds than are asked for' if part else ''}."
    )


def scorecard(rows: Sequence[Row], link: Link) -> list[nodes.Element]:
    """The counts, then a section with one table for each chapter. `link` gives the address of a page and anchor."""
    shown: list[nodes.Element] = [nodes.paragraph("", counts(rows), classes=["mb-counts"])]
    for chapter in sorted({row["chapter"] for row in rows}):
        section = nodes.section("", nodes.title("", f"Chapter {chapter}"), ids=[f"chapter-{chapter}"])
        section += _table([row for row in rows if row["chapter"] == chapter], link, bool(_recorded_counts(rows)))
        shown.append(section)
    return shown


def _table(rows: Sequence[Row], link: Link, with_records: bool) -> nodes.table:
    columns = COLUMNS_WITH_RECORDS if with_records else COLUMNS
    group = nodes.tgroup("", cols=len(columns))
    group += [nodes.colspec(colwidth=1, stub=int(index == 0)) for index in range(len(columns))]
    head = nodes.row("", *[nodes.entry("", nodes.paragraph("", name)) for name in columns])
    group += nodes.thead("", head)
    body = nodes.tbody()
    for row in rows:
        body += nodes.row(
            "",
            nodes.entry(
                "",
                nodes.paragraph("", "", nodes.literal("", row["id"])),
                nodes.paragraph("", f"{row['statement']} ({row['source']})", classes=["mb-statement"]),
            ),
            nodes.entry("", *_verdict(row, link)),
            nodes.entry("", nodes.paragraph("", measured(row)), *_read(row)),
            *([nodes.entry("", *_recorded(row.get("recorded")))] if with_records else []),
            nodes.entry("", nodes.paragraph("", row["paper"])),
            nodes.entry("", nodes.paragraph("", row["criterion"])),
            ids=[row_anchor(row["id"])],
            classes=[css_class(row)],
        )
    group += body
    # The theme puts every table into a box that scrolls by itself.
    return nodes.table("", group, classes=["mb-scorecard"])


def _recorded(recorded: Row | None) -> list[nodes.Element]:
    """Verdict, measurement, device and day of a record of the papers' size; a dash where there is none."""
    if recorded is None:
        return [nodes.paragraph("", "–")]
    return [
        nodes.paragraph("", "", nodes.strong("", recorded_verdict(recorded)), classes=[css_class(recorded)]),
        nodes.paragraph("", measured(recorded)),
        nodes.paragraph("", f"Recorded on {recorded['where']}."),
    ]


def _verdict(row: Row, link: Link) -> list[nodes.Element]:
    shown: list[nodes.Element] = [nodes.paragraph("", "", nodes.strong("", verdict(row)))]
    if row.get("note"):
        shown.append(nodes.paragraph("", row["note"]))
    if row["page"]:
        links = nodes.paragraph("", "", nodes.reference("", "report", refuri=link(row["page"], row["anchor"])))
        if row["figure"]:
            links += [nodes.Text(", "), nodes.reference("", "figure", refuri=link(row["page"], row["figure"]))]
        shown.append(links)
    return shown
