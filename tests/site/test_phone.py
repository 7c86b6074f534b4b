"""The built book's widgets on a phone. Oracle: the screen: what lies on it, and what lies on top at a place."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mechbook.site.notebooks import pages
from tests.browser import checks
from tests.browser.browser import opened, served

TOC = pages(Path(__file__).resolve().parents[2])
WIDTH, HEIGHT = 390, 844
# Puts the middle of a widget to where the theme's button "Back to top" floats, which comes when one goes back a little.
# What is neared is laid out then, and so the place is sought again.
BEHIND = """async (root) => {
  const place = () => {
    const box = root.getBoundingClientRect();
    return scrollY + box.top + box.height / 2 - 0.92 * innerHeight;
  };
  const scrolled = (to) => new Promise((done) => { scrollTo(0, to); setTimeout(done, 300); });
  for (const more of [60, 60, 60, 0, 0]) await scrolled(place() + more);
  const pill = document.getElementById("pst-back-to-top"), at = pill.getBoundingClientRect();
  const top = document.elementFromPoint(at.x + at.width / 2, at.y + at.height / 2);
  const { display, opacity } = getComputedStyle(pill);
  return [display, Number(opacity), Boolean(top.closest(".mb-widget"))];
}"""


@pytest.fixture(scope="module")
def address(html: Path) -> Iterator[str]:
    """The site over http."""
    with served(html) as found:
        yield found


@pytest.mark.parametrize("name", TOC)
def test_no_choice_is_cut(browser: Any, address: str, name: str) -> None:
    with opened(browser, f"{address}/{name}.html", width=WIDTH, height=HEIGHT) as found:
        assert checks.complaints(found) == []
        cut = [words for shown in found.page.locator(".mb-widget").all() for words in checks.cut_choices(shown)]
        assert cut == []


def test_the_landing_page_shows_the_button_and_the_curves_at_once(browser: Any, address: str) -> None:
    with opened(browser, f"{address}/{TOC[0]}.html", width=WIDTH, height=HEIGHT) as found:
        assert checks.complaints(found) == []
        shown = checks.widget(found.page, "widget-birth")
        button, curves = (shown.locator(one).first.bounding_box() for one in ("button.mb-main", "svg.mb-lines"))
        assert button["y"] < curves["y"] and curves["y"] + curves["height"] <= HEIGHT


@pytest.mark.parametrize(
    ("name", "widget"),
    [
        ("book/02_gradients_as_memories", "widget-2b"),
        ("book/03_induction_heads", "widget-3c"),
        ("book/06_factual_recall", "widget-6c"),
    ],
)
def test_the_button_back_to_top_covers_no_widget(browser: Any, address: str, name: str, widget: str) -> None:
    """On the page as a reader has it, whose sections are laid out as they are neared."""
    with opened(browser, f"{address}/{name}.html#{widget}", width=WIDTH, height=HEIGHT, whole=False) as found:
        page = found.page
        shown = page.locator(f'section.mb-widget[data-widget="{widget}"]')
        shown.wait_for()
        found.settle()
        assert shown.evaluate(BEHIND) == ["block", 0, True]
        # whoever comes to it by keys sees it all the same
        pill = page.locator("#pst-back-to-top")
        pill.focus()
        page.keyboard.press("Shift")
        assert pill.evaluate("(pill) => [pill.matches(':focus-visible'), getComputedStyle(pill).opacity]") == [
            True,
            "1",
        ]
        pill.evaluate("(pill) => pill.blur()")
        # and where there is no widget, it is there
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        page.wait_for_timeout(500)
        page.mouse.wheel(0, -100)
        page.wait_for_timeout(500)
        assert pill.evaluate("(pill) => getComputedStyle(pill).opacity") == "1"
        assert checks.complaints(found) == []
