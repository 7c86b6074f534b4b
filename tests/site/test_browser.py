"""The built book in Chromium, every other host out of reach. Oracle: PyTorch, axe-core, and the screen's width."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from mechbook.core.presets import at_scale
from mechbook.facts import experiments as facts
from mechbook.facts import presets as facts_presets
from mechbook.facts.widgets.facts import shipped_facts
from mechbook.gradients.widgets import gradient_step
from mechbook.hops import experiments as hop_experiments
from mechbook.hops import presets as hop_presets
from mechbook.hops.widgets import hops as hop_widgets
from mechbook.induction import presets as induction_presets
from mechbook.induction.experiments import frozen_settings
from mechbook.induction.widgets.induction import QUOTATION, Shipped, shipped, small_steps
from mechbook.laser import dynamics as laser_dynamics
from mechbook.laser import presets as laser_presets
from mechbook.laser.english_runs import english_settings
from mechbook.laser.study import study_settings
from mechbook.memories.widgets import capacity
from mechbook.noisy import experiments as noisy
from mechbook.noisy import presets as noisy_presets
from mechbook.noisy.widgets import truncation
from mechbook.pretrained.load import load
from mechbook.site import vendor
from mechbook.site.notebooks import pages
from tests.browser import (
    checks,
    checks_facts,
    checks_hops,
    checks_laser_map,
    checks_laser_time,
    checks_laser_tokens,
    checks_memory,
    checks_noise,
    checks_trainer,
)
from tests.browser.browser import opened, served

ROOT = Path(__file__).resolve().parents[2]
TOC = pages(ROOT)
# Over the wire, the shared scripts apart.
HEAVIEST = 1_500_000


@pytest.fixture(scope="session")
def address(html: Path) -> Iterator[str]:
    """The site over http."""
    with served(html) as found:
        yield found


@pytest.fixture(scope="session")
def sent(html: Path) -> Iterator[dict[str, Any]]:
    """What the widgets of the pages hold, from the run that the build cached."""
    patch = pytest.MonkeyPatch()
    patch.delenv("MECHBOOK_FRESH", raising=False)
    # As the build: with another count of threads it would be another run.
    patch.setenv("MECHBOOK_THREADS", os.environ.get("MECHBOOK_THREADS", "1"))
    threads = torch.get_num_threads()
    spec = frozen_settings(at_scale(induction_presets.LAPTOP, induction_presets.PAPER), 0)
    held: dict[str, Any] = {"full": shipped(spec), "small": shipped(spec, small_steps(spec))}
    if "book/04_noisy_recall" in TOC:
        held["noisy"] = truncation.shipped(noisy.main_settings(at_scale(noisy_presets.LAPTOP, noisy_presets.PAPER), 0))
    yield held
    torch.set_num_threads(threads)
    patch.undo()


def kinds(html: Path, page: str) -> dict[str, str]:
    """The widgets of a page: kind by name."""
    text = (html / f"{page}.html").read_text(encoding="utf-8")
    return {name: kind for kind, name in re.findall(r'"kind": "(\w+)",(?:(?!"kind":).)*?"name": "([\w-]+)"', text)}


@pytest.mark.parametrize("scheme", ["http", "file"])
@pytest.mark.parametrize("name", TOC)
def test_a_page_asks_no_other_host_and_lives(browser: Any, html: Path, address: str, name: str, scheme: str) -> None:
    url = f"{address}/{name}.html" if scheme == "http" else (html / f"{name}.html").as_uri()
    with opened(browser, url) as found:
        assert checks.complaints(found) == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", TOC)
def test_axe_finds_nothing_serious(browser: Any, address: str, name: str, dark: bool) -> None:
    with opened(browser, f"{address}/{name}.html", dark=dark) as found:
        assert checks.complaints(found) == []
        assert checks.serious_violations(found.page, vendor.folder() / "tests" / "axe.min.js") == []


@pytest.mark.parametrize("name", TOC)
def test_nothing_on_a_page_is_wider_than_a_phone(browser: Any, address: str, name: str) -> None:
    with opened(browser, f"{address}/{name}.html", width=360, height=740) as found:
        assert checks.complaints(found) == []
        assert checks.overflow(found.page) == 0
        # Turned to a little wider, the formulas are fitted anew: a displayed one is set smaller until it fits.
        found.page.set_viewport_size({"width": 390, "height": 844})
        assert checks.wide_formulas(found.page) == []


@pytest.mark.parametrize("name", TOC)
def test_a_page_is_light(html: Path, name: str) -> None:
    assert checks.weight(html, name) <= HEAVIEST


@pytest.mark.parametrize("name", TOC)
def test_every_control_moves_what_pytorch_gives(
    browser: Any, html: Path, address: str, sent: dict[str, Any], name: str
) -> None:
    found_kinds = kinds(html, name)
    text = (html / f"{name}.html").read_text(encoding="utf-8")
    assert text.count('class="mb-place"') == len(found_kinds)
    if not found_kinds:
        return
    with opened(browser, f"{address}/{name}.html") as found:
        for widget, kind in found_kinds.items():
            assert EXERCISES[kind](found.page, widget, sent) == []
        assert checks.complaints(found) == []


def exercise_induction(page: Any, name: str, sent: dict[str, Any]) -> list[str]:
    """Move the slider, the presets, the choice and the text of widget 3a."""
    held, shown = sent["full"], checks.widget(page, name)
    wrong = []
    for index, step in enumerate(held.steps):
        shown.get_by_label("Training step").fill(str(index))
        wrong += checks.wrong_predictions(page, name, held, step, QUOTATION)
    for text in ("abcab", "Friends, Romans, countrymen, lend me your ears; Fri"):
        shown.get_by_label("The model reads").fill(text)
        wrong += checks.wrong_predictions(page, name, held, held.steps[-1], text)
    shown.get_by_label("Sequence").select_option("1")
    text = shown.get_by_label("The model reads").input_value().replace("↵", "\n")
    wrong += checks.wrong_predictions(page, name, held, held.steps[-1], text)
    return wrong + exercise_presets(page, name, held, text)


def exercise_presets(page: Any, name: str, held: Shipped, text: str) -> list[str]:
    """Press each preset and compare."""
    shown, wrong, steps = checks.widget(page, name), [], []
    for words in ("Before the induction head", "While it forms", "After"):
        shown.get_by_role("button", name=words).click()
        checks.settle(page)
        steps.append(int(shown.get_attribute("data-step")))
        wrong += checks.wrong_predictions(page, name, held, steps[-1], text)
    return wrong if steps == sorted(set(steps)) else [*wrong, f"the presets lead to {steps}"]


def exercise_small(page: Any, name: str, sent: dict[str, Any]) -> list[str]:
    """Press the presets of the small version, and type."""
    wrong = exercise_presets(page, name, sent["small"], QUOTATION)
    checks.widget(page, name).get_by_label("The model reads").fill("abca")
    return wrong + checks.wrong_predictions(page, name, sent["small"], sent["small"].steps[-1], "abca")


def exercise_memories(page: Any, name: str, sent: dict[str, Any]) -> list[str]:
    """Move the slider and the choice of widget 3b."""
    held, shown, wrong = sent["full"], checks.widget(page, name), []
    for matrix in ("W_K1", "W_K2", "W_O2"):
        shown.get_by_label("Matrix", exact=True).select_option(matrix)
        for index in range(len(held.steps)):
            shown.get_by_label("Training step").fill(str(index))
            wrong += checks.wrong_memories(page, name, held, held.steps[index], matrix)
    return wrong


def exercise_capacity(page: Any, name: str, sent: dict[str, Any]) -> list[str]:
    """Move both sliders of widget 1 to their ends, choose the values, draw again, and press the presets."""
    shown, wrong = checks.widget(page, name), []
    counts, dimensions = capacity.COUNTS, capacity.DIMENSIONS
    for values in ("shared", "own"):
        shown.get_by_label("Values").select_option(values)
        for n, d in ((0, 0), (len(counts) - 1, len(dimensions) - 1), (12, 3)):
            shown.get_by_label("Pairs N").fill(str(n))
            shown.get_by_label("Dimension d").fill(str(d))
            wrong += checks_memory.wrong_capacity(page, name)
            state = {"N": str(counts[n]), "d": str(dimensions[d]), "values": values, "draw": "1"}
            wrong += checks_memory.unmoved(page, name, state)
    shown.get_by_role("button", name="Draw again").click()
    wrong += checks_memory.unmoved(page, name, {"draw": "2"})
    for words in ("Well below capacity", "At capacity", "Beyond"):
        shown.get_by_role("button", name=words).click()
        wrong += checks_memory.wrong_capacity(page, name)
    return wrong


def exercise_gradient_step(page: Any, name: str, sent: dict[str, Any]) -> list[str]:
    """Move the three sliders of widget 2, choose the input, draw again, and press the presets."""
    shown, wrong = checks.widget(page, name), []
    dimensions, etas = gradient_step.DIMENSIONS, gradient_step.ETAS
    for positions in ("on", "off"):
        shown.get_by_label("Input").select_option(positions)
        for steps, eta, d in ((0, 0, 0), (1, 7, 6), (50, 7, 3), (50, len(etas) - 1, 5)):
            shown.get_by_label("Gradient steps").fill(str(steps))
            shown.get_by_label("Step size").fill(str(eta))
            shown.get_by_label("Dimension d").fill(str(d))
            wrong += checks_memory.wrong_gradient_step(page, name)
            state = {"steps": str(steps), "eta": str(etas[eta]), "d": str(dimensions[d]), "positions": positions}
            wrong += checks_memory.unmoved(page, name, state)
    shown.get_by_role("button", name="Draw again").click()
    wrong += checks_memory.unmoved(page, name, {"draw": "2"})
    for words in ("Before", "One step", "One step, small d", "Fifty steps"):
        shown.get_by_role("button", name=words, exact=True).click()
        wrong += checks_memory.wrong_gradient_step(page, name)
    return wrong


def exercise_fact_time(page: Any, name: str, sent: dict[str, Shipped]) -> list[str]:
    """Move every control of widget 6a, and its slider to every sixth checkpoint."""
    setup = at_scale(facts_presets.LAPTOP, facts_presets.PAPER)
    runs = facts.linear_settings(setup), facts.softmax_settings(setup, setup.d)
    return checks_facts.exercise_time(page, name, shipped_facts(*runs), every=6)


def exercise_fact_tradeoff(page: Any, name: str, sent: dict[str, Shipped]) -> list[str]:
    """Set widget 6b's budget to everything it offers."""
    grid = facts.tradeoff_settings(at_scale(facts_presets.LAPTOP, facts_presets.PAPER))
    accuracy = checks_facts.grid_accuracy(grid.run().accuracy)
    return checks_facts.exercise_tradeoff(page, name, grid, accuracy)


