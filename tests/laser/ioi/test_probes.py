"""Heads of tiny random models of three architectures: scores and ablation against hooks and loops on whole runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mechbook.laser.data.ioi import IOIPrompts
from mechbook.laser.ioi.probes import ablate, head_scores, mean_outputs, observe
from mechbook.pretrained.adapter import Adapter, BlockRecord
from mechbook.pretrained.architectures import adapt

KINDS = ("llama", "gpt_neox", "gpt2")
N, T = 5, 11
PROJECTIONS = {"llama": "o_proj", "gpt_neox": "attention.dense", "gpt2": "attn.c_proj"}


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest, tiny_model: Callable[..., Path]) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_model(request.param), dtype=torch.float64).eval()


@pytest.fixture
def attentive(model: Any) -> Any:
    """The model, returning its attention weights, which transformers then rounds to float32."""
    model.set_attn_implementation("eager")
    return model


def tokens(n: int, seed: int) -> Tensor:
    return torch.randint(1, 60, (n, T), generator=torch.Generator().manual_seed(seed))


def prompts(seed: int = 0) -> list[IOIPrompts]:
    """Two groups of IOI prompts without words: names 3 to 9 at places 2, 4 and 7, the other tokens above 9."""
    random = torch.Generator().manual_seed(seed)
    groups = []
    for n in (N, N - 2):
        names = torch.stack([torch.randperm(7, generator=random)[:2] + 3 for _ in range(n)])
        rows, IO, S = tokens(n, seed) % 50 + 10, names[:, 0], names[:, 1]
        ABBA = torch.arange(n) % 2 == 0
        rows[:, 2], rows[:, 4], rows[:, 7] = torch.where(ABBA, IO, S), torch.where(ABBA, S, IO), S
        groups.append(
            IOIPrompts(
                template="", texts=("",) * n, tokens=rows, abc=tokens(n, seed + 1), IO=IO, S=S,
                IO_at=torch.where(ABBA, 2, 4), S1_at=torch.where(ABBA, 4, 2), S2_at=torch.full((n,), 7), is_ABBA=ABBA,
            )
        )  # fmt: skip
    return groups


def projections(model: Any) -> list[Any]:
    ending = PROJECTIONS[model.config.model_type]
    return [module for name, module in model.named_modules() if name.endswith(ending)]


def knocked_out(model: Any, ids: Tensor, heads: list[tuple[int, int]], means: Tensor, at: int) -> Tensor:
    """The plain way: the whole model with hooks that overwrite the heads' part of the projections' input."""
    H = model.config.num_attention_heads

    def hook(layer: int) -> Any:
        def overwrite(_: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            z = inputs[0].clone()
            size = z.shape[-1] // H
            for the_layer, head in heads:
                if the_layer == layer:
                    z[:, at, head * size : (head + 1) * size] = means[layer, at, head]
            return (z,)

        return overwrite

    handles = [p.register_forward_pre_hook(hook(layer)) for layer, p in enumerate(projections(model))]
    try:
        with torch.no_grad():
            logits: Tensor = model(ids).logits[:, -1]
    finally:
        for handle in handles:
            handle.remove()
    return logits


def outputs(model: Any, ids: Tensor) -> list[Tensor]:
    """Every layer's concatenated head outputs, caught by hooks."""
    found: list[Tensor] = []
    handles = [p.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0])) for p in projections(model)]
    with torch.no_grad():
        model(ids)
    for handle in handles:
        handle.remove()
    return found


def test_mean_outputs_are_the_means_of_what_the_projections_read(model: Any) -> None:
    """Oracle: forward hooks on transformers' own model, head by head."""
    ids = tokens(N, 1)
    means = mean_outputs(observe(adapt(model), ids))
    H = model.config.num_attention_heads
    for layer, z in enumerate(outputs(model, ids)):
        size = z.shape[-1] // H
        for head in range(H):
            torch.testing.assert_close(
                means[layer, :, head], z[..., head * size : (head + 1) * size].mean(0), atol=1e-10, rtol=0
            )


