"""Widget 6c in Chromium. Oracle: the same run without a widget; counting by hand."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from mechbook.facts.dynamics import DynamicsSettings
from mechbook.facts.widgets.learning import PEOPLE, QUESTIONS, answers, fact_learning_widget
from tests.browser import checks
from tests.browser.checks_trainer import exercise_learning, press, says, set_up, until

SPEC = DynamicsSettings(
    model="linear", S=16, R=4, D=8, T=12, n_noise=10, lr=0.5, steps=1600, batch_size=128, init=1e-4, seeds=1
)  # fmt: skip
NAME = "widget-6c"


@pytest.fixture
def shown(alone: Callable[..., Any]) -> Any:
    page = alone(fact_learning_widget(SPEC))
    page.emulate_media(reduced_motion="no-preference")
    return page.locator(f'section[data-widget="{NAME}"]')


def test_what_it_answers_is_the_runs(shown: Any) -> None:
    run = json.loads(json.dumps(fact_learning_widget(SPEC).settings))["run"]
    assert exercise_learning(shown.page, NAME, run) == []


def test_it_hallucinates_before_it_knows_and_says_so(shown: Any) -> None:
    page = shown.page
    page.evaluate("sessionStorage.clear()")
    page.evaluate(
        """() => {
          const line = document.querySelector(".mb-heard");
          globalThis.heard = [];
          new MutationObserver(() => globalThis.heard.push(line.textContent))
            .observe(line, { childList: true, characterData: true, subtree: true });
        }"""
    )
    until(shown, "d.step === '0'")
    assert "No answer stands out" in shown.locator(".mb-answer").text_content()
    press(shown, "Play")
    until(shown, "d.done === 'true'")
    says(shown, "Trained for 1600 steps")
    heard = " ".join(page.evaluate("globalThis.heard"))
    assert 0 < heard.find("it hallucinates") < heard.find("it recalls")
    everybody = shown.locator(".mb-people li").all_text_contents()
    assert sum("✓" in words for words in everybody) == 16
    assert "That is right." in shown.locator(".mb-answer").text_content()


def test_what_it_says_is_what_its_bars_show_whatever_is_asked_meanwhile(shown: Any) -> None:
    """Oracle: the bars at every repaint; the word that is said is the tallest one's, with its share."""
    page = shown.page
    page.evaluate("sessionStorage.clear()")
    until(shown, "d.step === '0'")
    set_up(shown, Speed="fast")
    page.evaluate(
        """() => {
          const root = document.querySelector(".mb-widget");
          globalThis.looked = globalThis.said = 0;
          globalThis.wrong = [];
          const look = () => {
            const bars = [...root.querySelectorAll(".mb-bars li")].map((bar) =>
              [bar.dataset.label, Number(bar.querySelector(".mb-readout").dataset.value)]);
            const [, word, share] = root.querySelector(".mb-answer").textContent.match(/“(.*)”, with ([\\d.]+)%/) ?? [];
            const others = bars.at(-1)?.[1], found = bars.find(([label]) => label === word);
            globalThis.looked += 1;
            globalThis.said += Boolean(word);
            const kind = Number(root.querySelector("[data-series='of the right kind']").dataset.value);
            // once it knows what goes with a question, no answer of another kind is the likeliest
            const same = found ? Math.abs(100 * found[1] - share) < 0.6 : kind < 0.97 && others > share / 100 - 0.006;
            if (word && !same) globalThis.wrong.push([word, share, ...bars.flat()].join(" "));
            requestAnimationFrame(look);
          };
          look();
        }"""
    )
    press(shown, "Play")
    until(shown, "Number(d.step) > 300")
    for count in range(40):
        set_up(shown, Question=str(count % 4))
    until(shown, "d.done === 'true'")
    looked, said, wrong = page.evaluate("[globalThis.looked, globalThis.said, globalThis.wrong]")
    assert looked > 20 and said > 10 and wrong == []


def test_another_seed_is_drawn_over_the_one_before(shown: Any) -> None:
    """Oracle: how many lines a run has."""
    until(shown, "d.step === '0'")
    press(shown, "One step")
    until(shown, "d.step === '1'")
    press(shown, "Next seed")
    until(shown, "d.playing === 'true' && Number(d.step) > 0")
    press(shown, "Pause")
    assert shown.locator(".mb-faint").count() == 2 and "Faint lines: other seeds" in shown.text_content()


def test_a_link_sets_what_it_may_and_names_what_it_may_not(shown: Any) -> None:
    """Oracle: the settings on offer."""
    until(shown, "d.step === '0'")
    said = checks.follow(shown.page, NAME, "s=16&r=2&lr=7&seed=1e1&s2=1")
    refused = ["s cannot be “16”", "lr cannot be “7”", "seed cannot be “1e1”"]
    assert said == f"Of the link this was left out: {'; '.join(refused)}."
    chosen = [shown.get_by_label(label, exact=True).input_value() for label in ("Ask about", "Question")]
    assert chosen == ["0", "2"]
    assert shown.get_by_label("Seed").get_attribute("aria-valuetext") == "0"
    assert shown.get_by_label("Learning rate").get_attribute("aria-valuetext") == "0.5"
    assert checks.follow(shown.page, NAME, "s=15&r=3&seed=9") == ""
    assert shown.get_by_label("Seed").get_attribute("aria-valuetext") == "9"


def test_every_answer_is_that_of_as_many_people() -> None:
    found = torch.tensor(answers(16, 4, 8, torch.Generator().manual_seed(0)))
    assert torch.equal(found.flatten().bincount(), torch.full((32,), 2))
    assert torch.equal(found // 8, torch.arange(4).expand(16, 4))
    # nobody is another one's double
    assert len({tuple(row) for row in found.tolist()}) == 16
    assert len(set(PEOPLE)) == 16 and all(len(set(known)) == 8 for _, known in QUESTIONS)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "softmax", "d": 8}, "trains 'linear' attention"),
        ({"S": 15}, "there are words for 16 people"),
        ({"R": 3}, "there are words for 16 people"),
        ({"D": 7}, "there are words for 16 people"),
    ],
)
def test_a_run_that_has_no_words_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fact_learning_widget(replace(SPEC, **change))
