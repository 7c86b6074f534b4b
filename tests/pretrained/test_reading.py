"""Models that are not whole, plain or safe, each refused in a sentence. Oracles: the sentences; transformers itself."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from mechbook.pretrained import reading
from mechbook.pretrained.load import load

Model = Callable[..., Path]


@pytest.fixture
def folder(tiny_model: Model, tmp_path: Path) -> Path:
    """A whole tiny Llama that a test may spoil."""
    place = tmp_path / "mine"
    shutil.copytree(tiny_model("llama", dtype="float32"), place)
    return place


def weights(place: Path) -> dict[str, torch.Tensor]:
    return load_file(place / "model.safetensors")


def keep(place: Path, content: dict[str, torch.Tensor], file: str = "model.safetensors") -> None:
    save_file({name: W.contiguous() for name, W in content.items()}, place / file, metadata={"format": "pt"})


def configure(place: Path, **changes: Any) -> None:
    file = place / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def refused(place: Path) -> str:
    with pytest.raises(ValueError) as error:
        load(str(place))
    assert "\n" not in str(error.value) and len(str(error.value)) < 500
    return str(error.value)


def test_weights_that_are_missing_are_refused_by_name(folder: Path) -> None:
    keep(folder, {name: W for name, W in weights(folder).items() if ".layers.1." not in name})
    assert "mine lacks model.layers.1." in refused(folder)
    assert "and 6 more: a model would have random numbers there" in refused(folder)


def test_weights_that_the_configuration_has_no_place_for_are_refused(folder: Path) -> None:
    keep(folder, weights(folder) | {"model.layers.7.mlp.up_proj.weight": torch.zeros(2, 3)})
    assert "mine has model.layers.7.mlp.up_proj.weight, which its configuration has no place for" in refused(folder)
    configure(folder, num_hidden_layers=2)
    keep(folder, {name: W for name, W in weights(folder).items() if ".7." not in name})
    assert "mine has model.layers.2." in refused(folder)


def test_weights_of_another_shape_or_without_a_value_are_refused(folder: Path) -> None:
    whole = weights(folder)
    keep(folder, whole | {"model.norm.weight": torch.ones(3)})
    assert "the model cannot be read" in refused(folder)
    spoilt = whole["model.layers.0.mlp.up_proj.weight"].clone()
    spoilt[1, 2] = torch.nan
    keep(folder, whole | {"model.layers.0.mlp.up_proj.weight": spoilt})
    assert "mine has numbers in model.layers.0.mlp.up_proj.weight that are infinite or none at all" in refused(folder)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda whole: whole[: len(whole) // 2], "model.safetensors cannot be read (SafetensorError"),
        (lambda whole: b"", "model.safetensors cannot be read (SafetensorError"),
        (lambda whole: bytes(7) + b"\x10" + whole[8:], "model.safetensors cannot be read (SafetensorError"),
        (lambda whole: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS"),
    ],
)  # fmt: skip
def test_a_file_that_is_cut_empty_absurd_or_a_pointer_is_refused(folder: Path, content: Any, words: str) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(content(file.read_bytes()))
    assert words in refused(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "mine is quantised by 'gptq'"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers 1000000000, and the weights are 29 tensors"),
        ({"num_hidden_layers": 0}, "num_hidden_layers 0"),
        ({"num_attention_heads": 0}, "the model cannot be read (ZeroDivisionError"),
        ({"hidden_size": "wide"}, "the model cannot be read"),
        ({"rope_parameters": {"rope_type": "bogus", "rope_theta": 1e4}}, "the model cannot be read"),
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_be_is_refused(folder: Path, changes: dict[str, Any], words: str) -> None:
    configure(folder, **changes)
    assert words in refused(folder)


@pytest.mark.parametrize("text", ["{", "[]", '"llama"'])
def test_a_configuration_that_is_no_object_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    assert "config.json" in refused(folder)


@pytest.mark.parametrize("text", ["{", "{}", '{"version": "1.0", "model": {"type": "none"}}'])
def test_a_tokenizer_that_is_damaged_is_refused(folder: Path, text: str) -> None:
    (folder / "tokenizer.json").write_text(text)
    assert "the tokenizer cannot be read" in refused(folder)


def test_a_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    whole = weights(folder)
    keep(folder, whole | {"model.embed_tokens.weight": whole["model.embed_tokens.weight"][:50]})
    configure(folder, vocab_size=50)
    assert "and a model of 50: they belong to two models" in refused(folder)


def test_parts_are_read_by_their_index_and_nothing_else_is(folder: Path, tmp_path: Path) -> None:
    """Oracle: the model in one file."""
    expected = load(str(folder))
    whole = weights(folder)
    names = sorted(whole)
    parts = {"a.safetensors": names[:9], "b.safetensors": names[9:]}
    (folder / "model.safetensors").unlink()
    for file, own in parts.items():
        keep(folder, {name: whole[name] for name in own}, file)
    assert "has neither model.safetensors nor model.safetensors.index.json" in refused(folder)
    index = folder / "model.safetensors.index.json"
    table = {name: file for file, own in parts.items() for name in own}
    index.write_text(json.dumps({"metadata": {}, "weight_map": table}))
    found = load(str(folder))
    for name, W in expected.adapter.model.state_dict().items():
        assert torch.equal(found.adapter.model.state_dict()[name], W)
    assert found.fingerprint != expected.fingerprint
    for wrong, words in (
        ("p.bin", "names 'p.bin'; mechbook opens safetensors files of the same folder only"),
        ("../a.safetensors", "names '../a.safetensors'; mechbook opens"),
        ("c.safetensors", "lacks c.safetensors, which its index names"),
    ):
        index.write_text(json.dumps({"weight_map": table | {names[0]: wrong}}))
        assert words in refused(folder)
    for damaged in ("{", "[]", '{"weight_map": 3}'):
        index.write_text(damaged)
        assert "is no index of weights" in refused(folder)


def test_texts_are_neither_cut_nor_filled_up(folder: Path) -> None:
    """Oracle: the tokens before the settings were stored."""
    text = " went to the store, Mary gave John"
    expected = load(str(folder)).encode(text)
    file = folder / "tokenizer.json"
    stored = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    filled = {
        "strategy": {"Fixed": 20}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
        "pad_token": "<|endoftext|>",
    }  # fmt: skip
    file.write_text(json.dumps(json.loads(file.read_text()) | {"truncation": stored, "padding": filled}))
    assert load(str(folder)).encode(text) == expected and len(expected) > 3


def test_what_mechbook_does_not_know_of_is_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: a model that is changed behind the adapter's back."""
    from transformers import LlamaForCausalLM

    plain = LlamaForCausalLM.forward

    def scaled(self: Any, *args: Any, **kwargs: Any) -> Any:
        out = plain(self, *args, **kwargs)
        out.logits = out.logits * 1.01
        return out

    monkeypatch.setattr(LlamaForCausalLM, "forward", scaled)
    assert "computes something that mechbook does not: their logits differ by" in refused(folder)


@pytest.mark.parametrize("revision", ["../../good", "a/b", "", ".", "step1 "])
def test_a_revision_is_no_path(revision: str) -> None:
    with pytest.raises(ValueError, match="is no revision of gpt2"):
        load("gpt2", revision=revision)


def test_an_error_is_told_in_its_first_line() -> None:
    """Oracle: by hand."""

    def fail() -> None:
        raise KeyError("one\ntwo.")

    with pytest.raises(ValueError, match=r"^it cannot be read \(KeyError: 'one"):
        reading.in_words("it", fail)
    assert reading.first_line("one.\ntwo") == "one" and reading.first_line("") == "no more is said"
