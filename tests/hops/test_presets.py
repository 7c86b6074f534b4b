"""Chapter 7's presets. Oracles: the numbers they had before they had names; the keys under which runs are kept."""

import dataclasses
from typing import Any

import pytest

from mechbook.core.presets import replace
from mechbook.hops import experiments as hops
from mechbook.hops.presets import LAPTOP, PAPER, HopsPreset
from mechbook.hops.values import DEPTHS, DIRECT_HOPS, EASY_HOPS

# Another value of each setting, and the experiments whose key it changes.
COMPOSITION = {"mixture", "curriculum", "current", "direct", "shallow"}
ALL = {*COMPOSITION, "scaling", "heads"}
CHANGES: dict[str, tuple[Any, set[str]]] = {
    "n": (4, COMPOSITION),
    "k": (6, {"mixture", "curriculum", "current", "direct", "shallow"}),
    "d": (32, ALL),
    "n_heads": (4, ALL - {"heads"}),
    "seeds": (4, {"mixture", "curriculum", "shallow"}),
    "few_seeds": (2, {"current", "direct", "scaling", "heads"}),
    "steps": (1000, {"mixture", "curriculum", "current"}),
    "batch_size": (8, COMPOSITION),
    "lr": (1e-3, COMPOSITION),
    "advance_at": (0.9, ALL - {"heads"}),
    "record_every": (50, ALL - {"heads"}),
    "direct_factor": (7, {"direct"}),
    "shallow_factor": (2, {"shallow"}),
    "scaling": (replace(LAPTOP.scaling, n=2), {"scaling"}),
    "heads": (replace(LAPTOP.heads, T=16), {"heads"}),
}


def keys(setup: HopsPreset) -> dict[str, Any]:
    """The settings of every run, which are the keys that runs are kept under."""
    runs = {
        "mixture": [hops.mixture_settings(setup)],
        "curriculum": [hops.curriculum_settings(setup)],
        "current": [hops.current_settings(setup)],
        "direct": [hops.direct_settings(setup, 500.0)],
        "shallow": [hops.shallow_settings(setup, 500.0)],
        "scaling": [
            *(hops.scaling_settings(setup, "direct", k) for k in DIRECT_HOPS),
            *(hops.scaling_settings(setup, regime, k) for regime in ("mixture", "curriculum") for k in EASY_HOPS),
        ],
        "heads": [hops.head_settings(setup, L) for L in DEPTHS],
    }
    return {name: [dataclasses.asdict(spec) for spec in specs] for name, specs in runs.items()}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(HopsPreset)])
def test_a_changed_setting_changes_the_keys_of_what_depends_on_it(name: str) -> None:
    value, changed = CHANGES[name]
    before, after = keys(LAPTOP), keys(replace(LAPTOP, **{name: value}))
    assert {experiment for experiment in before if before[experiment] != after[experiment]} == changed


@pytest.mark.parametrize(("part", "experiment"), [("scaling", "scaling"), ("heads", "heads")])
def test_so_does_every_setting_of_a_part(part: str, experiment: str) -> None:
    preset = getattr(LAPTOP, part)
    for field in dataclasses.fields(preset):
        value = getattr(preset, field.name)
        other = replace(preset, **{field.name: value / 2 if isinstance(value, float) else value * 2})
        assert keys(LAPTOP)[experiment] != keys(replace(LAPTOP, **{part: other}))[experiment], field.name


def test_the_scales_have_the_numbers_they_had() -> None:
    """Oracle: the settings of the runs in the book's first edition, written out."""
    for setup, batch, longest, T, heads in (
        (LAPTOP, 32, 2000, 32, 800),
        (PAPER, 128, 20_000, 100, 20_000),
    ):
        training = dict(beta2=0.98, warmup=100, clip_norm=1.0, advance_at=0.98, record_every=25, stop_at=0.995)
        common = dict(regime="mixture", steps=2000, batch_size=batch, lr=4e-3, **training)
        model = dict(n_layers=3, n_heads=8, d=64)
        assert keys(setup)["mixture"] == [dict(n=5, k=4, training=common, seeds=(0, 1, 2, 3, 4), **model)]
        changed = {**common, "steps": longest, "batch_size": batch // 2, "lr": 3e-3}
        eight = dict(n=3, k=8, training=changed, seeds=(0, 1, 2), **{**model, "n_layers": 4})
        assert eight in keys(setup)["scaling"]
        changed = {**common, "steps": heads, "batch_size": 32, "lr": 3e-3, "record_every": 50, "stop_at": None}
        model = dict(n_layers=2, n_heads=4, d=64)
        expected = dict(letters=4, T=T, hops=(1, 2, 4, 8), training=changed, seeds=(0, 1, 2), **model)
        assert keys(setup)["heads"][0] == expected


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n": 11}, "n is 11; it must be 2 to 10, because values are written as digits."),
        ({"k": 3}, "k is 3; it must be 4 or more, because the claims are about 1 to 4 hops."),
        ({"n_heads": 7}, "n_heads is 7; it must be a divisor of d = 64."),
        ({"d": 0}, "d is 0; it must be 1 or more."),
        ({"d": 8, "heads": replace(LAPTOP.heads, n_heads=3)}, "n_heads is 3; it must be a divisor of d = 8."),
        ({"few_seeds": 1}, "few_seeds is 1; it must be 2 or more"),
        ({"seeds": 2}, "seeds is 2; it must be few_seeds = 3 or more."),
        ({"advance_at": 1.0}, "advance_at is 1.0; it must be between 0 and 1."),
        ({"record_every": 0}, "record_every is 0; it must be 1 or more."),
        ({"steps": 2010}, "steps is 2010; it must be a multiple of record_every = 25."),
        ({"direct_factor": 0}, "direct_factor is 0; it must be 1 or more."),
        ({"shallow_factor": 0}, "shallow_factor is 0; it must be 1 or more."),
        ({"batch_size": 0}, "batch_size is 0; it must be 1 or more."),
        ({"lr": 0.0}, "lr is 0.0; it must be positive."),
        (
            {"scaling": replace(LAPTOP.scaling, steps=2010)},
            "steps is 2010; it must be a multiple of record_every = 25.",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(LAPTOP, **changes)


@pytest.mark.parametrize(
    ("part", "changes", "words"),
    [
        ("scaling", {"n": 1}, "n is 1; it must be 2 or more."),
        ("scaling", {"lr": -1.0}, "lr is -1.0; it must be positive."),
        ("heads", {"letters": 1}, "letters is 1; it must be 2 or more."),
        ("heads", {"T": 0}, "T is 0; it must be 1 or more."),
        ("heads", {"n_heads": 0}, "n_heads is 0; it must be 1 or more."),
        ("heads", {"steps": 825}, "steps is 825; it must be a multiple of record_every = 50."),
    ],
)
def test_a_part_refuses_too(part: str, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(getattr(LAPTOP, part), **changes)


def test_a_setting_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        TypeError, match="HopsPreset has no setting 'few_seed': it has n, k, d, .*did you mean 'few_seeds'"
    ):
        replace(LAPTOP, few_seed=2)
