"""Llama from GGUF files against transformers' reading of the same file, and against the model written to it."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mechbook.pretrained.gguf import read_model, read_tokenizer
from mechbook.pretrained.load import load

gguf: Any = importlib.import_module("gguf")
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.up_proj": "ffn_up",
    "mlp.gate_proj": "ffn_gate",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def llama(tokens: int) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    # multiples of 32, the block of quantised numbers; all axes differ
    config = LlamaConfig(
        vocab_size=tokens,
        hidden_size=96,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=16,
        intermediate_size=160,
        num_hidden_layers=2,
        max_position_embeddings=64,
        initializer_range=0.2,
        tie_word_embeddings=True,
    )
    torch.manual_seed(3)
    return LlamaForCausalLM(config).eval()


def write(
    path: Path,
    model: Any,
    tokenizer: dict[str, Any],
    *,
    quantised: bool,
    arch: str = "llama",
    also: Callable[[Any], None] = lambda writer: None,
    drop: str = "nothing",
) -> None:
    """As llama.cpp's converter does: rows of q and k reordered so that rotated pairs are neighbours.

    `also` writes further keys or tensors; the tensor `drop` is left out.
    """
    config = model.config
    writer = gguf.GGUFWriter(path, arch)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(64)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(16)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    tokens = sorted(tokenizer["vocab"], key=tokenizer["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3] + [1] * (len(tokens) - 1))
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    also(writer)
    for name, W in model.model.state_dict().items():
        W = W.numpy()
        parts = name.removesuffix(".weight").split(".")
        if parts[0] == "layers":
            own = f"blk.{parts[1]}.{NAMES['.'.join(parts[2:])]}.weight"
        else:
            own = {"embed_tokens": "token_embd.weight", "norm": "output_norm.weight"}[parts[0]]
        for key, heads in (("attn_q", 6), ("attn_k", 2)):
            if f".{key}." in own:
                W = W.reshape(heads, 2, 8, 96).swapaxes(1, 2).reshape(W.shape)
        if own == drop:
            continue
        if quantised and W.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q4_1
            writer.add_tensor(own, gguf.quantize(np.ascontiguousarray(W), kind), raw_dtype=kind)
        else:
            writer.add_tensor(own, np.ascontiguousarray(W))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture
def tokenizer(tiny_model: Callable[..., Path]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((tiny_model("llama") / "tokenizer.json").read_text())["model"]
    return content


@pytest.mark.parametrize("quantised", [False, True])
def test_weights_are_those_that_transformers_reads(tmp_path: Path, tokenizer: dict[str, Any], quantised: bool) -> None:
    """Oracle: transformers' reader of GGUF; unquantised, also the model that was written."""
    from transformers import AutoModelForCausalLM

    path = tmp_path / "tiny.gguf"
    model = llama(len(tokenizer["vocab"]))
    write(path, model, tokenizer, quantised=quantised)
    read = read_model(path)
    expected = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file=path.name, dtype=torch.float32)
    assert set(read.state_dict()) == set(expected.state_dict())
    for name, W in expected.state_dict().items():
        assert torch.equal(read.state_dict()[name], W), name
        assert quantised or torch.equal(W, model.state_dict()[name]), name
    ids = torch.tensor([[5, 9, 3, 7]])
    torch.testing.assert_close(read(ids).logits, expected(ids).logits, rtol=0, atol=1e-6)
    if not quantised:
        torch.testing.assert_close(read(ids).logits, model(ids).logits, rtol=0, atol=1e-5)


def test_the_tokenizer_is_the_one_written_and_comes_from_the_cache_the_second_time(
    tmp_path: Path, tokenizer: dict[str, Any], tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the tokenizer that the file's was made of."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "tiny.gguf"
    write(path, llama(len(tokenizer["vocab"])), tokenizer, quantised=False)
    loaded, original = load(str(path)), load(str(tiny_model("llama")))
    text = "When Mary and John went to the store, John gave"
    assert loaded.encode(text) == original.encode(text)
    assert loaded.token(" Mary") == original.token(" Mary")
    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", lambda *_, **__: pytest.fail("converted again"))
    assert load(str(path)).encode(text) == original.encode(text)
    assert read_tokenizer(path).to_str() == read_tokenizer(path).to_str()


def test_what_is_no_plain_llama_is_refused(tmp_path: Path, tokenizer: dict[str, Any]) -> None:
    model = llama(len(tokenizer["vocab"]))
    write(tmp_path / "other.gguf", model, tokenizer, quantised=False, arch="qwen2")
    with pytest.raises(ValueError, match="other.gguf holds a 'qwen2' model"):
        read_model(tmp_path / "other.gguf")
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(40))
    with pytest.raises(ValueError, match="cannot be read as a GGUF file"):
        read_model(tmp_path / "broken.gguf")
    write(tmp_path / "cut.gguf", model, tokenizer, quantised=False)
    whole = (tmp_path / "cut.gguf").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cannot be read as a GGUF file"):
        read_model(tmp_path / "cut.gguf")


