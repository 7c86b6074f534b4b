"""The page's Llama. Oracle: the package's float32 forward of the same file, through transformers' layers."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mechbook.laser.data.cities import load_facts
from mechbook.pretrained.adapter import Adapter, BlockRecord
from mechbook.pretrained.architectures import adapt
from mechbook.pretrained.gguf import read_model
from mechbook.pretrained.load import LanguageModel
from mechbook.pretrained.packages import packaged
from tests.widgets.language.engine import asked
from tests.widgets.language.files import write

# The bar for the real model; a random one's logits are compared with their own size.
LOGITS, RELATIVE, PATTERN = 2e-2, 2e-5, 1e-4
PROMPTS = [
    *(f"{fact.city} is located in" for fact in load_facts()[:8]),
    "When Mary and John went to the store, John gave a drink to",
    "Then, Tom and Anna had a long argument, and afterwards Tom said to",
    "The quick brown fox jumps over the lazy",
    "In 1984, there were 365 days, and in 2000",
    "def add(a, b):\n    return",
    "Once upon a time",
    "the",
    "La capitale de la France est",
    "日本の首都は",
    "Water boils at 100 degrees",
    "<|im_start|>user\nWhat is the capital of Spain?<|im_end|>\n<|im_start|>assistant\n",
    "To be, or not to be, that is the question: whether it is nobler in the mind to suffer the slings and arrows of",
]


def forward(adapter: Adapter, ids: list[int], **how: Any) -> Tensor:
    """The logits at each position."""
    return adapter.logits(adapter.run(adapter.embed(torch.tensor([ids])), **how))[0]


def test_logits_of_twenty_prompts_are_the_packages(smollm: LanguageModel) -> None:
    prompts = [smollm.prompt_tokens(text) for text in PROMPTS]
    assert len(prompts) == 20
    orders = [{"type": "next", "ids": ids, "all": True, "top": 5} for ids in prompts]
    _, *answers = asked([{"type": "open", "path": str(packaged("smollm2-135m"))}, *orders])
    apart = []
    for ids, answer in zip(prompts, answers, strict=True):
        expected, found = forward(smollm.adapter, ids)[-1], answer["value"]
        apart.append(float((found["logits"] - expected).abs().max()))
        best = expected.softmax(-1).topk(5)
        assert [token for token, _ in found["top"]] == best.indices.tolist()
        assert [p for _, p in found["top"]] == pytest.approx(best.values.tolist(), abs=1e-4)
    assert max(apart) < LOGITS, apart


def tiny(path: Path) -> Adapter:
    return adapt(read_model(path))


def tokens(count: int, seed: int = 5) -> list[int]:
    return torch.randint(266, (count,), generator=torch.Generator().manual_seed(seed)).tolist()


@pytest.mark.parametrize(
    "how", [{"kind": "F32", "embed": "F32"}, {"kind": "F16"}, {"kind": "Q4_1", "untied": True}, {"kind": "Q8_0"}]
)
def test_every_kind_of_number_and_length_of_prompt(tmp_path: Path, how: dict[str, Any]) -> None:
    path = write(tmp_path / "tiny.gguf", **how)
    adapter, prompts = tiny(path), [tokens(count) for count in (1, 2, 3, 8, 33, 64)]
    orders = [{"type": "next", "ids": ids, "all": True} for ids in prompts]
    _, *answers = asked([{"type": "open", "path": str(path)}, *orders])
    for ids, answer in zip(prompts, answers, strict=True):
        expected = forward(adapter, ids)[-1]
        apart = (answer["value"]["logits"] - expected).abs().max() / expected.abs().max()
        assert float(apart) < RELATIVE, len(ids)


def test_along_a_prompt_and_every_heads_attention(tmp_path: Path) -> None:
    path, ids = write(tmp_path / "tiny.gguf"), tokens(19)
    adapter = tiny(path)
    records: dict[int, BlockRecord] = {}
    logits = forward(adapter, ids, record=records)
    orders = [
        {"type": "along", "ids": ids, "top": 3},
        *({"type": "attention", "ids": ids, "layer": layer} for layer in range(3)),
    ]
    _, along, *patterns = asked([{"type": "open", "path": str(path)}, *orders])
    p = logits.softmax(-1)
    for t, found in enumerate(along["value"]):
        best = p[t].topk(3)
        assert [token for token, _ in found["top"]] == best.indices.tolist()
        assert [value for _, value in found["top"]] == pytest.approx(best.values.tolist(), rel=1e-4)
        if t + 1 < len(ids):
            assert found["watched"][-1] == pytest.approx(float(p[t, ids[t + 1]]), rel=1e-4)
    for layer, pattern in enumerate(patterns):
        found = pattern["value"].view(6, len(ids), len(ids))
        assert float((found - records[layer].pattern[0]).abs().max()) < PATTERN


@pytest.mark.parametrize("where", ["all", "last"])
def test_heads_switched_off_give_zeros(tmp_path: Path, where: str) -> None:
    path, ids, off = write(tmp_path / "tiny.gguf"), tokens(11), [[1, 0], [1, 5], [2, 3]]
    adapter = tiny(path)

    def patch(layer: int, z: Tensor) -> Tensor:
        z = z.clone()
        for at, head in off:
            if at == layer:
                z[:, slice(None) if where == "all" else -1, head] = 0
        return z

    change = {"ids": ids, "off": off, "where": where}
    orders = [
        {"type": "next", "all": True, **change},
        {"type": "along", **change},
        {"type": "attention", "layer": 2, **change},
    ]
    _, after, along, pattern = asked([{"type": "open", "path": str(path)}, *orders])
    records: dict[int, BlockRecord] = {}
    expected = forward(adapter, ids, patch=patch, record=records)
    whole = forward(adapter, ids)
    assert float((after["value"]["logits"] - expected[-1]).abs().max() / expected.abs().max()) < RELATIVE
    assert float((whole[-1] - expected[-1]).abs().max()) > 0.01
    found = pattern["value"].view(6, len(ids), len(ids))
    assert float((found - records[2].pattern[0]).abs().max()) < PATTERN
    p = expected.softmax(-1)
    assert [one["top"][0][0] for one in along["value"]] == p.argmax(-1).tolist()


def test_what_cannot_be_asked_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = write(tmp_path / "tiny.gguf")
    wrong: dict[str, dict[str, Any]] = {
        "The prompt is empty: the model needs a word to go on from.": {"ids": []},
        "The prompt has 65 tokens; up to 64 are read here.": {"ids": [1] * 65},
        "A token lies outside of the 266 that there are.": {"ids": [266]},
        "There is no block 3: the model has blocks 0 to 2.": {"ids": [1], "off": [[3, 0]]},
        "There is no head 6: a block has heads 0 to 5.": {"ids": [1], "off": [[0, 6]]},
    }
    before, _, *answers, after = asked(
        [
            {"type": "next", "ids": [1]},
            {"type": "open", "path": str(path)},
            *({"type": "next", **order} for order in wrong.values()),
            {"type": "next", "ids": [1]},
        ]
    )
    assert before["refused"] == "No model has been opened."
    assert [answer["refused"] for answer in answers] == list(wrong)
    assert len(after["value"]["top"]) == 10
