"""Presets of a small dataclass: what is taken, and what is refused in a sentence."""

from dataclasses import dataclass

import pytest

from mechbook.core.presets import amounts, at_scale, changed, counts, grids, replace, require


@dataclass(frozen=True, kw_only=True)
class Preset:
    alpha: float
    steps: int = 10
    sizes: tuple[int, ...] = (1, 2)

    def __post_init__(self) -> None:
        require(
            self,
            ("alpha", 0 <= self.alpha <= 1, "between 0 and 1"),
            ("steps", self.steps >= 1, "1 or more"),
        )


LAPTOP, PAPER = Preset(alpha=0.5), Preset(alpha=0.5, steps=2000)


def test_the_scale_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert at_scale(LAPTOP, PAPER) is LAPTOP
    monkeypatch.setenv("MECHBOOK_SCALE", "paper")
    assert at_scale(LAPTOP, PAPER) is PAPER
    monkeypatch.setenv("MECHBOOK_SCALE", "papper")
    with pytest.raises(ValueError, match=r"^MECHBOOK_SCALE is 'papper'; it must be 'laptop' or 'paper'\.$"):
        at_scale(LAPTOP, PAPER)


def test_a_setting_is_replaced_and_the_rest_stays() -> None:
    assert replace(LAPTOP, steps=3) == Preset(alpha=0.5, steps=3)
    assert replace(LAPTOP) == LAPTOP


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alhpa": 0.3}, "Preset has no setting 'alhpa': it has alpha, steps, sizes; did you mean 'alpha'?"),
        ({"T": 3}, "Preset has no setting 'T': it has alpha, steps, sizes."),
    ],
)
def test_an_unknown_setting_is_refused_with_those_there_are(change: dict, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        replace(LAPTOP, **change)
    words = str(caught.value)
    assert words.replace("\n", "") == message


def test_an_impossible_value_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^alpha is 1\.5; it must be between 0 and 1\.$"):
        replace(LAPTOP, alpha=1.5)
    with pytest.raises(ValueError, match=r"^steps is 0; it must be 1 or more\.$"):
        Preset(alpha=0.5, steps=0)


def test_what_was_changed_is_told() -> None:
    assert changed(LAPTOP, LAPTOP) == []
    assert changed(replace(LAPTOP, alpha=0.3, sizes=(1,)), LAPTOP) == [
        "alpha = 0.3 (preset: 0.5)",
        "sizes = (1,) (preset: (1, 2))",
    ]


@dataclass(frozen=True, kw_only=True)
class Kinds:
    n: int = 2
    k: int = 1
    lr: float = 0.1
    sizes: tuple[int, ...] = (4, 8)

    def __post_init__(self) -> None:
        require(self, *counts(self, n=2, k=1), *amounts(self, "lr"), *grids(self, count=2, sizes=4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 1}, "n is 1; it must be a whole number >= 2."),
        ({"n": 2.0}, "n is 2.0; it must be a whole number >= 2."),
        ({"k": True}, "k is True; it must be a whole number >= 1."),
        ({"lr": 0.0}, "lr is 0.0; it must be a finite number > 0."),
        ({"lr": float("inf")}, "lr is inf; it must be a finite number > 0."),
        ({"lr": float("nan")}, "lr is nan; it must be a finite number > 0."),
        ({"sizes": (4,)}, "sizes is (4,); it must be a tuple of 2 or more rising whole numbers >= 4."),
        ({"sizes": (3, 8)}, "sizes is (3, 8); it must be a tuple of 2 or more rising whole numbers >= 4."),
        ({"sizes": (8, 4)}, "sizes is (8, 4); it must be a tuple of 2 or more rising whole numbers >= 4."),
        ({"sizes": (4, 4)}, "sizes is (4, 4); it must be a tuple of 2 or more rising whole numbers >= 4."),
        ({"sizes": (4, 8.5)}, "sizes is (4, 8.5); it must be a tuple of 2 or more rising whole numbers >= 4."),
        ({"sizes": [4, 8]}, "sizes is [4, 8]; it must be a tuple of 2 or more rising whole numbers >= 4."),
    ],
)
def test_rules_that_many_presets_share(change: dict, message: str) -> None:
    assert Kinds().sizes == (4, 8)
    with pytest.raises(ValueError) as caught:
        Kinds(**change)
    assert str(caught.value) == message
