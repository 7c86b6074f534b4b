"""Adapters against transformers' own forward pass and against weights placed by hand, on tiny models of each kind."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mechbook.pretrained.architectures import adapt
from mechbook.pretrained.attend import attend

KINDS = ("llama", "gemma3_text", "gpt_neox", "gpt2")


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest, tiny_model: Callable[..., Path]) -> Any:
    return loaded(tiny_model(request.param))


def loaded(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="sdpa").eval()
    for module in model.modules():
        if type(module).__name__ in ("LlamaRMSNorm", "Gemma3RMSNorm"):
            # transformers' own rounds to float32 on the way
            module.forward = partial(rms_norm, module)
    return model


def rms_norm(module: Any, x: Tensor) -> Tensor:
    gemma = type(module).__name__ == "Gemma3RMSNorm"
    gain, epsilon = (1 + module.weight, module.eps) if gemma else (module.weight, module.variance_epsilon)
    return gain * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon)


def prompts(model: Any, B: int = 3, T: int = 7) -> Tensor:
    return torch.randint(model.config.vocab_size, (B, T), generator=torch.Generator().manual_seed(5))


def test_logits_are_those_of_transformers(model: Any) -> None:
    """Oracle: transformers' forward pass in float64, with heads recorded and without."""
    adapter, ids = adapt(model), prompts(model)
    expected = model(ids).logits
    for record in (None, {}):
        torch.testing.assert_close(
            adapter.logits(adapter.run(adapter.embed(ids), record=record)), expected, rtol=0, atol=1e-10
        )


def test_a_run_from_the_middle_and_of_the_last_position_is_the_whole_run(model: Any) -> None:
    """Oracle: transformers' hidden states and logits."""
    adapter, ids = adapt(model), prompts(model)
    expected = model(ids, output_hidden_states=True)
    x = adapter.run(adapter.embed(ids), stop=2)
    torch.testing.assert_close(x, expected.hidden_states[2], rtol=0, atol=1e-10)
    last = adapter.run(x, start=2, last_only=True)
    assert last.shape == (3, 1, adapter.d_model)
    torch.testing.assert_close(adapter.logits(last)[:, 0], expected.logits[:, -1], rtol=0, atol=1e-10)


def test_batches_of_several_lengths_run_as_one(model: Any) -> None:
    """Oracle: `run` of each batch on its own, from block 0 and from block 1, whole and of the last positions."""
    adapter = adapt(model)
    batches = [prompts(model, B, T) for B, T in ((3, 7), (1, 1), (2, 5))]
    shapes = [(len(ids), ids.shape[1]) for ids in batches]
    entering = [adapter.run(adapter.embed(ids), stop=1) for ids in batches]
    x = torch.cat([adapter.embed(ids).flatten(0, 1) for ids in batches])
    one = adapter.run_many(x, shapes, stop=1)
    torch.testing.assert_close(one, torch.cat([e.flatten(0, 1) for e in entering]), rtol=0, atol=1e-10)
    for last_only in (False, True):
        expected = torch.cat([adapter.run(e, start=1, last_only=last_only).flatten(0, 1) for e in entering])
        found = adapter.run_many(one, shapes, start=1, last_only=last_only)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    last = adapter.run_many(x, shapes, stop=0, last_only=True)
    torch.testing.assert_close(last, x[[6, 13, 20, 21, 26, 31]], rtol=0, atol=0)
    with pytest.raises(ValueError, match="the shapes have 32 positions; x has 31"):
        adapter.run_many(x[1:], shapes)


@pytest.mark.parametrize("T", [1, 3])
def test_the_last_positions_run_on_recorded_keys_and_values(model: Any, T: int) -> None:
    """Oracle: transformers' forward pass over all positions."""
    adapter, ids = adapt(model), prompts(model)
    records: dict[int, Any] = {}
    adapter.run(adapter.embed(ids), record=records)
    x = adapter.embed(ids[:, -T:], start=ids.shape[1] - T)
    logits = adapter.logits(adapter.run(x, prefix=records))
    torch.testing.assert_close(logits, model(ids).logits[:, -T:], rtol=0, atol=1e-10)


