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
from tests.browser.checks_trainer import press, set_up, until

WIDTH, HEIGHT = 390, 844
# Where the landing page's trainer begins on a phone, below the page's head and first sentences.
BELOW = 410
# Where the curves lie at every repaint from now on.
WATCH = """(root) => {
  const tops = globalThis.tops = new Set(), curves = root.querySelector("svg.mb-lines");
  const look = () => {
    tops.add(Math.round(curves.getBoundingClientRect().top + scrollY));
    if (globalThis.tops === tops) requestAnimationFrame(look);
  };
  look();
}"""
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


@pytest.mark.parametrize("height", [HEIGHT, 664])
def test_whoever_presses_the_landing_pages_button_sees_the_curves(alone: Callable[..., Any], height: int) -> None:
    """On a phone's screen, and on as much of it as a browser's bars leave."""
    page = alone(MADE["widget-birth"]())
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.evaluate(f"document.querySelector('main').style.marginTop = '{BELOW}px'; scrollTo(0, 0)")
    shown = checks.widget(page, "widget-birth")
    press(shown, "Train it now")
    until(shown, "Number(d.step) > 0")
    button, curves = (shown.locator(one).first.bounding_box() for one in ("button.mb-main", "svg.mb-lines"))
    assert 0 <= button["y"] < curves["y"] and curves["y"] + curves["height"] <= height
    # nothing has to move where there is room
    assert (page.evaluate("scrollY") > 0) == (height < HEIGHT)
    page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize("name", [name for name in MADE if name != "widget-birth"])
@pytest.mark.parametrize("width", [360, WIDTH])
def test_no_sentence_pushes_the_curves(alone: Callable[..., Any], name: str, width: int) -> None:
    """From the first step to the last one, with what the switch of 4c says, and where training diverges."""
    page = alone(MADE[name]())
    page.evaluate("sessionStorage.clear()")
    page.emulate_media(reduced_motion="no-preference")
    page.set_viewport_size({"width": width, "height": HEIGHT})
    shown = checks.widget(page, name)
    until(shown, "d.step === '0'")
    shown.evaluate(WATCH)
    if name in ("widget-3c", "widget-4c"):
        set_up(shown, Speed="fast")
    press(shown, "One step")
    press(shown, "Play")
    if name == "widget-4c":
        until(shown, "Number(d.step) > 700")
        shown.get_by_label("drop F_2").check()
        until(shown, "d.dropped === 'true'")
    until(shown, "d.done === 'true'")
    if name in ("widget-3c", "widget-4c"):
        set_up(shown, Learning_rate="9" if name == "widget-3c" else "6")
        press(shown, "Reset")
        press(shown, "Play")
        until(shown, "d.diverged === 'true' || d.done === 'true'")
    assert page.evaluate("globalThis.tops.size") == 1
    page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize("width", [WIDTH, 660])
@pytest.mark.parametrize("name", MADE)
def test_no_choice_is_cut(alone: Callable[..., Any], name: str, width: int) -> None:
    page = alone(MADE[name]())
    page.set_viewport_size({"width": width, "height": HEIGHT})
    assert checks.cut_choices(checks.widget(page, name)) == []
    page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize("name", [name for name in MADE if name != "widget-birth"])
@pytest.mark.parametrize("width", [WIDTH, 1280])
def test_what_a_link_says_in_vain_is_told_under_the_title(alone: Callable[..., Any], name: str, width: int) -> None:
    page = alone(MADE[name]())
    page.set_viewport_size({"width": width, "height": HEIGHT})
    shown = checks.widget(page, name)
    assert "seed cannot be “77”" in checks.follow(page, name, "seed=77")
    notice, button = shown.locator(".mb-notice").bounding_box(), shown.locator("button.mb-main").bounding_box()
    assert 0 <= notice["y"] and notice["y"] + notice["height"] <= button["y"] < HEIGHT / 3
    page.set_viewport_size({"width": 1280, "height": 900})
