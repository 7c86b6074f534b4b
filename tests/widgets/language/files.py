"""Small GGUF files of random Llamas, written as llama.cpp's converter writes them, whole or with a fault."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

gguf: Any = importlib.import_module("gguf")
# the MLP is wider than the 768 numbers of a row that are unpacked at a time
BLOCKS, D, HEADS, GROUPS, SIZE, WIDE = 3, 96, 6, 2, 16, 800
NORMS = ("attn_norm", "ffn_norm")
ROWS = {
    "attn_q": (HEADS * SIZE, D),
    "attn_k": (GROUPS * SIZE, D),
    "attn_v": (GROUPS * SIZE, D),
    "attn_output": (D, HEADS * SIZE),
    "ffn_up": (WIDE, D),
    "ffn_gate": (WIDE, D),
    "ffn_down": (D, WIDE),
}


def tokenizer() -> tuple[list[str], list[str]]:
    """256 bytes as GPT-2 writes them, two special tokens in front, and a few merges."""
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = iter(range(256, 512))
    letters = [chr(b) if b in printed else chr(next(other)) for b in range(256)]
    merges = ["Ġ t", "h e", "Ġt he", "i n", "e r", "Ġ a", "o n", "Ġa n"]
    return ["<|endoftext|>", "<|im_start|>", *letters, *(pair.replace(" ", "") for pair in merges)], merges


def write(
    path: Path,
    *,
    kind: str = "Q4_1",
    arch: str = "llama",
    embed: str = "Q8_0",
    untied: bool = False,
    drop: str = "",
    also: Callable[[Any], None] = lambda writer: None,
    words: dict[str, Any] | None = None,
    seed: int = 0,
) -> Path:
    """A file of three blocks, matrices kept as `kind`; `also` adds keys or tensors, `drop` leaves a tensor out.

    words: other values of the tokenizer: "merges", "tokenizer.ggml.model", "tokenizer.ggml.pre"
    """
    random = np.random.default_rng(seed)
    tokens, merges = tokenizer()
    words = words or {}
    writer = gguf.GGUFWriter(path, arch)
    for add, value in (
        (writer.add_block_count, BLOCKS),
        (writer.add_context_length, 64),
        (writer.add_embedding_length, D),
        (writer.add_feed_forward_length, WIDE),
        (writer.add_head_count, HEADS),
        (writer.add_head_count_kv, GROUPS),
        (writer.add_rope_dimension_count, SIZE),
        (writer.add_rope_freq_base, 10000.0),
        (writer.add_layer_norm_rms_eps, 1e-5),
        (writer.add_vocab_size, len(tokens)),
        (writer.add_tokenizer_model, words.get("tokenizer.ggml.model", "gpt2")),
        (writer.add_tokenizer_pre, words.get("tokenizer.ggml.pre", "smollm")),
        (writer.add_token_list, tokens),
        (writer.add_token_types, [3, 3] + [1] * (len(tokens) - 2)),
        (writer.add_token_merges, words.get("merges", merges)),
        (writer.add_bos_token_id, 0),
        (writer.add_eos_token_id, 0),
        (writer.add_license, "bsd-3-clause"),
        (writer.add_name, "Tiny"),
    ):
        add(value)
    also(writer)

    def put(name: str, W: np.ndarray, how: str) -> None:
        if name == drop:
            return
        W = np.ascontiguousarray(W.astype(np.float32))
        if how == "F32":
            writer.add_tensor(name, W)
        elif how == "F16":
            writer.add_tensor(name, W.astype(np.float16))
        else:
            quantised = gguf.GGMLQuantizationType[how]
            writer.add_tensor(name, gguf.quantize(W, quantised), raw_dtype=quantised)

    put("token_embd.weight", random.normal(0, 0.5, (len(tokens), D)), embed)
    put("output_norm.weight", random.normal(1, 0.2, D), "F32")
    if untied:
        put("output.weight", random.normal(0, 0.5, (len(tokens), D)), embed)
    for block in range(BLOCKS):
        for name in NORMS:
            put(f"blk.{block}.{name}.weight", random.normal(1, 0.2, D), "F32")
        for name, shape in ROWS.items():
            put(f"blk.{block}.{name}.weight", random.normal(0, 0.3, shape), kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
