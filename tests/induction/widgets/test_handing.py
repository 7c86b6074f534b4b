"""Weights between widget 3c and Python. Oracle: the run by itself; a model given and taken back unchanged."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from mechbook.induction.widgets.handing import TrainerWidget
from mechbook.induction.widgets.trainer import trainer_widget
from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer
from tests.browser.checks_trainer import press, set_up, until
from tests.induction.widgets.test_trainer import SPEC

# The widget with a kernel that listens: what it sets is kept, and it hears of what Python changes.
RENDER = """async ([name, settings, description, bytes]) => {
  const raw = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0)), listeners = {};
  const store = { description, data: new DataView(raw.buffer) };
  const values = { kind: "induction_trainer", name, settings, store: "IPY_MODEL_1", library: "from the kernel" };
  globalThis.kernel = { values, saved: 0, listeners };
  const model = {
    get: (key) => values[key],
    set: (key, value) => { values[key] = value; },
    save_changes: () => { globalThis.kernel.saved += 1; },
    on: (event, call) => { listeners[event] = call; },
    widget_manager: { get_model: async () => ({ get: (key) => store[key] }) },
  };
  const el = document.body.appendChild(document.createElement("main"));
  await mechbook.widgets.induction_trainer({ model, el });
}"""
HANDED = """() => {
  const { handed, trained } = globalThis.kernel.values, bytes = new Uint8Array(trained.buffer);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return [handed, btoa(text)];
}"""
GIVE = """([size, bytes]) => {
  const raw = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
  Object.assign(globalThis.kernel.values, { given_size: size, given: new DataView(raw.buffer) });
  globalThis.kernel.listeners["change:given"]();
}"""
ALONE = """(steps) => {
  const uniform = Array(16).fill(1 / 16), { code, runOf } = mechbook.training;
  const run = runOf(code(), {
    N: 16, T: 32, d: 64, B: 32, K: 2, pi_u: uniform, pi_b: Array(16).fill(uniform), triggers: null, optimizer: "sgd",
    lr: 0.01, momentum: 0.9, decay: 1e-4, seed: 0, frozen: [], every: 10, steps: 900,
  });
  for (let i = 0; i < steps; i++) run.advance();
  return [Array.from(run.model.matrix("W_K2")), Array.from(run.seen([3, 1, 4, 1]).look.logits)];
}"""


def rendered(page: Any, widget: TrainerWidget) -> Any:
    data = base64.b64encode(widget.store.data).decode()
    settings = json.loads(json.dumps(widget.settings))
    page.evaluate(RENDER, [widget.name, settings, widget.store.description, data])
    shown = page.locator('section[data-widget="widget-3c"]')
    until(shown, "d.step === '0'")
    return shown


def handed_over(page: Any, widget: TrainerWidget) -> SimplifiedTransformer:
    """What Python has once the page's values have arrived, as a kernel takes them: buffers come as memoryviews."""
    handed, text = page.evaluate(HANDED)
    widget.set_state({"handed": handed, "trained": memoryview(base64.b64decode(text))})
    return widget.model()


def test_what_is_trained_arrives_in_python(moving_page: Any) -> None:
    widget = trainer_widget(SPEC)
    shown = rendered(moving_page, widget)
    assert moving_page.evaluate("globalThis.kernel.saved") == 0
    for count in (1, 2, 3):
        press(shown, "One step")
        until(shown, f"d.step === '{count}'")
    model = handed_over(moving_page, widget)
    assert widget.handed["step"] == 3 and moving_page.evaluate("globalThis.kernel.saved") == 3
    W_K2, logits = moving_page.evaluate(ALONE, 3)
    assert model.W_K2.flatten().tolist() == W_K2
    with torch.no_grad():
        found = model(torch.tensor([[3, 1, 4, 1]]))[0].flatten()
    torch.testing.assert_close(found, torch.tensor(logits), rtol=0, atol=1e-3)


@pytest.mark.parametrize("size", ["letters", "shakespeare"])
def test_a_model_that_is_given_is_trained_on(moving_page: Any, size: str) -> None:
    widget = trainer_widget(SPEC)
    shown = rendered(moving_page, widget)
    config = SimplifiedConfig(N=16, T=32, d=64) if size == "letters" else SPEC.model
    assert isinstance(config, SimplifiedConfig)
    model = SimplifiedTransformer(config, torch.Generator().manual_seed(5))
    widget.give(model)
    assert widget.given_size == size
    moving_page.evaluate(GIVE, [size, base64.b64encode(widget.given).decode()])
    moving_page.wait_for_function(
        "(n) => [...document.querySelectorAll('select')].some((one) => one.value === n)", arg=size
    )
    until(shown, "d.step === '0'")
    # at a rate that changes nothing it comes back as it was; weight decay is a share of the rate
    set_up(shown, Learning_rate="0")
    press(shown, "One step")
    until(shown, "d.step === '1'")
    back = handed_over(moving_page, widget)
    for name in ("W_E", "P", "W_U", "W_V1", "W_O1", "W_V2"):
        assert torch.equal(getattr(back, name), getattr(model, name))
    for name in ("W_K1", "W_K2", "W_O2"):
        before, after = (getattr(one, name).detach() for one in (model, back))
        change = (after - before).norm() / before.norm()
        assert 0 < float(change) < 0.01


def test_nothing_was_handed_over_yet() -> None:
    with pytest.raises(RuntimeError, match="press Play in the widget, and then Pause"):
        trainer_widget(SPEC).model()


@pytest.mark.parametrize("change", [{"d": 62}, {"T": 31}, {"N": 17}, {"feed_forward": "after_layer_2"}])
def test_a_model_of_another_size_is_refused(change: dict[str, Any]) -> None:
    config = replace(SimplifiedConfig(N=16, T=32, d=64), **change)
    with pytest.raises(ValueError, match="The widget has no model with N = "):
        trainer_widget(SPEC).give(SimplifiedTransformer(config, torch.Generator().manual_seed(0)))
