"""The settings of chapter 3's runs against what the paper and the chapter say, at both scales; nothing is trained."""

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from mechbook.core.presets import replace
from mechbook.induction.experiments import (
    FREEZE,
    TRIGGERS,
    dimension_settings,
    frozen_settings,
    hand_task,
    joint_settings,
    length_settings,
    output_settings,
    realistic_settings,
    trigger_settings,
    vanilla_settings,
)
from mechbook.induction.presets import LAPTOP, PAPER, InductionPreset
from mechbook.induction.runs import InductionSettings
from mechbook.induction.values import DIMENSIONS

presets = pytest.mark.parametrize("setup", [LAPTOP, PAPER], ids=["laptop", "paper"])


def everything(setup: InductionPreset) -> Iterator[InductionSettings]:
    yield from (frozen_settings(setup, 0, c) for c in FREEZE)
    yield from (trigger_settings(setup, 0, c) for c in TRIGGERS)
    yield from (output_settings(setup, 0, o) for o in ("uniform", "bigram"))
    yield from (dimension_settings(setup, 0, d, lr) for d in DIMENSIONS for lr in setup.dimension.lrs)
    yield from (vanilla_settings(setup, 0, t, n_layers=n) for t in ("random", "frequent") for n in (1, 2))
    yield vanilla_settings(setup, 0, "random", n_heads=4)


@presets
def test_every_run_is_another_one(setup: InductionPreset) -> None:
    runs = list(everything(setup))
    assert len(set(runs)) == len(runs)


@presets
def test_seeds_and_only_seeds_tell_repetitions_apart(setup: InductionPreset) -> None:
    first, second = trigger_settings(setup, 0, "rare"), trigger_settings(setup, 1, "rare")
    assert first != second and first.seed_key != second.seed_key
    assert (first.model, first.training, first.task().triggers) == (
        second.model,
        second.training,
        second.task().triggers,
    )


@presets
def test_conditions_of_figure_3_share_weights_and_batches(setup: InductionPreset) -> None:
    assert len({frozen_settings(setup, 2, c).seed_key for c in FREEZE}) == 1
    for condition, names in FREEZE.items():
        spec = frozen_settings(setup, 2, condition)
        assert dict(spec.training.frozen_until) == dict.fromkeys(names, setup.frozen_steps)
        assert setup.frozen_steps < spec.training.steps and setup.frozen_steps in spec.all_probe_steps()


@presets
def test_figure_3_s_first_column_is_one_run_whatever_it_keeps(setup: InductionPreset) -> None:
    """Widgets show the first seed's checkpoints; `joint_settings` keeps all of every seed's, and trains alike."""
    assert frozen_settings(setup, 0).checkpoint_steps == tuple(range(0, setup.steps + 1, 20))
    for seed in range(3):
        plain, whole = frozen_settings(setup, seed), joint_settings(setup, seed)
        assert whole.checkpoint_steps == whole.all_probe_steps() == plain.all_probe_steps()
        assert (whole == plain) is (setup.keep_joint and seed > 0)
        assert replace(whole, checkpoint_steps=plain.checkpoint_steps) == plain
        assert frozen_settings(setup, seed, "freeze_both").checkpoint_steps == ()


def test_runs_at_the_papers_size_are_recorded_by_the_settings_they_had() -> None:
    """Their records are found by these: 600 steps in every column, and checkpoints of the first seed alone."""
    for condition in FREEZE:
        for seed in range(2):
            spec = frozen_settings(PAPER, seed, condition)
            kept = tuple(range(0, 601, 20)) if (condition, seed) == ("joint", 0) else ()
            assert (spec.training.steps, spec.checkpoint_steps) == (600, kept)


@presets
def test_long_contexts_have_one_trigger_or_five(setup: InductionPreset) -> None:
    few, base = length_settings(setup, 0, "few"), length_settings(setup, 0, "base")
    assert (few.K, base.K, few.T, base.T) == (1, setup.K, 256, 256) and few.seed_key == base.seed_key
    assert few.task().triggers == base.task().triggers[:1]


