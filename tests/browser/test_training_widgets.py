"""All widgets that train, on a phone and beside a menu. Oracle: the screen, and where things lie on it, how large."""

from collections.abc import Callable
from typing import Any

import pytest

from mechbook.facts.experiments import linear_settings
from mechbook.facts.presets import LAPTOP as FACTS
from mechbook.facts.widgets.learning import fact_learning_widget
from mechbook.gradients.widgets.memory_steps import memory_steps_widget
from mechbook.induction.experiments import frozen_settings
from mechbook.induction.presets import LAPTOP
from mechbook.induction.widgets.trainer import birth_widget, trainer_widget
from mechbook.noisy.widgets.recall import recall_widget
from mechbook.widgets.base import BookWidget
from tests.browser import checks

WIDTH, HEIGHT = 390, 844
# The options that are wider than the box that shows them, whose arrow takes 20 pixels.
CUT = """(root) => [...root.querySelectorAll("select")].flatMap((box) => {
  const pen = document.createElement("canvas").getContext("2d"), style = getComputedStyle(box);
  pen.font = style.font;
  const room = box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 20;
  return [...box.options].map((one) => one.textContent).filter((words) => pen.measureText(words).width > room);
})"""
MADE: dict[str, Callable[[], BookWidget]] = {
    "widget-birth": birth_widget,
    "widget-2b": memory_steps_widget,
    "widget-3c": lambda: trainer_widget(frozen_settings(LAPTOP, 0)),
    "widget-4c": recall_widget,
    "widget-6c": lambda: fact_learning_widget(linear_settings(FACTS)),
}


@pytest.mark.parametrize("name", MADE)
def test_a_phone_shows_the_button_and_the_curves_on_one_screen(alone: Callable[..., Any], name: str) -> None:
    page = alone(MADE[name]())
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    shown = checks.widget(page, name)
    checks.settle(page)
    button = shown.locator("button.mb-main").bounding_box()
    curves = shown.locator("svg.mb-lines").first.bounding_box()
    assert button["y"] < curves["y"]
    assert curves["y"] + curves["height"] - button["y"] < HEIGHT - 60  # less what the site's bar covers
    assert checks.overflow(page) == 0
    page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize("width", [WIDTH, 660])
@pytest.mark.parametrize("name", MADE)
def test_no_choice_is_cut(alone: Callable[..., Any], name: str, width: int) -> None:
    page = alone(MADE[name]())
    page.set_viewport_size({"width": width, "height": HEIGHT})
    assert checks.widget(page, name).evaluate(CUT) == []
    page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize("name", [name for name in MADE if name != "widget-birth"])
@pytest.mark.parametrize("width", [WIDTH, 1280])
def test_what_a_link_says_in_vain_is_told_where_the_link_leads(alone: Callable[..., Any], name: str, width: int) -> None:
    page = alone(MADE[name]())
    page.set_viewport_size({"width": width, "height": HEIGHT})
    shown = checks.widget(page, name)
    assert "seed cannot be “77”" in checks.follow(page, name, "seed=77")
    notice, button = shown.locator(".mb-notice").bounding_box(), shown.locator("button.mb-main").bounding_box()
    assert 0 <= notice["y"] and notice["y"] + notice["height"] <= button["y"] < HEIGHT / 3
    page.set_viewport_size({"width": 1280, "height": 900})
