"""What follows a few prompts after every edit of the map, against the plain way of measuring it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mechbook.laser.edits import Prompt, laser, measure
from mechbook.laser.plain import measure_plainly
from mechbook.laser.prompts import fact_prompts, ioi_prompts
from mechbook.laser.shown import Shown, chosen_prompts, extra_prompts, packed, shown, unpacked
from mechbook.laser.streams import STREAMS
from mechbook.pretrained.load import LanguageModel, load

T = 5


@pytest.fixture(scope="module")
def model(tiny_model: Callable[..., Path], chapter_5_words: str) -> LanguageModel:
    return load(
        str(tiny_model("llama", dtype="float32", corpus=chapter_5_words + " Thank you very much She put the book on"))
    )


def on_map(model: LanguageModel) -> list[Prompt]:
    return (
        fact_prompts(model)[1:8] + ioi_prompts(model, 2, STREAMS.generator("IOI sentences"))[:5] + extra_prompts(model)
    )


def test_extra_prompts_are_those_with_an_answer_of_one_token(
    model: LanguageModel, tiny_model: Callable[..., Path]
) -> None:
    """Oracle: the sentences themselves; and a model that spells its words out."""
    found = extra_prompts(model)
    assert [(model.tokenizer.decode(list(p.tokens)), model.text(p.watch[0])) for p in found] == [
        ("Madrid is located in", " Spain"), ("She put the book on", " the"), ("Thank you very", " much")
    ]  # fmt: skip
    assert {len(p.watch) for p in found} == {len(fact_prompts(model)[0].watch)}
    short = load(str(tiny_model("llama", dtype="float32", corpus="Spain is located in the north")))
    assert (
        all(len(short.encode(short.text(p.watch[0]))) == 1 for p in extra_prompts(short))
        and len(extra_prompts(short)) < 3
    )


def test_prompts_are_shown_once(model: LanguageModel) -> None:
    """Oracle: the list written out; Madrid on the map is not shown a second time."""
    prompts = on_map(model)
    assert chosen_prompts(prompts) == [12, 0, 1, 7, 8, 13, 14]
    madrid = next(p for p in fact_prompts(model) if model.tokenizer.decode(list(p.tokens)).startswith("Madrid "))
    assert chosen_prompts([madrid, *prompts]) == [13, 1, 2, 8, 9, 14, 15]


def made(model: LanguageModel) -> tuple[Shown, list[Prompt]]:
    prompts = on_map(model)
    results = [
        measure(
            model,
            prompts,
            [laser(model, layer, name, rho=rho) for layer in range(3) for name in names for rho in rhos],
            top=T,
        )
        for names, rhos in ((("mlp_in", "mlp_out"), (0.1, 0.5)), (("q",), (0.3,)))
    ]
    return shown(model, prompts, results), prompts


def test_what_is_shown_is_what_follows(model: LanguageModel) -> None:
    """Oracle: `measure_plainly`, one prompt at a time."""
    found, prompts = made(model)
    assert (
        len(found.places) == 15
        and found.top.shape == (16, 7, T)
        and found.tasks == ["facts"] * 3 + ["ioi"] * 2 + ["ordinary"] * 2
    )
    edits = [laser(model, layer, name, rho=rho) for layer, name, rho in found.places]
    for column, number in enumerate(chosen_prompts(prompts)):
        plain = measure_plainly(model, [prompts[number]], edits, top=T)
        assert found.texts[column] == model.tokenizer.decode(list(prompts[number].tokens))
        assert found.answers[column] == prompts[number].watch[0]
        for row in range(16):
            top, p_top, p = (
                (plain.top_before, plain.p_top_before, plain.before) if row == 0
                else (plain.top_after[row - 1], plain.p_top_after[row - 1], plain.after[row - 1])
            )  # fmt: skip
            torch.testing.assert_close(found.p_top[row, column], p_top[0], rtol=0, atol=1e-5)
            assert [found.words[t] for t in found.top[row, column].tolist()] == [model.text(t) for t in top[0].tolist()]
            assert abs(float(found.p_answer[row, column]) - float(p[0, 0])) < 1e-5
            assert abs(float(found.p_the[row, column]) - float(p[0, 1])) < 1e-5


def test_packing_changes_nothing(model: LanguageModel) -> None:
    """Oracle: the fields before, after a way through JSON for all that is no tensor."""
    import json

    found, _ = made(model)
    plain = packed(found)
    tensors = {name: value for name, value in plain.items() if isinstance(value, torch.Tensor)}
    again = unpacked({**json.loads(json.dumps({k: v for k, v in plain.items() if k not in tensors})), **tensors})
    for name, value in vars(found).items():
        same = getattr(again, name)
        assert torch.equal(same, value) if isinstance(value, torch.Tensor) else same == value, name
