"""A small site with every widget, in Chromium. Oracle: PyTorch with the weights as shipped; the rules of axe-core."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fontTools.ttLib import TTFont

from mechbook.induction.widgets.induction import QUOTATION, Shipped
from mechbook.site import vendor
from tests.browser import checks
from tests.browser.browser import opened

PAGES = (
    "book/index.html",
    "book/widgets.html",
    "book/memories.html",
    "book/noise.html",
    "book/training.html",
    "book/plain.html",
)

# Of a drawing: its smallest letters in pixels, the boxes that cut something off it, and grounds laid under it.
DRAWN = """() => {
  const svg = document.querySelector("svg.mb-circuit"), own = svg.getBoundingClientRect(), up = [];
  for (let each = svg.parentElement; each.tagName !== "ARTICLE"; each = each.parentElement) up.push(each);
  const cuts = (each) => getComputedStyle(each).overflowX !== "visible";
  const inside = (box) => box.left <= own.left && own.right <= box.right;
  const scale = svg.getScreenCTM().a;
  return {
    smallest: Math.min(...[...svg.querySelectorAll("text")].map((text) => scale * text.getAttribute("font-size"))),
    hidden: up.filter((each) => cuts(each) && !inside(each.getBoundingClientRect())).map((each) => each.className),
    grounds: up.map((each) => getComputedStyle(each).backgroundColor).filter((it) => it !== "rgba(0, 0, 0, 0)"),
  };
}"""


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    with opened(browser, f"{address}/book/widgets.html") as found:
        checks.widget(found.page, "widget-3a")
        checks.widget(found.page, "widget-3b")
        yield found.page
        assert checks.complaints(found) == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["http", "file"])
def test_a_page_lives_by_itself(browser: Any, address: str, site: Path, name: str, scheme: str) -> None:
    url = f"{address}/{name}" if scheme == "http" else (site / name).as_uri()
    with opened(browser, url) as found:
        assert checks.complaints(found) == []
        formulas = found.page.locator("mjx-container").count()
        assert formulas == (name != "book/plain.html")
        # What waits for a widget to be neared, and the widgets' own.
        scripts = found.page.locator('script[src*="vendor/"]').count()
        assert scripts == (0 if name == "book/plain.html" else 2)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious(browser: Any, address: str, name: str, dark: bool) -> None:
    with opened(browser, f"{address}/{name}", dark=dark) as found:
        assert checks.complaints(found) == []
        assert found.page.evaluate("document.documentElement.dataset.theme") == ("dark" if dark else "light")
        assert checks.serious_violations(found.page, vendor.folder() / "tests" / "axe.min.js") == []


@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_wider_than_a_phone(browser: Any, address: str, name: str) -> None:
    with opened(browser, f"{address}/{name}", width=360, height=740) as found:
        assert checks.complaints(found) == []
        assert checks.overflow(found.page) == 0


def test_a_drawn_circuit_is_a_numbered_figure_that_a_phone_shows_whole(browser: Any, site: Path) -> None:
    for dark in (False, True):
        with opened(browser, (site / "book/index.html").as_uri(), width=390, dark=dark) as found:
            assert checks.complaints(found) == []
            figure = found.page.locator("figure#fig-drawn")
            assert figure.locator(".caption-number").inner_text().strip() == "Fig. 1"
            assert found.page.locator('a[href="#fig-drawn"] .std-numref').inner_text() == "Fig. 1"
            seen = found.page.evaluate(DRAWN)
            assert seen["smallest"] >= 11 and seen["hidden"] == [] and seen["grounds"] == []


def test_without_scripts_and_in_print_there_is_a_picture(browser: Any, address: str, site: Path) -> None:
    with opened(browser, f"{address}/book/widgets.html", script=False) as found:
        assert found.page.locator("#widget-3a img").is_visible()
        assert found.page.locator("#widget-3b img").is_visible()
    with opened(browser, f"{address}/book/widgets.html") as found:
        checks.widget(found.page, "widget-3a")
        assert not found.page.locator("#widget-3a img").is_visible()
        found.page.emulate_media(media="print")
        assert found.page.locator("#widget-3a img").is_visible()
        assert not found.page.locator("section.mb-widget").first.is_visible()
    text = (site / "book/widgets.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<img [^>]*alt="Attention of layer 1 [^"]{40,}"', text)) == 1


def test_the_widgets_of_a_page_share_one_copy_of_the_weights(site: Path, page: Any) -> None:
    text = (site / "book" / "widgets.html").read_text(encoding="utf-8")
    stores = re.findall(r'"store": "(\w+)"', text)
    assert len(stores) == 2 and len(set(stores)) == 1
    assert page.locator(f'script[src$="widgets/{stores[0]}.js"]').count() == 1
    assert text.count('"kind": "induction"') == text.count('"kind": "memory_maps"') == 1


def test_a_widget_waits_until_it_is_neared(browser: Any, address: str) -> None:
    """Oracle: what the page asks for, before and after the reader goes there, and for a link to a state at once."""
    with opened(browser, f"{address}/book/memories.html", height=300) as found:
        found.page.evaluate("document.querySelector('article').style.paddingBottom = '4000px'")
        found.settle()
        asked = """() => performance.getEntriesByType("resource")
          .filter((one) => /vendor.mechbook|widgets.\\w+.js/.test(one.name)).length"""
        place = found.page.locator('.mb-place[data-name="widget-1"]')
        far = place.evaluate("(one) => one.getBoundingClientRect().top > 2 * innerHeight")
        assert found.page.evaluate(asked) == 0 if far else True
        assert checks.complaints(found) == []
        assert found.page.evaluate(asked) >= 2
    with opened(browser, f"{address}/book/memories.html#widget-2?steps=7", height=300) as found:
        shown = found.page.locator('section.mb-widget[data-widget="widget-2"]')
        shown.locator(".mb-says:not(:empty)").wait_for(timeout=30_000)
        assert shown.get_by_label("Gradient steps").input_value() == "7"


def test_the_style_of_formulas_names_fonts_that_are_there(page: Any, site: Path) -> None:
    """Oracle: the files of the site. Which of them a browser asks for depends on the characters of a page."""
    style = site / "_static" / "formulas.css"
    fonts = re.findall(r'url\("([^"]+)"\)', style.read_text(encoding="utf-8"))
    assert len(fonts) >= 6
    assert [font for font in fonts if not (style.parent / font).is_file()] == []


READABLE = """async () => {
  const faces = [...document.fonts].filter((face) => face.family.startsWith("MJX"));
  const read = await Promise.allSettled(faces.map((face) => face.load()));
  return read.map(({ status }, index) => [faces[index].family, status]);
}"""


def test_a_browser_reads_every_font_of_formulas_and_each_character_is_in_one(page: Any, site: Path) -> None:
    """Oracle: Chromium, and fontTools' reading of the fonts; a character that is in none comes from anywhere."""
    read = page.evaluate(READABLE)
    assert len(read) >= 6 and [family for family, status in read if status != "fulfilled"] == []
    style = (site / "_static" / "formulas.css").read_text(encoding="utf-8")
    wanted = {chr(int(code, 16)) for code in re.findall(r'content: "\\([0-9A-F]+)"', style)}
    assert {"\N{GREEK SMALL LETTER ALPHA}", "\N{LESS-THAN OR EQUAL TO}"} <= wanted
    held: set[str] = set()
    for font in sorted((site / "vendor" / "formulas").glob("*.woff")):
        with TTFont(font) as opened_font:
            held |= {chr(point) for point in opened_font.getBestCmap()}
    assert wanted - held == set()


