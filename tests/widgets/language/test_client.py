"""A language model beside a page: weights in parts or from a file, progress, cancel, what is refused."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mechbook.widgets import bundle
from tests.browser.browser import opened, served
from tests.widgets.language.engine import asked
from tests.widgets.language.files import write

ENTRY = "tests/widgets/language/page.js"
IDS = [7, 3, 200, 41]
PART = 100_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with the engine and a small model beside it, whole and in parts."""
    folder = tmp_path_factory.mktemp("site")
    whole = write(folder / "tiny.gguf").read_bytes()
    parts = []
    for i in range(0, len(whole), PART):
        (folder / f"tiny.{i // PART}").write_bytes(whole[i : i + PART])
        parts.append({"url": f"tiny.{i // PART}", "bytes": len(whole[i : i + PART])})
    compiled = [bundle.kernels(entry=bundle.LANGUAGE_KERNELS, more=more) for more in (bundle.RELAXED, ())]
    given = {
        "worker": bundle.bundle(entry=bundle.LANGUAGE_WORKER),
        "kernels": [base64.b64encode(code).decode() for code in compiled],
        "parts": parts,
    }
    script = f"globalThis.given = {json.dumps(given)};\n{bundle.bundle(entry=ENTRY)}"
    (folder / "page.js").write_text(script, encoding="utf-8")
    start = """const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const [relaxed, plain] = given.kernels.map(bytes);
    const model = language(given.worker, plain);
    const words = (error) => `${error.constructor.name}: ${error.message}`;
    const said = (promise) => promise.then((value) => value, words);"""
    text = '<!doctype html><meta charset="utf-8"><title>t</title><input type="file"><script src="page.js"></script>'
    (folder / "index.html").write_text(f"{text}<script>{start}</script>", encoding="utf-8")
    return folder


@pytest.fixture
def page(browser: Any, site: Path) -> Iterator[Any]:
    with served(site) as address, opened(browser, f"{address}/index.html") as found:
        yield found.page
        assert found.outside == []


def test_weights_in_parts_are_fetched_and_answer_as_in_node(page: Any, site: Path) -> None:
    found = page.evaluate(
        """async (ids) => {
          const shares = [];
          const said = await model.load(given.parts, { progress: (come, all) => shares.push(come / all) });
          const { top } = await model.ask({ type: "next", ids });
          return [said, shares, top];
        }""",
        IDS,
    )
    said, shares, top = found
    _, answer = asked([{"type": "open", "path": str(site / "tiny.gguf")}, {"type": "next", "ids": IDS}])
    assert said["about"] == {"name": "Tiny", "license": "bsd-3-clause"}
    assert (said["blocks"], said["heads"], said["longest"]) == (3, 6, 64)
    assert shares == sorted(shares) and shares[-1] == 1 and len(shares) >= 3
    assert top == answer["value"]["top"]


def test_kernels_that_fuse_products_and_sums_agree_to_the_last_digits(page: Any) -> None:
    """Oracle: the plain kernels, held to the package's numbers; a browser that has no such steps takes those."""
    found = page.evaluate(
        """async (ids) => {
          const all = [];
          for (const code of [plain, runnable([relaxed, plain]), runnable([new Uint8Array(9), plain])]) {
            const other = language(given.worker, code);
            await other.load(given.parts);
            const logits = await other.ask({ type: "next", ids, all: true });
            all.push([Array.from(logits.logits), code === relaxed]);
            other.stop();
          }
          return [all, WebAssembly.validate(relaxed)];
        }""",
        IDS,
    )
    ((first, _), (fused, used), (other, _)), has = found
    assert used == has and other == first
    most = max(abs(value) for value in first)
    assert max(abs(a - b) for a, b in zip(first, fused, strict=True)) < 1e-5 * most


def test_a_file_that_the_reader_picks_is_read_also_without_a_server(browser: Any, site: Path) -> None:
    with opened(browser, (site / "index.html").as_uri()) as found:
        page = found.page
        page.set_input_files("input", str(site / "tiny.gguf"))
        top = page.evaluate(
            """async (ids) => {
              await model.load(document.querySelector("input").files[0]);
              return (await model.ask({ type: "next", ids })).top;
            }""",
            IDS,
        )
        assert len(top) == 10
        refused = page.evaluate("() => said(model.load(given.parts))")
    assert refused.startswith("Refused: The weights cannot be fetched from here (")
    assert refused.endswith("): pick a GGUF file instead.")


def test_what_is_wrong_is_told_in_a_sentence_and_the_page_lives(page: Any) -> None:
    found = page.evaluate(
        """async (ids) => [
          await said(model.ask({ type: "next", ids })),
          await said(model.load([{ url: "nowhere", bytes: 10 }])),
          await said(model.load(given.parts.slice(0, -1))),
          await said(model.load([...given.parts.slice(0, -1), { url: "tiny.0", bytes: given.parts.at(-1).bytes }])),
          await said(model.load(new Blob(["no model"]))),
          await said(model.load(new Blob([]))),
          await said(model.ask({ type: "next", ids })),
          (await model.load(given.parts)).blocks,
          (await model.ask({ type: "next", ids })).top.length,
        ]""",
        IDS,
    )
    nothing = "Refused: No model has been opened."
    assert found[:2] == [nothing, "Refused: The weights cannot be fetched: a part of them is missing (404)."]
    assert found[2].startswith("Refused: The file is cut: ")
    assert found[3] == "Refused: More of the file has arrived than it should have."
    assert found[4:6] == ["Refused: This is no GGUF file: it does not begin as one."] * 2
    assert found[6:] == [nothing, 3, 10]


def test_cancelling_gives_the_memory_back(page: Any) -> None:
    found = page.evaluate(
        """async (ids) => {
          const stop = new AbortController();
          const way = said(model.load(given.parts, { signal: stop.signal, progress: () => stop.abort() }));
          return [await way, await said(model.ask({ type: "next", ids })), (await model.load(given.parts)).blocks];
        }""",
        IDS,
    )
    assert found[0].startswith("DOMException: ") and found[1:] == ["Refused: No model has been opened.", 3]


def test_of_a_sliders_moves_the_first_and_the_latest_are_answered(page: Any) -> None:
    """Oracle: the same questions, asked one by one."""
    found = page.evaluate(
        """async (ids) => {
          await model.load(given.parts);
          const order = (rank) => ({ type: "next", ids, cut: { layer: 1, name: "mlp_in", rank } });
          const ranks = [80, 60, 40, 20];
          const all = await Promise.all(ranks.map((rank) => model.latest("rank", order(rank))));
          const alone = [];
          for (const rank of ranks) alone.push((await model.ask(order(rank))).top);
          const again = await model.latest("rank", order(60));
          return [all.map((one) => one && one.top), alone, again.top];
        }""",
        IDS,
    )
    moves, alone, again = found
    assert moves == [alone[0], None, None, alone[3]] and again == alone[1]
    assert alone[0] != alone[3]


def test_closing_ends_what_is_under_way(page: Any) -> None:
    found = page.evaluate(
        """async (ids) => {
          await model.load(given.parts);
          const way = [said(model.ask({ type: "next", ids })), said(model.latest("a", { type: "next", ids }))];
          model.stop();
          return Promise.all(way);
        }""",
        IDS,
    )
    assert found == ["Refused: The model was closed."] * 2
