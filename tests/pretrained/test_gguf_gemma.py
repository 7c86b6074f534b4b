"""Gemma 3 from GGUF files: its weights and tokenizer against what was written, quantised blocks decoded by hand."""

import importlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mechbook.pretrained.gguf import read_model, read_steps, read_tokenizer
from mechbook.pretrained.gguf_file import dequantised, open_gguf, step_sizes
from mechbook.pretrained.load import load

gguf: Any = importlib.import_module("gguf")
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.up_proj": "ffn_up",
    "mlp.gate_proj": "ffn_gate",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>"]
MERGED = "\u2581i in \u2581in \u2581the th \u2581th he \u2581t \u2581\u2581 is \u2581is Ma ri Mari".split(" ")
LETTERS = list("Mariznthes\u2581.d")
TEXT = "Maria is in  the Madrid \u00e9."


def vocabulary() -> tuple[list[str], list[float], list[int]]:
    """Tokens, scores and types as SentencePiece has them: bytes, pieces in the order in which they merge, letters."""
    tokens = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *MERGED, *LETTERS]
    scores = [0.0] * 260 + [-float(i) for i in range(len(MERGED) + len(LETTERS))]
    types = [3, 3, 3, 2, *[6] * 256, *[1] * (len(MERGED) + len(LETTERS))]
    return tokens, scores, types


def gemma(tokens: int) -> Any:
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    # rows of 256 and 512, as blocks of 256 need them; seven blocks, of which the sixth sees everything
    config = Gemma3TextConfig(
        vocab_size=tokens,
        hidden_size=256,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        query_pre_attn_scalar=64,
        intermediate_size=512,
        num_hidden_layers=7,
        max_position_embeddings=64,
        sliding_window=3,
        initializer_range=0.1,
        rope_parameters={
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
            "full_attention": {"rope_type": "default", "rope_theta": 500.0},
        },
    )
    torch.manual_seed(3)
    model = Gemma3ForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.normal_(std=0.2)
    return model


