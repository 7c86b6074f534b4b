"""Widget 5a in a page of its own. Oracle: the measured probabilities that it is made from, searched by a loop."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from mechbook.laser.shown import Shown
from mechbook.laser.widgets import laser_tokens
from mechbook.widgets.base import BookWidget
from tests.browser import checks, checks_laser_tokens

NAME, LAYERS, TOP = "widget-5a", 5, 3
# Some tokens are no words, one would be markup, and one differs from " the" by its space alone.
WORDS = (" the", " Spain", " Mary", " much", "\n", " ", "\t", "the", "<b>x</b>", " $", "\xa0", " southwestern", "")
PROMPTS = (
    ("Madrid is located in", " Spain", "facts"),
    ("Seville is located in", " Spain", "facts"),
    ("When Mary and John met, John spoke to", " Mary", "ioi"),
    ("Then John and Mary met, and John wrote to", " Mary", "ioi"),
    ("The book is on", " much", "ordinary"),
    ("She put the book on", " the", "ordinary"),
    ("Thank you very", " much", "ordinary"),
)
# One sweep after the other, as the study has them: rates of their own, blocks outermost.
SWEEPS = ((("mlp_in", "mlp_out"), (0.01, 0.1, 0.6)), (("q",), (0.1, 0.5)))
PLACES = [(layer, matrix, rho) for names, rhos in SWEEPS for layer in range(LAYERS) for matrix in names for rho in rhos]
BROKEN, EQUAL = 12, 3


def made_up() -> Shown:
    """Random distributions; one edit leaves nothing of "the" and little of the answer, one changes nothing."""
    ids = [17 * i + 5 for i in range(len(WORDS))]
    answers = [WORDS.index(answer) for _, answer, _ in PROMPTS]
    logits = 1.5 * torch.randn(len(PLACES) + 1, len(PROMPTS), len(WORDS), generator=torch.Generator().manual_seed(13))
    for k, answer in enumerate(answers):
        logits[BROKEN, k, [0, answer]] = torch.tensor([-18.0, -9.0])
    logits[EQUAL] = logits[0]
    p = logits.softmax(-1)
    p_top, top = p.topk(TOP)
    return Shown(
        texts=[text for text, _, _ in PROMPTS],
        answers=[ids[i] for i in answers],
        tasks=[task for _, _, task in PROMPTS],
        places=PLACES,
        words=dict(zip(ids, WORDS, strict=True)),
        top=torch.tensor(ids)[top],
        p_top=p_top,
        p_answer=torch.stack([p[:, k, i] for k, i in enumerate(answers)], -1),
        p_the=p[..., 0],
    )


SHOWN = made_up()


@pytest.fixture
def page(alone: Callable[[BookWidget], Any]) -> Any:
    return alone(laser_tokens.laser_tokens_widget(SHOWN))


def test_what_is_shipped_is_what_was_measured_block_by_block() -> None:
    """Oracle: a search through the places; a probability of the top is off by 2^-14 at most, all else exact."""
    sent, words = laser_tokens.shipped(SHOWN), list(SHOWN.words.values())
    columns = laser_tokens.grid(SHOWN).columns
    assert columns == [("mlp_in", 0.01), ("mlp_in", 0.1), ("mlp_in", 0.6), ("mlp_out", 0.01), ("mlp_out", 0.1),
                       ("mlp_out", 0.6), ("q", 0.1), ("q", 0.5)]  # fmt: skip
    edits = [(layer, *column) for layer in range(LAYERS) for column in columns]
    for row, place in enumerate([None, *edits]):
        own = 0 if place is None else 1 + SHOWN.places.index(place)
        for k in range(len(PROMPTS)):
            assert [words[int(i)] for i in sent["tokens"][row, k]] == [SHOWN.words[int(i)] for i in SHOWN.top[own, k]]
            assert float((sent["p_top"][row, k] - SHOWN.p_top[own, k]).abs().max()) <= 2**-14
            assert sent["p"][row, k].tolist() == [float(SHOWN.p_answer[own, k]), float(SHOWN.p_the[own, k])]


def test_a_grid_as_large_as_the_chapters_is_small_on_the_wire() -> None:
    """Oracle: a limit of 150 kB for 480 edits of 7 prompts, whose tokens and probabilities are random."""
    generator, places = (
        torch.Generator().manual_seed(2),
        [(layer, "o", k / 16) for layer in range(30) for k in range(16)],
    )
    p = torch.rand(481, 7, 8, generator=generator)
    full = replace(
        SHOWN,
        places=places,
        words={**SHOWN.words, **{k: f" word{k}" for k in range(1000, 1500)}},
        top=torch.randint(1000, 1500, (481, 7, 8), generator=generator),
        p_top=p,
        p_answer=p[..., 0],
        p_the=p[..., 1],
    )
    assert len(laser_tokens.laser_tokens_widget(full).store.data) < 150_000


@pytest.mark.parametrize("task", ["facts", "ioi"])
def test_the_best_truncation_does_not_break_the_model(task: str) -> None:
    """Oracle: a loop. The largest ratio of all is the broken model's; where all lower P(answer) it is taken."""
    row = laser_tokens.best_row(SHOWN, task)
    matrix, block, rho = checks_laser_tokens.best_place(SHOWN, task)
    assert SHOWN.places[row - 1] == (block - 1, matrix, rho) and row != BROKEN
    certain = SHOWN.p_answer.clone()
    certain[0] = 1.0
    assert laser_tokens.best_row(replace(SHOWN, p_answer=certain), task) == BROKEN
    (settings,) = (one for one in laser_tokens.laser_tokens_widget(SHOWN).settings["best"] if one["task"] == task)
    assert (settings["matrix"], settings["block"], settings["rho"]) == (matrix, block, rho)