def exercise_hops(page: Any, name: str, sent: dict[str, Shipped]) -> list[str]:
    """Press the contexts of widget 7a, move start and head, and type a permutation."""
    spec = hop_experiments.mixture_settings(at_scale(hop_presets.LAPTOP, hop_presets.PAPER))
    held, shown, wrong = hop_widgets.shipped_hops(spec, 0), checks.widget(page, name), []
    for words, _ in hop_widgets.contexts(held):
        shown.get_by_role("button", name=words, exact=True).click()
        wrong += checks_hops.wrong_path(page, name, held)
    shown.get_by_label("Start at value").select_option("3")
    shown.get_by_label("Start at position").select_option("2")
    shown.get_by_label("σ of position 2").fill("4 2 0 1 3")
    shown.get_by_label("Attention of").select_option("5")
    return wrong + checks_hops.wrong_path(page, name, held, head=5)


def exercise_hop_regimes(page: Any, name: str, sent: dict[str, Shipped]) -> list[str]:
    """Move the slider of widget 7b over a part of its steps."""
    setup = at_scale(hop_presets.LAPTOP, hop_presets.PAPER)
    mixture = hop_experiments.mixture_settings(setup)
    regimes = {
        "direct": hop_experiments.direct_settings(setup, hop_experiments.steps_needed(mixture.run())),
        "mixture": mixture,
        "curriculum": hop_experiments.curriculum_settings(setup),
    }
    curves = {title: hop_widgets.accuracy_curves(spec.run()) for title, spec in regimes.items()}
    every, wrong = regimes["mixture"].training.record_every, []
    last = max(values.shape[1] for values in curves.values()) - 1
    for index in (0, 7, 13, 24, last):
        checks.widget(page, name).get_by_label("Training step").fill(str(index))
        wrong += checks_hops.wrong_regimes(page, name, curves, every, (index + 1) * every)
    return wrong