def test_a_formula_is_no_stop_of_the_tab_key_and_has_words(page: Any) -> None:
    """Oracle: the page's own tree: MathML stands beside what is seen, and nothing of it can be focused."""
    assert page.locator("mjx-container [tabindex], mjx-container[tabindex]").count() == 0
    assert page.locator("mjx-container mjx-assistive-mml math").count() == page.locator("mjx-container").count() > 0


def test_training_time_moves_everything(page: Any, sent: Shipped) -> None:
    shown, said = checks.widget(page, "widget-3a"), set()
    slider = shown.get_by_label("Training step")
    for index, step in enumerate(sent.steps):
        slider.fill(str(index))
        assert checks.wrong_predictions(page, "widget-3a", sent, step, QUOTATION) == []
        said.add(shown.locator(".mb-says").text_content())
    assert len(said) == len(sent.steps)
    assert all(f"Step {step}." in words for step, words in zip(sent.steps, sorted(said, key=_step), strict=True))


def _step(words: str) -> int:
    return int(re.findall(r"\d+", words)[0])


@pytest.mark.parametrize("name", ["widget-3a", "widget-3b"])
def test_presets_lead_to_their_moments(page: Any, sent: Shipped, name: str) -> None:
    shown, steps = checks.widget(page, name), []
    for words in ("Before the induction head", "While it forms", "After"):
        button = shown.get_by_role("button", name=words)
        button.click()
        checks.settle(page)
        assert button.get_attribute("aria-pressed") == "true"
        assert shown.locator('button[aria-pressed="true"]').count() == 1
        steps.append(int(shown.get_attribute("data-step")))
        assert shown.get_by_label("Training step").get_attribute("aria-valuetext") == str(steps[-1])
    assert steps == sorted(set(steps)) and steps[-1] == sent.steps[-1]


