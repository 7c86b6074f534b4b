"""Leaving a page while a run of it trains. Oracle: the step on the screen when the reader leaves."""

from typing import Any

from mechbook.induction.widgets.trainer import birth_widget
from tests.browser import checks
from tests.browser.checks_trainer import press, until

NAME = "widget-birth"
# What is on the screen, and what is kept when the page goes, both at one moment; `null` is a run that got nowhere.
LEFT = """() => {
  dispatchEvent(new PageTransitionEvent("pagehide"));
  const { step } = document.querySelector("[data-widget='widget-birth']").dataset;
  const { kept } = JSON.parse(sessionStorage.getItem(`mechbook ${location.pathname} widget-birth`));
  return [Number(step), kept && kept.step];
}"""
HIDDEN = """(now) => {
  Object.defineProperty(document, "visibilityState", { get: () => now, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def playing(page: Any) -> Any:
    """The widget, some steps on."""
    shown = checks.render(page, birth_widget())
    until(shown, "d.step === '0'")
    press(shown, "Train it now")
    until(shown, "Number(d.step) > 0")
    return shown


def test_what_is_on_the_screen_is_what_is_kept(moving_page: Any) -> None:
    """At any moment: no view of the run is without the state that makes it."""
    shown = playing(moving_page)
    for _ in range(12):
        step, kept = moving_page.evaluate(LEFT)
        assert step == kept > 0
        moving_page.wait_for_timeout(61)
    assert shown.get_attribute("data-playing") == "true"


def test_a_reader_who_wants_little_motion_loses_no_more(moving_page: Any) -> None:
    """Where a picture is drawn each second only, what is kept is that of the last views, not that of the picture."""
    playing(moving_page)
    moving_page.emulate_media(reduced_motion="reduce")
    moving_page.wait_for_timeout(300)
    found = []
    for _ in range(8):
        found.append(moving_page.evaluate(LEFT))
        moving_page.wait_for_timeout(90)
    assert all(kept >= step for step, kept in found)
    steps = [kept for _, kept in found]
    assert steps == sorted(set(steps)) and len({step for step, _ in found}) < 4


def test_two_tabs_that_are_reloaded_a_second_after_the_start_keep_a_state_each(moving_page: Any) -> None:
    other = moving_page.context.new_page()
    other.emulate_media(reduced_motion="reduce")
    other.goto(moving_page.url)
    ends = []
    for tab, wait in ((moving_page, 400), (other, 1000)):
        tab.bring_to_front()
        playing(tab)
        tab.wait_for_timeout(wait)
        at = int(checks.widget(tab, NAME).get_attribute("data-step"))
        tab.reload()
        shown = checks.render(tab, birth_widget())
        until(shown, "Number(d.step) > 0")
        ends.append(int(shown.get_attribute("data-step")))
        assert ends[-1] >= at and shown.get_attribute("data-playing") == "false"
    # at 320 steps a second no tab has the other's
    assert ends[0] != ends[1]


def test_out_of_sight_the_run_is_kept_as_it_comes_to_rest(moving_page: Any) -> None:
    """A browser may end a hidden tab without an event: what is kept is the last step that was made."""
    shown = playing(moving_page)
    moving_page.evaluate(HIDDEN, "hidden")
    moving_page.wait_for_timeout(400)
    kept = "JSON.parse(sessionStorage.getItem(`mechbook ${location.pathname} widget-birth`)).kept.step"
    rests = moving_page.evaluate(kept)
    moving_page.evaluate(HIDDEN, "visible")
    until(shown, f"Number(d.step) > {rests}")
    assert rests >= 1
    moving_page.evaluate(HIDDEN, "hidden")
    moving_page.wait_for_timeout(400)
    assert moving_page.evaluate(kept) == int(shown.get_attribute("data-step")) > rests


def test_a_run_begun_anew_is_not_kept_as_the_one_before(moving_page: Any) -> None:
    """Until its first view arrives there is nothing of it, and nothing is what is kept."""
    shown = playing(moving_page)
    until(shown, "d.done === 'true'")
    again = """() => {
      document.querySelector("[data-widget='widget-birth'] button.mb-main").click();
      dispatchEvent(new PageTransitionEvent("pagehide"));
      return JSON.parse(sessionStorage.getItem(`mechbook ${location.pathname} widget-birth`)).kept;
    }"""
    assert moving_page.evaluate(again) is None
