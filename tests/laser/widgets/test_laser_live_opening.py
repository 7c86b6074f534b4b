"""How a reader opens a model in widget 5d. Oracle: the files of a small site, and what the browser asks for."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mechbook.laser.edits import Edit
from mechbook.laser.widgets.laser_live import live_widget
from mechbook.pretrained.load import load
from mechbook.pretrained.packages import packaged
from mechbook.site.model_files import write_model
from mechbook.site.settings import wrong_setting
from tests.browser import checks_laser_live as on
from tests.browser.browser import opened, served
from tests.laser.widgets.live_site import build, tiny_widget
from tests.widgets.language.files import write

ROOT = Path(__file__).resolve().parents[3]
ASIDE = "The other widgets of this chapter need no model."
ASKED = """() => performance.getEntriesByType("resource").map(({ name }) => name.split("/").at(-1).split("?")[0])
  .filter((name) => name !== "favicon.ico")"""
NO_WASM = "delete globalThis.WebAssembly;"
# The first word of what the worker runs, in place of a browser that is another.
BEFORE = "(code) => { globalThis.mechbookLanguage.worker = code + globalThis.mechbookLanguage.worker; }"


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    with opened(browser, address) as found:
        on.shown(found.page).get_by_label("Answer", exact=True).fill("a")
        yield found.page
        assert found.outside == []


def parts(site: Path) -> list[Path]:
    return sorted((site / "model").glob("*.part*"))


def said(page: Any, words: str) -> str:
    """The opening's message, once it has these words."""
    notice = page.locator(".mb-opening .mb-notice")
    notice.filter(has_text=words).wait_for(timeout=30_000)
    found: str = notice.text_content()
    assert notice.get_attribute("role") == "status"
    return found


def pick(page: Any, *paths: Path) -> None:
    page.set_input_files("input[type=file]", [str(path) for path in paths])


def test_nothing_of_the_model_is_asked_for_until_the_reader_asks(page: Any, site: Path) -> None:
    found = on.shown(page)
    about = found.locator(".mb-opening .mb-axes")
    assert about.text_content().startswith("SmolLM2-135M-Instruct by Hugging Face, Apache License 2.0, in 4 bits")
    assert about.locator("a").get_attribute("href") == "https://www.apache.org/licenses/LICENSE-2.0"
    assert page.evaluate(ASKED) == ["mechbook.js", "model.js"]
    assert found.locator(".mb-says").text_content().startswith("No model is open yet.")
    button = found.get_by_role("button", name=re.compile(r"^Load the model \(\d+ MB\)$"))
    button.focus()
    page.keyboard.press("Enter")
    on.until(page)
    names = [path.name for path in parts(site)]
    assert len(names) >= 3 and page.evaluate(ASKED)[2:] == ["language.js", *names]
    # who pressed by keys is not thrown out of the widget
    assert page.evaluate("document.activeElement.textContent") == "Close the model"
    assert (
        found.locator(".mb-open")
        .text_content()
        .startswith("SmolLM2-135M-Instruct by Hugging Face, Apache License 2.0 is open: 3 blocks of 6 heads, ")
    )
    page.keyboard.press("Enter")
    assert said(page, "The model is closed") == "The model is closed, and its memory is free."
    assert found.locator(".mb-bars li").count() == 0 and on.data(page, "open") == "false"
    on.load(page)


def test_the_browser_keeps_what_it_has_fetched(page: Any) -> None:
    """Oracle: the bytes that came over the wire, none for what was kept."""
    on.load(page)
    on.shown(page).get_by_role("button", name="Close the model").click()
    on.load(page)
    sizes = page.evaluate(
        "() => performance.getEntriesByType('resource').filter(({ name }) => name.includes('.part'))"
        ".map((one) => one.transferSize)"
    )
    half = len(sizes) // 2
    assert half >= 3 and min(sizes[:half]) > 0 and set(sizes[half:]) == {0}


def test_loading_says_how_far_it_is_and_can_be_cancelled(page: Any, site: Path) -> None:
    found, last = on.shown(page), parts(site)[-1].name
    held: list[Any] = []
    page.route(f"**/{last}", lambda route: held.append(route))
    found.get_by_role("button", name="Load the model").click()
    page.wait_for_function("document.querySelector('.mb-loading progress').value > 0.5")
    assert re.fullmatch(r"\d+ MB of \d+ MB", found.locator(".mb-loading .mb-readout").text_content())
    assert page.evaluate("document.activeElement.textContent") == "Cancel"
    page.keyboard.press("Enter")
    assert said(page, "cancelled") == f"Loading was cancelled. {ASIDE}"
    assert page.evaluate("document.activeElement.textContent").startswith("Load the model")
    page.unroute(f"**/{last}")
    on.load(page)


