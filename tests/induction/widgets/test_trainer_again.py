"""Widget 3c in Chromium, what its reader does next: another freeze or setting, a reload. Oracle: what was done."""

from collections.abc import Iterator
from typing import Any

import pytest

from mechbook.induction.widgets.trainer import trainer_widget
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
    assert "Play again without" in says(shown, "Trained for 900 steps with W_O2 frozen")


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
