"""Chapter 5's tables of two models side by side, of what `mechbook.laser.compared.numbers` has of each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mechbook.laser.values import (
    CONTROLS,
    COST,
    FACT_SITE,
    GENERIC_WORDS,
    LAYER_MAP,
    QUANTISATION,
    REAL_LM_FACTS,
    REAL_LM_IOI,
    RHO_CURVES,
)

Numbers = Mapping[str, Any]
Cell = Callable[[Numbers], str]
TASKS = ("facts", "ioi")
NAMES = {
    REAL_LM_FACTS.claim: "LASER moves mass from \"the\" to the country",
    REAL_LM_IOI.claim: "LASER raises P(IO) against \"the\"",
    LAYER_MAP.claim: "a late MLP, at small $\\rho$",
    GENERIC_WORDS.claim: "generic words go, candidate answers stay",
    CONTROLS.claim: "the smallest few directions do much, random tenths little",
    COST.claim: "text pays, and nothing is learned",
    QUANTISATION.claim: "the gain is not the file's rounding",
    RHO_CURVES.claim: "at every rate \"the\" and pronouns fall, IO stays above S",
    FACT_SITE.claim: "early the fact is at the subject, late at END",
    "bias-like tail": "the smallest few directions read a constant",
}  # fmt: skip
# by a check's own name, without the task in front
CHECKS = {
    "cities": "cities",
    "after > 10 x before": "the ratio after LASER, against ten times that before,",
    "sentences": "sentences",
    "after > 5 x before": "the ratio after LASER, against five times that before,",
    "change of IO-over-S accuracy, absolute": "IO above S changes by",
    "layer > 0.666667 x layers": "the best matrix is in block",
    "rho": "the best rate is",
    "mlp > facts_attention": "the best MLP matrix gains, against the best attention matrix,",
    "mlp > ioi_attention": "the best MLP matrix gains, against the best attention matrix,",
    "share": "of all that tokens lose, function words lose the part",
    "words": "function words lose the part",
    "words > 2 x facts_answers": "function words lose, against twice what candidate answers lose,",
    "words > 2 x ioi_answers": "function words lose, against twice what candidate answers lose,",
    "median": "a random tenth's median factor is",
    "spared": "nine in ten of the random tenths without the smallest 1% stay below",
    "smallest": "the smallest 1% have of the log gain",
    "perplexity_low95": "control text's perplexity, low end,",
    "candidates_low90": "log P(country among countries), low end, changes by",
    "candidates_high90": "log P(country among countries), high end, changes by",
    "draws": "draws of noise",
    "change": "noise changes the log gain by",
    "rates": "rates",
    "the": "P(the) changes, at the rate where most is left, by",
    "pronouns": "P(them) and P(her) together change, at the rate where most is left, by",
    "names": "P(IO) - P(S), at the rate where it is smallest, is",
    "subject_early > subject_token": "the subject after the first block carries, against its token alone,",
    "subject_early": "the subject in the first half carries",
    "subject_last": "the subject in the last block carries",
    "end_early": "END in the first half carries",
    "end_last": "END in the last block carries",
    "times": "the smallest 1% read, in even shares,",
    "constant": "of that the same in every prompt",
}
# values that a criterion reads since, by the claim: a record without them was judged by an earlier reading
SINCE = {
    COST.claim: {"cities_low90": "its interval draws cities one by one; countries need a new record"},
    FACT_SITE.claim: {"subject_token": "the first block is among those judged; blocks after it need a new record"},
}
COMPARED = {">=": "at least", ">": "above", "<=": "at most", "<": "below"}


def table_rows(models: Sequence[Numbers]) -> list[tuple[str, ...]]:
    """A row for each thing compared: what it is, then a cell for each model; facts first, then IOI, where a task has
    its own."""
    return [(what, *(cell(found) for found in models)) for what, cell in _cells().items()]


def _cells() -> dict[str, Cell]:
    def both(of: Callable[[Numbers, str], str]) -> Cell:
        return lambda m: " / ".join(of(m, task) for task in TASKS)

    def value(claim: str, name: str, form: str = ".2f") -> Cell:
        return both(lambda m, task: format(m["values"][claim][f"{task}_{name}"], form))

    def site(name: str) -> Cell:
        return lambda m: f"{m['values'][FACT_SITE.claim][name]:.2f}"

    layer_map, controls = LAYER_MAP.claim, CONTROLS.claim
    return {
        "country the likeliest next token, full, LASER": lambda m: _shares(m, "facts", "top1"),
        "right country the likeliest of all countries, full, LASER": lambda m: (
            f"{m['right'][0]:.0%}, {m['right'][1]:.0%} of {m['right'][2]}"
        ),
        "IO above S, full, LASER": lambda m: _shares(m, "ioi", "second"),
        "IO the likeliest next token, full, LASER": lambda m: _shares(m, "ioi", "top1"),
        "ratio, facts: full, LASER": lambda m: _ratios(m, "facts"),
        "ratio, IOI: full, LASER": lambda m: _ratios(m, "ioi"),
        "the map's best matrix, block of how many, $\\rho$": both(_place),
        "it raises the ratio by": value(layer_map, "mlp", ".3g"),
        "the best attention matrix by": value(layer_map, "attention", ".3g"),
        "the edit chosen on half A": both(_chosen),
        "without the whole MLP the ratio is, times the full one": both(lambda m, task: _control(m, task, "MLP")),
        "without the largest half of the directions": both(lambda m, task: _half(m, task)),
        "the smallest 1%: part of LASER's log gain": both(lambda m, task: _smallest(m, task)),
        "of the directions tried, the one whose loss raises the ratio most": both(
            lambda m, task: _single(m, task, max)
        ),
        "and the one whose loss lowers it most": both(lambda m, task: _single(m, task, min)),
        "a random tenth changes the ratio by, median": value(controls, "median"),
        "90% of those without the smallest 1% stay below": value(controls, "spared"),
        "the smallest 1% read, times their even share": both(lambda m, task: f"{m['tail'][task]['times']:.1f}"),
        "of that the same in every prompt": both(lambda m, task: f"{m['tail'][task]['constant']:.1%}"),
        "of all that the matrix reads the same": both(lambda m, task: f"{m['tail'][task]['constant_all']:.1%}"),
        "function words lose, of what they had": value(GENERIC_WORDS.claim, "words", ".0%"),
        "noise of the file's size on this matrix: its log gain changes by at most": lambda m: (
            f"{m['values'][QUANTISATION.claim]['change']:.0%}"
        ),
        "control text's perplexity under each chosen edit, times": both(
            lambda m, task: f"{m['chosen'][task]['gain'][0]:.2f}"
        ),
        "log P(country among countries) changes by [90%]": _among,
        "where the fact is: subject, first half, last block": lambda m: (
            f"{site('subject_early')(m)}, {site('subject_last')(m)}"
        ),
        "where the fact is: END, first half, last block": lambda m: f"{site('end_early')(m)}, {site('end_last')(m)}",
    }


def verdict_rows(checks: Mapping[str, Sequence[Mapping[str, Any]]], found: Numbers) -> list[tuple[str, str, str]]:
    """A row for each claim: what it says, whether all of its checks hold, and those that do not in words.

    found: the numbers that were judged; where the record of an earlier code lacks one that is judged now, no verdict.
    """
    rows = []
    for claim, own in checks.items():
        failed = [in_words(check) for check in own if not check["ok"]]
        lacks = [why for name, why in SINCE.get(claim, {}).items() if name not in found["values"][claim]]
        held = "no" if failed else "not judged" if lacks else "yes"
        rows.append((NAMES[claim], held, "; ".join([*failed, *lacks]) or "-"))
    return rows


def in_words(check: Mapping[str, Any]) -> str:
    """A check as a reader sees it: what was judged, its value, where it should be. ValueError for an unknown one."""
    name = str(check["label"])
    task = next((task for task in TASKS if name.startswith(f"{task}_")), None)
    name = name.removeprefix(f"{task}_")
    if name not in CHECKS:
        raise ValueError(f"the check {check['label']!r} has no words: add them to mechbook.laser.second_table.CHECKS.")
    of = "" if task is None else {"facts": "facts: ", "ioi": "IOI: "}[task]
    return f"{of}{CHECKS[name]} {check['value']:.3g}, not {COMPARED[check['op']]} {check['bar']:.3g}"


def _shares(m: Numbers, task: str, name: str) -> str:
    return f"{m['whole'][task][name]:.0%}, {m['chosen'][task][name]:.0%} of {m['whole'][task]['n']}"


def _ratios(m: Numbers, task: str) -> str:
    full, cut = m["whole"][task], m["chosen"][task]
    times = f"{cut['ratio'] / full['ratio']:.3g} times{interval(cut.get('factor', ()), '.3g')}"
    return f"{full['ratio']:.3g}, {cut['ratio']:.3g}: {times}"


def interval(ends: Sequence[float], form: str) -> str:
    """An interval in brackets after its number; nothing where a record of earlier code has none."""
    return f" [{ends[0]:{form}}, {ends[1]:{form}}]" if ends else ""


def _smallest(m: Numbers, task: str) -> str:
    part, ends = m["values"][CONTROLS.claim][f"{task}_smallest"], m.get("shares", {}).get(task, {}).get("smallest", ())
    return f"{part:.2f}{interval(ends[1:], '.2f')}"


def _place(m: Numbers, task: str) -> str:
    layer, matrix, rho, _ = max((p for p in m["map"][task] if p[1].startswith("mlp")), key=lambda p: p[3])
    return f"`{matrix}` {layer} of {m['layers']}, {rho:g}"


def _chosen(m: Numbers, task: str) -> str:
    chosen = m["chosen"][task]
    return f"`{chosen['matrix']}` {chosen['layer_from_1']}, {chosen['rho']:g}"


def _control(m: Numbers, task: str, kind: str) -> str:
    return f"{next(factor for name, factor, _ in m['controls'][task] if kind in name):.3g}"


def _half(m: Numbers, task: str) -> str:
    # the last of the controls
    name, factor, _ = m["controls"][task][-1]
    if "largest" not in name:
        raise ValueError(f"the last control is {name!r}, where the largest half's is expected.")
    return f"{factor:.2f}"


def _single(m: Numbers, task: str, which: Callable[..., Any]) -> str:
    number, factor, *ends = which(m["single"][task], key=lambda found: found[1])
    return f"no. {number}, {factor:.2f} times{interval(ends, '.2f')}"


def _among(m: Numbers) -> str:
    found = m["values"][COST.claim]
    ends = f"{found['candidates_low90']:+.3f}, {found['candidates_high90']:+.3f}"
    return f"{found['candidates']:+.3f} [{ends}]{'' if 'cities_low90' in found else ', cities drawn one by one'}"
