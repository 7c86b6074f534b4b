"""Widget 5c in a page of its own. Oracle: the dynamics that it is made from."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from mechbook.laser.dynamics import Choice, DynamicsResult, Means
from mechbook.laser.widgets import laser_time
from mechbook.widgets.base import BookWidget
from tests.browser import checks, checks_laser_time

STEPS = (0, 1, 8, 64)


def dynamics(seed: int, *, S: bool, rho: float = 0.1) -> DynamicsResult:
    p = torch.rand(2, len(STEPS), 3, generator=torch.Generator().manual_seed(seed)) / 3 + 0.01
    full, cut = ([Means(the=a, answer=b, S=c if S else 0.0) for a, b, c in part] for part in p.tolist())
    return DynamicsResult(steps=STEPS, choice=Choice(matrix="mlp", layer=3, rho=rho), full=full, truncated=cut)


ALONG = {
    "ioi": [dynamics(seed, S=True) for seed in (1, 2, 3)],
    "facts": [dynamics(seed, S=False, rho=seed / 10) for seed in (4, 5, 6)],
}


@pytest.fixture
def page(alone: Callable[[BookWidget], Any]) -> Any:
    return alone(laser_time.laser_time_widget(ALONG))


def test_what_is_shipped_is_the_mean_over_seeds() -> None:
    """Oracle: a loop; the three presets; words for one truncation, or for several."""
    table = laser_time.shipped(ALONG["ioi"])
    for which, part in enumerate(("full", "truncated")):
        for at in range(len(STEPS)):
            for place, key in enumerate(("the", "answer", "S")):
                mean = sum(getattr(getattr(d, part)[at], key) for d in ALONG["ioi"]) / 3
                assert float(table[which, at, place]) == pytest.approx(mean, abs=1e-6)
    settings = laser_time.laser_time_widget(ALONG).settings
    assert settings["kinds"] == ["ioi", "facts"]
    assert settings["presets"][0][0] == 0 and settings["presets"][2][0] == 64
    assert settings["tasks"]["ioi"]["cut"] == "mlp of layer 4, ρ = 0.1"
    assert settings["tasks"]["facts"]["cut"] == "chosen for each of 3 seeds"


def test_every_control_moves_what_the_dynamics_give(page: Any) -> None:
    """Oracle: the mean over seeds at every checkpoint, for both tasks."""
    assert checks_laser_time.exercise_laser_time(page, "widget-5c", ALONG) == []


@pytest.mark.parametrize(
    ("fragment", "words", "state"),
    [
        ("task=facts&step=8", "", {"task": "facts", "step": "8"}),
        ("step=7", "step cannot be", {"task": "ioi"}),
        ("task=__proto__", "task cannot be", {"task": "ioi"}),
    ],
)
def test_an_address_sets_what_it_may(page: Any, fragment: str, words: str, state: dict[str, str]) -> None:
    """Oracle: the allowed values; what is not allowed is named and changes nothing."""
    said = checks.follow(page, "widget-5c", fragment)
    shown = checks.widget(page, "widget-5c")
    for key, value in state.items():
        assert shown.get_attribute(f"data-{key}") == value
    assert words in said and bool(said) == bool(words)
    assert checks_laser_time.wrong_means(page, "widget-5c", ALONG) == []


def test_the_sentence_has_the_gain(page: Any) -> None:
    """Oracle: the ratios by hand, as the sentence rounds them."""
    shown = checks.widget(page, "widget-5c")
    shown.get_by_label("Training step").fill("3")
    checks.settle(page)
    the, answer = ([sum(getattr(getattr(d, part)[3], key) for d in ALONG["ioi"]) for part in ("full", "truncated")]
                   for key in ("the", "answer"))  # fmt: skip
    gain = answer[1] / the[1] / (answer[0] / the[0])
    assert f"{gain:.2f} times that" in shown.locator(".mb-says").text_content()
