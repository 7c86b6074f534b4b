"""Widget 3c in Chromium. Oracle: the same run without a widget, step by step; counting by hand."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from mechbook.core.training.loop import TrainingResult
from mechbook.core.training.settings import TrainingSettings
from mechbook.induction.runs import InductionSettings
from mechbook.induction.widgets.trainer import trainer_widget
from mechbook.shared.shakespeare import load_counts
from mechbook.shared.simplified import SimplifiedConfig
from mechbook.shared.vanilla import VanillaConfig
from tests.browser import checks
from tests.browser.browser import library_page

# A Shakespeare model that is trained in a second.
SPEC = InductionSettings(
    T=19,
    K=3,
    model=SimplifiedConfig(N=load_counts().N, T=19, d=13),
    training=TrainingSettings(steps=40, batch_size=4, optimizer="sgd", lr=0.05),
    seed_key=(1,),
    probe_every=10,
)
NAME = "widget-3c"
MATRICES = ("W_O2", "W_K2", "W_K1")
# The run of the widget's first model by itself, with what the widget shows of it.
ALONE = """([steps, change]) => {
  const { code, runOf } = mechbook.training, uniform = Array(16).fill(1 / 16);
  const run = runOf(code(), {
    N: 16, T: 32, d: 64, B: 32, K: 2, pi_u: uniform, pi_b: Array(16).fill(uniform), triggers: null, optimizer: "sgd",
    lr: 0.01, momentum: 0.9, decay: 1e-4, seed: 0, frozen: [], every: 10, steps: 900, ...change,
  });
  for (let i = 0; i < steps; i++) run.advance();
  const maps = run.model.maps(), corner = (map, n) => map[(n - 1) * n];
  return {
    step: run.step, points: run.points,
    corners: [corner(maps.W_O2, 16), corner(maps.W_K2, 16), corner(maps.W_K1, 32)],
  };
}"""


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


def set_up(shown: Any, **how: str) -> None:
    """Choose in the widget by label."""
    for label, value in how.items():
        control = shown.get_by_label(label.replace("_", " "), exact=True)
        control.select_option(value) if control.evaluate("(e) => e.tagName") == "SELECT" else control.fill(value)


def press(shown: Any, name: str) -> None:
    shown.get_by_role("button", name=name, exact=True).click()


def until(shown: Any, condition: str) -> None:
    """Wait until the widget's data fulfil a condition on `d`."""
    shown.page.wait_for_function(
        f"(name) => {{ const d = document.querySelector(`[data-widget='${{name}}']`).dataset; return {condition}; }}",
        arg=NAME,
        timeout=120_000,
    )


def play_to_the_end(shown: Any) -> None:
    set_up(shown, Speed="fast")
    press(shown, "Play")
    until(shown, "d.done === 'true'")


def seen(shown: Any) -> dict[str, Any]:
    """The step, the last values of the curves, and the lower left corner of each memory's map."""
    numbers = {
        line.get_attribute("data-series"): float(line.get_attribute("data-value") or "nan")
        for line in shown.locator("[data-series]").all()
    }
    cells = shown.locator(".mb-cell")
    corners = [float(cells.nth(index).get_attribute("data-value")) for index in (2, 3, 4)]
    return {"step": int(shown.get_attribute("data-step")), "numbers": numbers, "corners": corners}


def same(found: dict[str, Any], alone: dict[str, Any]) -> bool:
    last = alone["points"][-1]
    expected = [last["W_O2"], last["W_K2"], last["W_K1"], last["accuracy"]]
    return (found["step"], list(found["numbers"].values()), found["corners"]) == (
        alone["step"],
        expected,
        alone["corners"],
    )


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
    assert "Trained for 900 steps" in shown.locator(".mb-says").text_content()


def test_with_W_O2_frozen_nothing_is_learned(page: Any) -> None:
    shown = ready(page)
    shown.get_by_label("W_O2", exact=True).check()
    play_to_the_end(shown)
    alone = page.evaluate(ALONE, [900, {"frozen": ["W_O2"]}])
    assert same(seen(shown), alone)
    assert max(point["accuracy"] for point in alone["points"]) < 0.6
    assert "Frozen: W_O2" in shown.locator(".mb-says").text_content()


def test_pause_step_and_reset_give_exact_states(page: Any) -> None:
    shown = ready(page)
    for count in (1, 2, 3):
        press(shown, "One step")
        until(shown, f"d.step === '{count}'")
        assert same(seen(shown), page.evaluate(ALONE, [count, {}]))
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
    assert "plain JavaScript" in shown.locator(".mb-axes").first.text_content()
    assert same(seen(shown), expected)


def test_a_learning_rate_that_diverges_gets_a_sentence(page: Any) -> None:
    shown = ready(page)
    set_up(shown, Learning_rate="9", Speed="fast")
    assert shown.get_by_label("Learning rate").get_attribute("aria-valuetext") == "0.3"
    press(shown, "Play")
    until(shown, "d.diverged === 'true'")
    words = shown.locator(".mb-says").text_content()
    assert "With a learning rate of 0.3 training diverges" in words and int(shown.get_attribute("data-step")) < 900
    set_up(shown, Learning_rate="3")
    press(shown, "Reset")
    until(shown, "d.step === '0' && d.diverged === 'false'")
    assert "diverges" not in shown.locator(".mb-says").text_content()


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
