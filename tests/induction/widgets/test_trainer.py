"""Widget 3c in Chromium. Oracle: the same run without a widget, step by step; counting by hand."""

import base64
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from mechbook.core.training.loop import TrainingResult
from mechbook.core.training.settings import TrainingSettings
from mechbook.induction.runs import InductionSettings
from mechbook.induction.widgets.trainer import birth_widget, trainer_widget
from mechbook.shared.shakespeare import load_counts
from mechbook.shared.simplified import SimplifiedConfig
from mechbook.shared.vanilla import VanillaConfig
from tests.browser import checks
from tests.browser.browser import library_page
from tests.browser.checks_trainer import (
    ALONE,
    exercise_birth,
    exercise_trainer,
    play_to_the_end,
    press,
    same,
    says,
    seen,
    set_up,
    until,
)

# A Shakespeare model that is trained in a second.
SPEC = InductionSettings(
    T=19,
    K=3,
    model=SimplifiedConfig(N=load_counts().N, T=19, d=13),
    training=TrainingSettings(steps=40, batch_size=4, optimizer="sgd", lr=0.05),
    seed_key=(1,),
    probe_every=10,
)
MATRICES = ("W_O2", "W_K2", "W_K1")


def ready(page: Any) -> Any:
    """The widget on a page that moves, at its first step."""
    page.emulate_media(reduced_motion="no-preference")
    page.evaluate("sessionStorage.clear()")
    shown = checks.render(page, trainer_widget(SPEC))
    shown.locator('xpath=self::*[@data-step="0"]').wait_for()
    return shown


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    with library_page(browser) as found:
        yield found


def first_at(points: list[dict[str, float]], key: str, level: float) -> float:
    return next((point["step"] for point in points if point[key] >= level), float("inf"))


def test_played_to_the_end_the_memories_fill_in_order(page: Any) -> None:
    shown = ready(page)
    play_to_the_end(shown)
    alone = page.evaluate(ALONE, [900, {}])
    assert same(seen(shown), alone)
    points = alone["points"]
    assert first_at(points, "W_O2", 0.9) < first_at(points, "W_K2", 0.9) < first_at(points, "W_K1", 0.7) < 900
    assert points[-1]["accuracy"] > 0.85 and float(shown.get_attribute("data-accuracy")) > 0.85
    assert f"accuracy {100 * points[-1]['accuracy']:.0f}%" in says(shown, "Trained for 900 steps")
    # the legend keeps when each level was reached
    dates = shown.locator(".mb-dates > :last-child").all_text_contents()
    for key, words in zip((*MATRICES, "accuracy"), dates, strict=True):
        reached = [(level, first_at(points, key, level)) for level in (0.5, 0.9)]
        assert words == ", ".join(f"{level} at {step:.0f}" for level, step in reached if step < 1000)


def test_with_W_O2_frozen_nothing_is_learned(page: Any) -> None:
    shown = ready(page)
    shown.get_by_label("W_O2", exact=True).check()
    play_to_the_end(shown)
    alone = page.evaluate(ALONE, [900, {"frozen": ["W_O2"]}])
    assert same(seen(shown), alone)
    assert max(point["accuracy"] for point in alone["points"]) < 0.6
    says(shown, "Trained for 900 steps with W_O2 frozen")
    # and a new run begins with it frozen
    press(shown, "Reset")
    until(shown, "d.step === '0'")
    press(shown, "One step")
    until(shown, "d.step === '1'")
    assert same(seen(shown), page.evaluate(ALONE, [1, {"frozen": ["W_O2"]}]))


def test_pause_step_and_reset_give_exact_states(page: Any) -> None:
    shown = ready(page)
    for count in (1, 2, 3):
        press(shown, "One step")
        until(shown, f"d.step === '{count}'")
        assert same(seen(shown), page.evaluate(ALONE, [count, {}]))
        assert f"Step {count} is made; its batch had a loss of " in shown.locator(".mb-says").text_content()
    press(shown, "Play")
    until(shown, "Number(d.step) > 25")
    press(shown, "Pause")
    until(shown, "d.playing === 'false'")
    stopped = seen(shown)
    page.wait_for_timeout(200)
    assert seen(shown) == stopped and same(stopped, page.evaluate(ALONE, [stopped["step"], {}]))
    press(shown, "Reset")
    until(shown, "d.step === '0'")
    fresh = seen(shown)
    assert fresh["corners"] == page.evaluate(ALONE, [0, {}])["corners"]
    press(shown, "One step")
    until(shown, "d.step === '1'")
    assert same(seen(shown), page.evaluate(ALONE, [1, {}]))


