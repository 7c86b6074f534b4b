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


def write(path: Path, model: Any, tokenizer: dict[str, Any], *, quantised: bool, arch: str = "llama") -> None:
    """As llama.cpp's converter does: rows of q and k reordered so that rotated pairs are neighbours."""
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
    assert read_tokenizer(path) == read_tokenizer(path)


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