@presets
def test_only_the_length_differs_where_it_is_compared(setup: InductionPreset) -> None:
    """Oracle: tokens counted by hand; at the paper's size both lengths are one."""
    long, short = realistic_settings(setup, 1), realistic_settings(setup, 1, short=True)
    assert (short.T, long.T) == (setup.short_T, setup.realistic.T)
    assert short.T * short.training.batch_size == long.T * long.training.batch_size
    alike = replace(long.training, steps=short.training.steps, batch_size=short.training.batch_size)
    assert replace(long, T=short.T, training=alike) == short


def test_the_paper_scale_is_the_papers() -> None:
    # Oracle: Birth section 5 and appendix E.
    for run in everything(PAPER):
        assert (run.T, run.training.batch_size, run.training.optimizer) == (256, 512, "sgd")
        assert (run.training.momentum, run.training.weight_decay) == (0.9, 1e-4)
    assert PAPER.frozen_steps == 300 and frozen_settings(PAPER, 0).training.lr == 0.2
    assert {trigger_settings(PAPER, 0, c).training.lr for c in TRIGGERS} == {1.0}
    assert output_settings(PAPER, 0, "bigram").K == 3 and output_settings(PAPER, 0, "bigram").training.lr == 1.0
    vanilla = vanilla_settings(PAPER, 0, "random")
    assert (vanilla.K, vanilla.model.d, vanilla.model.hidden, vanilla.training.lr) == (3, 128, 512, 0.2)


@presets
def test_triggers_are_the_ranks_the_paper_names(setup: InductionPreset) -> None:
    ranks = {c: trigger_settings(setup, 0, c).task() for c in TRIGGERS}
    order = ranks["base"].pi_u.argsort(descending=True).tolist()
    assert list(ranks["base"].triggers) == order[:5]
    assert list(ranks["few"].triggers) == order[:1]
    assert list(ranks["rare"].triggers) == order[5:10]
    assert ranks["random"].triggers is None


# One change of each setting, the runs' experiments that it changes, by the names of their functions without _settings.
CHANGES: dict[str, tuple[Any, set[str]]] = {
    "seeds": (6, set()),  # how many runs there are, not what they are
    "few_seeds": (2, set()),
    "T": (16, {"frozen", "joint", "hand"}),
    "short_T": (16, {"trigger", "output", "dimension", "vanilla"}),
    "K": (4, {"frozen", "joint", "trigger", "length", "dimension", "hand"}),
    "hand_d": (256, set()),  # the width of a model that is not trained
    "d": (96, {"frozen", "joint"}),
    "matrix_init": (None, {"frozen", "joint"}),
    "batch_size": (17, {"frozen", "joint"}),
    "lr": (0.07, {"frozen", "joint"}),
    "steps": (400, {"joint"}),
    "frozen_steps": (200, {"frozen"}),
    "released_steps": (700, {"frozen"}),
    "keep_joint": (None, set()),  # which runs keep checkpoints anyway
    "all_tokens": (None, {"trigger", "output"}),
    "length": (None, {"length"}),
    "dimension": (None, {"dimension"}),
    "vanilla": (None, {"vanilla", "realistic"}),
    "realistic": (None, {"realistic"}),
}


def keys(setup: InductionPreset) -> dict[str, str]:
    """The cache's key of a run of each experiment, as text; of what is written by hand, its task."""
    found: dict[str, Any] = {
        "frozen": frozen_settings(setup, 1, "freeze_W_O2").key(),
        "trigger": trigger_settings(setup, 0, "rare").key(),
        "joint": joint_settings(setup, 1).key(),
        "output": output_settings(setup, 0, "bigram").key(),
        "length": length_settings(setup, 0, "base").key(),
        "realistic": realistic_settings(setup, 0).key(),
        "dimension": dimension_settings(setup, 0, 64, 0.2).key(),
        "vanilla": vanilla_settings(setup, 0, "random").key(),
        "hand": hand_task(setup).fingerprint(),
    }
    return {name: json.dumps(key, sort_keys=True) for name, key in found.items()}


