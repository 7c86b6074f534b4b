"""Widget 3c in Chromium, what its reader does next: another freeze or setting, a reload. Oracle: what was done."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from mechbook.induction.widgets.trainer import birth_widget, trainer_widget
from tests.browser import checks
from tests.browser.browser import library_page
from tests.browser.checks_trainer import play_to_the_end, press, says, seen, set_up, until
from tests.induction.widgets.test_trainer import SPEC, ready


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    with library_page(browser) as found:
        yield found


def test_ticks_after_a_run_are_about_the_next_and_both_are_drawn(page: Any) -> None:
    shown = ready(page)
    play_to_the_end(shown)
    says(shown, "Trained for 900 steps: accuracy")
    shown.get_by_label("W_O2", exact=True).check()
    page.wait_for_timeout(300)
    says(shown, "Trained for 900 steps: accuracy")
    press(shown, "Play again")
    until(shown, "d.done === 'true' && Number(d.accuracy) < 0.6")
    page.wait_for_function("document.querySelectorAll('.mb-faint').length === 4")
    says(shown, "Trained for 900 steps with W_O2 frozen")
    shown.get_by_label("W_O2", exact=True).uncheck()
    page.wait_for_timeout(300)
    assert "Untick and play again" in says(shown, "Trained for 900 steps with W_O2 frozen")


def test_a_setting_moved_while_it_plays_goes_on_playing(page: Any) -> None:
    shown = ready(page)
    set_up(shown, Speed="watch")
    press(shown, "Play")
    until(shown, "Number(d.step) > 5")
    set_up(shown, Triggers="fixed")
    # one that had stopped would stand at 0
    page.wait_for_timeout(700)
    until(shown, "d.playing === 'true' && Number(d.step) > 0")
    press(shown, "Pause")
    set_up(shown, Triggers="random")
    until(shown, "d.playing === 'false' && d.step === '0'")


def test_a_link_in_the_address_does_not_cost_the_run(page: Any) -> None:
    shown = ready(page)
    set_up(shown, Seed="1")
    press(shown, "Link to this view")
    for count in (1, 2):
        press(shown, "One step")
        until(shown, f"d.step === '{count}'")
    before, address = seen(shown), page.evaluate("location.href")
    assert "#widget-3c?" in address
    page.goto("about:blank")
    page.goto(address)
    shown = checks.render(page, trainer_widget(SPEC))
    until(shown, "d.step === '2'")
    assert seen(shown) == before
    # another link in the same tab is followed, and the run is not
    page.goto("about:blank")
    page.goto(address.replace("seed=1", "seed=2"))
    shown = checks.render(page, trainer_widget(SPEC))
    until(shown, "d.step === '0'")
    assert shown.get_by_label("Seed").get_attribute("aria-valuetext") == "2"


CHANGED = """([steps, at, change]) => {
  const { code, runOf } = mechbook.training, uniform = Array(16).fill(1 / 16);
  const run = runOf(code(), {
    N: 16, T: 32, d: 64, B: 32, K: 2, pi_u: uniform, pi_b: Array(16).fill(uniform), triggers: null, optimizer: "sgd",
    lr: 0.01, momentum: 0.9, decay: 1e-4, seed: 0, frozen: [], every: 10, steps: 900,
  });
  for (let i = 0; i < steps; i++) {
    if (i === at) run.change(change);
    run.advance();
  }
  return run.points.at(-1);
}"""


def test_what_is_frozen_on_the_way_is_told_and_marked(page: Any) -> None:
    """Oracle: the run by itself, changed at the same step."""
    shown = ready(page)
    for count in (1, 2, 3):
        press(shown, "One step")
        until(shown, f"d.step === '{count}'")
    shown.get_by_label("W_O2", exact=True).check()
    page.wait_for_timeout(200)
    play_to_the_end(shown)
    words = says(shown, "Trained for 900 steps (from about step 3: W_O2 frozen): accuracy")
    assert page.locator(".mb-act").count() == 1
    assert "you changed the run" in shown.locator("figure").first.text_content()
    last = page.evaluate(CHANGED, [900, 3, {"lr": 0.01, "frozen": ["W_O2"]}])
    assert float(shown.get_attribute("data-accuracy")) == last["accuracy"] and "Untick and play again" in words
    # a run from the start has nothing of it
    shown.get_by_label("W_O2", exact=True).uncheck()
    press(shown, "Play again")
    until(shown, "d.done === 'true' && Number(d.accuracy) > 0.85")
    assert "Trained for 900 steps: accuracy" in says(shown, "Trained for 900 steps: accuracy")
    assert page.locator(".mb-act").count() == 0 and page.locator(".mb-faint").count() == 4


def test_what_came_after_a_link_is_there_after_a_reload(page: Any) -> None:
    """Oracle: what was set last."""
    shown = ready(page)
    page.evaluate("location.hash = '#widget-3c?seed=4'")
    until(shown, "d.step === '0'")
    page.wait_for_function("document.querySelector('input[type=range][aria-valuetext=\"4\"]')")
    set_up(shown, Seed="5")
    address = page.evaluate("location.href")
    page.goto("about:blank")
    page.goto(address)
    shown = checks.render(page, trainer_widget(SPEC))
    until(shown, "d.step === '0'")
    assert shown.get_by_label("Seed").get_attribute("aria-valuetext") == "5"


def test_a_run_that_is_watched_waits_for_its_reader(page: Any) -> None:
    """Oracle: the step stands still while a new sentence is young, and not where a run is raced."""
    shown = ready(page)
    set_up(shown, Speed="watch")
    press(shown, "Play")
    says(shown, "W_O2 has stored half")
    page.wait_for_timeout(300)
    stands = shown.get_attribute("data-step")
    page.wait_for_timeout(700)
    assert shown.get_attribute("data-step") == stands and shown.get_attribute("data-playing") == "true"
    until(shown, f"Number(d.step) > {stands}")
    set_up(shown, Speed="fast")
    until(shown, "d.done === 'true'")


def test_in_forced_colours_a_bar_is_still_seen(page: Any) -> None:
    """Oracle: the pixels of a bar that is half full."""
    page.emulate_media(forced_colors="active")
    checks.render(page, birth_widget())
    page.wait_for_function("document.querySelector('.mb-mass').style.width !== ''")
    page.evaluate("for (const one of document.querySelectorAll('.mb-mass, .mb-fill')) one.style.width = '50%'")
    for around, at in ((".mb-bar", 0.5), (".mb-strip .mb-token", 0.9)):
        picture = Image.open(io.BytesIO(page.locator(around).first.screenshot())).convert("L")
        full, empty = (picture.getpixel((int(x * picture.width), int(at * picture.height))) for x in (0.25, 0.75))
        assert abs(full - empty) > 100