@pytest.mark.parametrize("heads", [[(0, 1)], [(2, 0), (2, 2)], [(1, 2), (0, 0), (2, 1)]])
@pytest.mark.parametrize("at", [-1, 7, 0])
def test_ablation_from_a_clean_prefix_is_that_of_the_whole_run(model: Any, heads: Any, at: int) -> None:
    """Oracle: transformers' whole model with hooks."""
    adapter, ids = adapt(model), tokens(N, 2)
    seen = observe(adapter, ids)
    means = mean_outputs(observe(adapter, tokens(N + 2, 3)))
    found = adapter.logits(ablate(adapter, seen, heads, means, at))
    torch.testing.assert_close(found, knocked_out(model, ids, heads, means, at), atol=1e-10, rtol=0)
    # what the last layer's heads write at an earlier position is read by none
    reaches_the_end = at == -1 or min(heads)[0] < 2
    assert torch.allclose(found, adapter.logits(seen.out[:, -1]), atol=1e-6) != reaches_the_end


def test_ablating_nothing_changes_nothing_and_later_heads_are_recorded(attentive: Any) -> None:
    """Oracle: the clean run; attention of the last layer with hooks on the model."""
    model = attentive
    adapter, ids = adapt(model), tokens(N, 2)
    seen = observe(adapter, ids)
    means = mean_outputs(observe(adapter, tokens(N + 2, 3)))
    assert torch.equal(ablate(adapter, seen, [], means), seen.out[:, -1])
    record: dict[int, BlockRecord] = {}
    ablate(adapter, seen, [(1, 1)], means, record=record)
    assert sorted(record) == [1, 2]
    H = model.config.num_attention_heads

    def overwrite(_: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        z = inputs[0].clone()
        size = z.shape[-1] // H
        z[:, -1, size : 2 * size] = means[1, -1, 1]
        return (z,)

    handle = projections(model)[1].register_forward_pre_hook(overwrite)
    with torch.no_grad():
        attention = model(ids, output_attentions=True).attentions[2]
    handle.remove()
    torch.testing.assert_close(record[2].pattern[:, :, -1], attention[:, :, -1], atol=1e-6, rtol=0)


def test_attention_scores_are_those_of_a_loop(attentive: Any) -> None:
    """Oracle: transformers' own attention weights, prompt by prompt and head by head."""
    model, groups = attentive, prompts()
    scores = head_scores(adapt(model), groups)
    L, H = model.config.num_hidden_layers, model.config.num_attention_heads
    assert scores.IO.shape == (L, H)
    for layer in range(L):
        for head in range(H):
            sums = dict.fromkeys(("IO", "S1", "S2", "duplicate", "induction", "previous"), 0.0)
            for group in groups:
                with torch.no_grad():
                    weights = model(group.tokens, output_attentions=True).attentions[layer][:, head]
                for i, pattern in enumerate(weights):
                    IO, S1, S2 = int(group.IO_at[i]), int(group.S1_at[i]), int(group.S2_at[i])
                    sums["IO"] += float(pattern[T - 1, IO])
                    sums["S1"] += float(pattern[T - 1, S1])
                    sums["S2"] += float(pattern[T - 1, S2])
                    sums["duplicate"] += float(pattern[S2, S1])
                    sums["induction"] += float(pattern[S2, S1 + 1])
                    sums["previous"] += sum(float(pattern[t, t - 1]) for t in range(1, T)) / (T - 1)
            for name, value in sums.items():
                assert float(getattr(scores, name)[layer, head]) == pytest.approx(value / (2 * N - 2), abs=1e-6), name


def final_norm(model: Any) -> Any:
    return {"llama": lambda: model.model.norm, "gpt_neox": lambda: model.gpt_neox.final_layer_norm,
            "gpt2": lambda: model.transformer.ln_f}[model.config.model_type]()  # fmt: skip


def written(model: Any, layer: int, head: int, z: Tensor) -> Tensor:
    """What a head writes: the projection's output for it alone, less that for nothing (its bias)."""
    H = model.config.num_attention_heads
    alone = torch.zeros(len(z), H * z.shape[1], dtype=z.dtype)
    alone[:, head * z.shape[1] : (head + 1) * z.shape[1]] = z
    project = projections(model)[layer]
    with torch.no_grad():
        return project(alone) - project(torch.zeros_like(alone))


def linear_logits(model: Any, part: Tensor, x: Tensor) -> Tensor:
    """The last norm's linear part, with the scale of x, and the unembedding; from its definition."""
    norm = final_norm(model)
    if model.config.model_type == "llama":
        scaled = part / (x.pow(2).mean(1, keepdim=True) + norm.variance_epsilon).sqrt() * norm.weight
    else:
        scaled = (part - part.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + norm.eps).sqrt()
        scaled = scaled * norm.weight
    return scaled.detach() @ model.get_output_embeddings().weight.detach().T


def test_direct_logit_attribution_is_linear_in_what_heads_write(model: Any) -> None:
    """Oracle: each head's output through the projection alone, the norm's definition, the unembedding."""
    groups = prompts()
    adapter = adapt(model)
    scores = head_scores(adapter, groups)
    L, H = model.config.num_hidden_layers, model.config.num_attention_heads
    total = torch.zeros(L, H, dtype=torch.float64)
    for group in groups:
        z, x = outputs(model, group.tokens), observe(adapter, group.tokens).out[:, -1]
        rows = torch.arange(len(x))
        # the clean logits are this linear map of the whole residual stream, up to the norm's own shift
        shift = linear_logits(model, x, x) - adapter.logits(x)
        # transformers computes RMSNorm in float32
        torch.testing.assert_close(shift, shift[:1].expand_as(shift), atol=1e-5, rtol=0)
        for layer in range(L):
            size = z[layer].shape[-1] // H
            for head in range(H):
                part = written(model, layer, head, z[layer][:, -1, head * size : (head + 1) * size])
                logits = linear_logits(model, part, x)
                total[layer, head] += (logits[rows, group.IO] - logits[rows, group.S]).sum()
    torch.testing.assert_close(scores.direct, total / (2 * N - 2), atol=1e-10, rtol=0)


def test_copying_is_attention_put_on_IO_by_hand(model: Any) -> None:
    """Oracle: the value of the IO token alone, from the value projection, through the head's output and unembedding."""
    groups = prompts()
    adapter = adapt(model)
    scores = head_scores(adapter, groups)
    L, H = model.config.num_hidden_layers, model.config.num_attention_heads
    names = sorted({int(t) for group in groups for t in (*group.IO, *group.S)})
    count = torch.zeros(L, H, dtype=torch.float64)
    for group in groups:
        seen = observe(adapter, group.tokens)
        rows, ones = torch.arange(len(group.IO)), torch.ones(len(group.IO), adapter.d_model, dtype=torch.float64)
        # any scale will do: copying is a question of sign
        x = ones + torch.arange(adapter.d_model)
        for layer in range(L):
            for head in range(H):
                value = seen.records[layer].values[rows, head * adapter.n_kv_heads // H, group.IO_at]
                logits = linear_logits(model, written(model, layer, head, value), x)
                for i, IO in enumerate(group.IO.tolist()):
                    others = [float(logits[i, name]) for name in names if name != IO]
                    count[layer, head] += float(logits[i, IO]) > sum(others) / len(others)
    torch.testing.assert_close(scores.copying, count / (2 * N - 2), atol=1e-10, rtol=0)


def test_heads_and_positions_that_are_not_there_are_refused(tiny_model: Callable[..., Path]) -> None:
    """Oracle: the sentences."""
    from transformers import AutoModelForCausalLM

    adapter: Adapter = adapt(AutoModelForCausalLM.from_pretrained(tiny_model("gpt2"), dtype=torch.float64))
    seen = observe(adapter, tokens(2, 1))
    means = mean_outputs(seen)
    for head in ((3, 0), (0, 3), (-1, 0), (0, -1)):
        with pytest.raises(ValueError, match=f"there is no head {head[0]}.{head[1]}; layers are 0 to 2"):
            ablate(adapter, seen, [head], means)
    for at in (T, -T - 1):
        with pytest.raises(ValueError, match=f"the position is {at}; the prompts have {T} tokens"):
            ablate(adapter, seen, [(0, 0)], means, at)