def test_patterns_are_those_of_transformers(model: Any) -> None:
    """Oracle: transformers' attentions, which its eager implementation rounds to float32."""
    adapter, ids = adapt(model), prompts(model)
    records: dict[int, Any] = {}
    adapter.run(adapter.embed(ids), record=records)
    model.set_attn_implementation("eager")
    for layer, pattern in enumerate(model(ids, output_attentions=True).attentions):
        torch.testing.assert_close(records[layer].pattern, pattern, rtol=0, atol=1e-6)


def test_the_streams_of_a_block_add_up(model: Any) -> None:
    """Oracle: the residual stream before and after; the heads' outputs summed over heads by hand, biases apart."""
    adapter, ids = adapt(model), prompts(model)
    records: dict[int, Any] = {}
    end = adapter.run(adapter.embed(ids), record=records)
    for layer, record in records.items():
        after = records[layer + 1].x if layer + 1 < adapter.n_layers else end
        torch.testing.assert_close(after, record.x + record.attention_out + record.mlp_out, rtol=0, atol=1e-10)
        written = sum(
            (record.z[:, :, h] @ W.T for h, W in enumerate(adapter.W_O(layer))), start=torch.zeros_like(record.x)
        )
        bias = {"gpt_neox": "attention.dense.bias", "gpt2": "attn.c_proj.bias"}
        parameters = dict(adapter._block(layer).named_parameters())
        if (name := bias.get(model.config.model_type)) in parameters:
            written = written + parameters[name]
        assert adapter.writes_as_is == (model.config.model_type != "gemma3_text")
        if not adapter.writes_as_is:
            written = rms_norm(adapter._block(layer).post_attention_layernorm, written)
        torch.testing.assert_close(record.attention_out, written, rtol=0, atol=1e-10)


