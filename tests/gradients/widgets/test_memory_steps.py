"""Widget 2b in Chromium. Oracle: the same run without a widget."""

from collections.abc import Callable
from typing import Any

import pytest

from mechbook.gradients.widgets.memory_steps import memory_steps_widget
from tests.browser.checks_trainer import STEPS, exercise_steps, press, says, set_up, until

NAME = "widget-2b"


@pytest.fixture
def shown(alone: Callable[..., Any]) -> Any:
    page = alone(memory_steps_widget())
    page.emulate_media(reduced_motion="no-preference")
    return page.locator(f'section[data-widget="{NAME}"]')


def test_what_it_shows_is_the_runs_both_ways(shown: Any) -> None:
    assert exercise_steps(shown.page, NAME) == []


def test_each_way_has_a_step_size_of_its_own_and_the_other_curve_stays(shown: Any) -> None:
    until(shown, "d.step === '0'")
    press(shown, "One step")
    until(shown, "d.step === '1'")
    gradient = float(shown.get_attribute("data-stored"))
    set_up(shown, A_step_goes_along="polar")
    until(shown, "d.step === '0'")
    assert shown.get_by_label("Step size").get_attribute("aria-valuetext") == "1"
    for count in (1, 2):
        press(shown, "One step")
        until(shown, f"d.step === '{count}'")
    assert shown.locator(".mb-faint").count() == 2
    alone = shown.page.evaluate(STEPS, [2, {"way": "polar", "lr": 1}])["points"]
    assert float(shown.get_attribute("data-stored")) == alone[-1]["stored"] > gradient


def test_a_step_size_that_diverges_is_called_what_the_page_calls_it(shown: Any) -> None:
    """Oracle: the same run by itself diverges; the control's label."""
    until(shown, "d.step === '0'")
    set_up(shown, A_step_goes_along="polar", Dimension_d="0", Step_size="9", Speed="fast")
    until(shown, "d.step === '0'")
    press(shown, "Play")
    until(shown, "d.diverged === 'true'")
    says(shown, "With a step size of 100 training diverges: choose a smaller one and press Reset.")
    losses = [point["loss"] for point in shown.page.evaluate(STEPS, [2, {"d": 8, "way": "polar", "lr": 100}])["points"]]
    assert losses[-1] > 2 * losses[0]
