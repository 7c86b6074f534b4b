"""LASER with prompts and edits that cannot be, and files that are no models and no records. Oracle: one sentence."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from mechbook.laser import edits
from mechbook.laser.edits import Prompt
from mechbook.laser.sweep import sweep
from mechbook.pretrained.gguf_file import open_gguf
from mechbook.pretrained.load import LanguageModel, load
from mechbook.pretrained.reading import check_blocks, read_config
from mechbook.records import files, kept
from mechbook.site.links import addresses
from mechbook.site.page_cache import timings
from tests.fuzz.arguments import NUMBERS, TEXT, numbers_of, sentence
from tests.fuzz.pages import JSON

TOKENS = st.lists(st.integers(0, 3) | st.sampled_from([0, 1, -1, 10**6]), max_size=4).map(tuple)
# tokens and watched ones: made into prompts by the test, as the check of types draws at random, too
PROMPTS = st.lists(st.tuples(TOKENS, TOKENS), max_size=3)
LAYERS, MATRICES = st.integers(-1, 3), st.sampled_from(["mlp_in", "mlp_out", "q", "no", ""])
TOP = st.integers(-1, 3) | st.just(10**6)


@pytest.fixture(scope="module")
def model(tiny_model: Callable[..., Path]) -> LanguageModel:
    return load(str(tiny_model("gpt2")))


@pytest.fixture(autouse=True)
def own_cache(plain_settings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "cache"))


def told(call: Callable[[], Any]) -> Any:
    """What a call returns, finite; None where it says in a sentence what is wrong."""
    try:
        result = call()
    except Exception as error:
        assert sentence(error), f"{type(error).__name__}: {error}"
        return None
    assert all(map(math.isfinite, numbers_of(result))), result
    return result


@given(drawn=PROMPTS, layer=LAYERS, matrix=MATRICES, rho=NUMBERS, top=TOP)
@example(drawn=[((), (0,))], layer=0, matrix="q", rho=0.5, top=1)
@example(drawn=[((1, 10**6), (0,))], layer=0, matrix="q", rho=0.5, top=1)
@example(drawn=[((1,), (-1,))], layer=0, matrix="q", rho=0.5, top=1)
def test_laser_measures_or_says_what_is_wrong(
    model: LanguageModel, drawn: list[tuple[Any, Any]], layer: int, matrix: str, rho: float, top: int
) -> None:
    """Oracle beside the sentence: probabilities, and weights that are what they were."""
    prompts = [Prompt(tokens=tokens, watch=watch) for tokens, watch in drawn]
    before = [parameter.clone() for parameter in model.adapter.model.parameters()]
    edit = told(lambda: edits.laser(model, layer, matrix, rho=rho))
    chosen = [] if edit is None else [edit]
    found = told(lambda: edits.measure(model, prompts, chosen, top=top))
    if found is not None:
        assert found.before.shape[0] == len(prompts) and bool(((found.after >= 0) & (found.after <= 1)).all())
    told(lambda: edits.mean_distributions(model, prompts, chosen))
    swept = told(lambda: sweep(model, prompts, matrices=[matrix], layers=[layer], rhos=[rho], top=top, jobs=1))
    if swept is not None and found is not None:
        torch.testing.assert_close(swept.after, found.after)
    for parameter, old in zip(model.adapter.model.parameters(), before, strict=True):
        assert torch.equal(parameter, old)


@given(
    layer=LAYERS,
    matrix=MATRICES,
    n=st.integers(-1, 40),
    spare=st.integers(-1, 20),
    rows=st.integers(0, 2),
    data=TOKENS,
)
def test_other_edits_and_texts_are_made_or_refused(
    model: LanguageModel, layer: int, matrix: str, n: int, spare: int, rows: int, data: tuple[int, ...]
) -> None:
    random = torch.Generator().manual_seed(0)
    told(lambda: edits.without_smallest(model, layer, matrix, n))
    told(lambda: edits.without_largest(model, layer, matrix, n))
    told(lambda: edits.without_random(model, layer, matrix, n, random, spare=spare))
    told(lambda: edits.without_mlp(model, layer))
    text = torch.tensor([data] * rows, dtype=torch.long).reshape(rows, len(data))
    told(lambda: edits.text_losses(model, text, []))


@given(text=TEXT, answer=TEXT)
def test_a_prompt_is_made_or_refused(model: LanguageModel, text: str, answer: str) -> None:
    told(lambda: edits.prompt(model, text, answer, answer))


WORDS = st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()) | st.just(b"GGUF\x03" + bytes(40))


@given(data=WORDS)
def test_a_file_that_is_no_model_and_no_record_is_said_so(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("file")
    for name in ("config.json", "a.gguf", "record.json", "model.safetensors", "page.html"):
        (folder / name).write_bytes(data)
    # what a configuration holds is whatever JSON it is: infinities, too
    told(lambda: len(read_config(folder)))
    told(lambda: check_blocks(folder, {"n_layer": 3}))
    told(lambda: open_gguf(folder / "a.gguf"))
    told(lambda: files.read(folder / "record.json"))
    told(lambda: kept.load(folder / "record.json"))
    assert isinstance(timings(folder / "record.json"), dict)


@given(text=st.text("<a href=\"htps:/.x'>#&;é ", max_size=60) | TEXT)
def test_links_are_found_in_any_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Oracle: what stands in the text."""
    file = tmp_path_factory.mktemp("page") / "page.html"
    file.write_text(f'{text}<a href="https://example.org/#x">x</a>', encoding="utf-8", errors="replace")
    assert all(address.startswith(("http://", "https://")) for address in told(lambda: addresses([file])))