def test_a_tensor_that_plain_llama_lacks_is_refused(tmp_path: Path, tokenizer: dict[str, Any]) -> None:
    model = llama(len(tokenizer["vocab"]))
    NAMES["input_layernorm"] = "attn_q_norm"
    try:
        write(tmp_path / "odd.gguf", model, tokenizer, quantised=False)
    finally:
        NAMES["input_layernorm"] = "attn_norm"
    with pytest.raises(ValueError, match=r"odd.gguf has a tensor 'blk.0.attn_q_norm.weight' that plain Llama does not"):
        read_model(tmp_path / "odd.gguf")


@pytest.mark.parametrize("named", [True, False])
def test_positions_divided_by_a_factor_are_honoured(tmp_path: Path, tokenizer: dict[str, Any], named: bool) -> None:
    """Oracle: transformers' Llama with the same scaling, the weights written; plain positions are another model's."""
    from transformers import LlamaForCausalLM

    plain = llama(len(tokenizer["vocab"]))
    plain.config.rope_parameters = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}
    scaled = LlamaForCausalLM(plain.config).eval()
    scaled.load_state_dict(plain.state_dict())

    def also(writer: Any) -> None:
        if named:
            writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            writer.add_rope_scaling_factor(4.0)
        else:
            writer.add_float32("llama.rope.scale_linear", 4.0)

    write(tmp_path / "tiny.gguf", plain, tokenizer, quantised=False, also=also)
    read, ids = read_model(tmp_path / "tiny.gguf"), torch.tensor([[5, 9, 3, 7, 11, 4]])
    torch.testing.assert_close(read(ids).logits, scaled(ids).logits, rtol=0, atol=1e-5)
    assert not torch.allclose(read(ids).logits, plain(ids).logits, atol=1e-2)


@pytest.mark.parametrize(
    ("also", "words"),
    [
        (lambda w: w.add_rope_scaling_type(gguf.RopeScalingType.YARN), "scales its positions by 'yarn'"),
        (lambda w: w.add_sliding_window(128), r"says llama.attention.sliding_window \(128\), which may change"),
        (lambda w: w.add_logit_scale(0.5), r"says llama.logit_scale \(0.5\), which may change"),
        (lambda w: w.add_uint32("llama.expert_count", 8), r"says llama.expert_count \(8\)"),
        (lambda w: w.add_key_length(32), "llama.rope.dimension_count is 16 where a head has 32 dimensions"),
        (lambda w: w.add_uint16("split.count", 3), "is one of 3 parts"),
        (lambda w: w.add_tensor("blk.5.ffn_up.weight", np.zeros((160, 96), np.float32)), "has model.layers.5.mlp.up"),
        (lambda w: w.add_tensor("blk.0.attn_q.bias", np.zeros(96, np.float32)), "has a tensor 'blk.0.attn_q.bias'"),
    ],
)
def test_what_would_change_the_numbers_is_refused_by_name(
    tmp_path: Path, tokenizer: dict[str, Any], also: Any, words: str
) -> None:
    """Oracle: the sentences."""
    write(tmp_path / "odd.gguf", llama(len(tokenizer["vocab"])), tokenizer, quantised=False, also=also)
    with pytest.raises(ValueError, match=words):
        read_model(tmp_path / "odd.gguf")


@pytest.mark.parametrize("name", ["blk.1.ffn_up.weight", "output_norm.weight", "token_embd.weight"])
def test_a_tensor_that_is_missing_is_refused_by_name(tmp_path: Path, tokenizer: dict[str, Any], name: str) -> None:
    write(tmp_path / "less.gguf", llama(len(tokenizer["vocab"])), tokenizer, quantised=False, drop=name)
    own = {"blk.1.ffn_up.weight": "model.layers.1.mlp.up_proj", "output_norm.weight": "model.norm"}.get(name, name)
    with pytest.raises(ValueError, match=rf"less.gguf lacks {own}"):
        read_model(tmp_path / "less.gguf")


@pytest.mark.parametrize("add", [True, False])
def test_the_beginning_of_a_text_is_marked_where_the_file_says_so(
    tmp_path: Path, tokenizer: dict[str, Any], monkeypatch: pytest.MonkeyPatch, add: bool
) -> None:
    """Oracle: the file's own setting."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "tiny.gguf"
    model = llama(len(tokenizer["vocab"]))
    write(path, model, tokenizer, quantised=False, also=lambda writer: writer.add_add_bos_token(add))
    loaded = load(str(path))
    assert loaded.start == ([0] if add else [])
    assert loaded.prompt_tokens(" Mary") == [*loaded.start, *loaded.encode(" Mary")]
