"""Widgets 7a and 7b. Oracles: PyTorch with the weights as shipped, in float64; the runs' own records; axe-core."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from mechbook.hops.model import HopConfig, HopTransformer
from mechbook.hops.runs import CompositionSettings
from mechbook.hops.task import hop_targets
from mechbook.hops.training import HopTrainingResult, HopTrainingSettings
from mechbook.hops.widgets import hops
from mechbook.site import vendor
from mechbook.widgets.base import STUB, BookWidget
from mechbook.widgets.bundle import library
from mechbook.widgets.weights import pack, round_weights
from tests.browser import checks
from tests.browser.browser import library_page
from tests.browser.checks_hops import wrong_path, wrong_regimes

TRAINING = HopTrainingSettings(regime="mixture", steps=120, batch_size=16, record_every=10)
SPEC = CompositionSettings(n=3, k=4, training=TRAINING, seeds=(0, 1), n_layers=3, n_heads=2, d=20)
DIRECT = CompositionSettings(
    n=3,
    k=4,
    training=HopTrainingSettings(regime="direct", steps=30, batch_size=16, record_every=10),
    seeds=(0,),
    n_layers=3,
    n_heads=2,
    d=20,
)
FORWARD = """async ([options, description, bytes, tokens]) => {
  const data = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
  const model = mechbook.hops.model(await mechbook.engine.unpack(description, data), options);
  const { logits, attention } = model.forward(tokens);
  return { logits: Array.from(logits), attention: attention.flat().map((map) => Array.from(map)) };
}"""
SHOW = """async ([stub, kind, name, settings, library, description, bytes]) => {
  if (!globalThis.mechbook) (0, eval)(library);
  const url = URL.createObjectURL(new Blob([stub], { type: "text/javascript" }));
  const data = new DataView(Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0)).buffer);
  const store = { get: (key) => ({ description, data })[key] };
  const values = { kind, name, settings, library, store: "IPY_MODEL_1" };
  const model = { get: (key) => values[key], widget_manager: { get_model: async () => store } };
  const module = await import(url), el = document.createElement("div");
  document.body.append(el);
  await module.default.render({ model, el });
}"""


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One small run for all tests of this file."""
    patch = pytest.MonkeyPatch()
    patch.setenv("MECHBOOK_CACHE", str(tmp_path_factory.mktemp("cache")))
    patch.setenv("MECHBOOK_DEVICE", "cpu")
    hops.shipped_hops.cache_clear()
    yield
    patch.undo()


@pytest.fixture(scope="module")
def sent() -> hops.ShippedHops:
    return hops.shipped_hops(SPEC, 0)


def show(page: Any, widget: BookWidget) -> Any:
    data = base64.b64encode(widget.store.data).decode()
    page.evaluate(SHOW, [STUB, widget.kind, widget.name, widget.settings, library(), widget.store.description, data])
    return checks.widget(page, widget.name)


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    with library_page(browser) as found:
        yield found


# ---- the model in the page -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("causal", [False, True])
def test_the_page_s_model_is_pytorch_s(page: Any, dtype: str, causal: bool) -> None:
    """Oracle: HopTransformer in float64 holding the weights as shipped; logits and every attention map to 1e-4."""
    config = HopConfig(T=7, N=3, hops=2, N_out=5, d=22, n_layers=2, n_heads=2, causal=causal)
    model = HopTransformer(config, generator(1))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.add_(torch.randn(parameter.shape, generator=generator(2)) / 2)
    state = dict(model.state_dict())
    packed = pack(state, dtype=dtype)
    model.load_state_dict(round_weights(state, dtype=dtype))
    z = torch.randint(3, (1, 7), generator=generator(3))
    options = {"n_layers": 2, "n_heads": 2, "causal": causal}
    data = base64.b64encode(packed.data).decode()
    found = page.evaluate(FORWARD, [options, packed.description, data, z[0].tolist()])
    trace = model.double().trace(z)
    logits = torch.tensor(found["logits"], dtype=torch.float64).view(1, 7, 2, 5)
    torch.testing.assert_close(logits, trace.logits, rtol=0, atol=1e-4)
    maps = torch.tensor(found["attention"], dtype=torch.float64).view(2, 1, 2, 7, 7)
    torch.testing.assert_close(maps, torch.stack(trace.attention), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("tokens", "words"), [([0, 1], "The sequence has 2 tokens"), ([0, 1, 3, 0, 0, 0, 0], "3 is no value")]
)
def test_the_page_s_model_refuses_what_it_cannot_read(page: Any, tokens: list[int], words: str) -> None:
    model = HopTransformer(HopConfig(T=7, N=3, hops=2, d=12, n_layers=1, n_heads=2), generator(1))
    packed = pack(dict(model.state_dict()), dtype="float32")
    data = base64.b64encode(packed.data).decode()
    with pytest.raises(Exception, match=words):
        page.evaluate(FORWARD, [{"n_layers": 1, "n_heads": 2}, packed.description, data, tokens])


