"""The presets of chapter 5: what is refused, and that no setting can be changed under another's key."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from mechbook.core.presets import replace
from mechbook.laser.closer import closer_settings
from mechbook.laser.data import english
from mechbook.laser.edits import laser
from mechbook.laser.english_runs import english_settings
from mechbook.laser.ioi.circuit_runs import circuit_settings
from mechbook.laser.presets import LAPTOP, LONGEST_PROMPT, N_HEADS, PAPER, LaserPreset
from mechbook.laser.study import study_settings
from mechbook.pretrained.load import LanguageModel, load

STUDY, CIRCUIT, ENGLISH, CLOSER = "study", "circuit", "english", "closer"
# another value for each setting, and what it is part of the key of; nothing is kept of what the others decide
OTHER: dict[str, tuple[Any, str | tuple[str, ...] | None]] = {
    "model": ("gpt2", None),  # its weights' hash is in the keys
    "per_template": (4, (STUDY, CLOSER)),
    "facts_on_map": (5, STUDY),
    "ioi_on_map": (5, STUDY),
    "mlp_rhos": ((0.2,), STUDY),
    "attention_rhos": ((0.2,), STUDY),
    "finer_rhos": ((0.2,), STUDY),
    "candidates": (2, STUDY),
    "circuit_per_template": (4, CIRCUIT),
    "random_sets": (5, CIRCUIT),
    "roles": (replace(LAPTOP.roles, matters=0.1), CIRCUIT),
    "closer": (replace(LAPTOP.closer, draws=5), CLOSER),
    "seeds": (2, None),
    "alpha": (0.3, ENGLISH),
    "T": (20, ENGLISH),
    "d": (64, ENGLISH),
    "layers": (3, ENGLISH),
    "steps": (7, ENGLISH),
    "batch_size": (3, ENGLISH),
    "lr": (0.1, ENGLISH),
    "english_prompts": (10, None),
    "english_rhos": ((0.2,), None),
}


@pytest.fixture
def model(tiny_model: Callable[..., Path]) -> LanguageModel:
    return load(str(tiny_model("llama")))


def keys(setup: LaserPreset, model: LanguageModel) -> dict[str, Any]:
    return {
        STUDY: study_settings(setup).key(model),
        CIRCUIT: circuit_settings(setup).key(model),
        ENGLISH: english_settings(setup, 0).key(),
        CLOSER: closer_settings(setup, {"facts": laser(model, 1, "mlp_in", rho=0.1)}).key(model, "noise"),
    }


@pytest.mark.parametrize("name", [field.name for field in fields(LaserPreset)])
def test_a_changed_setting_changes_the_key_of_what_it_decides(name: str, model: LanguageModel) -> None:
    """Oracle: the table above, which has every setting."""
    value, where = OTHER[name]
    before, after = keys(LAPTOP, model), keys(replace(LAPTOP, **{name: value}), model)
    places = {where} if isinstance(where, str) else set(where or ())
    assert {what for what in before if before[what] != after[what]} == places


def test_four_kinds_of_results_have_four_keys(model: LanguageModel, tiny_model: Callable[..., Path]) -> None:
    """Oracle: the keys themselves; another model, another seed of the run."""
    own = keys(LAPTOP, model)
    assert len({repr(key) for key in own.values()}) == 4
    other = keys(LAPTOP, load(str(tiny_model("llama", seed=1))))
    assert own[STUDY] != other[STUDY] and own[CIRCUIT] != other[CIRCUIT]
    assert english_settings(LAPTOP, 1).key() != own[ENGLISH]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"per_template": 3}, "per_template is 3; it must be even, 2 or more"),
        ({"circuit_per_template": 0}, "circuit_per_template is 0; it must be even, 2 or more"),
        ({"candidates": 0}, "candidates is 0; it must be 1 or more"),
        ({"mlp_rhos": ()}, "mlp_rhos is .*; it must be one rate or more"),
        ({"english_rhos": (0.1, 1.1)}, "english_rhos is .*; it must be one rate or more"),
        ({"finer_rhos": (0.1, 0.1)}, "finer_rhos is .*; it must be one rate or more, different ones"),
        ({"alpha": 1.0}, "alpha is 1.0; it must be between 0 and 1"),
        ({"T": 14}, "T is 14; it must be 15 or more"),
        ({"d": 130}, "d is 130; it must be a multiple of its 4 heads"),
        ({"steps": 0}, "steps is 0; it must be 1 or more"),
        ({"lr": 0.0}, "lr is 0.0; it must be above 0"),
        ({"english_prompts": 1}, "english_prompts is 1; it must be 2 or more"),
        ({"model": ""}, "model is ''; it must be a model's name"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_sentence(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(LAPTOP, **change)
    with pytest.raises(ValueError, match="attends is 0.0; it must be in"):
        replace(LAPTOP.roles, attends=0.0)
    with pytest.raises(TypeError, match="LaserPreset has no setting 'step': .*; did you mean 'steps'?"):
        replace(LAPTOP, step=3)


def test_the_presets_can_be_run_and_fit_the_language() -> None:
    """Oracle: the longest of the prompts that are drawn; torch would refuse heads that do not divide the width."""
    longest = max(len(template.split()) for template in english.IOI_TEMPLATES) + 1
    assert longest == LONGEST_PROMPT
    for setup in (LAPTOP, PAPER):
        how = english_settings(setup, 0)
        assert how.model.n_heads == N_HEADS and how.task.alpha == setup.alpha and how.training.steps == setup.steps