def test_two_tabs_do_not_disturb_each_other(browser: Any) -> None:
    with library_page(browser) as one, library_page(browser) as two:
        shown = [ready(page) for page in (one, two)]
        set_up(shown[1], Seed="3")
        until(shown[1], "d.step === '0'")
        for tab in shown:
            set_up(tab, Speed="fast")
            press(tab, "Play")
        for tab, page, seed in zip(shown, (one, two), (0, 3), strict=True):
            page.bring_to_front()
            until(tab, "d.done === 'true'")
            assert same(seen(tab), page.evaluate(ALONE, [900, {"seed": seed}]))


@pytest.mark.parametrize("lacking", ["delete globalThis.WebAssembly", "WebAssembly.validate = () => false"])
def test_without_webassembly_the_same_run_comes_from_javascript_and_the_widget_says_so(page: Any, lacking: str) -> None:
    expected = page.evaluate(ALONE, [12, {}])
    page.evaluate(lacking)
    shown = ready(page)
    for count in range(1, 13):
        press(shown, "One step")
        until(shown, f"d.step === '{count}'")
    assert shown.get_attribute("data-vectors") == "false"
    assert shown.locator(".mb-axes", has_text="plain JavaScript").count() == 1
    assert same(seen(shown), expected)
    small = checks.render(page, birth_widget())
    small.locator("p.mb-axes", has_text="plain JavaScript").wait_for()


@pytest.mark.parametrize(
    "worker",
    [
        """class {
          constructor() { setTimeout(() => this.onerror(new Event("error")), 10); }
          postMessage() {}
          terminate() {}
        }""",
        "class { constructor() { throw new DOMException('not here', 'SecurityError'); } }",
        "undefined",
    ],
)
def test_a_worker_that_does_not_start_gets_a_sentence(page: Any, worker: str) -> None:
    page.evaluate(f"() => {{ globalThis.Worker = {worker}; }}")
    # nothing arrives, so the widget stays as it is drawn at first
    page.evaluate("(hash) => history.replaceState(null, '', hash)", "#")
    widget = trainer_widget(SPEC)
    data = base64.b64encode(widget.store.data).decode()
    settings = json.loads(json.dumps(widget.settings))
    page.evaluate(checks.RENDER, [widget.kind, widget.name, settings, widget.store.description, data])
    page.get_by_role("alert").wait_for()
    assert "Training stopped, or this browser does not let it begin" in page.get_by_role("alert").text_content()


def test_a_button_that_goes_dead_hands_its_focus_on(page: Any) -> None:
    """Oracle: what is focused; Reset by keyboard switches itself off."""
    shown = ready(page)
    press(shown, "One step")
    until(shown, "d.step === '1'")
    shown.get_by_role("button", name="Reset").press("Enter")
    until(shown, "d.step === '0'")
    assert shown.get_by_role("button", name="Reset").is_disabled()
    assert page.evaluate("document.activeElement.textContent") == "Play"


def test_a_learning_rate_that_diverges_gets_a_sentence(page: Any) -> None:
    shown = ready(page)
    set_up(shown, Learning_rate="9", Speed="fast")
    assert shown.get_by_label("Learning rate").get_attribute("aria-valuetext") == "0.3"
    press(shown, "Play")
    until(shown, "d.diverged === 'true'")
    diverges = "With a learning rate of 0.3 training diverges: choose a smaller one and press Reset."
    says(shown, diverges)
    assert int(shown.get_attribute("data-step")) < 900
    # no smaller rate and no other view of the page makes a step possible, only a new run
    one = shown.get_by_role("button", name="One step")
    assert one.is_disabled()
    set_up(shown, Learning_rate="3", The_model_reads="abcab")
    # the sentence is of the rate that diverged, whatever the control shows now
    checks.settle(page)
    page.wait_for_timeout(100)
    assert diverges in shown.locator(".mb-says").text_content()
    page.goto("about:blank")
    page.go_back()
    shown = checks.render(page, trainer_widget(SPEC))
    until(shown, "d.diverged === 'true'")
    assert shown.get_by_role("button", name="One step").is_disabled()
    press(shown, "Reset")
    until(shown, "d.step === '0' && d.diverged === 'false'")
    assert "diverges" not in shown.locator(".mb-says").text_content()
    assert shown.get_by_role("button", name="One step").is_enabled()


