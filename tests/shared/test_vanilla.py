"""The vanilla transformer: against torch's own encoder layer, its two attention paths, its initial scales."""

import math

import pytest
import torch
from torch import nn

from mechbook.shared.vanilla import VanillaConfig, VanillaTransformer

N, T, B = 7, 11, 3


def build(seed=0, **changes):
    config = VanillaConfig(**(dict(N=N, T=T, d=12, n_heads=3, d_mlp=17) | changes))
    return VanillaTransformer(config, torch.Generator().manual_seed(seed)).double()


def tokens(length=T):
    return torch.randint(N, (B, length), generator=torch.Generator().manual_seed(9))


def shake(model):
    """Move LayerNorm's parameters off 1 and 0, so that a test sees them."""
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "norm" in name:
                p.add_(torch.randn(p.shape, generator=generator, dtype=p.dtype) * 0.3)
    return model


def as_torch_layer(block, d, hidden):
    layer = nn.TransformerEncoderLayer(
        d, block.n_heads, hidden, dropout=0.0, activation="relu", batch_first=True, norm_first=True, dtype=torch.float64
    )
    with torch.no_grad():
        layer.self_attn.in_proj_weight.copy_(torch.cat([block.W_Q, block.W_K, block.W_V]))
        layer.self_attn.in_proj_bias.zero_()
        layer.self_attn.out_proj.weight.copy_(block.W_O)
        layer.self_attn.out_proj.bias.zero_()
        layer.linear1.weight.copy_(block.W_in)
        layer.linear1.bias.copy_(block.b_in)
        layer.linear2.weight.copy_(block.W_out)
        layer.linear2.bias.copy_(block.b_out)
        layer.norm1.load_state_dict(block.norm_1.state_dict())
        layer.norm2.load_state_dict(block.norm_2.state_dict())
    return layer


@pytest.mark.parametrize("n_heads", [1, 3])
def test_logits_and_gradients_match_torchs_encoder_layer(n_heads):
    # Oracle: torch.nn.TransformerEncoderLayer with a causal mask, pre-LayerNorm, float64, 1e-10.
    model = shake(build(n_heads=n_heads))
    z = tokens()
    x = model.W_E[z] + model.P
    mask = nn.Transformer.generate_square_subsequent_mask(T, dtype=torch.float64)
    for block in model.blocks:
        x = as_torch_layer(block, 12, 17)(x, src_mask=mask, is_causal=True)
    expected = model.norm(x) @ model.W_U.T
    torch.testing.assert_close(model(z), expected, atol=1e-10, rtol=1e-10)
    mine, reference = (
        torch.autograd.grad(logits.square().sum(), [model.W_E, model.P]) for logits in (model(z), expected)
    )
    for a, b in zip(mine, reference, strict=True):
        torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("n_heads", [1, 3])
def test_written_out_attention_gives_the_same_logits(n_heads):
    # Oracle: the forward pass, which never forms a map; and maps that are causal distributions.
    model = shake(build(n_heads=n_heads, n_layers=3))
    z = tokens()
    trace = model.trace(z)
    torch.testing.assert_close(trace.logits, model(z), atol=1e-10, rtol=1e-10)
    assert len(trace.attention) == 3 and len(trace.streams) == 4
    for attention in trace.attention:
        assert attention.shape == (B, n_heads, T, T)
        torch.testing.assert_close(attention.sum(-1), torch.ones(B, n_heads, T).double(), atol=1e-12, rtol=0)
        assert bool((attention.triu(1) == 0).all())
    torch.testing.assert_close(model.norm(trace.streams[-1]) @ model.W_U.T, trace.logits, atol=1e-12, rtol=0)


def test_each_head_reads_and_writes_its_own_block():
    # Oracle: silencing head 1 by its columns of W_O equals silencing it by its rows of W_V, and nothing else does.
    model = build()
    z = tokens()
    plain = model(z)
    by_output, by_value, other = build(), build(), build()
    with torch.no_grad():
        by_output.blocks[0].W_O[:, 4:8] = 0
        by_value.blocks[0].W_V[4:8] = 0
        other.blocks[0].W_V[8:] = 0
    torch.testing.assert_close(by_output(z), by_value(z), atol=1e-12, rtol=0)
    assert (by_output(z) - plain).abs().max() > 1e-4 and (by_output(z) - other(z)).abs().max() > 1e-4


def test_everything_is_trained():
    # Oracle: every parameter has a gradient that is not zero.
    model = build()
    model(tokens()).logsumexp(-1).square().sum().backward()
    assert all(p.grad is not None and bool((p.grad != 0).any()) for p in model.parameters())


def test_initial_scales():
    # Oracle: standard deviations of the stated distributions within 5 standard errors; the uniform's bounds.
    model = build(N=103, T=107, d=96, d_mlp=None, position_std=0.4)
    assert model.config.hidden == 384

    def relative_error(p, std):
        return abs(p.std().item() / std - 1) * math.sqrt(2 * p.numel())

    assert relative_error(model.W_E, 1.0) < 5 and relative_error(model.P, 0.4) < 5
    block = model.blocks[1]
    for p in (model.W_U, block.W_Q, block.W_K, block.W_V, block.W_O, block.W_in, block.W_out):
        bound = p.shape[1] ** -0.5
        assert relative_error(p, bound / math.sqrt(3)) < 5 and p.abs().max() <= bound
    assert block.b_in.abs().max() <= 96**-0.5 and block.b_out.abs().max() <= 384**-0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(n_heads=5), "d is 12; it must be a multiple of n_heads = 5."),
        (dict(n_heads=0), "n_heads is 0; it must be at least 1."),
        (dict(d_mlp=0), "d_mlp is 0; it must be at least 1."),
        (dict(n_layers=0), "n_layers is 0; it must be at least 1."),
        (dict(position_std=0.0), "position_std is 0.0; it must be > 0."),
    ],
)
def test_impossible_settings_are_refused_in_one_sentence(changes, message):
    # Oracle: the sentence.
    with pytest.raises(ValueError) as caught:
        VanillaConfig(**(dict(N=N, T=T, d=12) | changes))
    assert str(caught.value) == message


def test_longer_sequences_are_refused():
    # Oracle: the sentence.
    model = build()
    for run in (model, model.trace):
        with pytest.raises(ValueError, match="the sequences have 12 positions; this model has 11"):
            run(tokens(12))
