"""Every kind of widget in Chromium, with addresses and weights that nobody meant. Oracles: the page and its console.

Whatever an address holds, the widget lives on, no exception reaches the console, no text of it becomes an element or a
script, and what cannot be is left out and said.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mechbook.facts.experiments import linear_settings
from mechbook.facts.presets import LAPTOP as FACTS
from mechbook.facts.tradeoff import TradeoffResult
from mechbook.facts.widgets import facts
from mechbook.facts.widgets.learning import fact_learning_widget
from mechbook.gradients.widgets.gradient_step import gradient_step_widget
from mechbook.gradients.widgets.memory_steps import memory_steps_widget
from mechbook.hops.widgets import hops
from mechbook.induction.experiments import frozen_settings
from mechbook.induction.presets import LAPTOP
from mechbook.induction.runs import InductionSettings
from mechbook.induction.widgets import induction
from mechbook.induction.widgets.handing import NAMES, TrainerWidget
from mechbook.induction.widgets.trainer import birth_widget, trainer_widget
from mechbook.laser.widgets import laser_map, laser_time, laser_tokens
from mechbook.memories.widgets.capacity import capacity_widget
from mechbook.noisy.runs import NoisySettings
from mechbook.noisy.widgets import truncation
from mechbook.noisy.widgets.recall import recall_widget
from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer
from mechbook.widgets.base import BookWidget
from tests.browser import checks
from tests.browser.fixtures import NOISY_RUN, RUN
from tests.facts.widgets.test_facts import GRID, SMALL, accuracy
from tests.fuzz.conftest import FEW
from tests.hops.widgets.test_hops import DIRECT, SPEC
from tests.laser.widgets.test_laser_map import ROWS, WHOLE
from tests.laser.widgets.test_laser_time import ALONG
from tests.laser.widgets.test_laser_tokens import SHOWN

READ = InductionSettings(**RUN)  # type: ignore[arg-type]
NOISY = NoisySettings(**NOISY_RUN)  # type: ignore[arg-type]
LINEAR = replace(linear_settings(FACTS), lr=1.0, init=0.01, **SMALL)  # type: ignore[arg-type]
GRID_RESULT = TradeoffResult(accuracy=accuracy()[..., None].repeat(1, 1, 2), seconds=1.0)
MADE: dict[str, Callable[[], BookWidget]] = {
    "widget-birth": birth_widget,
    "widget-1": capacity_widget,
    "widget-2": gradient_step_widget,
    "widget-2b": memory_steps_widget,
    "widget-3a": lambda: induction.induction_widget(READ),
    "widget-3b": lambda: induction.memory_widget(READ),
    "widget-small": lambda: induction.small_induction_widget(READ, name="widget-small"),
    "widget-3c": lambda: trainer_widget(frozen_settings(LAPTOP, 0)),
    "widget-4a": lambda: truncation.truncation_widget(NOISY),
    "widget-4b": lambda: truncation.noise_attention_widget(NOISY),
    "widget-4c": recall_widget,
    "widget-5a": lambda: laser_tokens.laser_tokens_widget(SHOWN),
    "widget-5b": lambda: laser_map.laser_map_widget(ROWS, WHOLE),
    "widget-5c": lambda: laser_time.laser_time_widget(ALONG),
    "widget-6a": lambda: facts.fact_time_widget(LINEAR),
    "widget-6b": lambda: facts.tradeoff_widget(GRID, GRID_RESULT),
    "widget-6c": lambda: fact_learning_widget(linear_settings(FACTS)),
    "widget-7a": lambda: hops.path_widget(SPEC),
    "widget-7b": lambda: hops.regimes_widget({"mixture": SPEC, "direct": DIRECT}),
}
# None of them is a value that any widget has.
# Short enough for a notice, which quotes the first twenty characters.
MARKUP = ("<mb-evil>", "<img src=x>", '"><img src=x onerror="globalThis.hacked=1">')
NEVER = (*MARKUP, "__proto__", "constructor", "-7.5e999", "\x00\u202e")
PLAIN = st.sampled_from(["", "0", "1", "-1", "1e9", "NaN", "Infinity", "true", "null", "a", "own", "τ", "0x10", "1,2"])
LEFT_OUT = "Of the link this was left out: "
# Follow an address that differs from the one before, and see what the page is like then.
FOLLOW = """async ([name, hash]) => {
  history.replaceState(null, "", "#");
  await new Promise((done) => { addEventListener("hashchange", done, { once: true }); location.hash = hash; });
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const root = document.querySelector(`section[data-widget="${name}"]`);
  return {
    alive: Boolean(root?.querySelector(".mb-says")?.textContent),
    said: [...(root?.querySelectorAll(".mb-notice, .mb-message") ?? [])].map((line) => line.textContent).join(" "),
    made: document.querySelectorAll("mb-evil, img[src='x']").length + Number("hacked" in globalThis),
  };
}"""


@pytest.fixture(autouse=True)
def own_cache(plain_settings: None, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache for the small runs that some widgets show, the same for all tests."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path_factory.getbasetemp() / "fuzzed"))
    monkeypatch.setenv("MECHBOOK_DEVICE", "cpu")


@pytest.fixture
def complaints(library: Any) -> Iterator[list[str]]:
    """What reaches the console while a test runs."""
    found: list[str] = []

    def failed(error: Any) -> None:
        found.append(str(error))

    def logged(entry: Any) -> None:
        if entry.type == "error":
            found.append(entry.text)

    library.on("pageerror", failed)
    library.on("console", logged)
    yield found
    library.remove_listener("pageerror", failed)
    library.remove_listener("console", logged)


def own_state(page: Any, name: str) -> dict[str, str]:
    """What the widget's own link carries; nothing where it has none."""
    button = checks.widget(page, name).locator(".mb-link-button")
    if not button.count():
        return {}
    button.first.click()
    return dict(parse_qsl(page.evaluate("location.hash").partition("?")[2], keep_blank_values=True))


