"""Figure 3 of Chen et al. at the build's size beside the recorded runs of the paper's: a table, and why they differ.

Every number is measured; a sentence appears only where the numbers it states are so.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from mechbook.noisy.experiments import DROP_F2
from mechbook.noisy.presets import NoisyPreset
from mechbook.noisy.runs import value_name
from mechbook.records.kept import RunRecord

Ends = Sequence[Mapping[str, float]]

_LOW_RANK = (DROP_F2[0], 0.05)
# What a run ends with, on fresh sequences: how the table names it, the measurement, the paper's own number.
MEASURED = {
    "P(noise), full model": (value_name("noise", None), "0.5"),
    "P(noise) without $F_2$": (value_name("noise", DROP_F2), ""),
    "P(correct) without $F_2$": (value_name("correct", DROP_F2), "0.98"),
    "P(noise), $\\rho = 0.05$": (value_name("noise", _LOW_RANK), ""),
    "P(correct), $\\rho = 0.05$": (value_name("correct", _LOW_RANK), ""),
    "loss on clean sequences without $F_2$ (nats)": (value_name("clean_loss", DROP_F2), ""),
    "layer 2's attention on the correct token": ("attention_correct", ""),
    "layer 2's attention on the noise": ("attention_noise", ""),
    "$F_2$'s margin for the noise": ("margin", ""),
}
WITHOUT, LOW_RANK = (value_name("correct", cut) for cut in (DROP_F2, _LOW_RANK))
# By so much P(correct) must differ before the text says why: a tenth of what is left below 1 is less than that.
DIFFER = 0.02
# Attention above this is as good as all of it.
WHOLE = 0.97


def rows(here: Ends, trained: Ends, there: Ends) -> list[list[str]]:
    """A row for each of MEASURED: this build's runs, those of its size trained as the paper's, the paper's size's.

    Each is given by its ends, one a seed; where there are none, that is said. The last cell is what the paper prints.
    """
    return [[label, *(_cell(ends, name) for ends in (here, trained, there)), printed] for label, (name, printed) in
            MEASURED.items()]  # fmt: skip


def _cell(ends: Ends, name: str) -> str:
    if not ends:
        return "not recorded"
    shown = np.format_float_positional(mean(ends, name), precision=3, fractional=False, trim="-")
    if len(ends) == 1:
        return f"{shown} (one run)"
    spread = float(np.std([end[name] for end in ends], ddof=1))
    return f"{shown} ± {np.format_float_positional(spread, precision=1, fractional=False, trim='-')}"


def mean(ends: Ends, name: str) -> float:
    """A measurement's mean over seeds."""
    return float(np.mean([end[name] for end in ends]))


def swing(runs: Sequence[RunRecord]) -> str:
    """Of recorded runs, when within the first twenty steps the noise is least often the first choice, as a clause.

    Empty where it is the first choice in most predictions throughout, or where there is no run.
    """
    early = [(float(np.mean([run.values["noise_first"][i] for run in runs])), step)
             for i, step in enumerate(runs[0].steps if runs else ()) if 2 <= step <= 20]  # fmt: skip
    share, step = min(early, default=(1.0, 0))
    if share > 0.5:
        return ""
    return f", and that it swings further at the paper's size: at step {step} it is the first choice of {share:.0%}"


def in_words(runs: Sequence[RunRecord]) -> str:
    """P(correct) without F_2 at the end of recorded runs, and of how many."""
    if not runs:
        return "(not recorded here)"
    counted = "1 recorded run" if len(runs) == 1 else f"{len(runs)} recorded runs"
    return f"{mean([run.final for run in runs], WITHOUT):.3f} ({counted})"


def why(here: Ends, trained: Ends, there: Ends, setup: NoisyPreset, paper: NoisyPreset) -> str:
    """In words why the table's columns differ; empty without a recorded run of the paper's size."""
    if not there:
        return ""
    said = [
        f"At the paper's size $d$ is {paper.d} and $T$ {paper.T}, in this build {setup.d} and {setup.T}; there a model "
        f"takes {paper.steps} steps with {paper.batch} sequences each, here {setup.steps} with {setup.batch}."
    ]
    small, large = mean(here, WITHOUT), mean(there, WITHOUT)
    if large - small > DIFFER:
        said.append(
            f"Without $F_2$ the answer is cleaner there: P(correct) ends at {large:.3f}, in this build at {small:.3f}."
        )
    if trained and large - small > DIFFER:
        said.append(_cause(mean(trained, WITHOUT), small, large, setup))
        attention = mean(trained, "attention_correct")
        if mean(trained, WITHOUT) < large - DIFFER and attention > WHOLE:
            said.append(
                f"Layer 2's attention on the correct token ends at {attention:.3f} there, too: what is missing comes "
                f"after it, perhaps from the value matrix, whose associations share {setup.d} dimensions."
            )
    if mean(there, LOW_RANK) > large:
        said.append(
            "At the paper's size $\\rho = 0.05$ does as well as no $F_2$ at all: what its largest directions add does "
            "no harm."
        )
    return " ".join(said)


def _cause(middle: float, small: float, large: float, setup: NoisyPreset) -> str:
    """What the runs of this size trained as the paper's say: `middle`, between this build's and the paper's."""
    by_training = (middle - small) / (large - small)
    said = (
        f"Is that the size, or the training? With $T = {setup.T}$ and $d = {setup.d}$ as here, but the paper's steps, "
        f"batches and step size, it ends at {middle:.3f}"
    )
    if by_training <= 0:
        return f"{said}, no higher than in this build: no sign that longer training brings it."
    said = f"{said}: {by_training:.0%} of the difference"
    if by_training > 2 / 3:
        return f"{said}. So most of it is training, and not size."
    if by_training < 1 / 3:
        return f"{said}. So most of it is size: longer training alone doesn't bring it."
    return f"{said}. So both have a part in it."
