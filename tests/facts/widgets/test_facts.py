"""Widgets 6a and 6b in a page of their own. Oracle: PyTorch in float64 with the tables as shipped, and the grid."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mechbook.facts.dynamics import DynamicsSettings
from mechbook.facts.experiments import linear_settings, softmax_settings
from mechbook.facts.model import linear_logits, softmax_logits
from mechbook.facts.presets import LAPTOP
from mechbook.facts.stack_training import StackSettings
from mechbook.facts.task import sample_counts
from mechbook.facts.tradeoff import TradeoffResult, TradeoffSettings
from mechbook.facts.widgets import facts
from mechbook.site import vendor
from tests.browser import checks, checks_facts
from tests.browser.browser import library_page

LOGITS = """([kind, values, weights, counts]) =>
  Array.from(mechbook.facts.logits(kind, Float32Array.from(values), Float32Array.from(weights), counts))"""
SMALL = dict(S=6, R=3, D=2, T=9, n_noise=5, steps=300, probe_every=10, test_size=64, seeds=2, checkpoints=9)
TRAINING = StackSettings(steps=1, batch_size=1, rates=(1e-2,))
GRID = TradeoffSettings(S=5, D=8, T=32, d=8, d_h=2, H=(1, 3, 5, 7), m=(0, 3, 11), seeds=2, training=TRAINING)


def accuracy() -> torch.Tensor:
    """Accuracies that rise with both, with one cell of exactly 1 and ties."""
    return torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.6, 0.97], [0.7, 0.995, 1.0], [0.992, 1.0, 1.0]]).double()


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[facts.ShippedFacts]:
    patch = pytest.MonkeyPatch()
    patch.setenv("MECHBOOK_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield facts.shipped_facts(*specs())
    patch.undo()


def specs() -> tuple[DynamicsSettings, DynamicsSettings]:
    small: Any = {**SMALL, "init": 0.01}
    return replace(linear_settings(LAPTOP), lr=1.0, **small), replace(softmax_settings(LAPTOP, 40), **small)


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    with library_page(browser) as found:
        yield found


@pytest.fixture
def time(page: Any, sent: facts.ShippedFacts) -> Any:
    page.evaluate("history.replaceState(null, '', '#')")
    checks.render(page, facts.fact_time_widget(*specs()))
    return page


@pytest.fixture
def trade(page: Any) -> Any:
    page.evaluate("history.replaceState(null, '', '#')")
    found = TradeoffResult(accuracy=accuracy().unsqueeze(-1).expand(4, 3, 2), seconds=0.0)
    checks.render(page, facts.tradeoff_widget(GRID, found))
    return page


@pytest.mark.parametrize("kind", ["linear", "softmax"])
def test_the_pages_logits_are_pytorchs(page: Any, kind: str) -> None:
    """Oracle: linear_logits and softmax_logits in float64, on counts with absent tokens and scores far apart."""
    g = torch.Generator().manual_seed(1)
    V, A = 13, 7
    values, weights = torch.randn(V, A, generator=g), 4 * torch.randn(V, generator=g)
    counts = torch.randint(4, (5, V), generator=g).double()
    counts[:, -1] = 1
    counts[:, int(weights.argmax())] = 0
    expected = (linear_logits if kind == "linear" else softmax_logits)(values.double(), weights.double(), counts)
    for row, wanted in zip(counts, expected, strict=True):
        found = page.evaluate(LOGITS, [kind, values.flatten().tolist(), weights.tolist(), row.tolist()])
        torch.testing.assert_close(torch.tensor(found).double(), wanted, rtol=1e-5, atol=1e-4)


def test_what_is_shipped_is_the_run_rounded(sent: facts.ShippedFacts) -> None:
    """Oracle: the first seed's tables, to half a unit of float16's last place; the noise of a question fills T - 3."""
    assert list(sent.runs) == ["linear", "softmax"] and sent.noise.shape == (3, 5)
    assert sent.noise.sum(1).tolist() == [6.0] * 3
    for kind, run in sent.runs.items():
        torch.testing.assert_close(sent.values[kind], run.values, rtol=2**-11, atol=2**-25)
        torch.testing.assert_close(run.values[-1], run.final_values[0])
        torch.testing.assert_close(run.weights[-1], run.final_weights[0])
    s, r = 4, 2
    counts = sample_counts(sent.task, 1, torch.Generator().manual_seed(1)).counts.double()
    counts.zero_()
    counts[0, [s, 6 + r, -1]] = 1
    counts[0, 9:14] = sent.noise[1].double()
    step = sent.runs["linear"].checkpoint_steps[-1]
    expected = linear_logits(sent.values["linear"][-1].double(), sent.weights["linear"][-1].double(), counts)[0]
    torch.testing.assert_close(sent.logits("linear", step, s, r, 1), expected)


def test_every_control_of_6a_moves_what_pytorch_gives(time: Any, sent: facts.ShippedFacts) -> None:
    """Oracle: PyTorch at every checkpoint of both models, and for other subjects, relations and noise."""
    assert checks_facts.exercise_time(time, "widget-6a", sent) == []


def test_6a_says_what_it_sees(time: Any, sent: facts.ShippedFacts) -> None:
    """Oracle: the three stages by the definition in the sentence's own terms."""
    shown = checks.widget(time, "widget-6a")
    seen = set()
    for index in range(len(sent.runs["linear"].checkpoint_steps)):
        shown.get_by_label("Training step").locator("visible=true").fill(str(index))
        checks.settle(time)
        valid, truth = float(shown.get_attribute("data-valid")), float(shown.get_attribute("data-truth"))
        expected = "uniform" if valid < 0.5 else "fact" if truth > 0.5 else "hallucination"
        assert shown.get_attribute("data-stage") == expected
        seen.add(expected)
        words = {"uniform": "does not know yet", "hallucination": "right kind", "fact": "recalls the fact"}[expected]
        assert words in shown.locator(".mb-says").text_content()
    assert {"uniform", "fact"} <= seen


