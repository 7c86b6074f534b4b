"""Widget 5d: a language model in the page, cut and looked into. Oracle: the package's forward of the same file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from mechbook.laser.prompts import Row
from mechbook.laser.widgets import laser_live
from mechbook.pretrained.load import LanguageModel, load
from tests.browser import checks
from tests.browser import checks_laser_live as on
from tests.browser.browser import opened
from tests.laser.widgets.live_site import tiny_widget

CLOSE = 1e-4
# tokens of the small model's vocabulary
SAID = {"text": "the an in er on the", "answer": "a", "right": "an on the in"}


@pytest.fixture(scope="module")
def tiny(weights: Path) -> LanguageModel:
    return load(str(weights))


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    with opened(browser, address) as found:
        yield found.page
        assert found.outside == [] and found.errors == []


@pytest.fixture
def live(page: Any) -> Any:
    """The page with the small model open, and words that it knows."""
    found = on.shown(page)
    for label, key in (("Prompt", "text"), ("Answer", "answer"), ("A sentence where “the” is right", "right")):
        found.get_by_label(label, exact=True).fill(SAID[key])
    on.load(page)
    return page


def test_bars_and_numbers_are_the_packages_at_any_block_and_rate(live: Any, tiny: LanguageModel) -> None:
    assert on.wrong(live, tiny, CLOSE) == []
    for block, matrix, place in ((2, "mlp_in", 0), (1, "k", 35), (3, "mlp_out", 71), (3, "o", 100)):
        on.move(live, "Block, from 1", block - 1)
        on.shown(live).get_by_label("Matrix").select_option(matrix)
        on.move(live, "ρ", place)
        on.until(live, "matrix", matrix)
        assert on.wrong(live, tiny, CLOSE) == [], (block, matrix, place)
        assert (on.data(live, "rank") == "") == (place == 100)
    said = on.shown(live).locator(".mb-says").text_content()
    assert said.startswith("“the an in er on the” goes on with ")


def test_heads_are_switched_off_by_set_and_one_by_one(live: Any, tiny: LanguageModel) -> None:
    found = on.shown(live)
    found.locator("summary").click()
    found.locator(".mb-lens li").first.wait_for()
    found.get_by_role("button", name="Copying movers off").click()
    on.until(live, "off", "1.2,2.5")
    assert on.wrong(live, tiny, CLOSE) == []
    assert "2 heads off" in found.locator(".mb-says").text_content()
    assert found.get_by_role("button", name="Copying movers off").get_attribute("aria-pressed") == "true"
    # by keys: from the last block's first head up and to the right
    on.first_head_of_the_last_block(live)
    for key in ("ArrowUp", "ArrowRight"):
        live.keyboard.press(key)
    found.get_by_role("button", name="Switch head 1.1 off").click()
    on.until(live, "off", "1.2,2.5,1.1")
    assert on.wrong(live, tiny, CLOSE) == []
    found.get_by_role("button", name="Switch head 1.1 on").click()
    found.get_by_role("button", name="All heads on").click()
    on.until(live, "off", "")


def test_what_heads_add_and_each_block_would_answer(live: Any, tiny: LanguageModel) -> None:
    """Oracle: the residual stream in torch; what heads add, against the logit of a second token."""
    found, adapter = on.shown(live), tiny.adapter
    on.move(live, "ρ", 100)
    found.locator("summary").click()
    found.locator(".mb-lens li").first.wait_for()
    first = [int(found.locator(".mb-cell").get_attribute(f"data-{key}")) for key in ("row", "column")]
    on.fill(live, "Against", "an")
    live.wait_for_function("document.querySelector('.mb-more .mb-axes:last-child').textContent.includes('“an”')")
    tokens = torch.tensor([tiny.prompt_tokens(SAID["text"])])
    a, b, the = (tiny.token(f" {word}") for word in ("a", "an", "the"))
    records: dict[int, Any] = {}
    end = adapter.run(adapter.embed(tokens), record=records)
    norm = adapter.model.model.norm.weight.detach() / (end[0, -1].square().mean() + 1e-5).sqrt()
    toward = (adapter.W_U[a] - adapter.W_U[b]) * norm
    against = (adapter.W_U[a] - adapter.W_U[the]) * norm
    added = [[records[i].z[0, -1, k] @ adapter.W_O(i)[k].T @ against for k in range(6)] for i in range(3)]
    # it begins with the head that adds most
    assert added[first[0]][first[1]] == max(max(row) for row in added)
    cell = found.locator(".mb-cell")
    on.first_head_of_the_last_block(live)
    for layer in (2, 1, 0):
        value = float(torch.einsum("k,dk,d->", records[layer].z[0, -1, 0], adapter.W_O(layer)[0], toward))
        assert float(cell.get_attribute("data-value")) == pytest.approx(value, rel=1e-3, abs=1e-4)
        live.keyboard.press("ArrowUp")
    streams = torch.cat([*(records[i].x for i in range(3)), end])[:, -1:]
    p = adapter.logits(streams)[:, -1].softmax(-1)[:, a].tolist()
    shown = [float(one.get_attribute("data-answer")) for one in found.locator(".mb-lens li").all()]
    assert shown == pytest.approx(p, rel=2e-3, abs=1e-8)


def test_where_a_head_looks_from_any_token(live: Any, tiny: LanguageModel) -> None:
    """Oracle: the pattern that the package's block computes, with a matrix before it cut by torch."""
    found, adapter = on.shown(live), tiny.adapter
    on.move(live, "Block, from 1", 0)
    found.get_by_label("Matrix").select_option("mlp_in")
    on.move(live, "ρ", 20)
    found.locator("summary").click()
    records: dict[int, Any] = {}
    with on.truncated(tiny, 0, "mlp_in", 0.2):
        adapter.run(adapter.embed(torch.tensor([tiny.prompt_tokens(SAID["text"])])), record=records)
    on.first_head_of_the_last_block(live)
    for layer, head in ((2, 0), (1, 1)):
        live.wait_for_function(f"document.querySelector('.mb-more').textContent.includes('head {layer}.{head} looks')")
        for t in (5, 2):
            places = found.locator(".mb-looks button")
            places.nth(t).click()
            shown = [float(value) for value in places.evaluate_all("(all) => all.map((one) => one.dataset.value)")]
            assert shown == pytest.approx(records[layer].pattern[0, head, t].tolist(), abs=1e-5)
            assert places.nth(t).get_attribute("aria-pressed") == "true"
        found.locator(".mb-canvas").focus()
        for key in ("ArrowUp", "ArrowRight"):
            live.keyboard.press(key)


