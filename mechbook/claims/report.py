"""What a chapter calls to report a claim: measurements only, never a verdict.

    report("ih.order", values=[{"W_O2": 60, "W_K2": 90, "W_K1": 220}, ...], seeds=[0, 1, 2, 3, 4], figure="fig-order")
    report("laser.gsm8k", reason="no model with a base accuracy above 5% is at hand")

A claim is named by its id, or by its declared `Values`, which then check the names of what is reported. A chapter
whose settings a reader may change takes `report = reporter(setup, LAPTOP, PAPER)`: with other settings than the
preset's, its cards say so and no verdict is given. What is computed on the CPU whatever the settings' device is, as all
that needs float64, is reported with `device="cpu"`.

The criterion is applied when the site is built. This module imports neither the list of claims nor the criteria, so
that editing those re-executes no chapter.
"""

import html
import math
import numbers
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from IPython.display import display

from mechbook.claims.values import Values
from mechbook.core import settings
from mechbook.core.presets import at_scale, changed

MIME = "application/vnd.mechbook.claim+json"

Number = int | float
Value = Number | dict[str, Number]


def report(claim: str | Values, **measured: Any) -> None:
    """Display the measurement of one claim, in the form the site collects, beside a line for the reader.

    The arguments and what is raised are those of `measurement`.
    """
    row = measurement(claim, **measured)
    display({MIME: row, "text/plain": as_text(row), "text/html": as_html(row)}, raw=True)


def reporter(setup: Any, laptop: Any, paper: Any, *, device: str | None = None) -> Callable[..., None]:
    """`report` for a chapter that runs with `setup`: its cards say what differs from the preset of the scale.

    `device` is where the chapter's claims are computed, unless one is reported with another; None: the settings'.
    """
    changes, of_chapter = changed(setup, at_scale(laptop, paper)), device

    def report_with_setup(claim: str | Values, *, device: str | None = of_chapter, **measured: Any) -> None:
        report(claim, changes=changes, device=device, **measured)

    return report_with_setup


