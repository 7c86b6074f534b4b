"""Adapters against transformers over random configurations of every architecture. Oracle: transformers' logits."""

from typing import Any

import pytest
import torch

from mechbook.pretrained.architectures import adapt
from mechbook.pretrained.reading import check_agrees

N = 37


def drawn(kind: str, random: torch.Generator) -> Any:
    """A configuration with sizes, heads, norms and positions at random."""
    from transformers import Gemma3TextConfig, GPT2Config, GPTNeoXConfig, LlamaConfig

    def one(*values: Any) -> Any:
        return values[int(torch.randint(len(values), (1,), generator=random))]

    kv = one(1, 2, 3)
    heads, d_head, layers = kv * one(1, 2), 2 * one(1, 2, 5), one(1, 2, 3)
    shared = {"vocab_size": N, "initializer_range": 0.3}
    if kind == "gpt2":
        return GPT2Config(
            n_embd=heads * d_head, n_head=heads, n_inner=one(None, 11), n_layer=layers, n_positions=64,
            scale_attn_weights=one(True, False), scale_attn_by_inverse_layer_idx=one(True, False),
            activation_function=one("gelu_new", "relu", "gelu"), **shared,
        )  # fmt: skip
    if kind == "gpt_neox":
        return GPTNeoXConfig(
            hidden_size=heads * d_head, num_attention_heads=heads, intermediate_size=one(11, 24),
            num_hidden_layers=layers, use_parallel_residual=one(True, False), attention_bias=one(True, False),
            max_position_embeddings=64, tie_word_embeddings=one(True, False), hidden_act=one("gelu", "relu"),
            rope_parameters={
                "rope_type": "default", "rope_theta": one(100.0, 1e4), "partial_rotary_factor": one(0.5, 1.0)
            }, **shared,
        )  # fmt: skip
    rope = one({"rope_type": "default"}, {"rope_type": "linear", "factor": 4.0}) | {"rope_theta": one(100.0, 1e4)}
    sizes = {
        "hidden_size": one(3, 5) * heads, "num_attention_heads": heads, "num_key_value_heads": kv, "head_dim": d_head,
        "intermediate_size": one(11, 24), "num_hidden_layers": layers, "max_position_embeddings": 64,
        "tie_word_embeddings": one(True, False), "rms_norm_eps": one(1e-6, 1e-2),
    }  # fmt: skip
    if kind == "llama":
        return LlamaConfig(
            **sizes, **shared, rope_parameters=rope, attention_bias=one(True, False), mlp_bias=one(True, False),
            hidden_act=one("silu", "gelu"),
        )  # fmt: skip
    return Gemma3TextConfig(
        **sizes, **shared, sliding_window=one(3, 64), query_pre_attn_scalar=one(3, 16),
        layer_types=[one("sliding_attention", "full_attention") for _ in range(layers)],
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", ["llama", "gemma3_text", "gpt_neox", "gpt2"])
def test_logits_are_transformers_own(kind: str, seed: int) -> None:
    from transformers import AutoModelForCausalLM

    random = torch.Generator().manual_seed(seed)
    config = drawn(kind, random)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float64)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=random, dtype=torch.float64))
    adapter = adapt(model)
    ids = torch.randint(N, (2, 13), generator=random)
    expected = model(ids).logits
    found = adapter.logits(adapter.run(adapter.embed(ids)))
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected.detach(), rtol=0, atol=1e-10)
    check_agrees("mine", adapter)