def test_every_setting_that_starts_anew_is_the_runs(page: Any) -> None:
    ready(page)
    assert exercise_trainer(page, "widget-3c") == []


def test_the_landing_pages_button_trains_the_small_model(page: Any) -> None:
    page.emulate_media(reduced_motion="no-preference")
    checks.render(page, birth_widget())
    assert exercise_birth(page, "widget-birth") == []


def test_the_landing_pages_sentences_can_be_read_and_nothing_moves(page: Any) -> None:
    """Oracle: the levels that the run by itself passes; what stands and lies where at every repaint, on a phone."""
    page.emulate_media(reduced_motion="no-preference")
    page.set_viewport_size({"width": 390, "height": 844})
    shown = checks.render(page, birth_widget())
    page.evaluate(
        """() => {
          globalThis.tops = new Set();
          globalThis.said = { ".mb-says": [], ".mb-heard": [] };
          const look = () => {
            const top = (one) => document.querySelector(one).getBoundingClientRect().top + scrollY;
            globalThis.tops.add(`${top(".mb-lines")} ${top(".mb-strip")}`);
            for (const [one, all] of Object.entries(globalThis.said)) {
              const words = document.querySelector(one).textContent;
              if (words !== all.at(-1)?.[0]) all.push([words, performance.now()]);
            }
            requestAnimationFrame(look);
          };
          look();
        }"""
    )
    points = page.evaluate(ALONE, [750, {"steps": 750}])["points"]
    # the first one goes when the reader presses; each other stays (late frames see less), the last for good: half a
    # second in the first run, which is raced, and two in the next, which waits wherever something happens
    runs = (("Train it now", "Trained: after 750 steps", 250), ("Watch it slowly", "An induction head: it finds", 1000))
    for button, end, least in runs:
        page.evaluate("for (const all of Object.values(globalThis.said)) all.length = 0")
        press(shown, button)
        says(shown, end)
        seen, heard = page.evaluate("Object.values(globalThis.said)")
        for line in (seen, heard):
            times = [at for _, at in line[1:]]
            assert len(times) >= 2 and all(later - at > least for at, later in itertools.pairwise(times))
        story = shown.locator(".mb-story p").all_text_contents()
        for key, words in zip((*MATRICES, "accuracy"), story, strict=True):
            for level, said in ((0.5, "half at step"), (0.9, "nine tenths at")):
                step = first_at(points, key, level)
                assert (f"{said} {step:.0f}" in words) == (step < float("inf"))
                for line in (heard,) if least < 1000 else (seen, heard):
                    assert any(f"Step {step:.0f}: " in one for one, _ in line) == (step < float("inf"))
    assert page.evaluate("globalThis.tops.size") == 1


def series(page: Any) -> list[str]:
    return page.locator(".mb-lines .mb-line").evaluate_all("(all) => all.map((one) => one.getAttribute('class'))")


def test_seeds_lie_over_each_other_and_another_setting_clears_them(page: Any) -> None:
    shown = ready(page)
    play_to_the_end(shown)
    for count in (1, 2):
        press(shown, "Next seed")
        until(shown, "d.done === 'true' && Number(d.step) > 0")
        page.wait_for_function("(n) => document.querySelectorAll('.mb-faint').length === n", arg=4 * count)
        until(shown, "d.done === 'true'")
        assert shown.get_by_label("Seed").get_attribute("aria-valuetext") == str(count)
        assert same(seen(shown), page.evaluate(ALONE, [900, {"seed": count}]))
    assert "Faint lines: runs before" in shown.locator("figure").first.text_content()
    set_up(shown, Triggers="fixed")
    until(shown, "d.step === '0'")
    assert page.locator(".mb-faint").count() == 0


