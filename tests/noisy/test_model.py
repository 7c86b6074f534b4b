"""The noisy-recall transformer against loops over positions, and its fast path against the plain forward."""

import math

import pytest
import torch
from torch.nn import functional as F

from mechbook.noisy.fast import before_F2, selected_logits
from mechbook.noisy.model import NoisyConfig, NoisyTransformer

V, T, D = 7, 11, 13
BLOCKS = [("mlp", "mlp"), ("mlp", "linear"), ("linear", "mlp"), ("none", "none")]


def model_of(F1="mlp", F2="mlp", output_matrix=False):
    config = NoisyConfig(V=V, T=T, d=D, F1=F1, F2=F2, output_matrix=output_matrix)
    return NoisyTransformer(config, torch.Generator().manual_seed(3)).double()


def some_input(B=5):
    g = torch.Generator().manual_seed(4)
    return torch.randint(V, (B, T), generator=g), torch.rand(B, T, generator=g) < 0.3


def block(weights, name, y):
    """F(y) neuron by neuron."""
    if f"{name}.W" in weights:
        return weights[f"{name}.W"] @ y
    out = torch.zeros_like(y)
    if f"{name}.W_in" in weights:
        for read, write in zip(weights[f"{name}.W_in"], weights[f"{name}.W_out"].T, strict=True):
            out += write * max(0.0, float(read @ y))
    return out


def logits_of_loop(weights, z):
    """The equations of section 4 for one sequence, position by position."""
    x = [weights["W_E"][k] + weights["P"][t] for t, k in enumerate(z.tolist())]
    for layer in ("1", "2"):
        value = weights["W_V" + layer]
        if "W_O" + layer in weights:
            value = weights["W_O" + layer] @ value
        after = []
        for t in range(len(x)):
            scores = [float(x[t] @ weights["W_KQ" + layer] @ x[s]) / math.sqrt(D) for s in range(t + 1)]
            total = sum(math.exp(score) for score in scores)
            h = sum(math.exp(score) / total * (value @ x[s]) for s, score in enumerate(scores))
            y = x[t] + h
            after.append(y + block(weights, "F" + layer, y))
        x = after
    return torch.stack([weights["W_U"] @ v for v in x])


@pytest.mark.parametrize("blocks", BLOCKS)
@pytest.mark.parametrize("output_matrix", [False, True])
def test_forward_equals_the_loop(blocks, output_matrix):
    """Oracle: sums over positions and neurons, in float64 to 1e-10, for every choice of blocks."""
    model = model_of(*blocks, output_matrix)
    z, _ = some_input(2)
    weights = dict(model.state_dict())
    expected = torch.stack([logits_of_loop(weights, row) for row in z])
    torch.testing.assert_close(model(z), expected, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("blocks", BLOCKS)
@pytest.mark.parametrize("output_matrix", [False, True])
def test_fast_path_equals_the_plain_forward(blocks, output_matrix):
    """Oracle: the plain forward; logits and every gradient, in float64 to 1e-10."""
    model = model_of(*blocks, output_matrix)
    z, select = some_input()
    targets = torch.randint(V, (int(select.sum()),), generator=torch.Generator().manual_seed(5))
    results = []
    for logits in (selected_logits(model, z, select), model(z)[select]):
        model.zero_grad()
        F.cross_entropy(logits, targets).backward()
        results.append((logits.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad}))
    torch.testing.assert_close(results[0][0], results[1][0], atol=1e-10, rtol=1e-10)
    assert set(results[0][1]) == {n for n, _ in model.named_parameters()} - {"W_E", "P", "W_U"}
    for name, gradient in results[1][1].items():
        assert float(gradient.abs().max()) > 0
        torch.testing.assert_close(results[0][1][name], gradient, atol=1e-10, rtol=1e-8)


def test_what_F2_reads_and_layer_2_s_attention_equal_the_trace():
    """Oracle: the trace's stream after layer 2's attention, and its map's rows, in float64 to 1e-10."""
    model = model_of()
    z, select = some_input()
    y, attention = before_F2(model, z, select)
    trace = model.trace(z)
    torch.testing.assert_close(y, trace.streams[3][select], atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(attention, trace.attention[1][select], atol=1e-10, rtol=1e-10)


def test_initial_scales():
    """Oracle: the variance of N(0, 1), and (1 / fan in) / 3 of a uniform, within 5 standard errors; bounds are kept."""
    d = 101
    model = NoisyTransformer(NoisyConfig(V=97, T=89, d=d), torch.Generator().manual_seed(1))
    for name, p in model.named_parameters():
        n, expected = p.numel(), 1.0 if name in ("W_E", "P") else 1 / (3 * p.shape[1])
        # var of a sample variance: (kurtosis - 1) / n, kurtosis 3 for the normal and 1.8 for the uniform
        error = expected * ((2.0 if expected == 1.0 else 0.8) / n) ** 0.5
        assert abs(float(p.detach().double().square().mean()) - expected) <= 5 * error, name
        if expected != 1.0:
            assert float(p.detach().abs().max()) <= 1 / p.shape[1] ** 0.5
    assert model.F1.W_in.shape == (4 * d, d) and model.F2.W_out.shape == (d, 4 * d)


def test_only_embeddings_positions_and_unembedding_are_frozen():
    """Oracle: section 4: W_E and W_U fixed at random initialization; positions as in the code."""
    model = model_of("mlp", "linear")
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {"W_E", "P", "W_U"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"d": 0}, "d is 0; it must be at least 1"),
        ({"F1": "gelu"}, "F1 is 'gelu'; it must be 'mlp', 'linear' or 'none'"),
        ({"F2": "MLP"}, "F2 is 'MLP'"),
    ],
)
def test_impossible_settings_are_refused_in_a_sentence(changes, words):
    """Oracle: the sentence."""
    config = NoisyConfig(V=V, T=T, d=D)
    # past the types that the tests check at every call, as a reader's own call is
    for name, value in changes.items():
        object.__setattr__(config, name, value)
    with pytest.raises(ValueError, match=words):
        config.__post_init__()


def test_too_many_positions_are_refused():
    """Oracle: the sentence, on both paths."""
    model = model_of()
    z = torch.zeros(2, T + 1, dtype=torch.int64)
    for run in (model, lambda z: selected_logits(model, z, z == 0)):
        with pytest.raises(ValueError, match="12 positions; this model has 11"):
            run(z)