@pytest.mark.parametrize("fault", ["missing", "changed"])
def test_a_part_that_is_missing_or_changed_is_told(page: Any, site: Path, fault: str) -> None:
    part = parts(site)[1]
    changed = bytes([part.read_bytes()[0] ^ 1]) + part.read_bytes()[1:]
    answer: dict[str, Any] = {"status": 404} if fault == "missing" else {"body": changed}
    page.route(f"**/{part.name}", lambda route: route.fulfill(**answer))
    on.shown(page).get_by_role("button", name="Load the model").click()
    sentence = "The weights cannot be fetched: the site is out of reach, or a part of them is missing or changed."
    assert said(page, "cannot be fetched") == f"{sentence} {ASIDE}"


def damaged(path: Path, folder: Path) -> dict[str, tuple[Path, str]]:
    """Files that are no model to open, and what is said of each."""
    whole = path.read_bytes()
    (folder / "words.txt").write_bytes(b"no model, and long enough to be read as one" * 9)
    (folder / "cut.gguf").write_bytes(whole[: len(whole) // 2])
    (folder / "count.gguf").write_bytes(whole[:8] + (10**15).to_bytes(8, "little") + whole[16:])
    (folder / "empty.gguf").write_bytes(b"")
    return {
        "text": (folder / "words.txt", "This is no GGUF file: it does not begin as one."),
        "empty": (folder / "empty.gguf", "This is no GGUF file: it does not begin as one."),
        "cut": (folder / "cut.gguf", "The file is cut: "),
        "count": (folder / "count.gguf", "The file is damaged: it says it has 1.00e+15 tensors."),
        "arch": (
            write(folder / "gpt.gguf", arch="gpt2"),
            'The file holds a model of the architecture "gpt2"; Llama\'s are read here.',
        ),
    }


def test_files_that_are_no_model_are_told_in_a_sentence_and_the_next_one_opens(
    page: Any, weights: Path, tmp_path: Path
) -> None:
    for path, sentence in damaged(weights, tmp_path).values():
        pick(page, path)
        words = said(page, sentence)
        assert words.startswith(sentence) and words.endswith(ASIDE) and on.data(page, "open") == "false"
    name = tmp_path / "<b>mine<b>.gguf"
    name.write_bytes(weights.read_bytes())
    pick(page, name)
    on.until(page)
    open_words = on.shown(page).locator(".mb-open").text_content()
    assert open_words.startswith("<b>mine<b>.gguf is open: 3 blocks of 6 heads") and "Tiny" in open_words


def test_from_files_the_parts_are_picked_all_at_once_in_any_order(browser: Any, site: Path) -> None:
    with opened(browser, (site / "page" / "index.html").as_uri()) as found:
        page = found.page
        shown = on.shown(page)
        assert shown.get_by_role("button", name="Load the model").count() == 0
        assert "pick all files tiny.part* at once, in the folder model of the site" in shown.text_content()
        on.fill(page, "Answer", "a")
        pick(page, *reversed(parts(site)))
        on.until(page)
        assert found.errors == [] and found.outside == []


def test_a_site_without_the_weights_says_which_file_to_pick(browser: Any, tmp_path: Path, weights: Path) -> None:
    build(tmp_path, tiny_widget(), None)
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["model.js"]
    with served(tmp_path) as found, opened(browser, f"{found}/page/index.html") as at:
        shown = on.shown(at.page)
        assert shown.get_by_role("button", name="Load the model").count() == 0
        assert "does not have its weights: pick the file SmolLM2-135M-Instruct.Q4_1.gguf" in shown.text_content()
        on.fill(at.page, "Answer", "a")
        pick(at.page, weights)
        on.until(at.page)
        assert at.errors == []


def test_a_browser_without_webassembly_is_told_and_keeps_its_controls(browser: Any, address: str) -> None:
    with opened(browser, "about:blank") as found:
        page = found.page
        page.add_init_script(NO_WASM)
        page.goto(address)
        page.locator(".mb-opening .mb-notice:not(:empty)").wait_for()
        assert said(page, "WebAssembly") == f"This browser has no WebAssembly, which the model needs. {ASIDE}"
        assert page.locator(".mb-choices:visible").count() == 0
        page.get_by_label("ρ").fill("10")
        assert "0.10" in page.locator(".mb-control").filter(has_text="ρ").text_content() and found.errors == []


WITHOUT_VECTORS = "WebAssembly.validate = () => false;"
LITTLE = "WebAssembly.Memory = class { constructor() { throw new RangeError('no'); } };"


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        (WITHOUT_VECTORS, "This browser has no WebAssembly with vectors, which the model needs."),
        (LITTLE, "There is not enough memory for a model of "),
        ("throw new Error('it died');", "The model's worker stopped: "),
    ],
    ids=["no vectors", "no memory", "worker"],
)
def test_what_a_browser_lacks_is_told_in_a_sentence(page: Any, before: str, sentence: str) -> None:
    """In place of a browser that lacks it: a worker that was told so."""
    page.evaluate("() => new Promise((done) => { const script = document.createElement('script'); script.onload = done;"
                  "script.src = '../vendor/language.js'; document.head.append(script); })")  # fmt: skip
    page.evaluate(BEFORE, before)
    on.shown(page).get_by_role("button", name="Load the model").click()
    assert said(page, sentence).endswith(ASIDE)