def exercise_laser_map(page: Any, name: str, sent: dict[str, Any]) -> list[str]:
    """Select what widget 5b can show and walk over its map."""
    setup = at_scale(laser_presets.LAPTOP, laser_presets.PAPER)
    study = study_settings(setup).run(load(setup.model))
    return checks_laser_map.exercise_laser_map(page, name, study.map_rows, study.map_whole)


def exercise_laser_time(page: Any, name: str, sent: dict[str, Any]) -> list[str]:
    """Move the step and the task of widget 5c over all that there are, and press the presets."""
    setup = at_scale(laser_presets.LAPTOP, laser_presets.PAPER)
    runs = [english_settings(setup, seed) for seed in range(setup.seeds)]
    prompts = [laser_dynamics.tasks(setup.english_prompts, seed) for seed in range(setup.seeds)]
    along = {
        task: [
            laser_dynamics.dynamics(run, own[task], setup.english_rhos) for run, own in zip(runs, prompts, strict=True)
        ]
        for task in ("ioi", "facts")
    }
    return checks_laser_time.exercise_laser_time(page, name, along)


def exercise_laser_tokens(page: Any, name: str, sent: dict[str, Any]) -> list[str]:
    """Show every prompt of widget 5a at every matrix and rate, and press the presets."""
    setup = at_scale(laser_presets.LAPTOP, laser_presets.PAPER)
    return checks_laser_tokens.exercise_laser_tokens(page, name, study_settings(setup).run(load(setup.model)).shown)


