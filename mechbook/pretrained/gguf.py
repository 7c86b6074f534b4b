"""A Llama model in a GGUF file (llama.cpp's format): its weights in float32 under transformers' names; its tokenizer.

transformers reads such a file too and does the same; here the tensors are dequantised one by one, which takes a few
seconds instead of a quarter of a minute, and the tokenizer is kept in the cache once it has been converted.
"""

import hashlib
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mechbook.core.cache.entries import cached

_PARTS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def read_llama(path: Path) -> Any:
    """transformers' `LlamaForCausalLM` with the file's weights in float32.

    ValueError for another architecture, for a tensor that plain Llama does not have, and for a file that is no GGUF.
    """
    # transformers takes seconds to import, and only those who load a model need it
    from transformers import LlamaConfig, LlamaForCausalLM

    reader = _reader(path)
    if (kind := _value(reader, "general.architecture")) != "llama":
        raise ValueError(f"{path.name} holds a {kind!r} model; of GGUF files mechbook reads Llama's. Give safetensors.")
    heads = int(_value(reader, "llama.attention.head_count"))
    kv_heads = int(_value(reader, "llama.attention.head_count_kv", heads))
    d = int(_value(reader, "llama.embedding_length"))
    weights = {}
    for tensor in reader.tensors:
        name = _name(tensor.name, path)
        W = torch.from_numpy(_dequantised(tensor))
        if ".attn_q." in tensor.name or ".attn_k." in tensor.name:
            W = unpermuted(W, heads if ".attn_q." in tensor.name else kv_heads)
        weights[name] = W
    config = LlamaConfig(
        vocab_size=weights["model.embed_tokens.weight"].shape[0],
        hidden_size=d,
        intermediate_size=int(_value(reader, "llama.feed_forward_length")),
        num_hidden_layers=int(_value(reader, "llama.block_count")),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=int(_value(reader, "llama.rope.dimension_count", d // heads)),
        max_position_embeddings=int(_value(reader, "llama.context_length")),
        rms_norm_eps=float(_value(reader, "llama.attention.layer_norm_rms_epsilon")),
        rope_parameters={"rope_type": "default", "rope_theta": float(_value(reader, "llama.rope.freq_base", 10000.0))},
        tie_word_embeddings="lm_head.weight" not in weights,
        bos_token_id=_value(reader, "tokenizer.ggml.bos_token_id"),
        eos_token_id=_value(reader, "tokenizer.ggml.eos_token_id"),
    )
    return LlamaForCausalLM.from_pretrained(None, config=config, state_dict=weights, dtype=torch.float32)


def read_tokenizer(path: Path) -> str:
    """The file's tokenizer as the text of a `tokenizer.json`, from the cache where it was converted before."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return cached({"tokenizer": digest}, lambda: _convert_tokenizer(path), modules=(__name__,))


def unpermuted(W: Tensor, heads: int) -> Tensor:
    """The rows of a query or key matrix in transformers' order: llama.cpp keeps the two of a rotated pair together."""
    pairs = W.view(heads, -1, 2, W.shape[-1])
    return pairs.transpose(1, 2).reshape(W.shape)


def _convert_tokenizer(path: Path) -> str:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
    text: str = tokenizer.backend_tokenizer.to_str()
    return text


def _reader(path: Path) -> Any:
    # by name: the package ships no types
    gguf = importlib.import_module("gguf")
    try:
        return gguf.GGUFReader(path)
    except (ValueError, IndexError, KeyError) as error:
        raise ValueError(f"{path} cannot be read as a GGUF file ({error}).") from error


def _value(reader: Any, key: str, default: Any = None) -> Any:
    field = reader.get_field(key)
    return default if field is None else field.contents()


def _dequantised(tensor: Any) -> np.ndarray:
    gguf = importlib.import_module("gguf")
    W: np.ndarray = gguf.dequantize(tensor.data, tensor.tensor_type)
    # a view into the mapped file would be read only
    return np.array(W, dtype=np.float32)


def _name(name: str, path: Path) -> str:
    parts = name.split(".")
    if len(parts) == 2 and parts[0] in _WHOLE and parts[1] == "weight":
        return f"{_WHOLE[parts[0]]}.weight"
    if len(parts) == 4 and parts[0] == "blk" and parts[2] in _PARTS and parts[3] == "weight":
        return f"model.layers.{parts[1]}.{_PARTS[parts[2]]}.weight"
    raise ValueError(
        f"{path.name} has a tensor {name!r} that plain Llama does not have. Give the model as safetensors."
    )
