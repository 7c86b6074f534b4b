"""Widgets 3a and 3b on the Python side. Oracle: the run's own checkpoints, and counting by hand."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from mechbook.core.training.loop import TrainingResult
from mechbook.core.training.settings import TrainingSettings
from mechbook.induction.runs import InductionSettings
from mechbook.induction.widgets import induction
from mechbook.shared.shakespeare import encode, load_counts
from mechbook.shared.simplified import SimplifiedConfig
from mechbook.shared.vanilla import VanillaConfig
from mechbook.widgets.base import STUB
from mechbook.widgets.bundle import library
from tests.browser.browser import library_page

SPEC = InductionSettings(
    T=19,
    K=3,
    model=SimplifiedConfig(N=load_counts().N, T=19, d=13),
    training=TrainingSettings(steps=6, batch_size=2, optimizer="sgd", lr=0.05),
    seed_key=(1,),
    probe_every=1,
    checkpoint_steps=(0, 2, 3, 6),
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield str(tmp_path_factory.mktemp("cache"))
    induction._shipped.cache_clear()


@pytest.fixture(autouse=True)
def own_cache(cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECHBOOK_CACHE", cache)


def test_steps_are_dense_at_the_start() -> None:
    assert induction.kept_steps(range(0, 401, 20), 5) == (0, 40, 140, 260, 400)
    assert induction.kept_steps([7, 3, 5], 12) == (3, 5, 7)


def test_presets_are_before_within_and_after() -> None:
    accuracy = [0.0, 0.05, 0.3, 0.6, 0.9, 1.0]
    steps = [0, 10, 20, 30, 40, 50]
    run = TrainingResult(steps=steps, values={"accuracy": accuracy}, checkpoints={}, final={}, seconds=0.0)
    assert induction.preset_steps(run, steps) == (10, 30, 50)
    assert induction.preset_steps(run, [0, 20, 50]) == (0, 20, 50)
    # Nothing was learned: still three moments.
    dull = TrainingResult(steps=steps, values={"accuracy": [0.0] * 6}, checkpoints={}, final={}, seconds=0.0)
    assert induction.preset_steps(dull, steps) == (30, 40, 50)
    with pytest.raises(ValueError, match="at least three"):
        induction.preset_steps(run, [0, 50])


def test_what_is_shipped_is_the_rounded_checkpoint() -> None:
    sent = induction.shipped(SPEC)
    assert sent.steps == (0, 2, 3, 6)
    z = encode(load_counts(), "To be").unsqueeze(0)
    exact = SPEC.build()
    for step in sent.steps:
        exact.load_state_dict(sent.run.checkpoints[step])
        with torch.no_grad():
            difference = (sent.model(step)(z) - exact(z)).abs().max()
        assert 0 < float(difference) < 1.0
    assert torch.equal(sent.states[0]["W_E"], sent.states[6]["W_E"])
    assert not torch.equal(sent.states[0]["W_O2"], sent.states[6]["W_O2"])


def test_frozen_weights_travel_once_and_widgets_share_them() -> None:
    first, second = induction.induction_widget(SPEC), induction.memory_widget(SPEC)
    assert first.store is second.store
    names = [entry["name"] for entry in first.store.description["tensors"]]
    frozen = {"W_E", "P", "W_U", "W_V1", "W_O1", "W_V2"}
    trained = {f"{step}/{name}" for step in (0, 2, 3, 6) for name in ("W_K1", "W_K2", "W_O2")}
    assert sorted(names) == sorted(frozen | trained)
    assert induction.small_induction_widget(SPEC).store is not first.store


@pytest.mark.parametrize(
    ("change", "steps", "words"),
    [
        ({"checkpoint_steps": ()}, None, "keeps no checkpoint"),
        ({"model": VanillaConfig(N=load_counts().N, T=19, d=12)}, None, "two layers"),
        ({}, (0, 1, 6), "no checkpoint of step 1"),
    ],
)
def test_a_run_that_cannot_be_shown_is_refused(change: dict[str, Any], steps: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        induction.induction_widget(replace(SPEC, **change), steps=steps)


def test_settings_are_json_and_every_sequence_can_be_read() -> None:
    settings = json.loads(json.dumps(induction.induction_widget(SPEC).settings))
    for _, text in settings["sequences"]:
        assert 1 <= len(text) <= 19
        assert len(encode(load_counts(), text)) == len(text)
    assert [len(line["values"]) for line in settings["probes"]["series"]] == [len(settings["probes"]["x"])] * 4
    assert sum(settings["triggerWeights"]) == pytest.approx(1.0)


def test_scripts_travel_with_a_kernel_and_not_with_a_site(monkeypatch: pytest.MonkeyPatch) -> None:
    assert induction.memory_widget(SPEC).library == library()
    monkeypatch.setenv("MECHBOOK_SITE_BUILD", "1")
    widget = induction.memory_widget(SPEC)
    assert widget.library == ""
    found = widget.static_html()
    assert found.startswith('<div class="mb-static" id="widget-3b"><figure><img alt="The matrices')
    assert re.search(r' alt="[^"<>]*" src="data:image/png;base64,[\w+/=]+">', found)


def test_with_a_kernel_the_widget_brings_its_scripts(browser: Any) -> None:
    """As JupyterLab renders it: a module from a blob, and a page that has none of the book's scripts."""
    widget = induction.induction_widget(SPEC)
    script = """async ([stub, kind, name, settings, library, description, bytes]) => {
      delete globalThis.mechbook;
      const url = URL.createObjectURL(new Blob([stub], { type: "text/javascript" }));
      const data = new DataView(Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0)).buffer);
      const store = { get: (key) => ({ description, data })[key] };
      const values = { kind, name, settings, library, store: "IPY_MODEL_1" };
      const model = { get: (key) => values[key], widget_manager: { get_model: async () => store } };
      const module = await import(url), el = document.createElement("div");
      document.body.append(el);
      const first = globalThis.mechbook;
      const stop = await module.default.render({ model, el });
      const brought = globalThis.mechbook;
      await module.default.render({ model, el });
      const says = el.querySelector(".mb-says").textContent;
      return [first === undefined, brought === globalThis.mechbook, typeof stop, says];
    }"""
    data = base64.b64encode(widget.store.data).decode()
    with library_page(browser) as page:
        found = page.evaluate(
            script,
            [STUB, widget.kind, widget.name, widget.settings, widget.library, widget.store.description, data],
        )
    assert found[:3] == [True, True, "function"]
    assert found[3].startswith("Step 6.")
