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
# Where the curves lie, and how tall the widget is, at every repaint from now on.
WATCH = """(root) => {
  const tops = globalThis.tops = new Set(), curves = root.querySelector("svg.mb-lines");
  const look = () => {
    tops.add(`${Math.round(curves.getBoundingClientRect().top + scrollY)} ${Math.round(root.offsetHeight)}`);
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


# Of each control what it is called, and the least height of a screen that shows it whole, with what it changes.
CONTROLS = """(root) => [...root.querySelectorAll("button, input, select")].map((one) => {
  const group = one.closest(".mb-ticks, .mb-control"), box = one.tagName === "BUTTON" || !group ? one : group;
  const name = one.tagName === "BUTTON" ? one.textContent : root.querySelector(`label[for="${one.id}"]`).textContent;
  const about = ["The model reads", "Insert τ", "Ask about", "Question"].includes(name);
  const changed = about ? root.querySelectorAll(".mb-bars") : root.querySelectorAll("svg.mb-lines, .mb-legend");
  const all = [box, ...changed].map((shown) => shown.getBoundingClientRect());
  const height = Math.max(...all.map(({ bottom }) => bottom)) - Math.min(...all.map(({ top }) => top));
  return { name, height, width: all[1].width, tall: all[1].height };
}).filter(({ name }) => name !== "Link to this view")"""
# The buttons of a run, and what all trainers have in common of what acts on a run under way.
BUTTONS, COMMON = ["Play", "One step", "Reset", "Next seed"], ["Speed", "Learning rate"]


def on_a_phone(page: Any, name: str, width: int = WIDTH) -> Any:
    """The widget as wide as the site has it."""
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.evaluate("[document.body, document.querySelector('main')].map((one, i) => one.style.margin = `0 ${16 * i}px`)")
    checks.settle(page)
    return checks.widget(page, name)


@pytest.mark.parametrize("name", MADE)
def test_a_phone_shows_each_control_and_what_it_changes_on_one_screen(alone: Callable[..., Any], name: str) -> None:
    page = alone(MADE[name]())
    found = on_a_phone(page, name).evaluate(CONTROLS)
    assert len(found) == {"widget-birth": 1, "widget-2b": 10, "widget-3c": 15, "widget-4c": 11, "widget-6c": 9}[name]
    # the site's bar lies over the page's top
    far = {one["name"]: one["height"] for one in found if one["height"] > HEIGHT - 60}
    small = {one["name"]: one for one in found if one["width"] < 300 or one["tall"] < 120}
    assert not far and not small
    assert checks.overflow(page) == 0
    page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize("name", [name for name in MADE if name != "widget-birth"])
def test_all_trainers_name_and_place_alike_what_they_have_in_common(alone: Callable[..., Any], name: str) -> None:
    page = alone(MADE[name]())
    shown = checks.widget(page, name)
    names = [one["name"] for one in shown.evaluate(CONTROLS)]
    own = {"widget-2b": "Step size"}.get(name, "Learning rate")
    common = [own if label == "Learning rate" else label for label in COMMON]
    at = names.index("Speed")
    assert names[:4] == BUTTONS and names[at : at + 2] == common
    assert not {"Learning rate", "Step size", "Speed"} & set(names[:at] + names[at + 2 :])
    speeds = shown.get_by_label("Speed", exact=True).locator("option").all_text_contents()
    assert speeds == ["slow enough to watch", "as fast as it goes"]
    # these lie above the curves; below them, and told apart in words, what a run is begun with, the seed last
    top = shown.locator("svg.mb-lines").bounding_box()["y"]
    assert shown.get_by_label(own, exact=True).bounding_box()["y"] < top
    begun = shown.locator(".mb-beginnings")
    assert begun.locator("p").text_content() == "A change of these begins a new run:"
    assert begun.locator("label").last.text_content() == "Seed" and begun.bounding_box()["y"] > top


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("width", [WIDTH, 1280])
def test_a_sentence_has_the_room_that_the_longest_needs(alone: Callable[..., Any], name: str, width: int) -> None:
    """Oracle: each sentence alone in that place; four lines of a phone hold the longest."""
    page = alone(MADE[name]())
    shown = on_a_phone(page, name)
    page.set_viewport_size({"width": width, "height": HEIGHT})
    checks.settle(page)
    heights = """(place) => {
      const line = place.querySelector(".mb-says"), now = line.textContent, all = [];
      const longest = [...place.querySelectorAll(".mb-spare")].map((one) => one.textContent), room = place.offsetHeight;
      place.querySelectorAll(".mb-spare").forEach((one) => { one.style.display = "none"; });
      for (const words of longest) {
        line.textContent = words;
        all.push(place.offsetHeight);
      }
      const { lineHeight, paddingTop } = getComputedStyle(line);
      return [room, Math.max(...all), (room - 2 * parseFloat(paddingTop)) / parseFloat(lineHeight)];
    }"""
    room, needed, lines = shown.locator(".mb-telling").evaluate(heights)
    assert room == needed and round(lines) <= 4
    page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize("name", MADE)
def test_leaving_and_coming_back_keeps_the_run(moving_page: Any, name: str) -> None:
    """Oracle: what was shown when the reader left."""
    page = moving_page
    shown = checks.render(page, MADE[name]())
    until(shown, "d.step === '0'")
    if name in ("widget-birth", "widget-6c"):
        # the latter's first steps change hardly a digit
        if name == "widget-6c":
            set_up(shown, Speed="fast")
        press(shown, "Train it now" if name == "widget-birth" else "Play")
        until(shown, f"Number(d.step) > {20 if name == 'widget-birth' else 1500}")
        press(shown, "Pause")
        until(shown, "d.playing === 'false'")
    else:
        set_up(shown, Speed="fast", Seed="3")
        until(shown, "d.step === '0'")
        for count in (1, 2):
            press(shown, "One step")
            until(shown, f"d.step === '{count}'")
    numbers = (
        "(root) => [root.dataset.step, ...[...root.querySelectorAll('[data-value]')].map((one) => one.dataset.value)]"
    )
    page.wait_for_timeout(100)
    before, address = shown.evaluate(numbers), page.url
    page.goto("about:blank")
    page.goto(address)
    shown = checks.render(page, MADE[name]())
    until(shown, f"d.step === '{before[0]}'")
    assert shown.evaluate(numbers) == before and int(before[0]) > 0 and len(before) > 3
    if name != "widget-birth":
        assert shown.get_by_label("Speed", exact=True).input_value() == "fast"


@pytest.mark.parametrize("name", [name for name in MADE if name != "widget-birth"])
def test_a_link_carries_what_all_have_in_common(moving_page: Any, name: str) -> None:
    """Oracle: what was set."""
    page = moving_page
    own = "Step size" if name == "widget-2b" else "Learning rate"
    shown = checks.render(page, MADE[name]())
    set_up(shown, Speed="fast", Seed="4", **{own: "1"})
    rate = shown.get_by_label(own).get_attribute("aria-valuetext")
    press(shown, "Link to this view")
    link = page.evaluate("location.hash")
    assert all(part in link for part in ("pace=fast", "seed=4", f"lr={rate}"))
    page.evaluate("() => { sessionStorage.clear(); history.replaceState(null, '', '#'); }")
    shown = checks.render(page, MADE[name]())
    assert shown.get_by_label("Speed", exact=True).input_value() == "watch"
    assert checks.follow(page, name, link.split("?")[1]) == ""
    assert shown.get_by_label("Speed", exact=True).input_value() == "fast"
    for label, value in (("Seed", "4"), (own, rate)):
        assert shown.get_by_label(label).get_attribute("aria-valuetext") == value


@pytest.mark.parametrize("name", MADE)
def test_without_webassembly_each_says_so_and_trains(moving_page: Any, name: str) -> None:
    """Oracle: steps are made where there is no WebAssembly, and a sentence tells of it once."""
    page = moving_page
    page.evaluate("delete globalThis.WebAssembly")
    shown = checks.render(page, MADE[name]())
    shown.locator("button.mb-main").click()
    until(shown, "Number(d.step) > 2")
    assert shown.text_content().count("no WebAssembly with vectors: the same numbers come from plain JavaScript") == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", MADE)
def test_the_pages_own_thread_stays_free(moving_page: Any, name: str) -> None:
    """Oracle: the browser's list of tasks of 50 ms and more; the best of six plays, as a machine has more to do."""
    page, most = moving_page, []
    for _ in range(6):
        page.evaluate("sessionStorage.clear()")
        shown = checks.render(page, MADE[name]())
        until(shown, "d.step === '0'")
        page.wait_for_timeout(200)
        page.evaluate(
            """() => {
              globalThis.tasks = [];
              new PerformanceObserver((list) => globalThis.tasks.push(...list.getEntries().map((one) => one.duration)))
                .observe({ type: "longtask" });
            }"""
        )
        shown.locator("button.mb-main").click()
        page.wait_for_timeout(1500)
        assert int(shown.get_attribute("data-step")) > 2
        most.append(page.evaluate("Math.max(0, ...globalThis.tasks)"))
        if not most[-1]:
            break
    assert min(most) < 50


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
    # nothing has to move where there is room, but for a pixel's part
    assert (page.evaluate("scrollY") > 2) == (height < HEIGHT)
    page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize("name", [name for name in MADE if name != "widget-birth"])
@pytest.mark.parametrize("width", [360, WIDTH])
def test_no_sentence_pushes_what_is_there(alone: Callable[..., Any], name: str, width: int) -> None:
    """From the first step to the last one, with what the switch of 4c says, and where training diverges."""
    page = alone(MADE[name]())
    page.evaluate("sessionStorage.clear()")
    page.emulate_media(reduced_motion="no-preference")
    shown = on_a_phone(page, name, width)
    until(shown, "d.step === '0'")
    shown.evaluate(WATCH)
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
    # and the last sentence comes when the one before was read
    page.wait_for_timeout(2200)
    assert page.evaluate("[...globalThis.tops].length") == 1
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
