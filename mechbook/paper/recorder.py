"""Compute and record runs, one after the other, and the claims whose runs are there."""

import time
from collections.abc import Sequence
from typing import Any

from mechbook.claims.report import measurement
from mechbook.core import settings
from mechbook.core.cache import entries
from mechbook.core.progress import one_by_one
from mechbook.paper.everything import THEMES, Theme, theme_of
from mechbook.paper.standing import computed
from mechbook.records import code, files
from mechbook.records.kept import ClaimRecord, RunRecord, as_json, load_claim, load_run, save
from mechbook.records.machine import Machine, here
from mechbook.records.wanted import PaperClaim, PaperRun, setup_of


def record_run(run: PaperRun, *, replace: bool = False) -> bool:
    """Compute a run, or take it from the cache, and keep its record; whether one was written.

    What stops the run (`stopping.Stopped`) or goes wrong in it is raised, and nothing is recorded.
    """
    began = time.perf_counter()
    result = run.settings.run()
    steps, values = run.curves(result)
    record = RunRecord(
        name=run.name,
        settings=as_json(run.settings.key()),
        modules=run.modules,
        code=entries.code(run.modules),
        steps=[int(step) for step in steps],
        values={name: [float(value) for value in row] for name, row in values.items()},
        final={name: float(value) for name, value in run.final().items()},
        seconds=_seconds(result, time.perf_counter() - began),
        machine=here(),
    )
    return save(record, replace=replace)


def _seconds(result: Any, elapsed: float) -> float:
    """What a run says it took, all of its seeds together; else the time since it was asked for."""
    parts = result if isinstance(result, list) else [result]
    return float(sum(part.seconds for part in parts) if all(hasattr(part, "seconds") for part in parts) else elapsed)


def record_claims(theme: Theme, *, replace: bool = False) -> dict[str, str]:
    """Measure each claim of a theme for the seeds whose runs this machine has, and keep the records.

    By the id of each that is new: empty text, or what went wrong with it, which stops no other. Values of other seeds
    that a record of the same settings and code has already stay in it.
    """
    by_name = {run.name: run for run in theme.runs(theme.setup)}
    here_too: dict[str, bool] = {}

    def there(name: str) -> bool:
        if name not in here_too:
            record = load_run(name)
            # some runs are listed only once another one is known
            run = by_name.get(name)
            here_too[name] = (
                run is not None and record is not None and not record.earlier(run.settings.key()) and computed(run)
            )
        return here_too[name]

    found: dict[str, str] = {}
    for claim in theme.claims:
        seeds = [seed for seed in claim.seeds(theme.setup) if all(map(there, claim.runs(theme.setup, seed)))]
        try:
            if seeds and _record_claim(theme, claim, seeds, replace=replace):
                found[claim.values.claim] = ""
        except (files.BadRecord, files.Refused):
            raise
        except (FloatingPointError, RuntimeError, ValueError) as error:
            found[claim.values.claim] = str(error)
    return found


def _record_claim(theme: Theme, claim: PaperClaim, seeds: list[int], *, replace: bool) -> bool:
    id, setup = claim.values.claim, setup_of(theme.setup)
    known: dict[int, Any] = {}
    old = load_claim(id)
    if old is not None and old.seed == settings.seed() and not old.earlier(setup):
        known = dict(zip(old.seeds, old.values, strict=True))
    elif old is not None and not replace:
        return False
    if set(seeds) <= set(known):
        return False
    began = time.perf_counter()
    fresh = [seed for seed in seeds if seed not in known]
    values = one_by_one(lambda seed: claim.measure(theme.setup, seed), fresh, f"the claim {id}", "seeds")
    row = measurement(claim.values, values=values, seeds=fresh)
    known |= dict(zip(fresh, row["values"], strict=True))
    runs = sorted({name for seed in known for name in claim.runs(theme.setup, seed)})
    records = [record for name in runs if (record := load_run(name)) is not None]
    machines: dict[Machine, None] = dict.fromkeys(record.machine for record in records)
    return save(
        ClaimRecord(
            claim=id,
            setup=setup,
            seed=settings.seed(),
            modules=(claim.module,),
            code=code.of_claim((claim.module,)),
            values=[known[seed] for seed in sorted(known)],
            seeds=sorted(known),
            budgets=claim.budgets(theme.setup),
            runs=runs,
            seconds=sum(record.seconds for record in records) or time.perf_counter() - began,
            machines=list(machines) or [here()],
        ),
        replace=replace,
    )


def themes_of(runs: Sequence[PaperRun], themes: Sequence[Theme] = THEMES) -> list[Theme]:
    """The themes of some runs, each once."""
    return list({theme.name: theme for theme in (theme_of(run, themes) for run in runs)}.values())
