"""Widgets 1 and 2 of the small site in Chromium. Oracle: PyTorch on the embeddings that the page drew."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from mechbook.gradients.widgets import gradient_step
from mechbook.memories.widgets import capacity
from tests.browser import checks, checks_memory
from tests.browser.browser import opened

PAGE = "book/memories.html"
WRONG = {"widget-1": checks_memory.wrong_capacity, "widget-2": checks_memory.wrong_gradient_step}
NAMES = tuple(WRONG)


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    with opened(browser, f"{address}/{PAGE}") as found:
        for name in NAMES:
            checks.widget(found.page, name)
        yield found.page
        assert checks.complaints(found) == []


@pytest.mark.parametrize("values", ["own", "shared"])
def test_scores_and_recall_are_pytorchs(page: Any, values: str) -> None:
    shown = checks.widget(page, "widget-1")
    shown.get_by_label("Values").select_option(values)
    for n, d in ((0, 0), (3, 1), (18, 2), (11, 6), (18, 6)):
        said = shown.locator(".mb-says").text_content()
        shown.get_by_label("Pairs N").fill(str(n))
        shown.get_by_label("Dimension d").fill(str(d))
        assert checks_memory.wrong_capacity(page, "widget-1") == []
        N = capacity.COUNTS[n]
        state = {"N": str(N), "d": str(capacity.DIMENSIONS[d]), "values": values, "draw": "1"}
        assert checks_memory.unmoved(page, "widget-1", state) == []
        assert shown.locator(".mb-says").text_content() != said
        assert ("first 40 of" in shown.text_content()) == (N > 40)


def test_measured_points_gather(page: Any) -> None:
    """A point for each draw and N; a state that is seen again gives none; another dimension has its own."""
    shown = checks.widget(page, "widget-1")
    dots = shown.locator("circle.mb-dot")
    recalls = [float(shown.get_attribute("data-recall"))]
    assert dots.count() == 1
    for draw in (2, 3):
        shown.get_by_role("button", name="Draw again").click()
        assert checks_memory.unmoved(page, "widget-1", {"draw": str(draw)}) == []
        recalls.append(float(shown.get_attribute("data-recall")))
    assert checks_memory.wrong_capacity(page, "widget-1") == []
    mean = float(shown.locator('[data-series="mean of 3 draws at this N"]').get_attribute("data-value"))
    assert mean == pytest.approx(sum(recalls) / 3) and len(set(recalls)) > 1
    assert dots.count() == 3
    for n, count in (("18", 4), ("10", 4), ("18", 4)):
        shown.get_by_label("Pairs N").fill(n)
        checks.settle(page)
        assert dots.count() == count
    shown.get_by_label("Dimension d").fill("0")
    checks.settle(page)
    assert dots.count() == 1


def test_more_pairs_keep_the_first_ones(page: Any) -> None:
    """The first scores of a fixed pair differ only by the crosstalk that was added, not by another draw."""
    shown, first = checks.widget(page, "widget-1"), []
    for n in ("10", "12"):
        shown.get_by_label("Pairs N").fill(n)
        checks.settle(page)
        first.append(shown.evaluate("(root) => Array.from(root.memory.u.subarray(0, 640))"))
    assert first[0] == first[1]


@pytest.mark.parametrize("positions", ["off", "on"])
def test_logits_are_pytorchs(page: Any, positions: str) -> None:
    shown = checks.widget(page, "widget-2")
    shown.get_by_label("Input").select_option(positions)
    for steps, eta, d in ((0, 3, 2), (1, 6, 0), (1, 6, 6), (3, 0, 3), (50, 6, 5), (50, 11, 4)):
        said = shown.locator(".mb-says").text_content()
        shown.get_by_label("Gradient steps").fill(str(steps))
        shown.get_by_label("Step size").fill(str(eta))
        shown.get_by_label("Dimension d").fill(str(d))
        assert checks_memory.wrong_gradient_step(page, "widget-2") == []
        held = (str(steps), str(gradient_step.ETAS[eta]), str(gradient_step.DIMENSIONS[d]), positions)
        state = dict(zip(("steps", "eta", "d", "positions"), held, strict=True))
        assert checks_memory.unmoved(page, "widget-2", state) == []
        assert shown.locator(".mb-says").text_content() != said
    shown.get_by_role("button", name="Draw again").click()
    assert checks_memory.unmoved(page, "widget-2", {"draw": "2"}) == []
    assert checks_memory.wrong_gradient_step(page, "widget-2") == []


def test_one_step_is_on_the_line_and_positions_are_not_stored(page: Any) -> None:
    """Oracle: (eta/N)(1 - 1/N) within four standard errors, and crosstalk that falls as 1/sqrt(d)."""
    shown = checks.widget(page, "widget-2")
    shown.get_by_label("Input").select_option("on")
    shown.get_by_label("Dimension d").fill("6")
    checks.settle(page)
    memory, N, d = shown.evaluate(checks_memory.MEMORY), gradient_step.N, 256
    at = 10 / N * (1 - 1 / N)
    # A right logit is about |w_U|^2 |w_E|^2, each with the variance 2/d, plus crosstalk; averaged over N of them.
    assert abs(memory["right"] - at) < 4 * at * (4 / d / N) ** 0.5
    assert max(abs(value) for value in memory["positional"]) < at * 4 / d**0.5
    assert memory["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("name", "presets"),
    [
        ("widget-1", ("Well below capacity", "At capacity", "Beyond")),
        ("widget-2", ("Before", "One step", "One step, small d", "Fifty steps")),
    ],
)
def test_presets_lead_to_their_moments(page: Any, name: str, presets: tuple[str, ...]) -> None:
    shown, said = checks.widget(page, name), []
    for words in presets:
        button = shown.get_by_role("button", name=words, exact=True)
        button.click()
        assert WRONG[name](page, name) == []
        assert button.get_attribute("aria-pressed") == "true"
        assert shown.locator('button[aria-pressed="true"]').count() == 1
        said.append(shown.locator(".mb-says").text_content())
    assert len(set(said)) == len(presets)
    if name == "widget-1":
        recalls = [float(match) for match in re.findall(r"(\d+(?:\.\d)?)% are recalled", " ".join(said))]
        assert recalls == sorted(recalls, reverse=True) and recalls[0] >= 99 and recalls[2] < 90


@pytest.mark.parametrize("name", NAMES)
def test_keys_move_over_the_cells_and_along_the_sliders(page: Any, name: str) -> None:
    shown = checks.widget(page, name)
    heat_map, cell = shown.get_by_role("application").first, shown.locator(".mb-cell").first
    heat_map.focus()
    for key, at in (("Home", ("0", "0")), ("ArrowRight", ("0", "1")), ("ArrowDown", ("1", "1")), ("End", None)):
        if key == "Home":
            for _ in range(40):
                heat_map.press("ArrowUp")
        heat_map.press(key)
        assert at is None or (cell.get_attribute("data-row"), cell.get_attribute("data-column")) == at
        assert WRONG[name](page, name) == []
    slider = shown.get_by_role("slider").first
    before = slider.get_attribute("aria-valuetext")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") != before
    assert WRONG[name](page, name) == []


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("widget-1", {"N": "362", "d": "48", "values": "shared", "draw": "7"}),
        ("widget-2", {"steps": "17", "eta": "0.5", "d": "32", "positions": "on", "draw": "12"}),
    ],
)
def test_a_link_carries_the_state(browser: Any, address: str, name: str, state: dict[str, str]) -> None:
    query = "&".join(f"{key}={value}" for key, value in state.items())
    with opened(browser, f"{address}/{PAGE}#{name}?{query}") as found:
        shown = checks.widget(found.page, name)
        assert checks_memory.unmoved(found.page, name, state) == []
        assert WRONG[name](found.page, name) == []
        assert shown.locator(".mb-notice").text_content() == ""
        found.page.evaluate("location.hash = ''")
        shown.get_by_role("button", name="Draw again").click()
        shown.get_by_role("button", name="Link to this view").click()
        link = found.page.evaluate("location.href")
        assert link.endswith(f"#{name}?{query[: query.rindex('=')]}={int(state['draw']) + 1}")
        assert checks.complaints(found) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("fragment", "words"),
    [
        ("d=65", "d cannot be “65”"),
        ("draw=1e3&d=16", "draw cannot be “1e3”"),
        ("d=" + "9" * 9000, "it is too long"),
        ("d=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "d cannot be “<img src=x onerror=a”"),
        ("__proto__=1&constructor=1&toString=2", ""),
    ],
)
def test_a_link_that_is_wrong_does_no_harm(browser: Any, address: str, name: str, fragment: str, words: str) -> None:
    with opened(browser, f"{address}/{PAGE}#{name}?{fragment}") as found:
        shown = checks.widget(found.page, name)
        assert WRONG[name](found.page, name) == []
        said = shown.locator(".mb-notice").text_content()
        assert words in said if words else said == ""
        default = {"widget-1": "64", "widget-2": "128"}[name]
        assert shown.get_attribute("data-d") == ("16" if "d=16" in fragment else default)
        assert shown.locator("img").count() == 0
        assert checks.complaints(found) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_theme_can_change_under_way(page: Any, name: str) -> None:
    canvas = checks.widget(page, name).locator("canvas").first
    total = """(c) => c.getContext('2d').getImageData(20, 20, c.width - 30, c.height - 30).data
      .reduce((sum, value) => sum + value, 0)"""
    light = canvas.evaluate(total)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    checks.settle(page)
    assert canvas.evaluate(total) < 0.8 * light


@pytest.mark.parametrize("name", NAMES)
def test_without_scripts_and_in_print_there_is_a_picture(browser: Any, address: str, name: str) -> None:
    with opened(browser, f"{address}/{PAGE}", script=False) as found:
        assert found.page.locator(f"#{name} img").is_visible()
        assert len(found.page.locator(f"#{name} img").get_attribute("alt")) > 80
    with opened(browser, f"{address}/{PAGE}") as found:
        shown = checks.widget(found.page, name)
        assert not found.page.locator(f"#{name} img").is_visible()
        found.page.emulate_media(media="print")
        assert found.page.locator(f"#{name} img").is_visible()
        assert not shown.is_visible()


def test_positions_fit_a_phone_and_every_control_has_a_name(browser: Any, address: str) -> None:
    nameless = """() => [...document.querySelectorAll(".mb-widget :is(input, select, button, [tabindex])")]
      .filter((e) => !(e.labels?.length || e.textContent.trim() || e.getAttribute("aria-label"))).length"""
    with opened(browser, f"{address}/{PAGE}", width=360, height=740) as found:
        checks.widget(found.page, "widget-2").get_by_label("Input").select_option("on")
        checks.widget(found.page, "widget-1").get_by_label("Pairs N").fill("18")
        checks.settle(found.page)
        assert checks.overflow(found.page) == 0
        assert found.page.evaluate(nameless) == 0
        assert checks.complaints(found) == []
