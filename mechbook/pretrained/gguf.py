"""Llama and Gemma 3 in GGUF files (llama.cpp's format): weights in float32 under transformers' names; the tokenizer.

transformers reads such files too and does the same; here the tensors are dequantised one by one, which takes a few
seconds instead of a quarter of a minute, and the tokenizer is kept in the cache once it has been converted.
"""

import hashlib
import math
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mechbook.core.cache.entries import cached
from mechbook.pretrained.gguf_file import dequantised, open_gguf, step_sizes, value_of
from mechbook.pretrained.reading import check_loaded, in_words

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
# Keys of a file's architecture that are honoured below, or change nothing that is computed. Others are refused.
_SIZES = {
    "context_length", "embedding_length", "block_count", "feed_forward_length", "vocab_size",
    "attention.head_count", "attention.head_count_kv", "attention.layer_norm_rms_epsilon",
    "attention.key_length", "attention.value_length", "rope.freq_base", "rope.dimension_count",
    "rope.scaling.type", "rope.scaling.factor", "rope.scale_linear", "rope.scaling.original_context_length",
}  # fmt: skip
_KEYS = {
    "llama": _SIZES,
    "gemma3": _SIZES | {"attention.sliding_window", "rope.freq_base_swa", "final_logit_softcapping"},
}
# what files of Gemma 3 leave unsaid: every so many blocks one sees everything; the base of rotation in the others
_GEMMA3_PATTERN, _GEMMA3_LOCAL_BASE = 6, 10000.0


def read_model(path: Path) -> Any:
    """transformers' `LlamaForCausalLM` or `Gemma3ForCausalLM` with the file's weights in float32.

    ValueError for another architecture, a tensor or setting that the plain one does not have, a quantisation that
    cannot be undone, and a file that is no GGUF.
    """
    reader = open_gguf(path)
    kind = value_of(reader, "general.architecture")
    if (parts := value_of(reader, "split.count", 1)) not in (0, 1):
        raise ValueError(f"{path.name} is one of {parts} parts: join them with llama.cpp's gguf-split --merge.")
    if kind not in _READERS:
        raise ValueError(
            f"{path.name} holds a {kind!r} model; of GGUF files mechbook reads Llama's and Gemma 3's. Give safetensors."
        )
    said = _Said(reader, path, str(kind))
    said.check()
    return in_words(f"{path.name}: the model", lambda: _READERS[kind](reader, path, said))


class _Said:
    """What a file says of its architecture, by keys without "llama." in front; ValueError for what cannot be."""

    def __init__(self, reader: Any, path: Path, kind: str) -> None:
        self.reader, self.path, self.kind = reader, path, kind

    def __call__(self, key: str, default: Any = None) -> Any:
        return value_of(self.reader, f"{self.kind}.{key}", default)

    def size(self, key: str, default: int | None = None) -> int:
        """A whole number above 0 that a file must say, or `default`."""
        found = self(key, default)
        if isinstance(found, bool) or not isinstance(found, int) or found < 1:
            raise ValueError(
                f"{self.path.name} says {self.kind}.{key} is {found!r}, where a whole number above 0 is needed."
            )
        return found

    def number(self, key: str, default: float | None = None) -> float:
        """A number above 0 that a file must say, or `default`."""
        found = self(key, default)
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < math.inf:
            raise ValueError(f"{self.path.name} says {self.kind}.{key} is {found!r}, where a number above 0 is needed.")
        return float(found)

    def check(self) -> None:
        """ValueError for a key that may change what is computed and is not known here, and for impossible sizes."""
        front = f"{self.kind}."
        odd = sorted(
            key for key in self.reader.fields if key.startswith(front) and key[len(front) :] not in _KEYS[self.kind]
        )
        if odd:
            raise ValueError(
                f"{self.path.name} says {odd[0]} ({value_of(self.reader, odd[0])!r}), which may change what is "
                "computed and is unknown here: give the model as safetensors."
            )
        blocks, tensors = self.size("block_count"), len(self.reader.tensors)
        if blocks > tensors:
            raise ValueError(f"{self.path.name} says {self.kind}.block_count is {blocks}, and has {tensors} tensors.")

    def positions(self, base: float) -> dict[str, Any]:
        """transformers' rotation for a base: plain, or positions divided by a factor. ValueError for other kinds."""
        kind, factor = self("rope.scaling.type"), self("rope.scaling.factor", self("rope.scale_linear", 1.0))
        if kind in (None, "none", "linear") and factor == 1.0 or kind == "none":
            return {"rope_type": "default", "rope_theta": base}
        if kind in (None, "linear"):
            return {"rope_type": "linear", "rope_theta": base, "factor": float(factor)}
        raise ValueError(
            f"{self.path.name} scales its positions by {kind!r}; mechbook reads files that leave them or divide them "
            "by a factor (linear)."
        )


def _loaded(kind: Any, config: Any, weights: dict[str, Tensor], path: Path) -> Any:
    """The model of a configuration with these weights, each in its place. ValueError for any missing or too many."""
    model, found = kind.from_pretrained(
        None, config=config, state_dict=weights, dtype=torch.float32, output_loading_info=True
    )
    check_loaded(path.name, found)
    return model