def test_paths_are_the_targets(page: Any) -> None:
    """Oracle: `hop_targets`."""
    task = SPEC.task(0)
    sigma = torch.stack([torch.randperm(3, generator=generator(s)) for s in range(4)])
    targets = hop_targets(task, sigma[None], range(5))[0]
    for i in range(4):
        for y in range(3):
            call = "([pi, sigma, i, y]) => mechbook.hops.path(pi, sigma, i, y, 4)"
            assert page.evaluate(call, [task.pi.tolist(), sigma.tolist(), i, y]) == targets[i, y].tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 2 1", [0, 2, 1]),
        ("021", [0, 2, 1]),
        (" 2,1, 0", [2, 1, 0]),
        ("0 1 1", None),
        ("0 1", None),
        ("0 1 3", None),
        ("a b c", None),
        ("0 1 2 0", None),
        ("", None),
        ("-1 0 2", None),
    ],
)
def test_what_is_a_permutation(page: Any, text: str, expected: list[int] | None) -> None:
    """Oracle: by hand."""
    assert page.evaluate("(text) => mechbook.hops.permutation(text, 3)", text) == expected


# ---- widget 7a -------------------------------------------------------------------------------------------------------


def test_every_context_and_start(page: Any, sent: hops.ShippedHops) -> None:
    shown, said = show(page, hops.path_widget(SPEC)), set()
    for words, sigma in hops.contexts(sent):
        shown.get_by_role("button", name=words, exact=True).click()
        for start in ("0", "3"):
            shown.get_by_label("Start at position").select_option(start)
            shown.get_by_label("Start at value").select_option("2")
            assert wrong_path(page, "widget-7a", sent) == []
            assert shown.get_attribute("data-sigma") == "-".join("".join(map(str, row)) for row in sigma)
            said.add(shown.locator(".mb-says").text_content())
    assert len(said) == 8


def test_permutations_of_the_readers_own(page: Any, sent: hops.ShippedHops) -> None:
    shown = show(page, hops.path_widget(SPEC))
    shown.get_by_label("σ of position 2").fill("2 0 1")
    shown.get_by_label("σ of position 4").fill("102")
    assert wrong_path(page, "widget-7a", sent) == []
    assert shown.get_attribute("data-sigma").split("-")[1::2] == ["201", "102"]
    assert shown.locator('button[aria-pressed="true"]').count() == 0


@pytest.mark.parametrize("typed", ["0 1 1", "0 1", "<img src=x onerror=alert(1)>", "9" * 5000, ""])
def test_what_is_no_permutation_is_refused_in_words(page: Any, sent: hops.ShippedHops, typed: str) -> None:
    shown = show(page, hops.path_widget(SPEC))
    before = shown.get_attribute("data-sigma")
    box = shown.get_by_label("σ of position 3")
    box.fill(typed)
    checks.settle(page)
    assert box.get_attribute("aria-invalid") == "true"
    assert "It must hold each of 0, 1, 2 once." in shown.locator(".mb-message").nth(2).text_content()
    assert shown.get_attribute("data-sigma") == before and shown.locator("img").count() == 0
    assert wrong_path(page, "widget-7a", sent) == []


def test_one_head_and_keys(page: Any, sent: hops.ShippedHops) -> None:
    shown = show(page, hops.path_widget(SPEC))
    shown.get_by_label("Attention of").select_option("1")
    assert wrong_path(page, "widget-7a", sent, head=1) == []
    heat_map = shown.get_by_role("application", name="Where layer 2 looks")
    heat_map.focus()
    for key in ("Home", "ArrowUp", "ArrowRight", "End", "ArrowDown", "ArrowLeft"):
        heat_map.press(key)
        assert wrong_path(page, "widget-7a", sent, head=1) == []


def test_the_sentence_says_the_path_and_who_is_right(page: Any, sent: hops.ShippedHops) -> None:
    """Oracle: with sigma undoing pi every hop stays where it is."""
    shown = show(page, hops.path_widget(SPEC))
    shown.get_by_role("button", name="σ undoes π").click()
    shown.get_by_label("Start at value").select_option("1")
    checks.settle(page)
    said = shown.locator(".mb-says").text_content()
    assert "the path is 1 → 1 → 1 → 1 → 1." in said
    sigma = torch.tensor(hops.contexts(sent)[3][1])
    answers = sent.model()(sigma.reshape(1, -1))[0, 1].argmax(-1)
    wrong = int((answers != 1).sum())
    assert ("right at every number of hops" if wrong == 0 else f"wrong at {wrong} of 4 numbers of hops") in said


