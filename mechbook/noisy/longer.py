"""Runs of the laptop's size that take longer than a build may: they are recorded, and the chapter draws the records.

    make paper RUNS='noisy/longer/*'

Each is a run of the chapter with more steps and nothing else changed, from the same weights and batches; but for
"paper_training", which has the paper's steps, batches and step size at the laptop's T and d: between its size and the
paper's nothing else differs.
"""

from dataclasses import replace

from mechbook.noisy.experiments import architecture_settings, fine_tuned_settings, main_settings
from mechbook.noisy.presets import LAPTOP, PAPER
from mechbook.noisy.runs import NoisySettings
from mechbook.records.kept import RunRecord
from mechbook.records.shown import recorded_seeds

# Steps of the models of Figures 10 and 12, by the names in `experiments.ARCHITECTURES`.
STEPS = {"mlp_linear": 6000, "no_blocks": 3600}
# Steps on clean data before fine-tuning.
CLEAN_STEPS = 200
NAMES = (*STEPS, "fine_tuned", "paper_training")


def longer_settings(name: str, seed: int) -> NoisySettings:
    """A run by its name: of other feed-forward blocks, fine-tuned from a longer training on clean data, or the main one
    trained as the paper's.

    ValueError for another name than NAMES has.
    """
    if name not in NAMES:
        raise ValueError(f"{name!r} is no longer run; choose one of {', '.join(NAMES)}.")
    if name == "fine_tuned":
        return fine_tuned_settings(replace(LAPTOP, clean=replace(LAPTOP.clean, steps=CLEAN_STEPS)), seed)
    if name == "paper_training":
        as_theirs = replace(LAPTOP, **{field: getattr(PAPER, field) for field in ("steps", "batch", "lr", "cool_lr")})
        return replace(main_settings(as_theirs, seed), checkpoint_steps=())
    schedule = replace(getattr(LAPTOP, name), steps=STEPS[name])
    return architecture_settings(replace(LAPTOP, **{name: schedule}), name, seed)


def records(name: str) -> list[RunRecord]:
    """The records there are of the runs `name`, one a seed; ValueError for another name than NAMES has."""
    if name not in NAMES:
        raise ValueError(f"{name!r} is no longer run; choose one of {', '.join(NAMES)}.")
    return recorded_seeds(f"noisy/longer/{name}", range(LAPTOP.seeds))
