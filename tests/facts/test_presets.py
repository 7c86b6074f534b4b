"""The presets: the paper's numbers at the paper scale, and what cannot be run is refused."""

from typing import Any

import pytest

from mechbook.core.presets import replace
from mechbook.facts.presets import LAPTOP, PAPER, FactsPreset
from mechbook.facts.stack_training import StackSettings


def test_the_paper_scale_is_the_official_sweep() -> None:
    """Oracle: the numbers of the published code, written out."""
    parts, points = {0.25, 0.5, 1.0, 2.0, 4.0}, PAPER.capacity.points
    assert sorted({d for d, _, _ in points}) == [8, 11, 16, 23, 32, 45, 64, 91, 128, 181]
    assert {a for _, a, _ in points} == {b for _, _, b in points} == parts and len(set(points)) == 10 * 25
    how, grid = PAPER.capacity.training, PAPER.tradeoff
    assert (how.steps, how.batch_size, set(how.rates), how.test_size) == (16384, 1024, {1e-3, 3e-3, 1e-2}, 1024)
    assert grid.training == StackSettings(steps=16384, batch_size=1024, rates=(1e-2,))
    assert (grid.S, grid.d, grid.d_h, len(grid.H), len(grid.m)) == (32, 32, 8, 13, 13)
    assert (PAPER.S, PAPER.R, PAPER.D, PAPER.T, PAPER.n_noise, PAPER.steps) == (16, 4, 8, 32, 20, 8192)
    assert (PAPER.linear.lr, PAPER.linear.batch_size, PAPER.init) == (0.1, 1024, 1e-5)
    assert {100, 1000} <= set(PAPER.knowledge.exposures)
    assert set(LAPTOP.capacity.points) <= set(points)


def within(part: str, **changes: Any) -> FactsPreset:
    return replace(LAPTOP, **{part: replace(getattr(LAPTOP, part), **changes)})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        *(
            ({name: 0}, f"{name} is 0; it must be at least 1.")
            for name in ("S", "R", "seeds", "dynamics_seeds", "steps")
        ),
        ({"T": 3}, "T is 3; it must be at least 4: a subject, a relation, noise and EOS."),
        ({"D": 5}, "D is 5; it must be a divisor of S = 16 and of swapped.S = 8, so that answers balance."),
        ({"init": 0.0}, "init is 0.0; it must be above 0 and below 1."),
    ],
)
def test_what_cannot_be_run_is_refused(changes: dict[str, Any], words: str) -> None:
    """Oracle: the sentences."""
    with pytest.raises(ValueError) as refused:
        replace(LAPTOP, **changes)
    assert str(refused.value) == words


@pytest.mark.parametrize(
    ("part", "changes", "words"),
    [
        ("linear", {"lr": 0.0}, "lr is 0.0; it must be above 0."),
        ("softmax", {"batch_size": 0}, "batch_size is 0; it must be at least 1."),
        ("swapped", {"steps": 0}, "steps is 0; it must be at least 1."),
        (
            "swapped",
            {"S": 12},
            "D is 8; it must be a divisor of S = 16 and of swapped.S = 12, so that answers balance.",
        ),
        ("construction", {"d_h": 2000}, "d_h is 2000; it must be at most d = 1024."),
        ("construction", {"H": 1}, "H is 1; it must be between 2 and 2 S = 32."),
        (
            "construction",
            {"sizes": (16, 16)},
            "sizes is (16, 16); it must be two different sizes or more, all above 1.",
        ),
        ("construction", {"load_d_h": (2, 800)}, "load_d_h is (2, 800); it must be up to load_d = 768."),
        ("construction", {"load_tokens": (17,)}, "load_tokens is (17,); it must be up to S = 16."),
        (
            "capacity",
            {"points": ((16, 1.0, 1.0),)},
            "points is ((16, 1.0, 1.0),); it must be two models or more, for a slope.",
        ),
        ("tradeoff", {"H": (2, 1)}, "H is (2, 1); it must be numbers that rise, from 1 on."),
        ("tradeoff", {"m": (4, 8)}, "m is (4, 8); it must be 0 and then widths that rise."),
        ("knowledge", {"exposures": (9, 3)}, "exposures is (9, 3); it must be two numbers or more that rise."),
        ("knowledge", {"shapes": ()}, "shapes is (); it must be three shapes, which the claim compares."),
    ],
)
def test_a_part_that_cannot_be_run_is_refused(part: str, changes: dict[str, Any], words: str) -> None:
    """Oracle: the sentences."""
    with pytest.raises(ValueError) as refused:
        within(part, **changes)
    assert str(refused.value) == words


def test_an_unknown_setting_is_refused() -> None:
    """Oracle: the sentence names what is near."""
    with pytest.raises(TypeError, match="FactsPreset has no setting 'n_nois': .* did you mean 'n_noise'?"):
        replace(LAPTOP, n_nois=3)
