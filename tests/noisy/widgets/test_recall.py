"""Widget 4c in Chromium. Oracle: the same run without a widget."""

from collections.abc import Callable
from typing import Any

import pytest

from mechbook.noisy.widgets.recall import recall_widget
from tests.browser import checks
from tests.browser.checks_trainer import NOISY, exercise_recall, noisy_probabilities, press, says, set_up, until

NAME = "widget-4c"


@pytest.fixture
def shown(alone: Callable[..., Any]) -> Any:
    page = alone(recall_widget())
    page.emulate_media(reduced_motion="no-preference")
    return page.locator(f'section[data-widget="{NAME}"]')


def test_what_it_shows_is_the_runs_with_and_without_F2(shown: Any) -> None:
    assert exercise_recall(shown.page, NAME) == []


def test_the_noise_is_learned_first_and_goes_with_F2(shown: Any) -> None:
    until(shown, "d.step === '0'")
    set_up(shown, Speed="fast")
    press(shown, "Play")
    until(shown, "d.done === 'true'")
    points = shown.page.evaluate(NOISY, [1200, {}, [0, 1, 0], False])["points"]
    noise = next(point["step"] for point in points if point["noise"] > 0.4)
    answer = next(point["step"] for point in points if point["correct cut"] > 0.25)
    last = points[-1]
    assert noise < 100 < answer
    # without F_2 the noise is gone and the right output the more probable for it
    assert last["noise cut"] < 0.25 < 0.4 < last["noise"] and last["correct cut"] > last["correct"] + 0.08
    assert noisy_probabilities(shown)[:2] == [last["correct"], last["noise"]]
    shown.get_by_label("drop F_2").check()
    until(shown, "d.dropped === 'true'")
    assert noisy_probabilities(shown)[:2] == [last["correct cut"], last["noise cut"]]
    says(shown, "without F_2 they have")


def test_the_sentence_says_what_the_switch_does(shown: Any) -> None:
    until(shown, "d.step === '0'")
    set_up(shown, Speed="fast")
    press(shown, "Play")
    until(shown, "Number(d.step) > 800")
    press(shown, "Pause")
    until(shown, "d.playing === 'false'")
    shown.get_by_label("drop F_2").check()
    until(shown, "d.dropped === 'true'")
    words = shown.locator(".mb-says").text_content()
    at = int(words.removeprefix("Step ").split(",")[0])
    point = shown.page.evaluate(NOISY, [at, {}, [0, 1, 0], False])["point"]
    last = {key: f"{100 * value:.{int(value < 0.0995)}f}%" for key, value in point.items()}
    assert (
        point["step"] == at
        and f"Step {at}, F_2 dropped: the noise goes from {last['noise']} to {last['noise cut']}" in words
    )
    assert f"the right output from {last['correct']} to {last['correct cut']}." in words
    shown.get_by_label("drop F_2").uncheck()
    until(shown, "d.dropped === 'false'")
    words = shown.locator(".mb-says").text_content()
    assert f"F_2 brought back: the noise goes from {last['noise cut']} to {last['noise']}" in words
    assert "1 − α = 50%" in shown.text_content()


def test_the_switch_is_told_at_once_while_the_model_trains(shown: Any) -> None:
    """Oracle: what was done, and when: the run goes on meanwhile."""
    until(shown, "d.step === '0'")
    set_up(shown, Speed="watch")
    press(shown, "Play")
    # something has happened by then, and its sentence stands there
    says(shown, "about as often as it comes")
    until(shown, "Number(d.step) > 100")
    for drop, words in ((True, "F_2 dropped: the noise goes from"), (False, "F_2 brought back: the noise goes from")):
        shown.get_by_label("drop F_2").set_checked(drop)
        until(shown, f"d.dropped === '{str(drop).lower()}'")
        assert words in shown.locator(".mb-says").text_content()
        assert shown.get_attribute("data-playing") == "true"


def test_after_one_step_the_switch_is_told_and_then_the_next_step(shown: Any) -> None:
    """Oracle: what was done; and the run by itself for the numbers."""
    until(shown, "d.step === '0'")
    press(shown, "One step")
    until(shown, "d.step === '1'")
    assert "Step 1 is made" in shown.locator(".mb-says").text_content()
    shown.get_by_label("drop F_2").check()
    until(shown, "d.dropped === 'true'")
    point = shown.page.evaluate(NOISY, [1, {}, [0, 1, 0], False])["point"]
    first, then = (f"{100 * point[key]:.1f}%" for key in ("noise", "noise cut"))
    assert f"F_2 dropped: the noise goes from {first} to {then}" in shown.locator(".mb-says").text_content()
    press(shown, "One step")
    until(shown, "d.step === '2'")
    assert "Step 2 is made" in shown.locator(".mb-says").text_content()


def test_a_sequence_may_have_the_noise_and_nothing_else_strange(shown: Any) -> None:
    until(shown, "d.step === '0'")
    box = shown.get_by_label("The model reads")
    box.fill("abz")
    assert "does not know “z”" in shown.locator(".mb-message").first.text_content()
    box.fill("ab")
    shown.get_by_role("button", name="Insert τ").click()
    assert box.input_value() == "abτ"
    # where 32 tokens are there is no room for one more
    insert = shown.get_by_role("button", name="Insert τ")
    for count, full in ((31, False), (32, True), (33, True), (3, False)):
        box.fill("a" * count)
        assert insert.is_disabled() == full
    box.fill("a" * 31)
    insert.click()
    assert box.input_value() == "a" * 31 + "τ" and insert.is_disabled()
    assert box.evaluate("(one) => one === document.activeElement")
    checks.follow(shown.page, NAME, "seq=ab")
    assert insert.is_enabled()
    said = checks.follow(shown.page, NAME, "alpha=0.3&cut=F2&seq=aτba&seed=12")
    assert "seed cannot be" in said and box.input_value() == "aτba"
    until(shown, "d.dropped === 'true'")