def test_a_sequence_of_the_readers_own(page: Any, sent: Shipped) -> None:
    shown = checks.widget(page, "widget-3a")
    for typed, text in (("abcab", "abcab"), ("x", "x"), ("a↵b a", "a\nb a"), ("q" * 31, "q" * 31)):
        shown.get_by_label("The model reads").fill(typed)
        assert checks.wrong_predictions(page, "widget-3a", sent, sent.steps[-1], text) == []
    assert shown.get_by_label("Sequence").input_value() == "own"


def test_every_sequence_on_offer(page: Any, sent: Shipped) -> None:
    shown = checks.widget(page, "widget-3a")
    choice = shown.get_by_label("Sequence")
    for index in range(3):
        choice.select_option(str(index))
        text = shown.get_by_label("The model reads").input_value().replace("↵", "\n")
        assert checks.wrong_predictions(page, "widget-3a", sent, sent.steps[-1], text) == []


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("<img src=x onerror=alert(1)>", "does not know the character “<”"),
        ("a" * 10_000, "The sequence has 10,000 characters; this model reads at most 31."),
        ("", "Type at least one character."),
        ("\u202e\U0001f600é", "does not know the character"),
    ],
)
@pytest.mark.parametrize("where", ["widget-3a", "widget-start"])
def test_what_cannot_be_read_is_refused_in_words(
    browser: Any, address: str, sent: Shipped, typed: str, words: str, where: str
) -> None:
    name = "index" if where == "widget-start" else "widgets"
    with opened(browser, f"{address}/book/{name}.html") as found:
        shown = checks.widget(found.page, where)
        said = shown.locator(".mb-says").text_content()
        box = shown.get_by_label("The model reads")
        box.fill(typed)
        checks.settle(found.page)
        assert words in shown.locator(".mb-message").text_content()
        assert box.get_attribute("aria-invalid") == "true"
        assert shown.locator(".mb-says").text_content() == said
        assert found.page.locator("section.mb-widget img").count() == 0
        box.fill("To b")
        assert checks.wrong_predictions(found.page, where, sent, sent.steps[-1], "To b") == []
        assert box.get_attribute("aria-invalid") == "false"
        assert checks.overflow(found.page) == 0
        assert checks.complaints(found) == []


def test_keys_move_over_the_cells_of_a_map(page: Any, sent: Shipped) -> None:
    shown = checks.widget(page, "widget-3a")
    for layer in (1, 2):
        heat_map = shown.get_by_role("application", name=f"Attention of layer {layer}")
        cell = shown.locator(".mb-cell").nth(layer - 1)
        heat_map.focus()
        heat_map.press("Home")
        for key, at in (("ArrowRight", ("17", "1")), ("ArrowUp", ("16", "1")), ("ArrowDown", ("17", "1"))):
            heat_map.press(key)
            assert (cell.get_attribute("data-row"), cell.get_attribute("data-column")) == at
        heat_map.press("End")
        assert cell.get_attribute("data-column") == "17"
        assert checks.wrong_predictions(page, "widget-3a", sent, sent.steps[-1], QUOTATION) == []
        box = heat_map.locator("canvas").bounding_box()
        page.mouse.move(box["x"] + 14 + (box["width"] - 14) * 3.5 / 18, box["y"] + 14 + (box["height"] - 14) * 9.5 / 18)
        assert (cell.get_attribute("data-row"), cell.get_attribute("data-column")) == ("9", "3")
        assert checks.wrong_predictions(page, "widget-3a", sent, sent.steps[-1], QUOTATION) == []