def measurement(
    claim: str | Values,
    *,
    values: Sequence[Any] | None = None,
    seeds: Sequence[Any] | None = None,
    reason: str | None = None,
    figure: str | None = None,
    changes: Sequence[str] = (),
    device: str | None = None,
    budgets: Mapping[str, int] | None = None,
    from_record: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what was measured for one claim: each seed's values, their mean and their sample standard deviation.

    `values` holds one entry for each of `seeds`: a number, or a flat mapping of names to numbers with the same names
    for every seed. With one seed the spread is None. `reason` says, instead, why the claim was not run. `figure` is the
    label of the figure that shows it; `changes` are the settings that a reader changed, in words. `device` is where it
    was computed: "cpu" for what never runs elsewhere, None for the settings' device. `budgets` has the steps there were
    for values that are steps to something: a larger value was never reached, which "never" tells by name, and a card
    prints it as "> 320". `from_record` says of which seeds the values were read from a record ("seeds"), of which
    "device", and "where": its device and day.

    Raises ValueError for anything else, and for a number that is not finite (a threshold never reached is reported as
    the number of steps + 1); TypeError for other names than the claim's `Values` declare.
    """
    id = claim.claim if isinstance(claim, Values) else claim
    if isinstance(claim, Values):
        for value in values or ():
            claim.check(value)
    if not re.fullmatch(r"[a-z]+\.[a-z0-9_]+", id):
        raise ValueError(f"A claim's id is written like 'ih.order', not {id!r}.")
    row: dict[str, Any] = {
        "id": id,
        "measured": None,
        "spread": None,
        "values": [],
        "seeds": [],
        "scale": settings.scale(),
        "seed": settings.seed(),
        "device": settings.device_name() if device is None else device,
        "reason": reason,
        "figure": figure,
        "changed": list(changes),
        "never": {},
    }
    if (values is None) == (reason is None):
        raise ValueError(f"{id} is reported either with values or with the reason why it was not run.")
    if values is None:
        if seeds is not None or not str(reason).strip():
            raise ValueError(f"{id}, not run, is reported with a reason in words and without seeds.")
        return row
    row["values"] = [_value(id, value) for value in values]
    row["seeds"] = [_seed(id, seed) for seed in ([] if seeds is None else seeds)]
    if not row["values"] or len(row["values"]) != len(row["seeds"]):
        raise ValueError(
            f"{id} has {len(row['values'])} values and {len(row['seeds'])} seeds, where each seed has one value."
        )
    if len(set(row["seeds"])) != len(row["seeds"]):
        raise ValueError(f"{id} names a seed twice in {row['seeds']}.")
    row["measured"], row["spread"] = _summary(id, row["values"])
    row["never"] = never(id, row["values"], budgets or {})
    if from_record is not None:
        _read(row, from_record)
    return row


def never(id: str, values: Sequence[Any], budgets: Mapping[str, int]) -> dict[str, list[int]]:
    """For each value that some seed did not reach within its budget: in how many seeds, and the budget.

    A claim of one number has it under any name. Raises ValueError for a budget of a value that was not reported.
    """
    found = {}
    for name, budget in budgets.items():
        if any(isinstance(value, Mapping) and name not in value for value in values):
            raise ValueError(f"{id} is reported with a budget for {name!r}, which is not among its values.")
        column = [value[name] if isinstance(value, Mapping) else value for value in values]
        if count := sum(value > budget for value in column):
            found[name] = [count, budget]
    return found


def _read(row: dict[str, Any], record: Mapping[str, Any]) -> None:
    """Put into a row where the seeds come from that were not measured here."""
    seeds = [_seed(row["id"], seed) for seed in record["seeds"]]
    if not seeds or not set(seeds) <= set(row["seeds"]):
        raise ValueError(f"{row['id']} is read from a record for the seeds {seeds}, and reported for {row['seeds']}.")
    here = [] if set(seeds) == set(row["seeds"]) else [row["device"]]
    row["from_record"] = {"where": str(record["where"]), "seeds": seeds}
    row["device"] = ", ".join([str(record["device"]), *here])


def _seed(id: str, seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral):
        raise ValueError(f"{id} has the seed {seed!r}, where a seed is an integer.")
    return int(seed)


def _value(id: str, value: Any) -> Value:
    if not isinstance(value, Mapping):
        return _number(id, value)
    if not value:
        raise ValueError(f"{id} has an empty mapping among its values.")
    return {_name(id, name): _number(f"{id}, {name}", number) for name, number in value.items()}


def _name(id: str, name: Any) -> str:
    if not isinstance(name, str):
        raise ValueError(f"{id} names a value {name!r}, where names are strings.")
    return name


def _number(id: str, value: Any) -> Number:
    # A 0-d tensor or array is a number to the chapter; `item` is how all of them give it.
    number = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
    if isinstance(number, bool) or not isinstance(number, numbers.Real):
        raise ValueError(f"{id} has the value {value!r}, where a number or a flat mapping of numbers is wanted.")
    try:
        finite = math.isfinite(number)
    except OverflowError as error:
        raise ValueError(f"{id} has a value of {len(str(abs(number)))} digits, which no float can hold.") from error
    if not finite:
        raise ValueError(
            f"{id} has the value {number}, which is not finite: report a step never reached as the number of steps + 1."
        )
    return int(number) if isinstance(number, numbers.Integral) else float(number)


def _summary(id: str, values: list[Value]) -> tuple[Value, Value | None]:
    """Return mean and sample standard deviation over seeds, of the shape of one seed's value."""
    first = values[0]
    if not isinstance(first, dict):
        plain = [value for value in values if not isinstance(value, dict)]
        if len(plain) != len(values):
            raise ValueError(f"{id} mixes numbers and mappings among its values.")
        return _mean_and_spread(plain)
    columns: dict[str, list[Number]] = {name: [] for name in first}
    for value in values:
        if not isinstance(value, dict) or value.keys() != first.keys():
            raise ValueError(f"{id} names {sorted(first)} for one seed and {_names(value)} for another.")
        for name, number in value.items():
            columns[name].append(number)
    summaries = {name: _mean_and_spread(column) for name, column in columns.items()}
    means: dict[str, Number] = {name: mean for name, (mean, _) in summaries.items()}
    spreads = {name: spread for name, (_, spread) in summaries.items() if spread is not None}
    return means, spreads or None


def _names(value: Value) -> list[str] | Number:
    return sorted(value) if isinstance(value, dict) else value


def _mean_and_spread(column: list[Number]) -> tuple[float, float | None]:
    # `mean` rounds once, `fmean` twice: the mean of equal numbers is to be that number.
    return float(statistics.mean(column)), statistics.stdev(column) if len(column) > 1 else None


def format_number(number: Number | None, bar: Number | None = None) -> str:
    """Return a number as the book prints measurements: three significant digits, whole steps whole, None as a dash.

    Beside a `bar` that it is not, but would be printed as, it has as many digits as tell the two apart.
    """
    if number is None:
        return "-"
    printed = f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"
    for digits in range(4, 17):
        if bar is None or number == bar or float(printed) != bar:
            break
        printed = f"{number:.{digits}g}"
    return printed


def measured_parts(row: Mapping[str, Any]) -> list[str]:
    """Each number measured, with its name where there are several and its spread: "accuracy 0.98 ± 0.01".

    Steps never reached in some seeds make a mean a lower bound: "W_K1 ≥ 540, not within 600 in 2 of 5 seeds".
    """
    if row["measured"] is None:
        return []
    mean, spread = row["measured"], row["spread"]
    named = mean if isinstance(mean, Mapping) else {"": mean}
    spreads = spread if isinstance(spread, Mapping) else dict.fromkeys(named, spread)
    never, seeds = row.get("never", {}), len(row["seeds"])
    # a judged row knows what its numbers are compared with; the check of a claim of one number has no name of its own
    bars = {check["label"]: check["bar"] for check in row.get("checks", ())}
    bars[""] = bars.get("mean over seeds")
    return [
        f"{name} {format_mean(value, spreads.get(name), never.get(name), seeds, bars.get(name))}".strip()
        for name, value in named.items()
    ]


def format_mean(
    mean: float, spread: float | None, never: Sequence[int] | None, seeds: int, bar: Number | None = None
) -> str:
    """Return a mean over seeds with its spread; a bound with `never`, which is (seeds that did not get there, budget).

    "310 ± 4"; "> 320 in every seed" where none got there; "≥ 290, not within 320 in 2 of 5 seeds" where some did not.
    """
    if never is None:
        return format_number(mean, bar) + ("" if spread is None else f" ± {format_number(spread)}")
    count, budget = never
    if count == seeds:
        return f"> {budget}" + (" in every seed" if seeds > 1 else "")
    return f"≥ {format_number(mean)}, not within {budget} in {count} of {seeds} seeds"


def _words(row: Mapping[str, Any]) -> str:
    if row["reason"] is not None:
        return f"not run: {row['reason']}"
    bounded = any(row.get("never", {}).values())
    parts = ("; " if bounded else ", ").join(measured_parts(row))
    count = len(row["seeds"])
    said = f"; settings changed by the reader: {', '.join(row['changed'])}" if row["changed"] else ""
    read = f"; {told}" if (told := recorded_words(row)) else ""
    return f"{parts} ({count} seed{'' if count == 1 else 's'}, {row['scale']} scale{read}{said})"


def recorded_words(row: Mapping[str, Any]) -> str:
    """Where values come from that were read: "recorded on NVIDIA H100, 2026-01-31"; empty where none were."""
    if not (read := row.get("from_record")):
        return ""
    count, every = len(read["seeds"]), len(row["seeds"])
    part = "" if count == every else f"{count} of {every} seeds "
    return f"{part}recorded on {read['where']}"


def as_text(row: Mapping[str, Any]) -> str:
    """Return one line of plain text for a measurement."""
    return f"Measured for {row['id']}: {_words(row)}"


def as_html(row: Mapping[str, Any]) -> str:
    """Return one paragraph of HTML for a measurement, every word of it escaped."""
    id = html.escape(row["id"], quote=True)
    return f'<p class="mechbook-claim" data-claim="{id}">Measured for <code>{id}</code>: {html.escape(_words(row))}</p>'
