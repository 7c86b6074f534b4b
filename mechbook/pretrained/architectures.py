"""The four architectures that the book looks into: Llama (SmolLM2), Gemma 3, GPT-NeoX (Pythia) and GPT-2."""

from typing import Any

import torch
from torch import Tensor, nn

from mechbook.pretrained.adapter import Adapter, Matrix


def adapt(model: Any) -> Adapter:
    """The adapter of one of transformers' causal language models, put in eval mode.

    ValueError for an architecture that has none, or a variant of one that computes differently.
    """
    kind = model.config.model_type
    if kind not in _ADAPTERS:
        raise ValueError(f"the model's architecture is {kind!r}; mechbook looks into {', '.join(SUPPORTED)}.")
    return _ADAPTERS[kind](model.eval())


class LlamaAdapter(Adapter):
    """Llama: rotary positions, grouped queries, and an MLP that is mlp_out (silu(mlp_gate x) * mlp_in x)."""

    matrix_names = ("q", "k", "v", "o", "mlp_in", "mlp_gate", "mlp_out")
    _OWN = {
        "q": "self_attn.q_proj",
        "k": "self_attn.k_proj",
        "v": "self_attn.v_proj",
        "o": "self_attn.o_proj",
        "mlp_in": "mlp.up_proj",
        "mlp_gate": "mlp.gate_proj",
        "mlp_out": "mlp.down_proj",
    }

    def matrix(self, layer: int, name: str) -> Matrix:
        self._checked(layer, name)
        own = self._OWN[name]
        return Matrix(layer, name, own, self._block(layer).get_submodule(own).weight, _whole)

    def _embed(self, ids: Tensor, start: int) -> Tensor:
        return self.model.model.embed_tokens(ids)

    def _block(self, layer: int) -> Any:
        return self.model.model.layers[layer]

    def _attention(self, layer: int) -> Any:
        return self._block(layer).self_attn

    def _norms(self, layer: int) -> tuple[nn.Module, nn.Module]:
        block = self._block(layer)
        return block.input_layernorm, block.post_attention_layernorm

    def _qkv(self, layer: int, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        attention = self._attention(layer)
        q, k, v = (self._split(project(h)) for project in (attention.q_proj, attention.k_proj, attention.v_proj))
        return q, k, v

    def _rotation(self, layer: int, x: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        return self.model.model.rotary_emb(x, position_ids=positions[None])

    def _attention_out(self, layer: int, z: Tensor) -> Tensor:
        return self._attention(layer).o_proj(z)

    def _final_norm(self) -> nn.Module:
        return self.model.model.norm

    def _split(self, flat: Tensor) -> Tensor:
        return flat.unflatten(-1, (-1, self.d_head)).transpose(1, 2)


class Gemma3Adapter(LlamaAdapter):
    """Gemma 3: Llama's matrices, and four norms a block, since what attention and MLP write is normalised, too.

    Queries and keys are normalised head by head before they rotate; the embedding is multiplied by sqrt(d); the MLP is
    mlp_out (gelu(mlp_gate x) * mlp_in x), gelu by its tanh formula. Most blocks see a window of the last positions and
    rotate at another base than the others. Norms multiply by 1 + their weight.

    As the sum of the heads is normalised before it is added, `z @ W_O(layer)[h].T` is what head h gives to that sum
    (`writes_as_is` is False); `attention_out` and `mlp_out` are what is added.
    """

    writes_as_is = False

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        config = model.config
        for name in ("final_logit_softcapping", "attn_logit_softcapping", "use_bidirectional_attention"):
            if value := getattr(config, name, None):
                raise ValueError(f"this Gemma 3 has {name} {value!r}; mechbook looks into those without it.")

    def _norms(self, layer: int) -> tuple[nn.Module, nn.Module]:
        block = self._block(layer)
        return block.input_layernorm, block.pre_feedforward_layernorm

    def _qkv(self, layer: int, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = super()._qkv(layer, h)
        attention = self._attention(layer)
        return attention.q_norm(q), attention.k_norm(k), v

    def _rotation(self, layer: int, x: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        return self.model.model.rotary_emb(x, positions[None], self._attention(layer).layer_type)

    def _window(self, layer: int) -> int | None:
        return self._attention(layer).sliding_window

    def _attention_out(self, layer: int, z: Tensor) -> Tensor:
        return self._block(layer).post_attention_layernorm(self._attention(layer).o_proj(z))

    def _mlp(self, layer: int, h: Tensor) -> Tensor:
        block = self._block(layer)
        return block.post_feedforward_layernorm(block.mlp(h))


class NeoXAdapter(Adapter):
    """GPT-NeoX: one matrix for q, k and v, its rows ordered head by head, and in each head q, k, v."""

    matrix_names = ("q", "k", "v", "o", "mlp_in", "mlp_out")
    _OWN = {"o": "attention.dense", "mlp_in": "mlp.dense_h_to_4h", "mlp_out": "mlp.dense_4h_to_h"}

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.parallel = model.config.use_parallel_residual

    def matrix(self, layer: int, name: str) -> Matrix:
        self._checked(layer, name)
        block = self._block(layer)
        if name in self._OWN:
            return Matrix(layer, name, self._OWN[name], block.get_submodule(self._OWN[name]).weight, _whole)
        part, heads = "qkv".index(name), self.n_heads

        def select(W: Tensor) -> Tensor:
            return W.view(heads, 3, -1, W.shape[-1])[:, part]

        return Matrix(layer, name, "attention.query_key_value", block.attention.query_key_value.weight, select)

    def _embed(self, ids: Tensor, start: int) -> Tensor:
        return self.model.gpt_neox.embed_in(ids)

    def _block(self, layer: int) -> Any:
        return self.model.gpt_neox.layers[layer]

    def _attention(self, layer: int) -> Any:
        return self._block(layer).attention

    def _norms(self, layer: int) -> tuple[nn.Module, nn.Module]:
        block = self._block(layer)
        return block.input_layernorm, block.post_attention_layernorm

    def _qkv(self, layer: int, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fused = self._attention(layer).query_key_value(h).unflatten(-1, (self.n_heads, 3 * self.d_head))
        q, k, v = fused.transpose(1, 2).chunk(3, -1)
        return q, k, v

    def _rotation(self, layer: int, x: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        return self.model.gpt_neox.rotary_emb(x, position_ids=positions[None])

    def _attention_out(self, layer: int, z: Tensor) -> Tensor:
        return self._attention(layer).dense(z)

    def _final_norm(self) -> nn.Module:
        return self.model.gpt_neox.final_layer_norm


class GPT2Adapter(Adapter):
    """GPT-2: learned positions; its Conv1D weights are stored d_in x d_out, q, k and v side by side in one."""

    matrix_names = ("q", "k", "v", "o", "mlp_in", "mlp_out")
    _OWN = {"o": "attn.c_proj", "mlp_in": "mlp.c_fc", "mlp_out": "mlp.c_proj"}

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        if model.config.add_cross_attention:
            raise ValueError("this GPT-2 has add_cross_attention; mechbook looks into decoders that read no encoder.")

    def matrix(self, layer: int, name: str) -> Matrix:
        self._checked(layer, name)
        block = self._block(layer)
        if name in self._OWN:
            own = self._OWN[name]
            return Matrix(layer, name, own, block.get_submodule(own).weight, torch.t)
        first = "qkv".index(name) * self.d_model

        def select(W: Tensor) -> Tensor:
            return W[:, first : first + W.shape[0]].t()

        return Matrix(layer, name, "attn.c_attn", block.attn.c_attn.weight, select)

    def _embed(self, ids: Tensor, start: int) -> Tensor:
        base = self.model.transformer
        return base.wte(ids) + base.wpe(_positions(ids, start))

    def _block(self, layer: int) -> Any:
        return self.model.transformer.h[layer]

    def _attention(self, layer: int) -> Any:
        return self._block(layer).attn

    def _norms(self, layer: int) -> tuple[nn.Module, nn.Module]:
        return self._block(layer).ln_1, self._block(layer).ln_2

    def _qkv(self, layer: int, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fused = self._attention(layer).c_attn(h).unflatten(-1, (3, self.n_heads, self.d_head))
        q, k, v = fused.permute(2, 0, 3, 1, 4)
        return q, k, v

    def _rotation(self, layer: int, x: Tensor, positions: Tensor) -> None:
        return None

    def _attention_out(self, layer: int, z: Tensor) -> Tensor:
        return self._attention(layer).c_proj(z)

    def _final_norm(self) -> nn.Module:
        return self.model.transformer.ln_f


def _positions(x: Tensor, start: int) -> Tensor:
    return torch.arange(start, start + x.shape[1], device=x.device)[None]


def _whole(W: Tensor) -> Tensor:
    return W


_ADAPTERS: dict[str, type[Adapter]] = {
    "llama": LlamaAdapter,
    "gemma3_text": Gemma3Adapter,
    "gpt_neox": NeoXAdapter,
    "gpt2": GPT2Adapter,
}
SUPPORTED = tuple(sorted(_ADAPTERS))