def test_what_a_reader_mistypes_is_told_in_a_sentence_and_the_page_lives(live: Any, tiny: LanguageModel) -> None:
    on.fill(live, "Answer", "zebra")
    assert on.message(live, "Answer") == "“zebra” is 6 tokens of this model; name a word that is one."
    on.fill(live, "Answer", " ")
    assert on.message(live, "Answer") == "Name a word: one token of the model."
    on.fill(live, "Answer", "a")
    on.fill(live, "Prompt", "")
    assert on.message(live, "Prompt") == "The prompt is empty: the model needs a word to go on from."
    on.fill(live, "Prompt", "the e" * 2000)
    live.wait_for_function("document.querySelector('.mb-problem')?.textContent.includes('10000')")
    assert on.message(live, "Prompt") == "The prompt has 10000 characters; up to 2000 are read here."
    on.fill(live, "Prompt", "the in")
    on.until(live, "text", "the in")
    assert on.shown(live).locator(".mb-problem").count() == 0
    on.fill(live, "A sentence where “the” is right", "the e" * 2000)
    assert on.message(live, "A sentence where “the” is right").startswith("The prompt has 10000 characters")
    on.fill(live, "A sentence where “the” is right", SAID["right"])
    live.wait_for_function("!document.querySelector('.mb-problem')")
    assert on.wrong(live, tiny, CLOSE) == []


def test_what_cannot_be_answered_leaves_nothing_that_looks_like_its_answer(live: Any, tiny: LanguageModel) -> None:
    """Oracle: what was set; the package's numbers once it can be answered again."""
    found, panels = on.shown(live), on.shown(live).locator(".mb-panels").first
    found.locator("summary").click()
    found.locator(".mb-lens li").first.wait_for()
    # no word to judge heads against: no map of what they add, and all else is that of the prompt
    on.fill(live, "Against", "two words")
    on.fill(live, "Prompt", "an on")
    on.until(live, "text", "an on")
    tokens = len(tiny.prompt_tokens("an on"))
    live.wait_for_function("(n) => document.querySelectorAll('.mb-looks li').length === n", arg=tokens)
    assert found.get_by_text("What each head adds").is_hidden()
    on.fill(live, "Against", "the")
    found.get_by_text("What each head adds").wait_for()
    # no sentence in which “the” is right: nothing that it would cost there
    on.fill(live, "A sentence where “the” is right", "")
    live.wait_for_function("!document.querySelector('.mb-cost').textContent")
    on.fill(live, "A sentence where “the” is right", SAID["right"])
    # no answer: the numbers are pale until there is one
    assert float(panels.evaluate("(one) => getComputedStyle(one).opacity")) == 1
    on.fill(live, "Answer", "zebra")
    live.wait_for_function("document.querySelector('section').dataset.stale === 'true'")
    assert float(panels.evaluate("(one) => getComputedStyle(one).opacity")) < 0.5
    on.fill(live, "Answer", "a")
    live.wait_for_function("document.querySelector('section').dataset.stale === 'false'")
    assert on.wrong(live, tiny, CLOSE) == []