def test_memory_maps(page: Any, sent: Shipped) -> None:
    shown = checks.widget(page, "widget-3b")
    for matrix in ("W_K1", "W_K2", "W_O2"):
        shown.get_by_label("Matrix", exact=True).select_option(matrix)
        for index in (0, 3, len(sent.steps) - 1):
            shown.get_by_label("Training step").fill(str(index))
            assert checks.wrong_memories(page, "widget-3b", sent, sent.steps[index], matrix) == []
            shown.get_by_role("application").press("ArrowUp")
            shown.get_by_role("application").press("ArrowRight")
            assert checks.wrong_memories(page, "widget-3b", sent, sent.steps[index], matrix) == []


def test_the_small_version(browser: Any, address: str, sent: Shipped) -> None:
    with opened(browser, f"{address}/book/index.html") as found:
        shown = checks.widget(found.page, "widget-start")
        for words in ("Before the induction head", "While it forms", "After"):
            shown.get_by_role("button", name=words).click()
            checks.settle(found.page)
            step = int(shown.get_attribute("data-step"))
            assert checks.wrong_predictions(found.page, "widget-start", sent, step, QUOTATION) == []
        assert checks.complaints(found) == []


def test_a_link_carries_the_state(browser: Any, address: str, page: Any, sent: Shipped) -> None:
    shown = checks.widget(page, "widget-3a")
    shown.get_by_label("Training step").fill("2")
    shown.get_by_label("The model reads").fill("a&b=c? \u21b5a")
    page.wait_for_timeout(50)
    assert "does not know" in shown.locator(".mb-message").text_content()
    shown.get_by_label("The model reads").fill("a&b, c? \u21b5a")
    shown.get_by_role("button", name="Link to this view").click()
    link = page.evaluate("location.href")
    assert "#widget-3a?step=40&seq=" in link
    with opened(browser, link) as found:
        text = "a&b, c? \na"
        assert checks.wrong_predictions(found.page, "widget-3a", sent, 40, text) == []
        assert checks.widget(found.page, "widget-3a").get_by_label("Sequence").input_value() == "own"
        found.page.evaluate("location.hash = '#widget-3b?step=60&map=W_O2'")
        found.page.wait_for_timeout(50)
        assert checks.wrong_memories(found.page, "widget-3b", sent, 60, "W_O2") == []
        assert checks.complaints(found) == []


@pytest.mark.parametrize(
    ("fragment", "words"),
    [
        ("?step=41", "step 41 is not kept, the nearest is 40"),
        ("?step=-1e9", "its step is not a number"),
        ("?seq=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "does not know the character “<”"),
        ("?seq=" + "a" * 300, "The sequence has 300 characters"),
        ("?seq=" + "a" * 9000, "it is too long"),
        ("?seq=%E0%A4%A", "does not know the character"),
        ("?map=__proto__&constructor=1", None),
    ],
)
def test_a_link_that_is_wrong_does_no_harm(
    browser: Any, address: str, sent: Shipped, fragment: str, words: str | None
) -> None:
    with opened(browser, f"{address}/book/widgets.html#widget-3a{fragment}") as found:
        shown = checks.widget(found.page, "widget-3a")
        checks.settle(found.page)
        message = shown.locator(".mb-message").text_content()
        assert (words or "At most 31") in message
        step = 40 if "41" in fragment else sent.steps[-1]
        assert checks.wrong_predictions(found.page, "widget-3a", sent, step, QUOTATION) == []
        assert checks.complaints(found) == []


def test_the_theme_can_change_under_way(page: Any) -> None:
    canvas = checks.widget(page, "widget-3a").locator("canvas").first
    pixel = "(c) => Array.from(c.getContext('2d').getImageData(40, 60, 1, 1).data)"
    light = canvas.evaluate(pixel)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    checks.settle(page)
    assert sum(canvas.evaluate(pixel)[:3]) < sum(light[:3])


def test_every_control_has_a_name(page: Any) -> None:
    nameless = """() => [...document.querySelectorAll(".mb-widget :is(input, select, button, [tabindex])")]
      .filter((e) => !(e.labels?.length || e.textContent.trim() || e.getAttribute("aria-label"))).length"""
    assert page.evaluate(nameless) == 0
