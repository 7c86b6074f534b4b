"""Widgets 4a and 4b on the Python side. Oracle: the run's own checkpoints, an exact SVD, and counting by hand."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from mechbook.core.training.loop import TrainingResult
from mechbook.core.training.settings import TrainingSettings
from mechbook.noisy.model import NoisyConfig
from mechbook.noisy.runs import NoisySettings
from mechbook.noisy.widgets import truncation
from mechbook.shared.shakespeare import load_counts
from mechbook.shared.truncation import truncated
from tests.browser.checks_noise import correct_token

V = load_counts().N + 1
SPEC = NoisySettings(
    T=29,
    alpha=0.5,
    model=NoisyConfig(V=V, T=29, d=13),
    training=TrainingSettings(steps=6, batch_size=3, optimizer="sgd", lr=0.05),
    seed_key=(1,),
    probe_steps=(0, 2, 3, 5, 6),
    checkpoint_steps=(0, 2, 3, 5, 6),
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield str(tmp_path_factory.mktemp("cache"))
    truncation._shipped.cache_clear()


@pytest.fixture(autouse=True)
def own_cache(cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECHBOOK_CACHE", cache)


def test_moments_are_the_noise_half_way_most_and_the_end() -> None:
    """Oracle: by hand. At step 2 the noise has most before half way (4); at step 8 it has more, but later."""
    values = {
        "attention_correct": [0.05, 0.06, 0.1, 0.45, 0.7, 0.82, 0.9, 0.95],
        "attention_noise": [0.02, 0.03, 0.1, 0.01, 0.2, 0.01, 0.01, 0.0],
    }
    steps = [0, 1, 2, 4, 8, 16, 32, 64]
    run = TrainingResult(steps=steps, values=values, checkpoints={}, final={}, seconds=0.0)
    assert truncation.moments(run, steps) == (2, 4, 16, 64)
    assert truncation.moments(run, [64, 0]) == (0, 64)
    assert truncation.moments(run, [0, 8, 64]) == (0, 8, 64)


def test_the_correct_token_is_the_most_frequent_then_the_latest() -> None:
    found = {"a ba ca b ": "b", "x": None, "abac a": "c", "abaca": "c", "aτaτa": None, "aτabaτa": "b", "abacaba": "b"}
    assert {text: correct_token(text) for text in found} == found


def test_what_is_shipped_is_the_rounded_checkpoint() -> None:
    """Oracle: the run's model; attention at each step, and the logits at the last, differ by rounding alone."""
    sent = truncation.shipped(SPEC)
    z, exact = sent.encode("To be τr noτ to"), SPEC.build()
    for step in sent.steps:
        exact.load_state_dict(sent.run.checkpoints[step])
        last = step == sent.steps[-1]
        with torch.no_grad():
            ours, theirs = sent.model(step).trace(z), exact.trace(z)
        assert 0 < float((ours.attention[1] - theirs.attention[1]).abs().max()) < 0.1
        assert not last or 0 < float((ours.logits - theirs.logits).abs().max()) < 0.5


@pytest.mark.parametrize("rho", [0.0, 0.1, 0.3, 0.95])
def test_a_cut_is_the_best_approximation(rho: float) -> None:
    """Oracle: `truncated` on the exact weight, to rounding; at rho = 0 nothing of F_2 is left."""
    sent = truncation.shipped(SPEC)
    exact = SPEC.build()
    exact.load_state_dict(sent.run.final)
    ours = sent.model(6, rho).F2.W_in
    with truncated(exact, "F2.W_in", rho=rho):
        expected = exact.F2.W_in.detach().double()
        assert float((ours - expected).norm()) <= 0.02 * float(expected.norm())
    assert int(torch.linalg.matrix_rank(ours)) == int(rho * 13)


def test_the_store_has_what_the_widgets_read_and_they_share_it() -> None:
    first, second = truncation.truncation_widget(SPEC), truncation.noise_attention_widget(SPEC)
    assert first.store is second.store
    sent = truncation.shipped(SPEC)
    names = {entry["name"] for entry in first.store.description["tensors"]}
    looks = {f"{step}/{name}" for step in sent.steps for name in truncation.LOOKS}
    assert names == looks | {"W_E", "P", "W_U", "W_V2", "F2.W_out", "U", "S", "V"}
    assert [sent.tensors[name].shape for name in "USV"] == [(52, 13), (13,), (13, 13)]
    assert (first.kind, first.name) == ("truncation", "widget-4a")
    assert (second.kind, second.name) == ("noise_attention", "widget-4b")


def test_settings_are_json_and_sequences_ask_what_they_should() -> None:
    """Oracle: counting. The trigger is last and came before; the noisy sequence has noise and answers after it."""
    settings = json.loads(json.dumps(truncation.truncation_widget(SPEC).settings))
    texts = [text for _, text in settings["sequences"]]
    assert len(texts) == 3
    trigger = load_counts().vocabulary[SPEC.task().triggers[0]]
    for text, least in zip(texts, (0, 2, 0), strict=True):
        after = [b for a, b in zip(text, text[1:], strict=False) if a == trigger]
        assert len(text) <= 29 and text[-1] == trigger and set(text) <= set(settings["vocabulary"])
        assert after.count("τ") >= least and len(after) - after.count("τ") >= 2
    assert "τ" not in texts[0] + texts[2]
    assert [step for step, _ in settings["presets"]][-1] == settings["steps"][-1] == 6
    assert settings["rhos"][5] == 0.05 and settings["vocabulary"].index("τ") == V - 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"checkpoint_steps": ()}, "must keep two at least"),
        ({"checkpoint_steps": (0, 2)}, "the end among them"),
        ({"checkpoint_steps": (0, 4, 6)}, "not measured at its checkpoint 4"),
        ({"model": NoisyConfig(V=V, T=29, d=13, F2="linear")}, "two MLPs"),
        ({"model": NoisyConfig(V=V, T=29, d=13, output_matrix=True)}, "no W_O1"),
    ],
)
def test_a_run_that_cannot_be_shown_is_refused(change: dict[str, Any], words: str) -> None:
    for widget in (truncation.truncation_widget, truncation.noise_attention_widget):
        with pytest.raises(ValueError, match=words):
            widget(replace(SPEC, **change))