def test_what_is_no_full_grid_is_refused() -> None:
    """Oracle: the sentence, for a missing edit, a missing block, one edit twice, a row too many, and no task."""
    for wrong in (PLACES[1:], [p for p in PLACES if p[0] != 2], [*PLACES[:-1], PLACES[0]]):
        with pytest.raises(
            ValueError, match="edits are not a full grid: each block, matrix and rate must be there once"
        ):
            laser_tokens.laser_tokens_widget(replace(SHOWN, places=wrong))
    with pytest.raises(ValueError, match="there are 40 edits and 40 rows; row 0 is the whole model's"):
        cut = {key: getattr(SHOWN, key)[1:] for key in ("top", "p_top", "p_answer", "p_the")}
        laser_tokens.laser_tokens_widget(replace(SHOWN, **cut))
    with pytest.raises(ValueError, match="no prompt is of a task, facts or ioi"):
        laser_tokens.laser_tokens_widget(replace(SHOWN, tasks=["ordinary"] * len(PROMPTS)))


def test_every_control_moves_what_was_measured(page: Any) -> None:
    """Oracle: the probabilities, at every prompt, matrix and rate, at all blocks, and after every preset."""
    assert checks_laser_tokens.wrong_tokens(page, NAME, SHOWN) == []
    assert checks_laser_tokens.exercise_laser_tokens(page, NAME, SHOWN) == []


def test_a_truncation_that_changes_nothing_is_said_to(page: Any) -> None:
    """Oracle: the whole model's probabilities."""
    layer, matrix, rho = SHOWN.places[EQUAL - 1]
    checks.follow(page, NAME, f"prompt=1&block={layer + 1}&matrix={matrix}&rho={rho}")
    assert checks_laser_tokens.wrong_tokens(page, NAME, SHOWN) == []
    assert "the ratio stays" in checks.widget(page, NAME).locator(".mb-says").text_content()