def test_the_parts_are_the_file_and_no_build_leaves_others(tmp_path: Path, weights: Path) -> None:
    """Oracle: the file's bytes."""
    most = 70_000
    write_model(tmp_path, weights, most=100_000)
    offer = write_model(tmp_path, weights, most=most)
    text = (tmp_path / "model" / "model.js").read_text(encoding="utf-8")
    assert json.loads(text.removeprefix("globalThis.mechbookModel = ").removesuffix(";\n")) == offer
    whole = weights.read_bytes()
    held = [(tmp_path / "model" / part["file"]).read_bytes() for part in offer["parts"]]
    assert b"".join(held) == whole and [len(part) for part in held] == [part["bytes"] for part in offer["parts"]]
    assert max(map(len, held)) <= most and max(map(len, held)) - min(map(len, held)) < len(held)
    assert (offer["bytes"], offer["sha256"]) == (len(whole), hashlib.sha256(whole).hexdigest())
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {"model.js", "NOTICE.txt", *(part["file"] for part in offer["parts"])}
    notice = (tmp_path / "model" / "NOTICE.txt").read_text(encoding="utf-8")
    assert "Apache License 2.0" in notice and offer["sha256"] in notice


@pytest.mark.parametrize(("value", "wrong"), [("yes", True), ("2", True), ("0", False), ("1", False), ("", False)])
def test_the_setting_is_looked_at_before_a_build(value: str, wrong: bool) -> None:
    found = wrong_setting(ROOT, {"MECHBOOK_MODEL_IN_SITE": value})
    assert (found is not None) == wrong
    if wrong:
        assert str(found).startswith(f"MECHBOOK_MODEL_IN_SITE is {value!r}; it must be 1 ")


def test_the_books_own_model_gives_the_packages_probabilities(browser: Any, tmp_path: Path) -> None:
    """The prompt typed, the slider moved to chapter 5's chosen edit. Oracle: the package's float32, within 2e-2."""
    edit = Edit(layer=20, matrix="mlp_in", dropped=(), kind="", rho=1.0)
    hints = {"mlp_in": [[[1.0, 0.1], [1.0, 0.1]]] * 30}
    offer = build(tmp_path, live_widget({"facts": edit, "ioi": edit}, hints, {}), packaged("smollm2-135m"))
    assert max(part["bytes"] for part in offer["parts"]) < 25_000_000
    with served(tmp_path) as found, opened(browser, f"{found}/page/index.html") as at:
        page = at.page
        on.shown(page)
        on.fill(page, "Prompt", "")
        page.get_by_label("Prompt", exact=True).press_sequentially("Madrid is located in")
        on.load(page)
        on.move(page, "Block, from 1", 28)
        on.move(page, "ρ", 20)
        assert on.data(page, "text") == "Madrid is located in" and on.data(page, "rank") == "115"
        assert on.wrong(page, load("smollm2-135m"), 2e-2) == []
        # as the chapter's table has it
        assert float(on.data(page, "cutAnswer")) == pytest.approx(0.223, abs=2e-2)
        assert at.errors == [] and at.outside == []
