"""The hop transformer. Oracle: the equations as loops in float64; one model alone for those that are stacked."""

import math

import pytest
import torch

from mechbook.hops.fast import measure, stack_models, stacked_logits, unstack
from mechbook.hops.model import HopConfig, HopTransformer

SIZES = dict(T=7, N=3, hops=2, N_out=5, d=12, n_layers=2, n_heads=3)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def built(seed: int, **changes) -> HopTransformer:
    """A model with LayerNorms that do something."""
    model = HopTransformer(HopConfig(**{**SIZES, **changes}), generator(seed)).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.add_(torch.randn(parameter.shape, generator=generator(seed + 1)) / 2)
    return model


def normal(x, norm):
    centred = [v - sum(x) / len(x) for v in x]
    deviation = math.sqrt(sum(v * v for v in centred) / len(x) + 1e-5)
    return [v / deviation * w + b for v, w, b in zip(centred, norm.weight.tolist(), norm.bias.tolist(), strict=True)]


def times(W, x):
    return [sum(w * v for w, v in zip(row, x, strict=True)) for row in W.tolist()]


def logits_by_loops(model, z):
    """One sequence through the equations of the docstrings, number by number."""
    config = model.config
    width = config.d // config.n_heads
    x = [[p + e for p, e in zip(model.P[t].tolist(), model.W_E[v].tolist(), strict=True)] for t, v in enumerate(z)]
    for layer in model.layers:
        y = [normal(row, layer.norm) if config.layer_norm else row for row in x]
        q, k, v = ([times(W, row) for row in y] for W in (layer.W_Q, layer.W_K, layer.W_V))
        mixed = [[0.0] * config.d for _ in z]
        for h in range(config.n_heads):
            own = range(h * width, (h + 1) * width)
            for t in range(len(z)):
                seen = range(t + 1) if config.causal else range(len(z))
                powers = [math.exp(sum(q[t][c] * k[s][c] for c in own) / math.sqrt(width)) for s in seen]
                for c in own:
                    mixed[t][c] = sum(p * v[s][c] for p, s in zip(powers, seen, strict=True)) / sum(powers)
        x = [[a + b for a, b in zip(row, times(layer.W_O, m), strict=True)] for row, m in zip(x, mixed, strict=True)]
    y = [normal(row, model.norm) if config.layer_norm else row for row in x]
    return [[times(model.W_R[r], row) for r in range(config.hops)] for row in y]


@pytest.mark.parametrize("changes", [{}, {"causal": True}, {"layer_norm": False}])
def test_the_model_is_its_equations(changes) -> None:
    """Oracle: `logits_by_loops`, float64, 1e-10."""
    model = built(1, **changes)
    z = torch.randint(3, (2, 7), generator=generator(3))
    expected = torch.tensor([logits_by_loops(model, row) for row in z.tolist()], dtype=torch.float64)
    torch.testing.assert_close(model(z), expected, rtol=0, atol=1e-10)


def test_the_trace_holds_together() -> None:
    """Properties: attention adds up to 1, a causal one is zero above the diagonal, streams begin with P + W_E."""
    model = built(4, causal=True)
    z = torch.randint(3, (2, 7), generator=generator(5))
    trace = model.trace(z)
    assert len(trace.attention) == 2 and len(trace.streams) == 3
    for attention in trace.attention:
        torch.testing.assert_close(attention.sum(-1), torch.ones(2, 3, 7, dtype=torch.float64))
        assert not bool(attention.triu(1).any())
    torch.testing.assert_close(trace.streams[0], model.P + model.W_E[z])


def test_readouts_are_drawn_and_not_trained() -> None:
    """Oracle: entries N(0, 1/d): variance within 4 standard errors; no gradient reaches them."""
    model = HopTransformer(HopConfig(T=7, N=31, hops=5, d=64), generator(6))
    entries = model.W_R.numel()
    assert abs(float(model.W_R.var() * 64) - 1) < 4 * math.sqrt(2 / entries)
    assert "W_R" in model.state_dict() and "W_R" not in dict(model.named_parameters())


@pytest.mark.parametrize("changes", [{}, {"causal": True}, {"layer_norm": False}])
def test_stacked_models_are_each_model(changes) -> None:
    """Oracle: each model alone, logits and gradients, float64, 1e-10; three models, batches of two."""
    models = [built(seed, **changes) for seed in (10, 20, 30)]
    z = torch.randint(3, (3, 2, 7), generator=generator(7))
    stack = stack_models(models)
    logits = stacked_logits(stack, models[0].config, z)
    weights = torch.randn(logits.shape, generator=generator(8), dtype=torch.float64)
    (logits * weights).sum().backward()
    for s, model in enumerate(models):
        alone = model(z[s])
        torch.testing.assert_close(logits[s], alone, rtol=0, atol=1e-10)
        (alone * weights[s]).sum().backward()
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(stack[name].grad[s], parameter.grad, rtol=0, atol=1e-10)
        for name, values in model.state_dict().items():
            assert torch.equal(unstack(stack, s)[name], values)


def test_loss_accuracy_and_gradient_of_a_hop() -> None:
    """Oracle: torch's cross-entropy of one model and one hop at a time, its autograd, and argmax; float64, 1e-10."""
    logits = torch.randn(2, 3, 7, 4, 5, generator=generator(11), dtype=torch.float64)
    targets = torch.randint(5, (2, 3, 7, 4), generator=generator(12))
    losses, accuracy, gradient = measure(logits, targets)
    assert gradient.shape == logits.shape
    for s in range(2):
        for hop in range(4):
            given = logits[s, :, :, hop].clone().requires_grad_()
            loss = torch.nn.functional.cross_entropy(given.flatten(0, 1), targets[s, :, :, hop].flatten())
            (slope,) = torch.autograd.grad(loss, given)
            torch.testing.assert_close(losses[s, hop], loss.detach(), rtol=0, atol=1e-10)
            torch.testing.assert_close(gradient[s, :, :, hop], slope, rtol=0, atol=1e-10)
            right = (given.argmax(-1) == targets[s, :, :, hop]).double().mean()
            torch.testing.assert_close(accuracy[s, hop], right, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_heads": 5}, "d = 12 cannot be divided among 5 heads; choose a multiple."),
        ({"n_layers": 0}, "n_layers is 0; it must be 1 or more."),
        ({"hops": 0}, "hops is 0; it must be 1 or more."),
    ],
)
def test_impossible_sizes_are_refused(changes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        HopConfig(**{**SIZES, **changes})


def test_a_sequence_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="The sequence has 6 tokens; this model reads exactly 7."):
        built(9)(torch.zeros(1, 6, dtype=torch.long))


def test_what_cannot_be_stacked_is_refused() -> None:
    with pytest.raises(ValueError, match="There is no model to stack."):
        stack_models([])
    with pytest.raises(ValueError, match="different sizes"):
        stack_models([built(1), built(2, d=15)])