def test_heads_that_a_model_lacks_and_spaces_at_the_end_are_left_out(live: Any, tiny: LanguageModel) -> None:
    """Oracle: the package's numbers for what remains; block 7 is none of three."""
    found = on.shown(live)
    found.locator("summary").click()
    found.get_by_role("button", name="Others off").click()
    on.until(live, "off", "0.1")
    assert on.data(live, "text") == "an on the in" and on.wrong(live, tiny, CLOSE) == []
    on.fill(live, "Prompt", "the in  ")
    on.until(live, "text", "the in")
    assert on.wrong(live, tiny, CLOSE) == []
    live.evaluate("location.hash = '#widget-5d?off=99.9,0.2&text=the%20an'")
    on.until(live, "off", "0.2")
    assert on.data(live, "text") == "the an" and on.wrong(live, tiny, CLOSE) == []


def test_what_a_reader_types_is_text_and_nothing_else(live: Any) -> None:
    typed = '<img src=x onerror="globalThis.hit=1"><b>the</b>\u202e'
    before = live.evaluate("document.querySelectorAll('main *').length")
    on.fill(live, "Prompt", typed)
    on.until(live, "text", typed)
    assert "<b>the</b>U+202E" in on.shown(live).locator(".mb-says").text_content()
    assert live.evaluate("[globalThis.hit, document.querySelectorAll('main :is(img, b)').length]") == [None, 0]
    assert live.evaluate("document.querySelectorAll('main *').length") - before < 30


def test_a_link_leads_to_the_same_view(live: Any, browser: Any, address: str) -> None:
    found = on.shown(live)
    on.move(live, "ρ", 35)
    found.get_by_role("button", name="Link to this view").click()
    fragment = live.evaluate("location.hash")
    for end, notice in (("", ""), ("&off=x", "Of the link this was left out: off cannot be “x”.")):
        with opened(browser, f"{address}{fragment.replace('&off=', '') if end else fragment}{end}") as other:
            on.load(other.page)
            for key in ("text", "rho", "block", "answer", "cutThe"):
                assert on.data(other.page, key) == on.data(live, key)
            assert on.shown(other.page).locator(".mb-notice").first.text_content() in (notice, "")


def test_hints_are_the_largest_factors_of_the_map() -> None:
    """Oracle: the rows, by hand."""
    made = dict(kind="", layer_from_1=0, dropped=1, n=1, answer=0.1, generic=0.1, top1=0.0, second=0.0)
    rows = [
        Row(group=group, matrix=matrix, layer=layer, rho=rho, ratio=ratio, **made)  # type: ignore[arg-type]
        for group, matrix, layer, rho, ratio in (
            ("facts", "q", 0, 0.1, 2.0),
            ("facts", "q", 0, 0.3, 3.0),
            ("ioi", "q", 0, 0.3, 1.0),
            ("ioi", "q", 1, 0.1, 5.0),
            ("ordinary", "q", 1, 0.1, 50.0),
        )
    ]
    whole = {row.group: row for row in (rows[0], rows[2])}
    expected = {"q": [[[1.5, 0.3], [1.0, 0.3]], [[0.0, 0.0], [5.0, 0.1]]]}
    assert laser_live.hints(rows, whole) == expected


def test_the_engine_travels_with_a_kernel_and_not_in_a_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MECHBOOK_SITE_BUILD", raising=False)
    sent = tiny_widget().settings["engine"]
    assert sent["worker"].count("onmessage") and len(sent["kernels"]) == 2
    monkeypatch.setenv("MECHBOOK_SITE_BUILD", "1")
    assert tiny_widget().settings["engine"] is None


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious(browser: Any, address: str, dark: bool) -> None:
    from mechbook.site import vendor

    with opened(browser, address, dark=dark) as found:
        script = vendor.folder() / "tests" / "axe.min.js"
        on.shown(found.page)
        assert checks.serious_violations(found.page, script, "main") == []
        on.fill(found.page, "Answer", "a")
        on.load(found.page).locator("summary").click()
        found.page.locator(".mb-lens li").first.wait_for()
        assert checks.serious_violations(found.page, script, "main") == []


def test_a_phone_shows_the_slider_and_both_panels_on_one_screen(browser: Any, address: str) -> None:
    """Oracle: the screen, less what the site's bar covers."""
    with opened(browser, address, width=390, height=844) as found:
        page = found.page
        on.fill(page, "Answer", "a")
        shown = on.load(page)
        for place in (0, 20, 99, 100, 50):
            on.move(page, "ρ", place)
            slider, panel = shown.get_by_label("ρ").bounding_box(), shown.locator(".mb-bars").last.bounding_box()
            assert panel["y"] + panel["height"] - slider["y"] < 844 - 60
        assert checks.overflow(page) == 0 and checks.cut_choices(shown) == []