@pytest.mark.parametrize(
    ("fragment", "words", "state"),
    [
        ("model=softmax&s=5&r=2&noise=1", "", {"model": "softmax", "s": "5", "r": "2", "noise": "1"}),
        ("s=6", "s cannot be", {"s": "0"}),
        ("model=__proto__", "model cannot be", {"model": "linear"}),
        ("step=abc", "its step is not a number", {"model": "linear"}),
        ("r=%3Cimg%20src%3Dx%3E", "r cannot be", {"r": "0"}),
    ],
)
def test_an_address_sets_what_it_may(
    time: Any, sent: facts.ShippedFacts, fragment: str, words: str, state: dict[str, str]
) -> None:
    """Oracle: the allowed values; what is not allowed is named and changes nothing."""
    time.evaluate(f"location.hash = '#widget-6a?{fragment}'")
    time.wait_for_timeout(80)
    shown = checks.widget(time, "widget-6a")
    for key, value in state.items():
        assert shown.get_attribute(f"data-{key}") == value
    said = shown.locator(".mb-notice").text_content()
    assert words in said and bool(said) == bool(words)
    assert shown.locator("img").count() == 0
    assert checks_facts.wrong_answers(time, "widget-6a", sent) == []


def test_a_link_carries_the_state_of_both(time: Any) -> None:
    """Oracle: the address after the button is pressed."""
    shown = checks.widget(time, "widget-6a")
    shown.get_by_label("Subject").select_option("3")
    shown.get_by_role("button", name="Link to this view").click()
    assert "#widget-6a?model=linear&step=" in time.evaluate("location.href")
    assert "s=3&r=0&noise=0" in time.evaluate("location.href")


def test_every_budget_frames_what_it_buys(trade: Any) -> None:
    """Oracle: a loop over the cells of the grid, for every budget and bar."""
    assert checks_facts.exercise_tradeoff(trade, "widget-6b", GRID, accuracy()) == []


def test_budgets_on_offer() -> None:
    """Oracle: by hand. Parameters are 64 H + 16 m; the cheapest cell of 0.99 has H = 5, m = 3; 112 <= 368 / 2 < 192."""
    assert facts.preset_budgets(accuracy(), GRID.parameters()) == (112, 368, 624)
    # None reaches 0.99: the most accurate cell takes its place.
    assert facts.preset_budgets(accuracy() * 0.9, GRID.parameters())[1] == 496


def test_keys_move_over_the_map_and_the_theme_changes(trade: Any) -> None:
    """Oracle: the grid's own accuracies; a darker pixel in the dark theme."""
    shown = checks.widget(trade, "widget-6b")
    box, cell = shown.get_by_role("application"), shown.locator(".mb-cell")
    box.focus()
    box.press("Home")
    for key in ("ArrowUp", "ArrowRight", "ArrowUp"):
        box.press(key)
        i, j = (int(cell.get_attribute(f"data-{axis}")) for axis in ("row", "column"))
        assert float(cell.get_attribute("data-value")) == pytest.approx(float(accuracy()[i, j]), abs=1e-6)
    pixel = "(c) => Array.from(c.getContext('2d').getImageData(24, 24, 1, 1).data)"
    light = shown.locator("canvas").evaluate(pixel)
    trade.evaluate("document.documentElement.dataset.theme = 'dark'")
    checks.settle(trade)
    dark = shown.locator("canvas").evaluate(pixel)
    trade.evaluate("document.documentElement.dataset.theme = 'light'")
    assert sum(dark[:3]) < sum(light[:3])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("which", ["time", "trade"])
def test_axe_and_a_phones_width(page: Any, which: str, theme: str, request: pytest.FixtureRequest) -> None:
    """Oracle: axe-core's rules, a screen of 360 pixels, and a name for every control."""
    script = vendor.folder() / "tests" / "axe.min.js"
    if not Path(script).exists():
        pytest.skip("axe-core is not vendored yet: run make book first.")
    request.getfixturevalue(which)
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    page.evaluate(f"document.body.style.background = '{'#fff' if theme == 'light' else '#121212'}'")
    page.set_viewport_size({"width": 360, "height": 740})
    checks.settle(page)
    try:
        assert checks.serious_violations(page, script, "main") == []
        assert checks.overflow(page) == 0
        nameless = """() => [...document.querySelectorAll(".mb-widget :is(input, select, button, [tabindex])")]
          .filter((e) => !(e.labels?.length || e.textContent.trim() || e.getAttribute("aria-label"))).length"""
        assert page.evaluate(nameless) == 0
    finally:
        page.set_viewport_size({"width": 1280, "height": 900})
        page.evaluate("document.documentElement.dataset.theme = 'light'")


def test_static_pictures_and_words(sent: facts.ShippedFacts) -> None:
    """Oracle: a picture with a text of its own for print and readers without scripts."""
    time = facts.fact_time_widget(*specs())
    trade = facts.tradeoff_widget(GRID, TradeoffResult(accuracy=accuracy().unsqueeze(-1), seconds=0.0))
    for widget, words in ((time, "at three steps of training"), (trade, "Mean accuracy on 25 facts")):
        text = widget.static_html()
        assert "data:image/png;base64," in text and words in text and f'id="{widget.name}"' in text


def test_runs_of_different_tasks_are_refused() -> None:
    """Oracle: the sentence."""
    one, two = specs()
    with pytest.raises(ValueError, match="must have the same S, R, D, T and n_noise"):
        facts.shipped_facts(one, replace(two, n_noise=6))