def exercise_truncation(page: Any, name: str, sent: dict[str, Any]) -> list[str]:
    """Move rho, the choice and the text of widget 4a, insert the noise, and press the presets."""
    held, shown, wrong = sent["noisy"], checks.widget(page, name), []
    texts = [text for _, text in truncation.sequences(held)]
    for percent in (0, 1, 5, 20, 50, 99, 100):
        shown.get_by_label("ρ, kept of F₂'s rank").fill(str(percent))
        wrong += checks_noise.wrong_truncation(page, name, held, percent / 100, texts[0])
    for index, text in reversed(list(enumerate(texts))):
        shown.get_by_label("Sequence").select_option(str(index))
        wrong += checks_noise.wrong_truncation(page, name, held, 1.0, text)
    shown.get_by_label("The model reads").fill("to be, to ")
    shown.get_by_role("button", name="Insert τ").click()
    wrong += checks_noise.wrong_truncation(page, name, held, 1.0, "to be, to τ")
    for words, rho in (("F₂ dropped", 0.0), ("ρ = 0.05", 0.05), ("Full model", 1.0)):
        shown.get_by_role("button", name=words).click()
        wrong += checks_noise.wrong_truncation(page, name, held, rho, "to be, to τ")
    return wrong


def exercise_noise_attention(page: Any, name: str, sent: dict[str, Any]) -> list[str]:
    """Move the training time, the choice and the text of widget 4b, insert the noise, and press the presets."""
    held, shown, wrong = sent["noisy"], checks.widget(page, name), []
    texts = [text for _, text in truncation.sequences(held)]
    for index, step in enumerate(held.steps):
        shown.get_by_label("Training step").fill(str(index))
        wrong += checks_noise.wrong_noise_attention(page, name, held, step, texts[1])
    for index, text in enumerate(texts):
        shown.get_by_label("Sequence").select_option(str(index))
        wrong += checks_noise.wrong_noise_attention(page, name, held, held.steps[-1], text)
    shown.get_by_label("The model reads").fill("my man may meet ")
    shown.get_by_role("button", name="Insert τ").click()
    shown.get_by_label("The model reads").press_sequentially(" ")
    presets = zip(truncation.PRESET_WORDS, (*held.steps[:2], held.steps[-1]), strict=True)
    for words, step in presets:
        shown.get_by_role("button", name=words).click()
        wrong += checks_noise.wrong_noise_attention(page, name, held, step, "my man may meet τ ")
    return wrong


def exercise_trainer(page: Any, name: str, sent: dict[str, Any]) -> list[str]:
    """Set what starts a run anew in widget 3c, and make steps."""
    return checks_trainer.exercise_trainer(page, name)


def exercise_birth(page: Any, name: str, sent: dict[str, Any]) -> list[str]:
    """Press the landing page's button and wait until the model is trained."""
    return checks_trainer.exercise_birth(page, name)


def exercise_learning(page: Any, name: str, sent: dict[str, Any]) -> list[str]:
    """Make steps in widget 6c, and ask."""
    return checks_trainer.exercise_learning(page, name)


def exercise_recall(page: Any, name: str, sent: dict[str, Any]) -> list[str]:
    """Make steps in widget 4c, and drop F_2."""
    return checks_trainer.exercise_recall(page, name)


def exercise_steps(page: Any, name: str, sent: dict[str, Any]) -> list[str]:
    """Take steps both ways in widget 2b."""
    return checks_trainer.exercise_steps(page, name)


EXERCISES = {
    "laser_map": exercise_laser_map,
    "laser_time": exercise_laser_time,
    "laser_tokens": exercise_laser_tokens,
    "hops": exercise_hops,
    "hop_regimes": exercise_hop_regimes,
    "capacity": exercise_capacity,
    "fact_time": exercise_fact_time,
    "fact_learning": exercise_learning,
    "fact_tradeoff": exercise_fact_tradeoff,
    "gradient_step": exercise_gradient_step,
    "induction": exercise_induction,
    "induction_small": exercise_small,
    "induction_birth": exercise_birth,
    "induction_trainer": exercise_trainer,
    "memory_steps": exercise_steps,
    "memory_maps": exercise_memories,
    "noise_attention": exercise_noise_attention,
    "noisy_recall": exercise_recall,
    "truncation": exercise_truncation,
}
