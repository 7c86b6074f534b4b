"""Widgets 4a and 4b of the small site in Chromium. Oracle: PyTorch with the weights as shipped, in float64."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from mechbook.noisy.widgets import truncation
from mechbook.noisy.widgets.truncation import OWN, Shipped
from tests.browser import checks, checks_noise
from tests.browser.browser import opened

PAGE = "book/noise.html"
NAMES = ("widget-4a", "widget-4b")
TYPED = {
    "a bc ad b ": "a bc ad b ",
    "x": "x",
    "τ": "τ",
    "a↵b␣a": "a\nb a",
    "aτaτ a": "aτaτ a",
    # b and c follow a equally often
    "ab ac a": "ab ac a",
    "q" * 31: "q" * 31,
}


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    with opened(browser, f"{address}/{PAGE}") as found:
        for name in NAMES:
            checks.widget(found.page, name)
        yield found.page
        assert checks.complaints(found) == []


def wrong(page: Any, name: str, sent: Shipped, text: str, *, rho: float = 1.0, step: int | None = None) -> list[str]:
    if name == "widget-4a":
        return checks_noise.wrong_truncation(page, name, sent, rho, text)
    return checks_noise.wrong_noise_attention(page, name, sent, sent.steps[-1] if step is None else step, text)


def first_text(sent: Shipped, name: str) -> str:
    return truncation.sequences(sent)[NAMES.index(name)][1]


def test_rho_moves_everything(page: Any, noisy_sent: Shipped) -> None:
    shown, said = checks.widget(page, "widget-4a"), set()
    text = first_text(noisy_sent, "widget-4a")
    for percent in (0, 1, 2, 3, 5, 50, 97, 99, 100):
        shown.get_by_label("ρ, kept of F₂'s rank").fill(str(percent))
        assert wrong(page, "widget-4a", noisy_sent, text, rho=percent / 100) == []
        said.add(shown.locator(".mb-says").text_content())
        rank = percent * 37 // 100
        assert f"{percent / 100:g} ({rank} of 37)" in shown.locator("output").first.text_content()
    # Ranks 0, 0, 0, 1, 1, 18, 35, 36, 37: equal ranks below the full one still name another rho.
    assert len(said) == 7


def test_training_time_moves_everything(page: Any, noisy_sent: Shipped) -> None:
    shown, said = checks.widget(page, "widget-4b"), []
    for index, step in enumerate(noisy_sent.steps):
        shown.get_by_label("Training step").fill(str(index))
        assert wrong(page, "widget-4b", noisy_sent, first_text(noisy_sent, "widget-4b"), step=step) == []
        said.append(shown.locator(".mb-says").text_content())
    assert [int(re.findall(r"\d+", words)[0]) for words in said] == list(noisy_sent.steps)


@pytest.mark.parametrize("name", NAMES)
def test_presets_lead_to_their_moments(page: Any, noisy_sent: Shipped, name: str) -> None:
    shown, text = checks.widget(page, name), first_text(noisy_sent, name)
    moments: dict[str, Any] = {"Full model": 1.0, "ρ = 0.05": 0.05, "F₂ dropped": 0.0}
    if name == "widget-4b":
        steps = noisy_sent.steps
        moments = dict(zip(truncation.PRESET_WORDS, (*steps[:2], steps[-1]), strict=True))
    for words, moment in reversed(moments.items()):
        shown.get_by_role("button", name=words, exact=True).click()
        state = {"rho": moment} if name == "widget-4a" else {"step": moment}
        assert wrong(page, name, noisy_sent, text, **state) == []
        pressed = shown.locator('button[aria-pressed="true"]')
        assert pressed.count() == 1 and pressed.text_content() == words
        assert shown.locator('input[type="range"]').get_attribute("aria-valuetext").startswith(f"{moment:g}")


@pytest.mark.parametrize("name", NAMES)
def test_sequences_on_offer_and_of_the_readers_own(page: Any, noisy_sent: Shipped, name: str) -> None:
    shown = checks.widget(page, name)
    for index, (_, text) in reversed(list(enumerate(truncation.sequences(noisy_sent)))):
        shown.get_by_label("Sequence").select_option(str(index))
        assert wrong(page, name, noisy_sent, text) == []
        assert shown.get_by_label("The model reads").input_value() == text.replace(" ", "␣").replace("\n", "↵")
    for typed, text in TYPED.items():
        shown.get_by_label("The model reads").fill(typed)
        assert wrong(page, name, noisy_sent, text) == []
        assert shown.get_by_label("Sequence").input_value() == "own"
    shown.get_by_label("The model reads").fill(OWN)
    page.keyboard.press("Backspace")
    assert wrong(page, name, noisy_sent, OWN[:-1]) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_noise_is_inserted_where_one_writes(page: Any, noisy_sent: Shipped, name: str) -> None:
    shown = checks.widget(page, name)
    box, button = shown.get_by_label("The model reads"), shown.get_by_role("button", name="Insert τ")
    box.fill("a ba ")
    button.click()
    assert wrong(page, name, noisy_sent, "a ba τ") == []
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    button.focus()
    button.press("Enter")
    assert wrong(page, name, noisy_sent, "aτba τ") == []
    page.keyboard.type(" c")
    assert wrong(page, name, noisy_sent, "aτ cba τ") == []
    # a sequence that is full takes no more; with one fewer there is room again
    box.fill("q" * 31)
    assert button.is_disabled()
    box.fill("q" * 30)
    button.click()
    assert wrong(page, name, noisy_sent, "q" * 30 + "τ") == [] and button.is_disabled()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("<img src=x onerror=alert(1)>", "does not know the character “<”"),
        ("5", "does not know the character “5”: it knows letters, spaces, line breaks (↵) and !$&',-.3:;?, and τ"),
        ("a" * 10_000, "The sequence has 10,000 characters; this model reads at most 31."),
        ("", "Type at least one character."),
        ("\u202e\U0001f600é", "does not know the character"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_read_is_refused_in_words(
    page: Any, noisy_sent: Shipped, name: str, typed: str, words: str
) -> None:
    shown = checks.widget(page, name)
    said, box = shown.locator(".mb-says").text_content(), shown.get_by_label("The model reads")
    box.fill(typed)
    # What else is moved leaves the text for the reader to correct.
    shown.locator('input[type="range"]').fill("1")
    checks.settle(page)
    assert box.input_value() == typed and box.get_attribute("aria-invalid") == "true"
    assert words in shown.locator(".mb-message").first.text_content()
    assert shown.locator(".mb-says").text_content() != said
    assert page.locator("section.mb-widget img").count() == 0
    shown.locator(".mb-presets button").last.click()
    box.fill("To b")
    assert wrong(page, name, noisy_sent, "To b", rho=0.0) == []
    assert box.get_attribute("aria-invalid") == "false"


@pytest.mark.parametrize("name", NAMES)
def test_a_link_carries_the_state(browser: Any, address: str, page: Any, noisy_sent: Shipped, name: str) -> None:
    shown, text = checks.widget(page, name), "a&b, \ncτ a"
    shown.locator('input[type="range"]').fill("1")
    shown.get_by_label("The model reads").fill("a&b, ↵cτ a")
    shown.get_by_role("button", name="Link to this view").click()
    link = page.evaluate("location.href")
    step = noisy_sent.steps[1]
    assert f"#{name}?{'rho=0.01' if name == 'widget-4a' else f'step={step}'}&seq=" in link
    with opened(browser, link) as found:
        assert wrong(found.page, name, noisy_sent, text, rho=0.01, step=step) == []
        assert checks.widget(found.page, name).get_by_label("Sequence").input_value() == "own"
        assert checks.complaints(found) == []


@pytest.mark.parametrize(
    ("fragment", "words"),
    [
        ("?rho=0.055&step=5", "cannot be “"),
        ("?rho=-1e9&step=x", "cannot be “"),
        ("?rho=<img src=x>&step=<img src=x>", "cannot be “<img src=x>”"),
        ("?seq=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "does not know the character “<”"),
        ("?seq=" + "a" * 300, "The sequence has 300 characters"),
        ("?seq=" + "a" * 9000, "it is too long"),
        ("?seq=%E0%A4%A", "does not know the character"),
        ("?map=__proto__&constructor=1", ""),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_a_link_that_is_wrong_does_no_harm(
    browser: Any, address: str, noisy_sent: Shipped, name: str, fragment: str, words: str
) -> None:
    with opened(browser, f"{address}/{PAGE}#{name}{fragment}") as found:
        shown = checks.widget(found.page, name)
        checks.settle(found.page)
        said = shown.locator(".mb-notice").text_content()
        assert (words in said) if words else said == ""
        assert wrong(found.page, name, noisy_sent, first_text(noisy_sent, name)) == []
        assert checks.complaints(found) == []


def test_keys_move_the_sliders(page: Any, noisy_sent: Shipped) -> None:
    for name in NAMES:
        slider = checks.widget(page, name).locator('input[type="range"]')
        slider.press("ArrowLeft")
        state = {"rho": 0.99} if name == "widget-4a" else {"step": noisy_sent.steps[-2]}
        assert wrong(page, name, noisy_sent, first_text(noisy_sent, name), **state) == []


def test_the_theme_can_change_under_way(page: Any, noisy_sent: Shipped) -> None:
    """Oracle: the painted page; a column's ground and the lines of a chart take the theme's own colours."""
    shown = checks.widget(page, "widget-4b")
    ground = "(e) => getComputedStyle(e).backgroundColor"
    light = shown.locator(".mb-column").first.evaluate(ground)
    label = shown.locator(".mb-lines text").first.evaluate("(e) => getComputedStyle(e).fill")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert shown.locator(".mb-column").first.evaluate(ground) != light
    assert shown.locator(".mb-lines text").first.evaluate("(e) => getComputedStyle(e).fill") != label
    assert wrong(page, "widget-4b", noisy_sent, first_text(noisy_sent, "widget-4b")) == []


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


def test_the_longest_sequence_fits_a_phone_and_controls_have_names(browser: Any, address: str) -> None:
    nameless = """() => [...document.querySelectorAll(".mb-widget :is(input, select, button, [tabindex])")]
      .filter((e) => !(e.labels?.length || e.textContent.trim() || e.getAttribute("aria-label"))).length"""
    with opened(browser, f"{address}/{PAGE}", width=360, height=740) as found:
        for name in NAMES:
            checks.widget(found.page, name).get_by_label("The model reads").fill("W" * 31)
        checks.settle(found.page)
        assert checks.overflow(found.page) == 0
        assert found.page.evaluate(nameless) == 0
        assert checks.complaints(found) == []


def test_the_page_asks_once_for_the_weights_of_both(page: Any) -> None:
    """Oracle: the scripts that stand in the page, each asked for."""
    asked = page.evaluate("[...document.scripts].map(({ src }) => src)")
    assert len([name for name in asked if "/widgets/" in name]) == 1