def test_a_link_carries_the_state_and_a_wrong_one_does_no_harm(page: Any, sent: hops.ShippedHops) -> None:
    shown = show(page, hops.path_widget(SPEC))
    shown.get_by_label("σ of position 1").fill("2 1 0")
    shown.get_by_label("Start at position").select_option("2")
    shown.get_by_role("button", name="Link to this view").click()
    assert "#widget-7a?sigma=210-" in page.evaluate("location.href")
    for fragment, words in (
        ("?sigma=120-120-120-012&start=2-1&head=0", None),
        ("?sigma=120-120&start=9-9", "its σ are not 4 permutations of 0, 1, 2; its start is no value of a position"),
        ("?sigma=" + "1" * 3000, "it is too long"),
    ):
        page.evaluate(f"location.hash = '#widget-7a{fragment}'")
        page.wait_for_timeout(50)
        assert wrong_path(page, "widget-7a", sent, head=0) == []
        assert shown.get_attribute("data-sigma") == "120-120-120-012"
        assert shown.get_attribute("data-start") == "1" and shown.get_attribute("data-from") == "1"
        if words:
            assert words in shown.locator(".mb-message").first.text_content()


# ---- widget 7b -------------------------------------------------------------------------------------------------------


def test_every_number_at_every_step_is_the_runs_own(page: Any) -> None:
    """Oracle: means over seeds of the recorded accuracies; past a regime's end its last."""
    specs = {"direct": DIRECT, "mixture": SPEC}
    widget = hops.regimes_widget(specs)
    shown, said = show(page, widget), set()
    slider = shown.get_by_label("Training step")
    steps = widget.settings["steps"]
    # by hand, and not by the widget's own function: no run of these ends early
    recorded = {title: torch.tensor([run.accuracy for run in spec.run()]) for title, spec in specs.items()}
    assert steps == list(range(10, 121, 10))
    for index, step in enumerate(steps):
        slider.fill(str(index))
        assert wrong_regimes(page, "widget-7b", recorded, 10, step) == []
        said.add(shown.locator(".mb-says").text_content())
    assert len(said) == len(steps)


def test_moments_link_and_pressed_button(page: Any) -> None:
    shown = show(page, hops.regimes_widget({"direct": DIRECT, "mixture": SPEC}))
    button = shown.get_by_role("button", name="End")
    button.click()
    checks.settle(page)
    assert button.get_attribute("aria-pressed") == "true" and shown.get_attribute("data-step") == "120"
    page.evaluate("location.hash = '#widget-7b?step=33'")
    page.wait_for_timeout(50)
    assert shown.get_attribute("data-step") == "30"
    shown.get_by_role("button", name="Link to this view").click()
    assert page.evaluate("location.hash") == "#widget-7b?step=30"


def test_curves_of_a_run_that_ended_go_on_with_its_last_record() -> None:
    """Oracle: by hand."""
    runs = [
        HopTrainingResult(steps=[], accuracy=a, loss=[], stages=[], solved=None, seen=0, final={}, seconds=0.0)
        for a in ([[0.7, 0.8], [0.1, 0.2]], [[0.3, 0.4], [0.5, 0.6], [0.9, 1.0]])
    ]
    expected = torch.tensor([[[0.7, 0.8], [0.1, 0.2], [0.1, 0.2]], [[0.3, 0.4], [0.5, 0.6], [0.9, 1.0]]])
    assert torch.equal(hops.accuracy_curves(runs), expected)


# ---- both ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_a_phone(page: Any, theme: str) -> None:
    dress = "(theme) => Object.assign(document.documentElement, { lang: 'en' }).dataset.theme = theme"
    page.evaluate(dress, theme)
    page.set_viewport_size({"width": 360, "height": 740})
    show(page, hops.path_widget(SPEC))
    show(page, hops.regimes_widget({"direct": DIRECT, "mixture": SPEC}))
    assert checks.serious_violations(page, vendor.folder() / "tests" / "axe.min.js", "section.mb-widget") == []
    assert checks.overflow(page) == 0
    nameless = """() => [...document.querySelectorAll(".mb-widget :is(input, select, button, [tabindex])")]
      .filter((e) => !(e.labels?.length || e.textContent.trim() || e.getAttribute("aria-label"))).length"""
    assert page.evaluate(nameless) == 0


def test_the_theme_can_change_under_way(page: Any) -> None:
    shown = show(page, hops.path_widget(SPEC))
    pixel = "(c) => Array.from(c.getContext('2d').getImageData(c.width - 12, c.height - 12, 1, 1).data)"
    canvas = shown.locator("canvas").first
    light = canvas.evaluate(pixel)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    checks.settle(page)
    assert canvas.evaluate(pixel) != light


def test_settings_are_json_and_pictures_have_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECHBOOK_SITE_BUILD", "1")
    for widget in (hops.path_widget(SPEC), hops.regimes_widget({"mixture": SPEC})):
        json.dumps(widget.settings)
        html = widget.static_html()
        assert f'id="{widget.name}"' in html and "data:image/png;base64," in html and len(widget.words) > 40


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: hops.path_widget(SPEC, seed=7), r"There is no seed 7 among these runs; they are \[0, 1\]."),
        (lambda: hops.regimes_widget({"direct": DIRECT}), 'There is no regime named "mixture"'),
        (
            lambda: hops.regimes_widget(
                {"mixture": SPEC, "direct": CompositionSettings(n=2, k=4, training=TRAINING, seeds=(0,))}
            ),
            "differ; a slider over steps needs equal ones",
        ),
    ],
)
def test_what_cannot_be_shown_is_refused(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
