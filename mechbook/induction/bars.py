"""How the order in which the memories of Figure 3 are learned depends on the bar, and on what counts as a use.

Which recall counts as learned is a choice (`seed_values.LEARNED` for the claim). Here the same runs are read at others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mechbook.core.training.curves import Curves, steps_to
from mechbook.core.training.loop import TrainingResult
from mechbook.induction.experiments import joint_settings
from mechbook.induction.first_occurrences import first_use
from mechbook.induction.positions import along, recall_over_all_keys
from mechbook.induction.presets import InductionPreset
from mechbook.induction.seed_values import joint_run
from mechbook.induction.streams import STREAMS

BARS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
FIRST = "W_K1_all_keys_first"
# What is counted: the probes of W_K2 and of W_K1 that are compared.
READINGS: Mapping[str, tuple[str, str]] = {
    "every token and position alike": ("W_K2", "W_K1_all_keys"),
    "both by use": ("W_K2_weighted", "W_K1_all_keys_used"),
    "both by use, of positions the first alone": ("W_K2_weighted", FIRST),
}


def read_by_first_use(setup: InductionPreset, seed: int) -> TrainingResult:
    """`joint_run` with W_K1's recall over all keys, positions weighted by how often each is a first one, as FIRST.

    First: it follows the first occurrence of an in-context query's token (`first_occurrences.first_use`).
    """
    spec, run = joint_settings(setup, seed), joint_run(setup, seed)
    use = first_use(spec.task(), 4096, STREAMS.generator("use"))
    found = along(spec, lambda model: recall_over_all_keys(model.W_K1, model.P, None, use))
    return replace(run, values=run.values | {FIRST: found})


def in_order(runs: Sequence[Curves], second: str, third: str, bar: float) -> tuple[int, int]:
    """In how many runs W_O2, `second` and `third` reach the bar in this order; in how many `third` before `second`.

    One that never reaches it counts as after all steps. Two at one probe step are in neither order.
    """
    steps = [[steps_to(run, name, bar) for name in ("W_O2", second, third)] for run in runs]
    return sum(a < b < c for a, b, c in steps), sum(c < b for _, b, c in steps)


def rows(runs: Sequence[Curves], readings: Mapping[str, tuple[str, str]] = READINGS) -> list[list[str]]:
    """A row for each reading, a cell for each of BARS: runs in the order, and after a stroke those with W_K1 first."""
    cells = {words: [in_order(runs, *names, bar) for bar in BARS] for words, names in readings.items()}
    return [[words, *(f"{there}/{other}" for there, other in found)] for words, found in cells.items()]


def at_papers_size(records: Sequence[Curves]) -> str:
    """A sentence on the order at each of BARS in recorded runs, W_K1 over the keys that attention sees."""
    if not records:
        return "Of the paper's size no run is recorded here."
    counts = {bar: in_order(records, "W_K2", "W_K1", bar) for bar in BARS}
    kept = [f"{bar:g}" for bar, (there, _) in counts.items() if there == len(records)]
    turned = [f"{bar:g}" for bar, (_, other) in counts.items() if other]
    said = (
        f"In the {len(records)} recorded runs of the paper's size, with $W_K^1$ over the keys that attention sees, all "
        f"come in the order at the bars {', '.join(kept) or '(none)'}"
    )
    if turned:
        return f"{said}, and $W_K^1$ is ahead in some at {', '.join(turned)}."
    return f"{said}; in none is $W_K^1$ ahead."
