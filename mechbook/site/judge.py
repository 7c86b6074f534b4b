"""Hold what the chapters reported against the criteria: the scorecard's rows, and the problems that fail a build."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from mechbook.claims.catalogue import Claim, load_claims
from mechbook.claims.criteria import CRITERIA, Criterion
from mechbook.core.cache.closure import PACKAGE
from mechbook.site.layers import THEMES
from mechbook.site.record import Record, load_record
from mechbook.site.recorded import recorded_claims

# Imported for what they register: each theme's claims.py, wherever in the theme it lies, has its criteria.
for _path in sorted(path for theme in THEMES for path in (PACKAGE / theme).rglob("claims.py")):
    import_module(".".join(_path.relative_to(PACKAGE.parent).with_suffix("").parts))

HELD, FAILED, NOT_RUN, CHANGED = "held", "failed", "not run", "settings changed"
MISSING, NOT_WRITTEN = "missing", "chapter not written yet"
REPORTED = (HELD, FAILED, NOT_RUN, CHANGED)

Row = dict[str, Any]


def judge(
    reports: Iterable[Mapping[str, Any]],
    chapters_in_toc: Collection[int],
    *,
    claims: Mapping[str, Claim] | None = None,
    criteria: Mapping[str, Criterion] | None = None,
    record: Record | None = None,
    at_paper: Mapping[str, Row] | None = None,
) -> tuple[list[Row], list[str]]:
    """Return one row for every claim of the list, in its order, and the problems, one sentence each.

    `reports` are measurements as chapters displayed them, each with the "page" and "anchor" it stands at;
    `chapters_in_toc` are the numbers of the chapters in the table of contents. A row has: id, chapter, source,
    statement, paper, criterion, measured, spread, values, seeds, scale, seed, device, held, marginal, status, reason,
    note, page, anchor, figure, changed, never, checks. A report with `changed` settings gets no verdict. `note` tells
    of a difference from the committed record that is no problem. A claim that is recorded at the papers' size also has
    "recorded", as `mechbook.site.recorded.judged` gives it (`at_paper`, by default what lies in results/paper), and one
    whose report was read from there "from_record", which says so.

    Problems: a claim in the committed record that the list lacks; one missing, reported twice, unknown, measured
    without a criterion function or not as its criterion reads it; one that held in the committed record at this scale
    and does not, at seed 0 on the CPU.
    """
    claims = load_claims() if claims is None else claims
    criteria = CRITERIA if criteria is None else criteria
    problems: list[str] = []
    if record is None:
        try:
            record = load_record()
        except ValueError as error:
            record = {}
            problems.append(str(error))
    if at_paper is None:
        at_paper, unread = recorded_claims(criteria)
        problems += unread
    recorded = {id for held in record.values() for id in held}
    lost = sorted(recorded - set(claims))
    problems += [f"{id} is in the committed record and not in the list of claims." for id in lost]
    by_id: dict[str, list[Mapping[str, Any]]] = {}
    for report in reports:
        by_id.setdefault(report["id"], []).append(report)
    for id, found in by_id.items():
        pages = ", ".join(str(report["page"]) for report in found)
        if id not in claims:
            problems.append(f"{id} is reported on {pages} and is not in the list of claims.")
        elif len(found) > 1:
            problems.append(f"{id} is reported {len(found)} times: {pages}.")
    rows = []
    for claim in claims.values():
        row = _blank(claim)
        if claim.id in by_id:
            criterion = criteria.get(claim.id)
            problems += _fill(row, by_id[claim.id][0], criterion)
            problems += _compare(row, record, narrowly=_narrowly(row, criterion))
        elif claim.chapter in chapters_in_toc:
            row["status"] = MISSING
            problems.append(f"{claim.id} is missing: no page reports it, and chapter {claim.chapter} is in the book.")
        if claim.id in at_paper:
            row["recorded"] = at_paper[claim.id]
        rows.append(row)
    return rows, problems


def claims_json(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that claims.json holds: those of the reported claims."""
    return [row for row in rows if row["status"] in REPORTED]


def _blank(claim: Claim) -> Row:
    return {
        "id": claim.id,
        "chapter": claim.chapter,
        "source": claim.source,
        "statement": claim.statement,
        "paper": claim.paper,
        "criterion": claim.criterion,
        "measured": None,
        "spread": None,
        "values": [],
        "seeds": [],
        "scale": None,
        "seed": None,
        "device": None,
        "held": None,
        "marginal": False,
        "status": NOT_WRITTEN,
        "reason": None,
        "note": None,
        "page": None,
        "anchor": None,
        "figure": None,
        "changed": [],
        "never": {},
        "checks": [],
    }


COPIED = (
    "measured", "spread", "values", "seeds", "scale", "seed", "device", "reason", "page", "anchor", "figure", "changed",
    "never",
)  # fmt: skip


def _fill(row: Row, report: Mapping[str, Any], criterion: Criterion | None) -> list[str]:
    """Put a report and its verdict into the claim's row; return the problems."""
    row.update({name: report[name] for name in COPIED})
    if report.get("from_record"):
        row["from_record"] = report["from_record"]
    row["status"] = NOT_RUN
    if row["measured"] is None:
        return []
    if row["changed"]:
        row["status"] = CHANGED
        return []
    if criterion is None:
        row["reason"] = "measured, but no criterion function judges it"
        return [f"{row['id']} is measured on {row['page']} and has no criterion function."]
    try:
        checks = criterion(row["id"], row["values"], row["scale"])
    except ValueError as error:
        row["held"], row["status"], row["reason"] = False, FAILED, str(error)
        return [str(error)]
    if not checks:
        row["held"], row["status"], row["reason"] = False, FAILED, "its criterion function checks nothing"
        return [f"{row['id']} has a criterion function that returns no checks, so that nothing could fail it."]
    row["held"] = all(check.ok for check in checks)
    row["status"] = HELD if row["held"] else FAILED
    row["marginal"] = any(check.marginal for check in checks)
    row["checks"] = [check.as_dict() for check in checks]
    return []


def _narrowly(row: Row, criterion: Criterion | None) -> bool:
    """Whether a claim failed by checks alone that lie within two spreads of their bars."""
    if row["status"] != FAILED or criterion is None or not row["checks"]:
        return False
    return all(check.marginal for check in criterion(row["id"], row["values"], row["scale"]) if not check.ok)


def _compare(row: Row, record: Record, *, narrowly: bool) -> list[str]:
    """Compare a row with the committed record; return the problem, or leave a note.

    A claim that fails `narrowly` is no problem: the last digits of a training differ from one processor to another.
    """
    held = record.get(row["scale"], {})
    before = held.get(row["id"])
    if row["status"] == CHANGED:
        return []
    if row["id"] not in held:
        row["note"] = f"not in the committed record at the {row['scale']} scale"
        return []
    if before == row["held"]:
        return []
    now = {True: "holds", False: "does not hold", None: "is not run"}
    told = f"in the committed record at the {row['scale']} scale it {now[before]}, here it {now[row['held']]}"
    if before and row["seed"] == 0 and row["device"] == "cpu" and not narrowly:
        return [f"{row['id']} held and no longer does: {told}."]
    row["note"] = f"{told}{', narrowly' if narrowly else ''} (seed {row['seed']}, {row['device']})"
    return []