def write(path: Path, model: Any, kinds: dict[str, str] | None = None, **settings: float) -> None:
    """As llama.cpp's converter does: 1 added to the weight of every norm. `kinds`: quantisation by matrix, or "all"."""
    config, kinds = model.config, kinds or {}
    writer = gguf.GGUFWriter(path, "gemma3")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(64)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_freq_base(500.0)
    writer.add_sliding_window(config.sliding_window)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    for key, value in settings.items():
        writer.add_float32(f"gemma3.{key.replace('__', '.')}", value)
    tokens, scores, types = vocabulary()
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    for token, add in ((2, writer.add_bos_token_id), (1, writer.add_eos_token_id), (3, writer.add_unk_token_id)):
        add(token)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    for name, tensor in model.model.state_dict().items():
        W = tensor.numpy() + (1.0 if "norm" in name else 0.0)
        parts = name.removesuffix(".weight").split(".")
        if parts[0] == "layers":
            key = NAMES[".".join(parts[2:])]
            own = f"blk.{parts[1]}.{key}.weight"
        else:
            key = {"embed_tokens": "token_embd", "norm": "output_norm"}[parts[0]]
            own = f"{key}.weight"
        if W.ndim == 2 and (kind := kinds.get(key, kinds.get("all"))):
            writer.add_tensor(own, blocks_of(kind, W), raw_dtype=gguf.GGMLQuantizationType[kind])
        else:
            writer.add_tensor(own, np.ascontiguousarray(W.astype(np.float32)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def blocks_of(kind: str, W: np.ndarray) -> np.ndarray:
    """The bytes of a matrix of W's shape: W rounded; of Q4_K and Q6_K, which the package cannot write, any bytes."""
    W = np.ascontiguousarray(W.astype(np.float32))
    if kind not in ("Q4_K", "Q6_K"):
        found: np.ndarray = gguf.quantize(W, gguf.GGMLQuantizationType[kind])
        return found
    random, size = np.random.default_rng(len(kind) + W.shape[1]), {"Q4_K": 144, "Q6_K": 210}[kind]
    blocks = random.integers(0, 256, (W.size // 256, size), dtype=np.uint8)
    at = {"Q4_K": (0, 2), "Q6_K": (208,)}[kind]
    for first in at:
        scale = random.uniform(-0.002, 0.002, (len(blocks), 1)).astype(np.float16)
        blocks[:, first : first + 2] = scale.view(np.uint8)
    return blocks.reshape(W.shape[0], -1)


def decoded(kind: str, block: bytes) -> tuple[list[float], list[float]]:
    """One block's values and each one's step, number by number, from the format's description in ggml."""

    def half(at: int) -> float:
        value: float = struct.unpack_from("<e", block, at)[0]
        return value

    values, steps = [], []
    if kind == "Q8_0":
        for q in struct.unpack_from("<32b", block, 2):
            values.append(half(0) * q)
            steps.append(half(0))
    elif kind in ("Q5_0", "Q5_1"):
        first = 2 if kind == "Q5_0" else 4
        (high,) = struct.unpack_from("<I", block, first)
        for i in range(32):
            q = block[first + 4 + i % 16] >> (4 if i >= 16 else 0) & 15 | (high >> i & 1) << 4
            values.append(half(0) * (q - 16) if kind == "Q5_0" else half(0) * q + half(2))
            steps.append(half(0))
    elif kind in ("Q4_0", "Q4_1"):
        first = 2 if kind == "Q4_0" else 4
        for i in range(32):
            q = block[first + i % 16] >> (4 if i >= 16 else 0) & 15
            values.append(half(0) * (q - 8) if kind == "Q4_0" else half(0) * q + half(2))
            steps.append(half(0))
    elif kind == "Q4_K":
        packed, qs = block[4:16], block[16:]
        for i in range(256):
            part = i // 32
            if part < 4:
                scale, least = packed[part] & 63, packed[part + 4] & 63
            else:
                scale = packed[part + 4] & 15 | packed[part - 4] >> 6 << 4
                least = packed[part + 4] >> 4 | packed[part] >> 6 << 4
            q = qs[i // 64 * 32 + i % 32] >> (4 if part % 2 else 0) & 15
            values.append(half(0) * scale * q - half(2) * least)
            steps.append(half(0) * scale)
    else:
        for i in range(256):
            part, within = i // 128, i % 128
            low = block[64 * part + within % 64] >> (4 if within >= 64 else 0) & 15
            high = block[128 + 32 * part + within % 32] >> 2 * (within // 32) & 3
            (scale,) = struct.unpack_from("<b", block, 192 + i // 16)
            values.append(half(208) * scale * ((low | high << 4) - 32))
            steps.append(half(208) * scale)
    return values, [abs(step) for step in steps]


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q6_K"])
def test_quantised_blocks_are_what_the_format_says(kind: str, tmp_path: Path) -> None:
    """Oracle: each number of each block decoded in plain Python, and the distance of its neighbours."""
    W = np.random.default_rng(1).normal(size=(3, 512))
    path = tmp_path / "one.gguf"
    writer = gguf.GGUFWriter(path, "gemma3")
    raw = blocks_of(kind, W)
    writer.add_tensor("blk.0.ffn_down.weight", raw, raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (tensor,) = open_gguf(path).tensors
    size = raw.size // (W.size // (256 if kind.endswith("K") else 32))
    pairs = [decoded(kind, raw.tobytes()[first : first + size]) for first in range(0, raw.size, size)]
    values, steps = (torch.tensor([v for pair in pairs for v in pair[i]]).view(3, 512) for i in (0, 1))
    read, step = dequantised(tensor, path), step_sizes(tensor, path)
    assert float(values.std()) > 1e-3
    torch.testing.assert_close(read, values, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(step, steps, rtol=1e-6, atol=0)
    if not kind.endswith("K"):
        assert float((read - torch.from_numpy(W)).abs().max()) > 0.3 * float(step.max())
        # the scale itself is rounded, and the largest value of a symmetric format may fall off its end
        assert float(((read - torch.from_numpy(W)).abs() / step).quantile(0.95)) < 0.51


def test_a_gemma_is_the_one_that_was_written(tmp_path: Path) -> None:
    """Oracle: the model that was written, and transformers' own reader; the sixth block sees everything."""
    from transformers import AutoModelForCausalLM

    model = gemma(len(vocabulary()[0]))
    write(tmp_path / "tiny.gguf", model)
    read = read_model(tmp_path / "tiny.gguf")
    assert read.config.layer_types == model.config.layer_types
    assert [kind.split("_")[0] for kind in read.config.layer_types] == [*["sliding"] * 5, "full", "sliding"]
    for name, W in model.state_dict().items():
        torch.testing.assert_close(read.state_dict()[name], W, rtol=0, atol=1e-6)
    ids = torch.tensor([[2, 265, 9, 273, 7, 261, 270]])
    with torch.no_grad():
        expected = model(ids).logits
        torch.testing.assert_close(read(ids).logits, expected, rtol=0, atol=1e-4)
        theirs = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="tiny.gguf", dtype=torch.float32)
    for name, W in theirs.state_dict().items():
        assert torch.equal(read.state_dict()[name], W), name
    assert expected.std() > 0.1


def test_a_mixed_file_keeps_each_matrix_s_own_steps(tmp_path: Path) -> None:
    """Oracle: transformers' reading of the same file; entries over their step differ by whole numbers."""
    from transformers import AutoModelForCausalLM

    kinds = {"all": "Q5_0", "ffn_down": "Q4_K", "attn_v": "Q8_0", "token_embd": "Q8_0", "ffn_gate": "Q6_K"}
    path = tmp_path / "mixed.gguf"
    write(path, gemma(len(vocabulary()[0])), kinds)
    read, steps = read_model(path), read_steps(path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file=path.name, dtype=torch.float32).state_dict()
    assert all(torch.equal(W, theirs[name]) for name, W in read.state_dict().items())
    matrices = [name for name, W in theirs.items() if W.ndim == 2 and ".layers." in name]
    assert sorted(steps) == sorted(matrices) and len(matrices) == 7 * 7
    for name in matrices:
        W, step = theirs[name].double(), steps[name].double()
        blocks, step = W.unflatten(1, (-1, 16)), step.unflatten(1, (-1, 16))
        assert torch.equal(step, step[..., :1].expand_as(step))
        known = step[..., 0] > 1e-6
        apart = ((blocks - blocks[..., :1]) / step)[known]
        assert float((apart - apart.round()).abs().max()) < 0.02, name


def plain_bpe(text: str) -> list[int]:
    """SentencePiece's way: of all neighbours that make a piece, those of the highest score become one, left first."""
    tokens, scores, types = vocabulary()
    pieces = [*text.replace(" ", "\u2581")]
    score = {token: s for token, s, kind in zip(tokens, scores, types, strict=True) if kind == 1}
    while True:
        pairs = [(score[a + b], -i) for i, (a, b) in enumerate(zip(pieces, pieces[1:], strict=False)) if a + b in score]
        if not pairs:
            break
        at = -max(pairs)[1]
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
    as_bytes = [[p] if p in score else [f"<0x{byte:02X}>" for byte in p.encode()] for p in pieces]
    return [tokens.index(piece) for found in as_bytes for piece in found]


def test_its_tokenizer_merges_by_score_and_begins_with_bos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: SentencePiece's rule in a loop; the file's own word for the beginning of a text."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "tiny.gguf", gemma(len(vocabulary()[0])))
    model = load(str(tmp_path / "tiny.gguf"))
    assert model.encode(TEXT) == plain_bpe(TEXT) and len(plain_bpe(TEXT)) < len(TEXT)
    assert model.start == [2] and model.prompt_tokens(TEXT) == [2, *model.encode(TEXT)]
    assert model.tokens(TEXT).tolist() == [[2, *model.encode(TEXT)]]
    assert model.token(" in") == vocabulary()[0].index("\u2581in") and model.text(model.token(" in")) == " in"
    assert model.tokenizer.decode(model.prompt_tokens(TEXT)) == TEXT
    again = read_tokenizer(tmp_path / "tiny.gguf")
    assert again.to_str() == read_tokenizer(tmp_path / "tiny.gguf").to_str()


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    model = gemma(len(vocabulary()[0]))
    write(tmp_path / "scaled.gguf", model, rope__scaling__factor=8.0)
    with pytest.raises(ValueError, match=r"scaled.gguf scales its positions \(rope.scaling\); mechbook reads Gemma 3"):
        read_model(tmp_path / "scaled.gguf")
    write(tmp_path / "capped.gguf", model, final_logit_softcapping=30.0)
    with pytest.raises(ValueError, match=r"this Gemma 3 has final_logit_softcapping 30.0"):
        load(str(tmp_path / "capped.gguf"))
    write(tmp_path / "cut.gguf", model)
    whole = (tmp_path / "cut.gguf").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(ValueError, match="cannot be read as a GGUF file"):
        read_model(tmp_path / "cut.gguf")
    writer = gguf.GGUFWriter(tmp_path / "odd.gguf", "gemma3")
    writer.add_tensor("blk.0.ffn_up.weight", np.zeros((1, 40), np.uint8), raw_dtype=gguf.GGMLQuantizationType.Q8_1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    path = tmp_path / "odd.gguf"
    (tensor,) = open_gguf(path).tensors
    with pytest.raises(ValueError, match=r"odd.gguf has 'blk.0.ffn_up.weight' as Q8_1, which cannot be turned into"):
        dequantised(tensor, path)
    with pytest.raises(ValueError, match=r"as Q8_1; steps are known of Q4_0, Q4_1"):
        step_sizes(tensor, path)


def test_steps_are_read_of_gemma_s_files_alone(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "llama.gguf", "llama")
    writer.add_block_count(1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(ValueError, match="llama.gguf holds a 'llama' model; the steps of Gemma 3's are read"):
        read_steps(tmp_path / "llama.gguf")
    whole = np.ones((2, 8), np.float32)
    writer = gguf.GGUFWriter(tmp_path / "whole.gguf", "gemma3")
    writer.add_tensor("blk.0.attn_q.weight", whole)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (tensor,) = open_gguf(tmp_path / "whole.gguf").tensors
    assert torch.equal(step_sizes(tensor, tmp_path / "whole.gguf"), torch.zeros(2, 8))