def _read_llama(reader: Any, path: Path, said: _Said) -> Any:
    # transformers takes seconds to import, and only those who load a model need it
    from transformers import LlamaConfig, LlamaForCausalLM

    heads, d = said.size("attention.head_count"), said.size("embedding_length")
    kv_heads = said.size("attention.head_count_kv", heads)
    d_head = said.size("attention.key_length", max(1, d // heads))
    for key in ("rope.dimension_count", "attention.value_length"):
        if (other := said.size(key, d_head)) != d_head:
            raise ValueError(
                f"{path.name} says llama.{key} is {other} where a head has {d_head} dimensions; mechbook reads Llama "
                "with both the same."
            )
    weights = {}
    for tensor in reader.tensors:
        name = _name(tensor.name, path, _LLAMA, "plain Llama")
        W = dequantised(tensor, path)
        if ".attn_q." in tensor.name or ".attn_k." in tensor.name:
            W = unpermuted(W, heads if ".attn_q." in tensor.name else kv_heads)
        weights[name] = W
    config = LlamaConfig(
        vocab_size=_vocabulary(weights, path),
        hidden_size=d,
        intermediate_size=said.size("feed_forward_length"),
        num_hidden_layers=said.size("block_count"),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=d_head,
        max_position_embeddings=said.size("context_length"),
        rms_norm_eps=said.number("attention.layer_norm_rms_epsilon"),
        rope_parameters=said.positions(said.number("rope.freq_base", 10000.0)),
        tie_word_embeddings="lm_head.weight" not in weights,
        bos_token_id=value_of(reader, "tokenizer.ggml.bos_token_id"),
        eos_token_id=value_of(reader, "tokenizer.ggml.eos_token_id"),
    )
    return _loaded(LlamaForCausalLM, config, weights, path)


def _vocabulary(weights: dict[str, Tensor], path: Path) -> int:
    """How many tokens the embedding has. ValueError where there is none."""
    if (embedding := weights.get("model.embed_tokens.weight")) is None:
        raise ValueError(f"{path.name} lacks token_embd.weight, the embedding.")
    return embedding.shape[0]


def _read_gemma3(reader: Any, path: Path, said: _Said) -> Any:
    """A Gemma 3 without scaled positions, such as those of 270M and 1B weights.

    A file has 1 + weight for the weight of a norm; rows of queries and keys are as in transformers.
    """
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    if said("rope.scaling.type") not in (None, "none") or said("rope.scaling.factor", 1.0) != 1.0:
        raise ValueError(f"{path.name} scales its positions (rope.scaling); mechbook reads Gemma 3 without that.")
    weights = {}
    for tensor in reader.tensors:
        name = _name(tensor.name, path, _GEMMA3, "Gemma 3")
        weights[name] = dequantised(tensor, path) - (1.0 if "norm." in name else 0.0)
    local = said.number("rope.freq_base_swa", _GEMMA3_LOCAL_BASE)
    bases = {"sliding_attention": local, "full_attention": said.number("rope.freq_base", 1e6)}
    head_dim, blocks = said.size("attention.key_length", 256), said.size("block_count")
    config = Gemma3TextConfig(
        vocab_size=_vocabulary(weights, path),
        hidden_size=said.size("embedding_length"),
        intermediate_size=said.size("feed_forward_length"),
        num_hidden_layers=blocks,
        num_attention_heads=said.size("attention.head_count"),
        num_key_value_heads=said.size("attention.head_count_kv"),
        head_dim=head_dim,
        query_pre_attn_scalar=head_dim,
        sliding_window=said.size("attention.sliding_window"),
        layer_types=[
            "full_attention" if (i + 1) % _GEMMA3_PATTERN == 0 else "sliding_attention" for i in range(blocks)
        ],
        max_position_embeddings=said.size("context_length"),
        rms_norm_eps=said.number("attention.layer_norm_rms_epsilon"),
        rope_parameters={kind: {"rope_type": "default", "rope_theta": base} for kind, base in bases.items()},
        final_logit_softcapping=said("final_logit_softcapping"),
        tie_word_embeddings="lm_head.weight" not in weights,
        bos_token_id=value_of(reader, "tokenizer.ggml.bos_token_id"),
        eos_token_id=value_of(reader, "tokenizer.ggml.eos_token_id"),
    )
    return _loaded(Gemma3ForCausalLM, config, weights, path)


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


def read_tokenizer(path: Path) -> Any:
    """The file's tokenizer, of the package `tokenizers`; its conversion comes from the cache the second time.

    It puts the token of a text's beginning in front where the file says so, or where transformers does if it says
    nothing. ValueError where it cannot be converted.
    """
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing

    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    convert = partial(in_words, f"{path.name}: the tokenizer", lambda: _convert_tokenizer(path))
    tokenizer = Tokenizer.from_str(cached({"tokenizer": digest}, convert, modules=(__name__,)))
    reader = open_gguf(path)
    if (add := value_of(reader, "tokenizer.ggml.add_bos_token")) is not None:
        bos = value_of(reader, "tokenizer.ggml.bos_token_id")
        if add and (not isinstance(bos, int) or tokenizer.id_to_token(bos) is None):
            raise ValueError(
                f"{path.name} wants token {bos!r} in front of every text, which its tokenizer does not have."
            )
        name = str(tokenizer.id_to_token(bos)) if add else None
        tokenizer.post_processor = TemplateProcessing(
            single=f"{name} $A" if add else "$A", special_tokens=[(name, bos)] if add else []
        )
    return tokenizer


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