@presets
@pytest.mark.parametrize("name", [field.name for field in fields(InductionPreset)])
def test_a_changed_setting_changes_the_key_of_what_depends_on_it(setup: InductionPreset, name: str) -> None:
    value, changed = CHANGES[name]
    if name == "matrix_init":
        value = "uniform" if setup.matrix_init == "gaussian" else "gaussian"
    elif name == "all_tokens":
        value = replace(setup.all_tokens, d=96, trigger_lr=0.3)
    elif name == "length":
        value = replace(setup.length, T=16)
    elif name == "realistic":
        value = replace(setup.realistic, T=16)
    elif name == "keep_joint":
        value = not setup.keep_joint
    elif name == "dimension":
        value = replace(setup.dimension, steps=310)
    elif name == "vanilla":
        value = replace(setup.vanilla, d=96)
    before, after = keys(setup), keys(replace(setup, **{name: value}))
    assert {experiment for experiment in before if before[experiment] != after[experiment]} == changed


@pytest.mark.parametrize(
    ("part", "changes", "experiments"),
    [
        ("all_tokens", {"batch_size": 17}, {"trigger", "output"}),
        ("all_tokens", {"trigger_lr": 0.3}, {"trigger"}),
        ("all_tokens", {"trigger_steps": 210}, {"trigger"}),
        ("all_tokens", {"output_lr": 0.3}, {"output"}),
        ("all_tokens", {"output_steps": 450}, {"output"}),
        ("all_tokens", {"output_K": 2}, {"output"}),
        ("dimension", {"batch_size": 17}, {"dimension"}),
        ("dimension", {"wide_steps": 170}, set()),  # of d = 128 and 256
        ("dimension", {"bold_lr": 3.0}, set()),  # of the smallest d
        ("vanilla", {"K": 2}, {"vanilla", "realistic"}),
        ("vanilla", {"batch_size": 17}, {"vanilla"}),
        ("vanilla", {"lr": 0.3}, {"vanilla", "realistic"}),
        ("vanilla", {"weight_decay": 0.3}, {"vanilla", "realistic"}),
        ("vanilla", {"warmup": 7}, {"vanilla", "realistic"}),
        ("vanilla", {"clip_norm": 2.0}, {"vanilla", "realistic"}),
        ("vanilla", {"random_steps": 1990}, {"vanilla"}),
        ("vanilla", {"fixed_steps": 1990}, set()),
        ("length", {"steps": 310}, {"length"}),
        ("length", {"lr": 0.3}, {"length"}),
        ("length", {"batch_size": 17}, {"length"}),
        ("length", {"d": 96}, {"length"}),
        ("realistic", {"batch_size": 17}, {"realistic"}),
        ("realistic", {"steps": 810}, {"realistic"}),
    ],
)
@presets
def test_so_does_a_setting_of_a_part(
    setup: InductionPreset, part: str, changes: dict[str, Any], experiments: set[str]
) -> None:
    before, after = keys(setup), keys(replace(setup, **{part: replace(getattr(setup, part), **changes)}))
    assert {experiment for experiment in before if before[experiment] != after[experiment]} == experiments


@presets
def test_settings_that_only_some_runs_have_reach_those(setup: InductionPreset) -> None:
    longer = replace(
        setup,
        vanilla=replace(setup.vanilla, fixed_steps=77, heads_steps=78),
        dimension=replace(setup.dimension, wide_steps=79),
    )
    assert vanilla_settings(longer, 0, "frequent").training.steps == 77
    assert vanilla_settings(longer, 0, "random", n_heads=4).training.steps == 78
    for d in DIMENSIONS:
        assert dimension_settings(longer, 0, d, 0.2).training.steps == (setup.dimension.steps if d < 128 else 79)
        assert dimension_settings(longer, 0, d, 0.2, patient=True).training.steps == setup.dimension.patient_steps
