"""Figure 3 at the build's size beside the recorded runs of the paper's: a table, and in words why they differ.

Every number is measured; a sentence appears only where the numbers it states are so.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from mechbook.core.training.curves import steps_to
from mechbook.core.training.loop import TrainingResult
from mechbook.induction.presets import InductionPreset
from mechbook.induction.seed_values import LEARNED, SOLVED
from mechbook.records.kept import RunRecord

Runs = Sequence[TrainingResult | RunRecord]

# What the joint runs reach: a probe, its bar and how the table names it.
JOINT = {
    "W_O2": (LEARNED, f"$W_O^2$ at {LEARNED}"),
    "W_K2": (LEARNED, f"$W_K^2$, every token alike, at {LEARNED}"),
    "W_K2_weighted": (LEARNED, f"$W_K^2$, weighted, at {LEARNED}"),
    "W_K1_early": (LEARNED, f"$W_K^1$, keys seen, first quarter, at {LEARNED}"),
    "W_K1": (LEARNED, f"$W_K^1$, keys seen, at {LEARNED}"),
    "accuracy": (SOLVED, f"accuracy {SOLVED}"),
}
COLUMNS = {
    "freeze_W_O2": "$W_O^2$ frozen",
    "freeze_W_K1": "$W_K^1$ frozen",
    "freeze_W_K2": "$W_K^2$ frozen",
    "freeze_both": "$W_K^1$ and $W_K^2$ frozen",
}


def rows(
    here: Mapping[str, Runs], there: Mapping[str, Runs], setup: InductionPreset, paper: InductionPreset
) -> list[list[str]]:
    """What was measured, at this size and at the paper's, a row each; conditions without recorded runs are left out.

    `here` and `there` map each condition of FREEZE to its runs, one a seed.
    """
    found = []
    if there.get("joint"):
        for name, (bar, label) in JOINT.items():
            found.append([f"steps to {label}", *(reached(runs["joint"], name, bar) for runs in (here, there))])
        for name, label in (("W_K1_early", "its first quarter"), ("W_K1_late", "its last three quarters")):
            found.append(
                [f"$W_K^1$, keys seen, on {label}, end", *(f"{end(each['joint'], name):.2f}" for each in (here, there))]
            )
    for condition, label in COLUMNS.items():
        if there.get(condition):
            pair = ((here[condition], setup), (there[condition], paper))
            found.append([f"{label}: accuracy before the release", *(f"{before(*each):.2f}" for each in pair)])
            found.append(
                [f"{label}: steps to accuracy {SOLVED}", *(reached(runs, "accuracy", SOLVED) for runs, _ in pair)]
            )
    return found


def reached(runs: Runs, name: str, bar: float) -> str:
    """The steps to a bar, a mean over seeds; where some seeds never get there a bound, and in how many."""
    last, found = runs[0].steps[-1], [steps_to(run, name, bar) for run in runs]
    never = sum(step > last for step in found)
    if never == len(found):
        return f"> {last}"
    if never:
        return f"≥ {np.mean(found):.0f}; not within {last} in {never} of {len(found)} seeds"
    return f"{np.mean(found):.0f}"


def end(runs: Runs, name: str) -> float:
    """A probe's mean over seeds at the end."""
    return float(np.mean([run.values[name][-1] for run in runs]))


def before(runs: Runs, setup: InductionPreset) -> float:
    """The largest accuracy until the release, of the mean over seeds."""
    until = runs[0].steps.index(setup.frozen_steps) + 1
    return float(np.mean([run.values["accuracy"][:until] for run in runs], axis=0).max())


def why(here: Mapping[str, Runs], there: Mapping[str, Runs], setup: InductionPreset, paper: InductionPreset) -> str:
    """In words why the table's columns differ; empty without recorded joint runs."""
    if not there.get("joint"):
        return ""
    said = [
        f"A step is not the same at both sizes. At the paper's it learns from {paper.batch_size} sequences of "
        f"$T = {paper.T}$ with step size {paper.lr:g}, from {paper.matrix_init} matrices; in this build from "
        f"{setup.batch_size} of $T = {setup.T}$ with {setup.lr:g}, from {setup.matrix_init} ones. So compare numbers "
        "within a column rather than across."
    ]
    early, late = (end(there["joint"], name) for name in ("W_K1_early", "W_K1_late"))
    all_here, all_there = (end(runs["joint"], "W_K1") for runs in (here, there))
    if paper.T > setup.T and all_there < all_here and late < early:
        first = paper.T // 4
        said.append(
            f"What is learned less well at the paper's size is $W_K^1$: its recall ends at {all_there:.2f}, here at "
            f"{all_here:.2f}. It stores an association for each position, {paper.T - 1} there and {setup.T - 1} here, "
            "and a position is practised only by the tokens after it that look there, which the late ones have few of. "
            f"On its first {first} positions the paper's ends at {early:.2f}, on the other {paper.T - first} at "
            f"{late:.2f}."
        )
    after, after_there = (size.released_steps - size.frozen_steps for size in (setup, paper))
    if after < after_there and any(there.get(condition) for condition in COLUMNS):
        said.append(
            f"After the release the paper's frozen runs go on for {after_there} steps and this build's for {after}: "
            f"where accuracy {SOLVED} is not reached here, that may be because the run is over."
        )
    accuracy_here, accuracy_there = (end(runs["joint"], "accuracy") for runs in (here, there))
    said.append(f"Accuracy ends at {accuracy_there:.2f} there and at {accuracy_here:.2f} here.")
    return " ".join(said)