def test_a_link_carries_the_setting(page: Any) -> None:
    shown = ready(page)
    set_up(shown, Model="shakespeare", Triggers="fixed", Optimizer="adamw", Seed="4")
    set_up(shown, Learning_rate="2", The_model_reads="to be, to")
    shown.get_by_label("W_K2", exact=True).check()
    press(shown, "Link to this view")
    link = page.evaluate("location.hash")
    for part in ("size=shakespeare", "triggers=fixed", "optimizer=adamw", "lr=0.005", "seed=4", "frozen=W_K2"):
        assert part in link
    page.evaluate("history.replaceState(null, '', '#')")
    shown = ready(page)
    checks.follow(page, "widget-3c", link.split("?")[1])
    until(shown, "d.step === '0'")
    assert shown.get_by_label("Model", exact=True).input_value() == "shakespeare"
    assert shown.get_by_label("The model reads").input_value() == "to be, to"
    assert shown.get_by_label("Learning rate").get_attribute("aria-valuetext") == "0.005"
    assert shown.get_by_label("Seed").get_attribute("aria-valuetext") == "4"
    assert [shown.get_by_label(name, exact=True).is_checked() for name in MATRICES] == [False, True, False]
    said = checks.follow(page, "widget-3c", "frozen=W_E,<img>&seed=77&size=__proto__")
    assert "frozen cannot be" in said and "seed cannot be" in said and "size cannot be" in said
    assert page.locator("section.mb-widget img").count() == 0


def test_out_of_sight_it_rests_and_in_sight_it_goes_on(page: Any) -> None:
    shown = ready(page)
    set_up(shown, Speed="watch")
    press(shown, "Play")
    until(shown, "Number(d.step) > 5")
    page.evaluate("document.querySelector('main').style.marginTop = '300vh'; scrollTo(0, 0)")
    page.wait_for_timeout(400)
    rests = int(shown.get_attribute("data-step"))
    page.wait_for_timeout(500)
    assert int(shown.get_attribute("data-step")) == rests
    assert shown.get_by_role("button", name="Pause").count() == 1
    shown.scroll_into_view_if_needed()
    until(shown, f"Number(d.step) > {rests}")
    press(shown, "Pause")


def test_leaving_and_coming_back_keeps_the_state(page: Any) -> None:
    shown = ready(page)
    set_up(shown, Seed="1", The_model_reads="abcab")
    shown.get_by_label("W_K1", exact=True).check()
    for count in (1, 2, 3):
        press(shown, "One step")
        until(shown, f"d.step === '{count}'")
    before, address = seen(shown), page.evaluate("location.href")
    page.goto("about:blank")
    page.goto(address)
    shown = checks.render(page, trainer_widget(SPEC))
    until(shown, "d.step === '3'")
    assert seen(shown) == before
    assert shown.get_by_label("The model reads").input_value() == "abcab"
    # and goes on as if nobody had left
    press(shown, "One step")
    until(shown, "d.step === '4'")
    assert same(seen(shown), page.evaluate(ALONE, [4, {"seed": 1, "frozen": ["W_K1"]}]))


def test_a_screen_reader_hears_of_each_level_once(page: Any) -> None:
    """Oracle: the sentences that the line had, against the levels that the run by itself passes."""
    shown = ready(page)
    page.evaluate(
        """() => {
          const line = document.querySelector(".mb-heard");
          globalThis.heard = [];
          new MutationObserver(() => globalThis.heard.push(line.textContent))
            .observe(line, { childList: true, characterData: true, subtree: true });
        }"""
    )
    set_up(shown, Speed="watch")
    press(shown, "Play")
    until(shown, "d.done === 'true'")
    says(shown, "Trained for 900 steps")
    heard, points = page.evaluate("globalThis.heard"), page.evaluate(ALONE, [900, {}])["points"]
    assert shown.locator(".mb-heard").get_attribute("aria-live") == "polite"
    # each in its turn, as the run waits for it
    assert len(heard) == len(set(heard)) and all(words.count("Step ") <= 1 for words in heard)
    for key in (*MATRICES, "accuracy"):
        for level in (0.5, 0.9):
            step = first_at(points, key, level)
            told = [words for words in heard if f"Step {step:.0f}: " in words]
            assert bool(told) == (step < float("inf"))
    assert shown.locator(".mb-cell").first.get_attribute("aria-live") == "polite"