def test_the_heads_matrices_give_the_recorded_patterns_and_values(model: Any) -> None:
    """Oracle: obvious loops over heads and positions; position 0 for what rotates, which it does not turn."""
    adapter, ids = adapt(model), prompts(model)
    records: dict[int, Any] = {}
    adapter.run(adapter.embed(ids), record=records)
    group = adapter.n_heads // adapter.n_kv_heads
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias") and ("query_key_value" in name or "c_attn" in name):
                parameter.zero_()
    adapter.run(adapter.embed(ids), record=records)
    for layer, record in records.items():
        h = adapter.attention_input(layer, record.x)
        W_V, W_K = adapter.W_V(layer), adapter.W_K(layer)
        for head in range(adapter.n_heads):
            values = h @ W_V[head].T
            torch.testing.assert_close(record.values[:, head // group], values, rtol=0, atol=1e-10)
            torch.testing.assert_close(record.z[:, :, head], record.pattern[:, head] @ values, rtol=0, atol=1e-10)
            keys = h[:, 0] @ W_K[head].T
            if model.config.model_type == "gemma3_text":
                keys = rms_norm(adapter._attention(layer).k_norm, keys)
            torch.testing.assert_close(record.keys[:, head // group, 0], keys, rtol=0, atol=1e-10)
        if model.config.model_type == "gpt2":
            scores = (h @ adapter.W_Q(layer)[1].T) @ (h @ W_K[1].T).transpose(1, 2) / adapter.d_head**0.5
            mask = torch.ones(7, 7, dtype=torch.bool).triu(1)
            pattern = scores.masked_fill(mask, -torch.inf).softmax(-1)
            torch.testing.assert_close(record.pattern[:, 1], pattern, rtol=0, atol=1e-10)


def test_a_patched_head_changes_what_it_writes(model: Any) -> None:
    """Oracle: z of one head and position set to zero takes away exactly W_O z there in the block's attention."""
    adapter, ids = adapt(model), prompts(model)
    plain: dict[int, Any] = {}
    patched: dict[int, Any] = {}

    def patch(layer: int, z: Tensor) -> Tensor:
        if layer == 1:
            z = z.clone()
            z[:, 4, 2] = 0
        return z

    x = adapter.embed(ids)
    adapter.run(x, record=plain)
    adapter.run(x, record=patched, patch=patch)
    expected = plain[1].attention_out.clone()
    if adapter.writes_as_is:
        expected[:, 4] -= plain[1].z[:, 4, 2] @ adapter.W_O(1)[2].T
    else:
        left = sum(plain[1].z[:, 4, h] @ adapter.W_O(1)[h].T for h in range(adapter.n_heads) if h != 2)
        expected[:, 4] = rms_norm(adapter._block(1).post_attention_layernorm, left)
    torch.testing.assert_close(patched[1].attention_out, expected, rtol=0, atol=1e-10)
    assert (patched[2].x - plain[2].x).abs().amax(-1)[:, 4].min() > 1e-3


def test_fused_slices_are_where_transformers_reads_them(model: Any) -> None:
    """Oracle: transformers' projections of one input, against the matrix read by name times that input."""
    adapter = adapt(model)
    h = torch.randn(1, 5, adapter.d_model, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    block, d = adapter._block(1), adapter.d_head
    with torch.no_grad():
        for parameter in block.parameters():
            if parameter.ndim == 1:
                parameter.zero_()
        if model.config.model_type == "gpt2":
            projections = dict(zip("qkv", block.attn.c_attn(h).split(adapter.d_model, dim=2), strict=True))
        elif model.config.model_type == "gpt_neox":
            heads = block.attention.query_key_value(h).view(1, 5, adapter.n_heads, 3 * d)
            projections = {name: heads[..., i * d : (i + 1) * d].flatten(2) for i, name in enumerate("qkv")}
        else:
            projections = {name: getattr(block.self_attn, f"{name}_proj")(h) for name in "qkv"}
    for name, expected in projections.items():
        torch.testing.assert_close(h @ adapter.matrix(1, name).read().T, expected, rtol=0, atol=1e-10)


def test_mlp_matrices_are_the_mlp(model: Any) -> None:
    """Oracle: the MLP written out with the matrices read by name; biases set to zero."""
    adapter = adapt(model)
    h = torch.randn(5, adapter.d_model, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mlp = adapter._block(2).mlp
    with torch.no_grad():
        for name, parameter in mlp.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
        W = {name: adapter.matrix(2, name).read() for name in adapter.matrix_names if name.startswith("mlp")}
        if "mlp_gate" in W:
            gate = h @ W["mlp_gate"].T
            # Gemma's gelu is the formula with tanh
            tanh = 0.5 * gate * (1 + torch.tanh(math.sqrt(2 / math.pi) * (gate + 0.044715 * gate**3)))
            gate = tanh if model.config.model_type == "gemma3_text" else torch.nn.functional.silu(gate)
            hidden = gate * (h @ W["mlp_in"].T)
        else:
            act = mlp.act
            hidden = act(h @ W["mlp_in"].T)
        torch.testing.assert_close(mlp(h), hidden @ W["mlp_out"].T, rtol=0, atol=1e-10)


def test_writing_a_matrix_touches_nothing_else_and_writing_it_back_restores_every_bit(model: Any) -> None:
    """Oracle: all parameters compared bit for bit; the written matrix read back."""
    adapter = adapt(model)
    for name in adapter.matrix_names:
        matrix = adapter.matrix(1, name)
        before = {key: parameter.detach().clone() for key, parameter in model.named_parameters()}
        original = matrix.read()
        changed = original + torch.arange(original.numel(), dtype=original.dtype).view(original.shape) + 1
        matrix.write(changed)
        assert torch.equal(matrix.read(), changed)
        differing = sum(int((before[key] != p).sum()) for key, p in model.named_parameters())
        assert differing == original.numel() == matrix.shape[0] * matrix.shape[1]
        matrix.write(original)
        assert all(torch.equal(before[key], parameter) for key, parameter in model.named_parameters())


def test_attention_with_sdpa_is_the_written_out_one() -> None:
    """Oracle: the same function with its pattern, for grouped queries."""
    g = torch.Generator().manual_seed(2)
    q, k, v = (torch.randn(2, H, 5, 3, dtype=torch.float64, generator=g) for H in (6, 2, 2))
    fast, pattern = attend(q, k, v, 0.7, need_pattern=False)
    plain, _ = attend(q, k, v, 0.7)
    assert pattern is None
    torch.testing.assert_close(fast, plain, rtol=0, atol=1e-12)
    torch.testing.assert_close(fast[:, :1], v[:, [0, 0, 0, 1, 1, 1], :1].transpose(1, 2), rtol=0, atol=1e-12)


def test_layers_and_names_that_do_not_exist_are_refused_in_one_sentence(model: Any) -> None:
    adapter = adapt(model)
    with pytest.raises(ValueError, match="the layer is 3; this model's are 0 to 2"):
        adapter.matrix(3, "mlp_in")
    with pytest.raises(ValueError, match="the layer is -1"):
        adapter.matrix(-1, "q")
    with pytest.raises(ValueError, match="the matrix is 'up'; this model's are q, k, v, o, mlp_in"):
        adapter.matrix(0, "up")
    with pytest.raises(ValueError, match="start, stop are 2, 4"):
        adapter.run(adapter.embed(prompts(model)), start=2, stop=4)
    with pytest.raises(ValueError, match="W is"):
        adapter.matrix(0, "mlp_in").write(torch.zeros(2, 2))


def test_an_architecture_without_adapter_is_refused(tiny_model: Callable[..., Path]) -> None:
    model = loaded(tiny_model("gpt2"))
    model.config.model_type = "opt"
    with pytest.raises(
        ValueError, match="the model's architecture is 'opt'; mechbook looks into gemma3_text, gpt2, gpt_neox, llama"
    ):
        adapt(model)


@pytest.mark.parametrize("T", [1, 3, 7])
def test_a_window_hides_what_is_further_back(T: int) -> None:
    """Oracle: a softmax over the positions that each one may see, one at a time, in a loop."""
    g = torch.Generator().manual_seed(4)
    k, v = (torch.randn(2, 2, 7, 3, dtype=torch.float64, generator=g) for _ in range(2))
    q = torch.randn(2, 4, T, 3, dtype=torch.float64, generator=g)
    for window in (1, 4, 7, 9):
        for need in (True, False):
            z, pattern = attend(q, k, v, 0.7, window=window, need_pattern=need)
            for t in range(T):
                end = 7 - T + t
                seen = slice(max(0, end - window + 1), end + 1)
                for head in range(4):
                    p = (k[:, head // 2, seen] @ q[:, head, t, :, None] * 0.7).softmax(1)
                    torch.testing.assert_close(z[:, t, head], (p * v[:, head // 2, seen]).sum(1), rtol=0, atol=1e-12)
                    if pattern is not None:
                        assert pattern[:, head, t].count_nonzero() == 2 * min(window, end + 1)


def test_gemma_in_float32_is_transformers_own_for_prompts_longer_than_its_window(
    tiny_model: Callable[..., Path],
) -> None:
    """Oracle: transformers' forward pass in float32, its norms as they are, at eight windows' length."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model("gemma3_text", dtype="float32")).eval()
    adapter, ids = adapt(model), prompts(model, 2, 33)
    with torch.no_grad():
        expected = model(ids).logits
    assert expected.std() > 0.1
    torch.testing.assert_close(adapter.logits(adapter.run(adapter.embed(ids))), expected, rtol=0, atol=1e-4)
    x = adapter.run_many(adapter.embed(ids).flatten(0, 1), [(2, 33)], last_only=True)
    torch.testing.assert_close(adapter.logits(x), expected[:, -1], rtol=0, atol=1e-4)


def test_a_gemma_that_computes_otherwise_is_refused(tiny_model: Callable[..., Path]) -> None:
    model = loaded(tiny_model("gemma3_text"))
    model.config.final_logit_softcapping = 30.0
    with pytest.raises(ValueError, match=r"this Gemma 3 has final_logit_softcapping 30.0; mechbook looks into those"):
        adapt(model)
