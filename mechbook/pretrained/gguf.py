"""Llama and Gemma 3 in GGUF files (llama.cpp's format): weights in float32 under transformers' names; the tokenizer.

transformers reads such files too and does the same; here the tensors are dequantised one by one, which takes a few
seconds instead of a quarter of a minute, and the tokenizer is kept in the cache once it has been converted.
"""

import hashlib
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mechbook.core.cache.entries import cached
from mechbook.pretrained.gguf_file import dequantised, open_gguf, step_sizes, value_of

_PARTS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
}
_LLAMA = {**_PARTS, "ffn_norm": "post_attention_layernorm"}
_GEMMA3 = {
    **_PARTS,
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
# what files of Gemma 3 leave unsaid: every so many blocks one sees everything; the base of rotation in the others
_GEMMA3_PATTERN, _GEMMA3_LOCAL_BASE = 6, 10000.0


def read_model(path: Path) -> Any:
    """transformers' `LlamaForCausalLM` or `Gemma3ForCausalLM` with the file's weights in float32.

    ValueError for another architecture, a tensor or setting that the plain one does not have, a quantisation that
    cannot be undone, and a file that is no GGUF.
    """
    reader = open_gguf(path)
    kind = value_of(reader, "general.architecture")
    if kind not in _READERS:
        raise ValueError(
            f"{path.name} holds a {kind!r} model; of GGUF files mechbook reads Llama's and Gemma 3's. Give safetensors."
        )
    return _READERS[kind](reader, path)


def _read_llama(reader: Any, path: Path) -> Any:
    # transformers takes seconds to import, and only those who load a model need it
    from transformers import LlamaConfig, LlamaForCausalLM

    heads = int(value_of(reader, "llama.attention.head_count"))
    kv_heads = int(value_of(reader, "llama.attention.head_count_kv", heads))
    d = int(value_of(reader, "llama.embedding_length"))
    base = float(value_of(reader, "llama.rope.freq_base", 10000.0))
    weights = {}
    for tensor in reader.tensors:
        name = _name(tensor.name, path, _LLAMA, "plain Llama")
        W = dequantised(tensor, path)
        if ".attn_q." in tensor.name or ".attn_k." in tensor.name:
            W = unpermuted(W, heads if ".attn_q." in tensor.name else kv_heads)
        weights[name] = W
    config = LlamaConfig(
        vocab_size=weights["model.embed_tokens.weight"].shape[0],
        hidden_size=d,
        intermediate_size=int(value_of(reader, "llama.feed_forward_length")),
        num_hidden_layers=int(value_of(reader, "llama.block_count")),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=int(value_of(reader, "llama.rope.dimension_count", d // heads)),
        max_position_embeddings=int(value_of(reader, "llama.context_length")),
        rms_norm_eps=float(value_of(reader, "llama.attention.layer_norm_rms_epsilon")),
        rope_parameters={"rope_type": "default", "rope_theta": base},
        tie_word_embeddings="lm_head.weight" not in weights,
        bos_token_id=value_of(reader, "tokenizer.ggml.bos_token_id"),
        eos_token_id=value_of(reader, "tokenizer.ggml.eos_token_id"),
    )
    return LlamaForCausalLM.from_pretrained(None, config=config, state_dict=weights, dtype=torch.float32)


def _read_gemma3(reader: Any, path: Path) -> Any:
    """A Gemma 3 without scaled positions, such as those of 270M and 1B weights.

    A file has 1 + weight for the weight of a norm; rows of queries and keys are as in transformers.
    """
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    def said(key: str, default: Any = None) -> Any:
        return value_of(reader, f"gemma3.{key}", default)

    if said("rope.scaling.type") not in (None, "none") or said("rope.scaling.factor", 1.0) != 1.0:
        raise ValueError(f"{path.name} scales its positions (rope.scaling); mechbook reads Gemma 3 without that.")
    weights = {}
    for tensor in reader.tensors:
        name = _name(tensor.name, path, _GEMMA3, "Gemma 3")
        weights[name] = dequantised(tensor, path) - (1.0 if "norm." in name else 0.0)
    local = float(said("rope.freq_base_swa", _GEMMA3_LOCAL_BASE))
    bases = {"sliding_attention": local, "full_attention": float(said("rope.freq_base", 1e6))}
    head_dim, blocks = int(said("attention.key_length", 256)), int(said("block_count"))
    config = Gemma3TextConfig(
        vocab_size=weights["model.embed_tokens.weight"].shape[0],
        hidden_size=int(said("embedding_length")),
        intermediate_size=int(said("feed_forward_length")),
        num_hidden_layers=blocks,
        num_attention_heads=int(said("attention.head_count")),
        num_key_value_heads=int(said("attention.head_count_kv")),
        head_dim=head_dim,
        query_pre_attn_scalar=head_dim,
        sliding_window=int(said("attention.sliding_window")),
        layer_types=[
            "full_attention" if (i + 1) % _GEMMA3_PATTERN == 0 else "sliding_attention" for i in range(blocks)
        ],
        max_position_embeddings=int(said("context_length")),
        rms_norm_eps=float(said("attention.layer_norm_rms_epsilon")),
        rope_parameters={kind: {"rope_type": "default", "rope_theta": base} for kind, base in bases.items()},
        final_logit_softcapping=said("final_logit_softcapping"),
        tie_word_embeddings="lm_head.weight" not in weights,
        bos_token_id=value_of(reader, "tokenizer.ggml.bos_token_id"),
        eos_token_id=value_of(reader, "tokenizer.ggml.eos_token_id"),
    )
    return Gemma3ForCausalLM.from_pretrained(None, config=config, state_dict=weights, dtype=torch.float32)


_READERS = {"llama": _read_llama, "gemma3": _read_gemma3}


def read_steps(path: Path) -> dict[str, Float[Tensor, "d_out d_in"]]:
    """Of each quantised matrix of a Gemma 3's blocks the distance of the values that its entries could have had.

    By transformers' name of the parameter, as in "model.layers.0.mlp.up_proj.weight". ValueError as `read_model`, and
    for another architecture.
    """
    reader = open_gguf(path)
    if (kind := value_of(reader, "general.architecture")) != "gemma3":
        raise ValueError(f"{path.name} holds a {kind!r} model; the steps of Gemma 3's are read.")
    return {
        _name(tensor.name, path, _GEMMA3, "Gemma 3"): step_sizes(tensor, path)
        for tensor in reader.tensors
        if tensor.name.startswith("blk.") and "norm" not in tensor.name
    }


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


def _name(name: str, path: Path, known: dict[str, str], kind: str) -> str:
    parts = name.split(".")
    if len(parts) == 2 and parts[0] in _WHOLE and parts[1] == "weight":
        return f"{_WHOLE[parts[0]]}.weight"
    if len(parts) == 4 and parts[0] == "blk" and parts[2] in known and parts[3] == "weight":
        return f"model.layers.{parts[1]}.{known[parts[2]]}.weight"
    raise ValueError(f"{path.name} has a tensor {name!r} that {kind} does not have. Give the model as safetensors.")