def test_keys_do_all_that_the_pointer_does(page: Any) -> None:
    shown = ready(page)
    set_up(shown, Speed="watch")
    shown.get_by_label("W_O2", exact=True).focus()
    page.keyboard.press("Space")
    shown.get_by_role("button", name="Play", exact=True).focus()
    page.keyboard.press("Enter")
    until(shown, "d.playing === 'true' && Number(d.step) > 3")
    page.keyboard.press("Space")
    until(shown, "d.playing === 'false'")
    step = int(shown.get_attribute("data-step"))
    # on to the next button: the one that makes a step
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    until(shown, f"d.step === '{step + 1}'")
    assert same(seen(shown), page.evaluate(ALONE, [step + 1, {"frozen": ["W_O2"]}]))
    shown.get_by_label("Seed").focus()
    page.keyboard.press("ArrowRight")
    until(shown, "d.step === '0'")
    assert shown.get_by_label("Seed").get_attribute("aria-valuetext") == "1"


def views(page: Any, motion: str) -> int:
    """How often the widget draws on the way to step 400 for a reader who wants so much motion."""
    shown = ready(page)
    page.emulate_media(reduced_motion=motion)
    set_up(shown, Speed="watch")
    page.evaluate(
        """() => {
          globalThis.drawn = 0;
          const root = document.querySelector("[data-widget='widget-3c']");
          new MutationObserver(() => { globalThis.drawn += 1; }).observe(root, { attributeFilter: ["data-step"] });
        }"""
    )
    press(shown, "Play")
    until(shown, "Number(d.step) > 400")
    press(shown, "Pause")
    drawn: int = page.evaluate("globalThis.drawn")
    return drawn


def test_who_wants_little_motion_gets_few_pictures(page: Any) -> None:
    few, many = (views(page, motion) for motion in ("reduce", "no-preference"))
    assert 0 < few < many / 2


def result(shift: float) -> TrainingResult:
    values = {name: [shift, 0.5 + shift] for name in ("W_O2", "W_K2_weighted", "W_K1", "accuracy")}
    return TrainingResult(steps=[0, 40], values=values, checkpoints={}, final={}, seconds=0.0)


def test_the_range_is_that_of_the_builds_runs_and_settings_are_json() -> None:
    widget = trainer_widget(SPEC, [result(0.1), result(0.3), result(0.2)])
    sizes = json.loads(json.dumps(widget.settings))["sizes"]
    found = sizes["shakespeare"]["range"]
    assert found["x"] == [0, 40]
    for line in (*MATRICES, "accuracy"):
        assert found["low"][line] == pytest.approx([0.1, 0.6]) and found["high"][line] == pytest.approx([0.3, 0.8])
    assert (sizes["letters"]["range"], trainer_widget(SPEC).settings["sizes"]["shakespeare"]["range"]) == (None, None)
    assert widget.picture is not None and trainer_widget(SPEC).picture is None
    shakespeare = sizes["shakespeare"]
    assert [shakespeare[key] for key in ("T", "d", "batch", "K", "steps")] == [19, 13, 4, 3, 40]
    ranked = [load_counts().vocabulary[token] for token in shakespeare["ranked"][:3]]
    assert ranked == [" ", "e", "t"] and sorted(shakespeare["ranked"]) == list(range(65))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"model": VanillaConfig(N=load_counts().N, T=19, d=12)}, "model"),
        ({"model": replace(SPEC.model, matrix_init="uniform")}, "matrix_init"),
        ({"training": replace(SPEC.training, warmup=3)}, "warmup"),
        ({"training": replace(SPEC.training, loss_on="all")}, "loss_on"),
        ({"outputs": "bigram"}, "outputs"),
    ],
)
def test_a_run_that_the_page_cannot_repeat_is_refused(change: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=f"its {what} is another"):
        trainer_widget(replace(SPEC, **change))
