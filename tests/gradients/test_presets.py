"""The settings of chapter 2: what each decides, and what is refused."""

from dataclasses import fields, is_dataclass

import pytest

from mechbook.core.presets import replace
from mechbook.gradients import real_sequences, single_memory
from mechbook.gradients.backward import backward_identity
from mechbook.gradients.deep_linear import course
from mechbook.gradients.identities import identities
from mechbook.gradients.presets import LAPTOP, PAPER
from mechbook.gradients.three_steps.factors import (
    W_K1_factor,
    counted_ratio,
    counted_ratio_of_more,
    step_two_gap,
)
from mechbook.gradients.three_steps.order import orders
from mechbook.gradients.three_steps.runs import full_model_accuracy, three_step_settings
from mechbook.gradients.timing import key

# For each setting: the same with something changed.
OTHER = {
    "seeds": 7,
    "fewer_seeds": 4,
    "sweep_seeds": 2,
    "N": 32,
    "T": 32,
    "d": 512,
    "dimensions": (128, 1024),
    "sequences": 1_000,
    "logit": 0.2,
    "gap_W_K2": 20.0,
    "gap_W_K1": 50.0,
    "test_sequences": 500,
}


def keys(setup):
    """The keys of all that chapter 2 keeps, in the order of the chapter."""
    seeds, fewer, few = (list(range(n)) for n in (setup.seeds, setup.fewer_seeds, setup.sweep_seeds))
    runs = [three_step_settings(setup, seed) for seed in seeds]
    runs += [three_step_settings(setup, seed, d=d) for d in setup.dimensions for seed in few]
    how = {"d": setup.variants.d, "second_layer": "softmax"}
    runs += [three_step_settings(setup, seed, gap_W_K2=gap, **how) for gap in setup.variants.gaps for seed in few]
    return [
        key(identities, setup.identities, fewer),
        key(single_memory.span_residuals, setup.span, fewer),
        key(single_memory.one_steps, setup.one_step, seeds),
        *(key(single_memory.optimum, setup.optimum, few, d) for d in setup.optimum.dimensions),
        key(single_memory.ignores_position, setup.ignored, seeds),
        *(key(W_K1_factor, setup.factor, fewer, N) for N in setup.factor.vocabularies),
        key(counted_ratio, setup, seeds),
        key(counted_ratio_of_more, setup, seeds),
        *(key(step_two_gap, setup, fewer, N) for N in setup.gap.vocabularies),
        *(key(orders, setup, few, start) for start in ("random", "zero")),
        key(backward_identity, setup.identities, fewer),
        key(full_model_accuracy, setup, few),
        *(key(real_sequences.recall_grid, setup.grid, seeds, kind) for kind in ("shakespeare", "random")),
        key(course, setup.deep, fewer),
        *(run.key() for run in runs),
    ]


def changes():
    """Every setting of the preset, those of its groups each alone, with another value."""
    for field in fields(LAPTOP):
        group = getattr(LAPTOP, field.name)
        if not is_dataclass(group):
            yield field.name, replace(LAPTOP, **{field.name: OTHER[field.name]})
            continue
        for inner in fields(group):
            old = getattr(group, inner.name)
            new = old[1:] if isinstance(old, tuple) else old * 2
            if (field.name, inner.name) == ("variants", "d"):
                new = 512
            yield f"{field.name}.{inner.name}", replace(LAPTOP, **{field.name: replace(group, **{inner.name: new})})


@pytest.mark.parametrize(("name", "setup"), list(changes()))
def test_a_changed_setting_is_kept_under_keys_of_its_own(name, setup):
    """Oracle: keys are the settings: one that changes leaves the others' keys as they are, and never shares its own."""
    ours, theirs = keys(setup), keys(LAPTOP)
    assert ours != theirs, name
    group = name.partition(".")[0]
    if group not in ("seeds", "fewer_seeds", "sweep_seeds"):
        assert [one for one in ours if one in theirs], name


@pytest.mark.parametrize("name", ["N", "T", "sequences", "logit", "gap_W_K1", "test_sequences"])
def test_the_sizes_of_the_three_steps_reach_every_run_of_them(name):
    """Oracle: no run has the key of one without the change."""
    ours, theirs = (keys(setup) for setup in (replace(LAPTOP, **{name: OTHER[name]}), LAPTOP))
    assert not [one for one in ours if "three steps" in one and one in theirs]


def test_the_scales_name_the_same_settings_in_one_order():
    """Oracle: what differs between the two."""
    differing = [field.name for field in fields(LAPTOP) if getattr(LAPTOP, field.name) != getattr(PAPER, field.name)]
    assert differing == ["N", "T", "d", "one_step", "ignored"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 1}, "seeds is 1; it must be a whole number >= 2, as the spread"),
        ({"fewer_seeds": 0}, "fewer_seeds is 0"),
        ({"sweep_seeds": True}, "sweep_seeds is True"),
        ({"N": 2}, "N is 2; it must be a whole number >= 3"),
        ({"T": 8}, "T is 8; it must be a whole number >= 9"),
        ({"d": 0}, "d is 0"),
        ({"dimensions": (1024, 128)}, r"dimensions is \(1024, 128\); it must be a tuple of rising"),
        ({"dimensions": (128, 256)}, r"variants is .* of a dimension of the sweep, \(128, 256\)"),
        ({"sequences": 0}, "sequences is 0"),
        ({"logit": 0.0}, "logit is 0.0; it must be a finite number > 0"),
        ({"gap_W_K2": float("inf")}, "gap_W_K2 is inf"),
    ],
)
def test_impossible_settings_are_refused(change, message):
    """Oracle: the sentences."""
    with pytest.raises(ValueError, match=message):
        replace(LAPTOP, **change)


@pytest.mark.parametrize(
    ("group", "change", "message"),
    [
        ("identities", {"B": 1}, "B is 1; it must be a whole number >= 2"),
        ("span", {"d": 31}, "d is 31; it must be above n = 31"),
        ("span", {"weight_decay": 0.0}, "weight_decay is 0.0"),
        ("one_step", {"dimensions": ()}, r"dimensions is \(\)"),
        ("optimum", {"steps": (10, 10)}, r"steps is \(10, 10\); it must be a tuple of rising"),
        ("ignored", {"T": 0}, "T is 0; it must be a whole number >= 1"),
        ("factor", {"sequences": 2_001}, "sequences is 2001; it must be a multiple of 2000"),
        ("gap", {"sequences": 5}, "sequences is 5; it must be a multiple of 10000"),
        ("order", {"gap": 0.0}, "gap is 0.0; it must be a finite number > 0"),
        ("variants", {"gaps": (0.0,)}, r"gaps is \(0.0,\); it must be a tuple of finite numbers > 0"),
        ("grid", {"rival_sequences": 100}, "rival_sequences is 100; it must be a multiple of 2048"),
        ("deep", {"modes": 33}, "d is 32; it must be at least modes = 33"),
    ],
)
def test_impossible_groups_are_refused(group, change, message):
    """Oracle: the sentences."""
    with pytest.raises(ValueError, match=message):
        replace(getattr(LAPTOP, group), **change)


def test_a_setting_that_there_is_not_is_refused_with_a_hint():
    """Oracle: the sentence."""
    with pytest.raises(TypeError, match="has no setting 'seed'.*did you mean 'seeds'"):
        replace(LAPTOP, seed=3)