@pytest.mark.parametrize(
    ("fragment", "words", "state"),
    [
        ("prompt=4&matrix=mlp_out&block=5&rho=0.6", "", (4, "mlp_out", 5, 0.6)),
        # the matrix says which rates there are; without one the nearest is kept
        ("matrix=q&rho=0.6&block=2", "rho cannot be “0.6”", (1, "q", 2, 0.1)),
        ("matrix=q&block=1", "", (1, "q", 1, 0.1)),
        ("prompt=8&block=3", "prompt cannot be “8”", (1, None, 3, None)),
        ("block=0", "block cannot be “0”", (1, None, None, None)),
        ("block=3.0&rho=1e-2", "block cannot be “3.0”; rho cannot be “1e-2”", (1, None, None, None)),
        ("matrix=__proto__&prompt=2", "matrix cannot be “__proto__”", (2, None, None, None)),
        ("prompt=__proto__&block=constructor&__proto__=1", "prompt cannot be “__proto__”", (1, None, None, None)),
        ("matrix=%E2%80%AEabc", "matrix cannot be “U+202Eabc”", (1, None, None, None)),
        ("matrix=%3Cimg src=x%3E", "matrix cannot be “<img src=x>”", (1, None, None, None)),
        ("matrix=q&x=" + "x" * 2000, "it is too long", (1, None, None, None)),
    ],
)
def test_an_address_sets_what_it_may(page: Any, fragment: str, words: str, state: tuple[Any, ...]) -> None:
    """Oracle: the allowed values; what is not allowed is named, as text, and changes nothing (None: as it began)."""
    first = checks_laser_tokens.state_of(page, NAME)
    said = checks.follow(page, NAME, fragment)
    assert words in said and bool(said) == bool(words)
    expected = tuple(b if a is None else a for a, b in zip(state, first, strict=True))
    assert checks_laser_tokens.state_of(page, NAME) == expected
    assert checks_laser_tokens.wrong_tokens(page, NAME, SHOWN) == []
    # the controls go on from there
    checks.widget(page, NAME).get_by_label("Prompt").select_option("3")
    assert checks_laser_tokens.state_of(page, NAME) == (3, *expected[1:])


def test_the_link_leads_back(page: Any) -> None:
    """Oracle: the state before."""
    shown = checks.widget(page, NAME)
    shown.get_by_role("button", name="What it costs").click()
    before = checks_laser_tokens.state_of(page, NAME)
    shown.get_by_role("button", name="Link to this view").click()
    page.wait_for_function("location.hash.includes('?')")
    fragment = page.evaluate("location.hash").removeprefix(f"#{NAME}?")
    checks.follow(page, NAME, "prompt=1&matrix=q&block=1")
    assert checks_laser_tokens.state_of(page, NAME) != before
    assert checks.follow(page, NAME, fragment) == ""
    assert checks_laser_tokens.state_of(page, NAME) == before


def test_all_of_it_goes_by_keys(page: Any) -> None:
    """Oracle: what each key does to a native control; Tab leads through all of them, in the order they are seen."""
    shown = checks.widget(page, NAME)
    shown.get_by_role("button", name="Best for cities").focus()
    seen = []
    for _ in range(9):
        seen.append(
            page.evaluate("document.activeElement.labels?.[0]?.textContent || document.activeElement.textContent")
        )
        page.keyboard.press("Tab")
    assert seen == ["Best for cities", "Best for names", "An early block", "What it costs", "Prompt",
                    "Block, counted from 1", "Matrix", "ρ", "Link to this view"]  # fmt: skip
    for label, key, expected in (
        ("Prompt", "ArrowDown", (2, None, None, None)),
        ("Matrix", "Home", (2, "mlp_in", None, None)),
        ("Matrix", "ArrowDown", (2, "mlp_out", None, None)),
        ("ρ", "End", (2, "mlp_out", None, 0.6)),
        ("ρ", "ArrowUp", (2, "mlp_out", None, 0.1)),
        ("Matrix", "End", (2, "q", None, 0.1)),
        ("Block, counted from 1", "Home", (2, "q", 1, 0.1)),
        ("Block, counted from 1", "ArrowRight", (2, "q", 2, 0.1)),
        ("Block, counted from 1", "End", (2, "q", LAYERS, 0.1)),
    ):
        before = checks_laser_tokens.state_of(page, NAME)
        shown.get_by_label(label, exact=True).press(key)
        after = checks_laser_tokens.state_of(page, NAME)
        assert after == tuple(b if a is None else a for a, b in zip(expected, before, strict=True)), (label, key)
        assert checks_laser_tokens.wrong_tokens(page, NAME, SHOWN) == []
    shown.get_by_role("button", name="An early block").press("Enter")
    assert checks_laser_tokens.state_of(page, NAME)[2] == 1


