"""A widget's state in the page: controls, presets, link and address. Oracle: by hand, on widgets made for this."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser import checks
from tests.browser.browser import library_page

# Two widgets whose names begin alike. `log` keeps what was drawn: the state, and which keys had moved.
SHOW = """() => {
  const { kit, parts, stateOf } = mechbook;
  document.querySelectorAll("main").forEach((old) => old.remove());
  const main = document.body.appendChild(document.createElement("main"));
  globalThis.log = { "widget-9": [], "widget-9a": [] };
  const stepsOf = ({ kind }) => (kind === "one" ? [0, 20, 40] : [0, 30]);
  const check = (line) => (/^[ab]+$/.test(line) ? null : "Only a and b.");
  for (const name of Object.keys(log)) {
    const root = kit.frame(main, { name, title: name }), says = kit.sentence();
    const state = stateOf({
      name, root, start: { kind: "one", step: 20, seq: "ab", draw: 1 },
      parts: {
        kind: parts.choice({ label: "Kind", options: [["one", "first"], ["two", "second"]] }),
        step: parts.slider({ label: "Step", near: true, values: stepsOf }),
        seq: parts.sequence({
          offers: [["usual", "ab"], ["other", "bb"]], hint: "a or b", check, toLine: String, fromLine: String,
        }),
        draw: parts.draws({ label: "Draw" }),
      },
      settle(now) { now.step = parts.nearest(stepsOf(now), now.step); },
      presets: {
        label: "Moments", options: [["Start", { step: 0 }], ["Double", ({ seq }) => ({ seq: seq[0].repeat(2) })]],
      },
      draw(now, moved) {
        log[name].push([{ ...now }, [...moved].sort()]);
        says.say(`drawn ${log[name].length} times`);
      },
    });
    root.append(state.presets, state.controls(), says.element, state.link);
    (globalThis.stops ??= []).push(state.live());
  }
}"""
STATE = "(name) => log[name].at(-1)[0]"
START = {"kind": "one", "step": 20, "seq": "ab", "draw": 1}


@pytest.fixture(scope="module")
def empty(browser: Any) -> Iterator[Any]:
    with library_page(browser) as found:
        yield found


@pytest.fixture
def page(empty: Any) -> Iterator[Any]:
    empty.evaluate("history.replaceState(null, '', '#')")
    empty.evaluate(SHOW)
    yield empty
    empty.evaluate("stops.splice(0).forEach((stop) => stop())")


def state(page: Any, name: str = "widget-9") -> dict[str, Any]:
    checks.settle(page)
    found: dict[str, Any] = page.evaluate(STATE, name)
    return found


def test_controls_move_the_state_and_each_change_is_drawn_once(page: Any) -> None:
    shown = checks.widget(page, "widget-9")
    shown.get_by_label("Step").fill("2")
    assert state(page) == START | {"step": 40}
    shown.get_by_role("button", name="Draw again").click()
    assert state(page) == START | {"step": 40, "draw": 2}
    page.evaluate("""() => { const range = document.querySelector("input[type=range]");
      for (const place of [0, 1, 0]) { range.value = place; range.dispatchEvent(new Event("input")); } }""")
    assert state(page)["step"] == 0
    moved = [entry[1] for entry in page.evaluate("log['widget-9']")]
    assert moved == [["draw", "kind", "seq", "step"], ["step"], ["draw"], ["step"]]
    assert state(page, "widget-9a") == START


def test_a_part_may_depend_on_another(page: Any) -> None:
    """Of kind two there are the steps 0 and 30: 20 goes to 30, and the slider has two places."""
    shown = checks.widget(page, "widget-9")
    shown.get_by_label("Kind").select_option("two")
    assert state(page) == START | {"kind": "two", "step": 30}
    slider = shown.get_by_label("Step")
    seen = slider.get_attribute("max"), slider.input_value(), slider.get_attribute("aria-valuetext")
    assert seen == ("1", "1", "30")


def test_presets_set_a_state_and_are_pressed_where_it_holds(page: Any) -> None:
    shown = checks.widget(page, "widget-9")
    pressed = shown.locator('.mb-presets [aria-pressed="true"]')
    assert pressed.count() == 0
    for words, expected in (("Start", {"step": 0}), ("Double", {"step": 0, "seq": "aa"})):
        button = shown.get_by_role("button", name=words)
        button.press("Enter")
        assert state(page) == START | expected
        # the button is still the one that has the focus
        assert button.evaluate("(one) => one === document.activeElement")
    assert pressed.all_text_contents() == ["Start", "Double"]
    shown.get_by_label("Step").fill("1")
    assert pressed.all_text_contents() == ["Double"]


def test_what_is_being_typed_stays(page: Any) -> None:
    shown = checks.widget(page, "widget-9")
    box = shown.get_by_label("The model reads")
    box.fill("abx")
    shown.get_by_label("Step").fill("0")
    assert state(page) == START | {"step": 0}
    assert box.input_value() == "abx" and box.get_attribute("aria-invalid") == "true"
    assert shown.locator(".mb-message").first.text_content() == "Only a and b."
    shown.get_by_label("Sequence").select_option("other")
    assert state(page)["seq"] == "bb" and box.input_value() == "bb" and box.get_attribute("aria-invalid") == "false"
    box.fill("abb")
    assert state(page)["seq"] == "abb" and shown.get_by_label("Sequence").input_value() == "own"


@pytest.mark.parametrize(
    ("fragment", "expected", "words"),
    [
        ("kind=two&step=30&seq=bb&draw=7", {"kind": "two", "step": 30, "seq": "bb", "draw": 7}, ""),
        ("step=41", {"step": 40}, "step 41 is not kept, the nearest is 40."),
        ("step=-1", {}, "its step is not a number."),
        # what is left out leaves the rest
        ("kind=three&draw=3", {"draw": 3}, "kind cannot be “three”."),
        ("draw=1000&seq=x", {}, "Only a and b; draw cannot be “1000”."),
        ("draw=0x2&step=0", {"step": 0}, "draw cannot be “0x2”."),
        ("kind=__proto__&constructor=1&__proto__=2", {}, "kind cannot be “__proto__”."),
        ("draw=3&seq=" + "a" * 2000, {}, "it is too long."),
        ("", {}, ""),
    ],
)
def test_an_address_is_taken_as_far_as_it_is_valid(
    page: Any, fragment: str, expected: dict[str, Any], words: str
) -> None:
    said = checks.follow(page, "widget-9", fragment)
    assert state(page) == START | expected
    assert said == (f"Of the link this was left out: {words}" if words else "")


def test_two_widgets_of_a_page_do_not_mix(page: Any) -> None:
    """One's name begins the other's; a link changes one of them, and each link carries its own state."""
    checks.follow(page, "widget-9a", "step=0")
    assert state(page) == START and state(page, "widget-9a") == START | {"step": 0}
    checks.follow(page, "widget-9", "kind=three&draw=5")
    assert state(page) == START | {"draw": 5} and state(page, "widget-9a") == START | {"step": 0}
    assert checks.widget(page, "widget-9a").locator(".mb-notice").text_content() == ""
    for name, query in (("widget-9", "kind=one&step=20&seq=ab&draw=5"), ("widget-9a", "kind=one&step=0&seq=ab&draw=1")):
        checks.widget(page, name).get_by_role("button", name="Link to this view").click()
        page.wait_for_function("(hash) => location.hash === hash", arg=f"#{name}?{query}")


def test_back_and_forward_lead_through_the_states(page: Any) -> None:
    for step in (0, 40):
        checks.follow(page, "widget-9", f"step={step}")
    go = """(way) => new Promise((done) => {
      addEventListener("hashchange", done, { once: true });
      history[way]();
    })"""
    for way, expected in (("back", 0), ("forward", 40), ("back", 0)):
        page.evaluate(go, way)
        assert state(page)["step"] == expected
        assert checks.widget(page, "widget-9").get_by_label("Step").get_attribute("aria-valuetext") == str(expected)


def test_an_address_is_read_before_the_first_drawing(empty: Any) -> None:
    empty.evaluate("history.replaceState(null, '', '#widget-9?step=40')")
    empty.evaluate(SHOW)
    checks.settle(empty)
    assert [entry[0]["step"] for entry in empty.evaluate("log['widget-9']")] == [40]
    empty.evaluate("stops.splice(0).forEach((stop) => stop())")


def test_a_widget_that_is_stopped_follows_no_address(empty: Any) -> None:
    empty.evaluate("history.replaceState(null, '', '#')")
    empty.evaluate(SHOW)
    empty.evaluate("stops.splice(0).forEach((stop) => stop())")
    checks.follow(empty, "widget-9", "step=40")
    assert state(empty) == START


@pytest.mark.parametrize(
    ("part", "words"),
    [(0, "0%"), (1, "100%"), (0.0001, "<0.1%"), (0.0234, "2.3%"), (0.0996, "10%"), (0.5, "50%"), (0.996, "99.6%"),
     (0.9999, ">99.9%")],
)  # fmt: skip
def test_percents_have_one_rule(empty: Any, part: float, words: str) -> None:
    assert empty.evaluate("(part) => mechbook.kit.percent(part)", part) == words
