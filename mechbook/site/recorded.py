"""The claims as recorded at the papers' size, judged by the same criteria as a build's own measurements."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mechbook.claims.criteria import Check, Criterion
from mechbook.claims.report import measurement
from mechbook.paper.everything import THEMES
from mechbook.records import files, kept
from mechbook.records.kept import ClaimRecord
from mechbook.records.machine import where
from mechbook.records.wanted import setup_of

HELD, FAILED, FEW = "held", "failed", "too few seeds"


def recorded_claims(criteria: Mapping[str, Criterion]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """What is recorded of each claim, by its id, and the problems: a sentence for each file that is no record.

    Of runs' records only whether they can be read is looked at.
    """
    wanted = {claim.values.claim: (claim, theme.setup) for theme in THEMES for claim in theme.claims}
    found: dict[str, dict[str, Any]] = {}
    problems = []
    for path in files.files():
        try:
            record = kept.load(path)
        except files.BadRecord as error:
            problems.append(str(error))
            continue
        if isinstance(record, ClaimRecord):
            claim, setup = wanted.get(record.claim, (None, None))
            now, of = (None, 0) if claim is None else (setup_of(setup), len(list(claim.seeds(setup))))
            found[record.claim] = judged(record, criteria.get(record.claim), now, of)
    return found, problems


def judged(record: ClaimRecord, criterion: Criterion | None, now: dict[str, Any] | None, of: int = 0) -> dict[str, Any]:
    """One record's column of the scorecard: what was measured, where and when, and the verdict.

    `never` has, for each value that is steps to something, in how many seeds that was not reached and the steps there
    were; its mean is then a lower bound. `earlier`: of other code, or of another preset than `now`, which asks for `of`
    seeds. A record of fewer seeds than the criterion asks for, or without a criterion, gets no verdict: `held` is None,
    and `so_far` whether the criterion holds for the seeds there are, 4 of 5 of them where it counts seeds.
    """
    row = measurement(record.claim, values=record.values, seeds=record.seeds, budgets=record.budgets)
    column: dict[str, Any] = {name: row[name] for name in ("measured", "spread", "values", "seeds", "never")}
    column |= {
        "of": max(of, len(record.seeds)),
        "where": where(record.machines),
        "device": ", ".join(dict.fromkeys(machine.device for machine in record.machines)),
        "date": max(machine.date for machine in record.machines),
        "torch": ", ".join(dict.fromkeys(machine.torch for machine in record.machines)),
        "tf32": any(machine.tf32 for machine in record.machines),
        "seconds": record.seconds,
        "runs": record.runs,
        "earlier": record.earlier(now),
        "held": None,
        "so_far": None,
        "marginal": False,
        "status": FEW,
        "reason": None,
        "checks": [],
    }
    if criterion is None:
        return column | {"reason": "no criterion judges it"}
    few = len(record.seeds) < criterion.seeds
    try:
        checks = criterion(record.claim, record.values, "paper")
    except ValueError as error:
        return column | {"held": False, "status": FAILED, "reason": str(error)}
    if few:
        # the first says that there are too few
        checks = [_of_these(check, len(record.seeds)) for check in checks[1:]]
        column |= {"of": max(column["of"], criterion.seeds)}
        column |= {"reason": f"{len(record.seeds)} of {column['of']} seeds"}
    held = bool(checks) and all(check.ok for check in checks)
    verdict = {"so_far": held} if few else {"held": held, "status": HELD if held else FAILED}
    return column | {
        **verdict,
        "marginal": not few and any(check.marginal for check in checks),
        "checks": [check.as_dict() for check in checks],
    }


def _of_these(check: Check, seeds: int) -> Check:
    """A check that asks for more seeds than there are, asking for 4 of 5 of those; any other as it is."""
    return replace(check, bar=-(-4 * seeds // 5)) if check.margin is not None and check.bar > seeds else check
