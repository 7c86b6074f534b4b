"""What follows from the preset: the runs' settings, and so the keys that results are kept under."""

from dataclasses import asdict, fields
from typing import Any

import pytest

from mechbook.core.presets import replace
from mechbook.facts import experiments
from mechbook.facts.presets import LAPTOP, PAPER, FactsPreset
from mechbook.facts.stack_training import StackSettings

FIGURE_5 = {"linear", "softmax", "narrow"}
BY_HAND = {"recall", "fewest", "head load"}
FIGURE_3 = {"capacity", "tradeoff"}
TASKS = FIGURE_5 | {"swapped"} | BY_HAND | FIGURE_3
TRAINING = StackSettings(steps=7, batch_size=11, rates=(0.1,))

# Each setting, another value, and the runs that follow from it.
CHANGES: list[tuple[str, Any, set[str]]] = [
    ("S", 24, FIGURE_5),
    ("R", 5, FIGURE_5),
    ("D", 4, TASKS),
    ("T", 16, TASKS),
    ("n_noise", 7, FIGURE_5 | {"swapped"}),
    ("init", 1e-3, FIGURE_5 | {"swapped"}),
    ("d", 64, {"softmax"}),
    ("d_narrow", 64, {"narrow"}),
    ("steps", 100, FIGURE_5),
    ("dynamics_seeds", 2, FIGURE_5),
    ("seeds", 2, BY_HAND | FIGURE_3 | {"swapped", "knowledge"}),
    ("linear", replace(LAPTOP.linear, lr=0.2), {"linear"}),
    ("linear", replace(LAPTOP.linear, batch_size=64), {"linear"}),
    ("softmax", replace(LAPTOP.softmax, lr=2.0), {"softmax", "narrow"}),
    *(("swapped", replace(LAPTOP.swapped, **{name: 24}), {"swapped"}) for name in ("S", "R", "steps", "test_size")),
    ("construction", replace(LAPTOP.construction, S=20), {"recall", "head load"}),
    *(("construction", replace(LAPTOP.construction, **{name: 20}), {"recall"}) for name in ("d_h", "H", "d_mlp", "m")),
    ("construction", replace(LAPTOP.construction, contexts=2), {"recall"}),
    ("construction", replace(LAPTOP.construction, sizes=(11, 16)), {"fewest"}),
    ("construction", replace(LAPTOP.construction, load_d=900), {"head load"}),
    ("construction", replace(LAPTOP.construction, load_tokens=(1, 2)), {"head load"}),
    ("capacity", replace(LAPTOP.capacity, points=((8, 1.0, 1.0), (16, 2.0, 1.0))), {"capacity"}),
    ("capacity", replace(LAPTOP.capacity, training=TRAINING), {"capacity"}),
    ("tradeoff", replace(LAPTOP.tradeoff, m=(0, 8)), {"tradeoff"}),
    ("tradeoff", replace(LAPTOP.tradeoff, training=TRAINING), {"tradeoff"}),
    ("knowledge", replace(LAPTOP.knowledge, lr=0.1), {"knowledge"}),
    ("knowledge", replace(LAPTOP.knowledge, people=(100,)), {"knowledge"}),
]


def runs(setup: FactsPreset) -> dict[str, Any]:
    """The settings of every run of the chapter; a run's key is its settings."""
    shape, people, exposures = setup.knowledge.shapes[0], setup.knowledge.people, setup.knowledge.exposures
    return {
        "linear": experiments.linear_settings(setup),
        "softmax": experiments.softmax_settings(setup, setup.d),
        "narrow": experiments.softmax_settings(setup, setup.d_narrow),
        "swapped": experiments.swapped_settings(setup),
        "recall": experiments.recall_settings(setup),
        "fewest": experiments.fewest_settings(setup),
        "head load": experiments.head_load_settings(setup),
        "capacity": experiments.capacity_settings(setup, setup.capacity.points[0]),
        "tradeoff": experiments.tradeoff_settings(setup),
        "knowledge": experiments.knowledge_settings(setup, shape, people[0], exposures[0]),
    }


def test_every_setting_is_among_the_changes() -> None:
    """Oracle: the fields of the preset."""
    assert {name for name, _, _ in CHANGES} == {field.name for field in fields(FactsPreset)}


@pytest.mark.parametrize(("name", "value", "expected"), CHANGES)
def test_a_changed_setting_changes_what_depends_on_it(name: str, value: Any, expected: set[str]) -> None:
    """Oracle: the table."""
    before, after = runs(LAPTOP), runs(replace(LAPTOP, **{name: value}))
    assert {run for run in before if before[run] != after[run]} == expected


def test_a_key_is_the_whole_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: `asdict`, and the book's seed."""
    keys: dict[str, Any] = {}

    def seen(key: Any, compute: Any, *, modules: tuple[str, ...]) -> Any:
        keys[name] = (key, modules)
        raise InterruptedError

    for module in {type(spec).__module__ for spec in runs(LAPTOP).values()}:
        monkeypatch.setattr(f"{module}.cached", seen)
    for name, spec in runs(LAPTOP).items():
        with pytest.raises(InterruptedError):
            spec.run()
        key, modules = keys[name]
        (word,) = key.keys() - {"seed"}
        assert key == {word: asdict(spec), "seed": 0} and modules == (type(spec).__module__,)


def test_both_scales_have_runs_of_their_own() -> None:
    """Oracle: the presets differ in these."""
    laptop, paper = runs(LAPTOP), runs(PAPER)
    assert {name for name in laptop if laptop[name] == paper[name]} == {"recall", "head load", "swapped"}
