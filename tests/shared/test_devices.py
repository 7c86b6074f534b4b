"""Nothing is pinned to the CPU: models and probes run on torch's shape-only device, and on an accelerator if any.

On "meta" a tensor has no values: reading one, or a shape that depends on one, raises. That is the oracle.
"""

import pytest
import torch

from mechbook.induction import metrics
from mechbook.induction import probes_attention as attention
from mechbook.shared import recall, vanilla_recall
from mechbook.shared.bigrams import sample, shakespeare_task
from mechbook.shared.shakespeare import load_counts
from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer
from mechbook.shared.simplified_fast import selected_logits
from mechbook.shared.vanilla import VanillaConfig, VanillaTransformer

ACCELERATORS = ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available()
TASK = shakespeare_task(T=23, K=3)


def everything(device):
    """Every model and probe at once, as a list of tensors on `device`."""
    generator = torch.Generator().manual_seed(0)
    batch = sample(TASK, 5, generator, device=device)
    assert batch.z.device.type == device
    pi_b, weights = load_counts().pi_b.float().to(device), load_counts().pi_u.float().to(device)
    results = []
    for feed_forward in ("none", "after_layer_2", "before_attention"):
        config = SimplifiedConfig(N=65, T=23, d=29, feed_forward=feed_forward)
        model = SimplifiedTransformer(config, generator).to(device)
        trace = model.trace(batch.inputs)
        results += [model(batch.inputs), *trace.attention, *trace.streams]
        results += [metrics.in_context_accuracy(trace.logits, batch), metrics.in_context_loss(trace.logits, batch)]
        results += [metrics.global_loss(trace.logits, batch)]
        for each in trace.attention:
            results += [attention.previous_token_mass(each), attention.entropy(each)]
            results += [attention.induction_mass(each, batch.inputs, batch.in_context)]
            results += [attention.induction_mass(each, batch.inputs)]
        results += [recall.recall_W_K1(model), recall.recall_W_K1(model, (1, 6)), recall.recall_W_O2(model)]
        results += [recall.recall_W_K2(model), recall.recall_W_K2(model, weights=weights)]
        results += recall.induction_memory_maps(model).values()
        if feed_forward != "none":
            results.append(recall.feed_forward_kl(model.W_F, model.W_E, model.W_U, pi_b))
    vanilla = VanillaTransformer(VanillaConfig(N=65, T=23, d=28, n_heads=4), generator).to(device)
    trace = vanilla.trace(batch.inputs)
    results += [vanilla(batch.inputs), *trace.attention, *trace.streams]
    results += [vanilla_recall.vanilla_recall_W_K1(vanilla), vanilla_recall.vanilla_recall_W_O2(vanilla)]
    results += [vanilla_recall.vanilla_recall_W_K2(vanilla), vanilla_recall.vanilla_recall_W_K2(vanilla, weights)]
    return results


def test_models_and_probes_run_without_values():
    # Oracle: the meta device raises on any value read; shapes are those of the run on the CPU.
    shapes = [tuple(result.shape) for result in everything("cpu")]
    on_meta = everything("meta")
    assert all(result.is_meta for result in on_meta)
    assert [tuple(result.shape) for result in on_meta] == shapes


@pytest.mark.parametrize("device", ACCELERATORS or ["cpu"])
def test_models_and_probes_agree_on_the_accelerator(device):
    # Oracle: the same numbers on the CPU, float32 rounding apart (a machine with no accelerator repeats the CPU).
    for there, here in zip(everything(device), everything("cpu"), strict=True):
        torch.testing.assert_close(there.cpu(), here, atol=1e-2, rtol=1e-2, equal_nan=True)


@pytest.mark.parametrize("device", ACCELERATORS or ["cpu"])
def test_fast_step_runs_where_the_model_is(device):
    # Oracle: the plain forward on the same device.
    generator = torch.Generator().manual_seed(0)
    batch = sample(TASK, 5, generator, device=device)
    model = SimplifiedTransformer(SimplifiedConfig(N=65, T=23, d=29), generator).to(device)
    logits = selected_logits(model, batch.inputs, batch.in_context)
    assert logits.device.type == device
    torch.testing.assert_close(logits, model(batch.inputs)[batch.in_context], atol=1e-3, rtol=1e-3)
