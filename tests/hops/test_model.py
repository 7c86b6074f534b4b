"""The hop transformer. Oracle: the equations as loops in float64."""

import math

import pytest
import torch

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
