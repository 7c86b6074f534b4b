"""Figure 3 at two sizes, on curves made up here. Oracle: numbers read off them by eye."""

import pytest

from mechbook.core.presets import replace
from mechbook.core.training.loop import TrainingResult
from mechbook.induction import two_sizes
from mechbook.induction.experiments import FREEZE
from mechbook.induction.presets import LAPTOP, PAPER

SETUP = replace(LAPTOP, T=64, frozen_steps=20)
SIZE = replace(PAPER, T=256, frozen_steps=20)


def run(**ends: float) -> TrainingResult:
    """Curves that are 0 until step 20 and from then on what is given."""
    names = (*two_sizes.JOINT, "W_K1_late")
    values = {name: [0.0, 0.0, 0.0, ends.get(name, 1.0), ends.get(name, 1.0)] for name in names}
    return TrainingResult(steps=[0, 10, 20, 30, 40], values=values, checkpoints={}, final={}, seconds=0.0)


HERE = {condition: [run(), run()] for condition in FREEZE}


def test_a_bar_that_is_not_reached_is_a_bound() -> None:
    high, low = run(), run(W_K1=0.5)
    assert two_sizes.reached([high, high], "W_K1", 0.6) == "30"
    assert two_sizes.reached([low, low], "W_K1", 0.6) == "> 40"
    # one past the last step stands for the seed that never gets there
    assert two_sizes.reached([high, low], "W_K1", 0.6) == "≥ 36; not within 40 in 1 of 2 seeds"


def test_only_what_is_recorded_has_a_row() -> None:
    assert two_sizes.rows(HERE, {}, SETUP, SIZE) == [] and two_sizes.why(HERE, {}, SETUP, SIZE) == ""
    assert two_sizes.rows(HERE, {"joint": []}, SETUP, SIZE) == []
    there = {"joint": [run(W_K1=0.3, W_K1_late=0.125, W_K1_early=0.875)]}
    rows = {label: cells for label, *cells in two_sizes.rows(HERE, there, SETUP, SIZE)}
    assert len(rows) == len(two_sizes.JOINT) + 2
    assert rows["steps to $W_K^1$, keys seen, at 0.6"] == ["30", "> 40"]
    assert rows["$W_K^1$, keys seen, on its last three quarters, end"] == ["1.00", "0.12"]
    more = {**there, "freeze_W_O2": [run(accuracy=0.5)]}
    added = two_sizes.rows(HERE, more, SETUP, SIZE)[len(rows) :]
    assert added == [
        ["$W_O^2$ frozen: accuracy before the release", "0.00", "0.00"],
        ["$W_O^2$ frozen: steps to accuracy 0.8", "30", "> 40"],
    ]


def test_the_release_is_that_of_each_size() -> None:
    curves = run()
    curves.values["accuracy"] = [0.0, 0.25, 0.5, 0.75, 1.0]
    assert [two_sizes.before([curves], replace(SIZE, frozen_steps=at)) for at in (10, 20, 30)] == [0.25, 0.5, 0.75]


@pytest.mark.parametrize(("all_there", "late", "said"), [(0.3, 0.125, True), (1.0, 0.125, False), (0.3, 0.9, False)])
def test_a_sentence_appears_only_where_it_is_so(all_there: float, late: float, said: bool) -> None:
    there = {"joint": [run(W_K1=all_there, W_K1_late=late, W_K1_early=0.875, accuracy=0.5)]}
    words = two_sizes.why(HERE, there, SETUP, SIZE)
    assert ("On its first 64 positions the paper's ends at 0.88, on the other 192 at 0.12." in words) is said
    assert "After the release" not in words
    sizes = replace(SETUP, released_steps=70), replace(SIZE, released_steps=700)
    frozen = two_sizes.why(HERE, {**there, "freeze_both": [run()]}, *sizes)
    assert "the paper's frozen runs go on for 680 steps and this build's for 50" in frozen
    assert "512 sequences of $T = 256$" in words and "Accuracy ends at 0.50 there and at 1.00 here." in words


def test_every_column_of_the_figure_has_a_name() -> None:
    assert set(two_sizes.COLUMNS) | {"joint"} == set(FREEZE)