@pytest.mark.parametrize("width", [360, 390])
def test_on_a_phone_the_bars_that_matter_stay(alone: Callable[[BookWidget], Any], width: int) -> None:
    """Oracle: the screen's width; of seven tokens the first five are seen, and those with a mark."""
    seven = replace(SHOWN, **_with_seven())
    page = alone(laser_tokens.laser_tokens_widget(seven))
    page.set_viewport_size({"width": width, "height": 740})
    try:
        assert checks.cut_choices(checks.widget(page, NAME)) == []
        offered = checks.widget(page, NAME).get_by_label("Prompt").locator("option").all_text_contents()
        assert offered[0] == "Madrid is located in … Spain" and len(set(offered)) == len(PROMPTS)
        assert offered[3] == "Then John […] John wrote to … Mary"
        for prompt in range(1, len(PROMPTS) + 1):
            checks.widget(page, NAME).get_by_label("Prompt").select_option(str(prompt))
            checks.settle(page)
            assert checks.overflow(page) == 0
            for panel in checks.widget(page, NAME).locator(".mb-bars").all():
                for k, bar in enumerate(panel.locator("li").all()):
                    marked = bar.locator(".mb-mark").text_content() != ""
                    assert bar.is_visible() == (k < 5 or marked), (prompt, k)
                    wide = "(bar) => [...bar.children].every((part) => part.scrollWidth <= part.clientWidth + 1)"
                    assert not bar.is_visible() or bar.evaluate(wide)
    finally:
        page.set_viewport_size({"width": 1280, "height": 900})


def _with_seven() -> dict[str, Any]:
    """The same with the seven tokens of largest number, so that answers come below them."""
    ids = list(SHOWN.words)[-7:]
    shape = (*SHOWN.top.shape[:2], 7)
    return {"top": torch.tensor(ids).expand(shape).clone(), "p_top": torch.full(shape, 0.1)}


def test_the_picture_shows_the_first_prompt_at_its_best_place() -> None:
    """Oracle: the bars' lengths are the probabilities, labelled; the caption has the place and the four numbers."""
    widget = laser_tokens.laser_tokens_widget(SHOWN)
    row = laser_tokens.best_row(SHOWN, "facts")
    for axes, at in zip(widget.picture.axes, (0, row), strict=True):
        bars = [(bar, w) for bar, w, *_ in checks_laser_tokens.expected_bars(SHOWN, at, 0)]
        drawn = [patch.get_width() for patch in axes.patches]
        # "the" is added to the widget's bars, the answer to both
        bars = [w for label, w in bars[:TOP]] + [w for label, w in bars[TOP:] if label == "␣Spain"]
        assert drawn == pytest.approx(bars, abs=1e-6)
        assert "␣Spain" in [label.get_text() for label in axes.get_yticklabels()]
    matrix, block, rho = checks_laser_tokens.best_place(SHOWN, "facts")
    assert f"LASER at block {block}, {matrix}, ρ = {rho:g}:" in widget.words
    for p, word in ((SHOWN.p_the, "the"), (SHOWN.p_answer, "Spain")):
        assert f"“{word}” " in widget.words and f"from {float(p[0, 0]):.2g} to {float(p[row, 0]):.2g}" in widget.words
    assert widget.static_html().count("data:image/png;base64,") == 1