def fragment(data: st.DataObject, own: dict[str, str]) -> tuple[str, bool]:
    """An address' state, and whether something in it cannot be."""
    kind = data.draw(st.integers(0, 7))
    if kind == 0:
        return data.draw(st.text("&=?#%<>a1\u2028", max_size=20)), False
    if kind == 1:
        return f"{next(iter(own), 'x')}=" + "9" * 3000, bool(own)
    values = st.sampled_from([*own.values(), *NEVER, *NEVER]) | PLAIN | st.text(max_size=12)
    keys = st.sampled_from([*own, *own, "__proto__", "x"])
    pairs = data.draw(st.lists(st.tuples(keys, values), max_size=5))
    cannot = any(key in own and value in NEVER for key, value in dict(pairs).items())
    safe = [(quote(key, safe="", errors="replace"), quote(value, safe="", errors="replace")) for key, value in pairs]
    return "&".join(f"{key}={value}" for key, value in safe), cannot


@pytest.mark.parametrize("name", MADE)
def test_no_address_hurts_a_widget(alone: Callable[[BookWidget], Any], complaints: list[str], name: str) -> None:
    page = alone(MADE[name]())
    own = own_state(page, name)

    def check(text: str, cannot: bool) -> None:
        seen = page.evaluate(FOLLOW, [name, f"#{name}?{text}"])
        assert seen["alive"] and seen["made"] == 0 and complaints == [], (text, seen, complaints)
        assert LEFT_OUT in seen["said"] or not cannot, (text, seen)

    @settings(max_examples=2 * FEW)
    @given(data=st.data())
    def follow(data: st.DataObject) -> None:
        check(*fragment(data, own))

    for key in own:
        check(f"{key}={quote(MARKUP[0])}", True)
    follow()


@pytest.mark.parametrize("number", [0.0, 1e30, float("nan"), float("inf")])
def test_python_gives_a_page_nothing_that_it_cannot_train(number: float) -> None:
    """Messages from Python to a page. Oracle: the bytes of all matrices."""
    widget = trainer_widget(frozen_settings(LAPTOP, 0))
    size = widget.settings["sizes"]["letters"]
    config = SimplifiedConfig(N=len(size["vocabulary"]), T=size["T"], d=size["d"])
    model = SimplifiedTransformer(config, torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.W_K1.fill_(number)
    if number < 1e31:
        widget.give(model)
        assert len(widget.given) == 4 * sum(getattr(model, name).numel() for name in NAMES)
    else:
        with pytest.raises(ValueError, match="numbers that are not finite"):
            widget.give(model)
        assert widget.given == b""


ODD = st.integers(-1, 3) | st.sampled_from([None, "2", 1.5, 10**9])
SIZES = st.dictionaries(st.sampled_from(["N", "T", "d", "step"]), ODD) | st.just({"N": 2, "T": 2, "d": 1})
STORE = capacity_widget().store


@given(handed=SIZES, sent=st.binary(max_size=64) | st.integers(0, 20).map(lambda n: bytes(4 * n)))
def test_a_message_that_is_no_model_is_said_so(handed: dict[str, Any], sent: bytes) -> None:
    """Messages from a page to Python: sizes and bytes that belong together are a model, all others one sentence."""
    widget = TrainerWidget(kind="induction_trainer", name="widget-3c", settings={}, store=STORE, picture=None, words="")
    widget.set_state({"handed": handed, "trained": memoryview(sent)})
    try:
        model = widget.model()
    except (ValueError, RuntimeError) as error:
        assert re.fullmatch(r"The page has handed .*\.", str(error)), error
        assert isinstance(error, ValueError) or not sent
    else:
        assert [len(model.W_E), len(model.P), model.W_E.shape[1]] == [handed["N"], handed["T"], handed["d"]]
        assert 4 * sum(getattr(model, name).numel() for name in NAMES) == len(sent)
