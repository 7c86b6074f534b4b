"""The small GPT-NeoX: its weights at the start, and that nothing else is drawn."""

import math

import pytest
import torch
from torch import nn

from mechbook.pretrained.small_neox import SmallNeoXConfig, small_neox

CONFIG = SmallNeoXConfig(N=61, T=13, d=20, n_layers=3, n_heads=5)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_initial_weights_are_normal_biases_zero_and_norms_one() -> None:
    """Oracle: N(0, 0.02^2) to 4.5 standard errors of mean and variance, over all matrices; constants elsewhere."""
    model = small_neox(CONFIG, generator(1))
    matrices = torch.cat([p.detach().flatten() for p in model.parameters() if p.ndim == 2]).double() / 0.02
    n = len(matrices)
    assert abs(float(matrices.mean())) < 4.5 / math.sqrt(n)
    assert abs(float(matrices.square().mean()) - 1) < 4.5 * math.sqrt(2 / n)
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            assert bool((module.weight == 1).all()) and bool((module.bias == 0).all())
        elif isinstance(module, nn.Linear) and module.bias is not None:
            assert bool((module.bias == 0).all())


def test_the_generator_decides_and_torch_s_own_stream_is_left_alone() -> None:
    """Oracle: equal streams, equal weights; the global stream's next numbers."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (small_neox(CONFIG, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    for a, b, c in zip(first.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.ndim < 2 or not torch.equal(a, c)


def test_sizes_and_names_are_pythia_s() -> None:
    """Oracle: the shapes by hand; the logits of a causal model do not see later tokens."""
    model = small_neox(CONFIG, generator(1))
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    assert shapes["gpt_neox.layers.2.mlp.dense_h_to_4h.weight"] == (80, 20)
    assert shapes["gpt_neox.layers.0.mlp.dense_4h_to_h.weight"] == (20, 80)
    assert shapes["gpt_neox.layers.1.attention.query_key_value.weight"] == (60, 20)
    assert shapes["lm_head.weight"] == (61, 20) and model.config.use_parallel_residual
    tokens = torch.randint(61, (3, 13), generator=generator(2))
    changed = tokens.clone()
    changed[:, 7:] = (changed[:, 7:] + 1) % 61
    with torch.no_grad():
        a, b = model(tokens).logits, model(changed).logits
    torch.testing.assert_close(a[:, :7], b[:, :7])
    assert not torch.allclose(a[:, 7:], b[:, 7:])


def test_impossible_sizes_are_refused() -> None:
    """Oracle: the sentences."""
    with pytest.raises(ValueError, match="the number of heads must divide d"):
        SmallNeoXConfig(N=61, T=13, d=20, n_heads=3)
    with pytest.raises(ValueError, match="n_layers is 0"):
        SmallNeoXConfig(N=61, T=13, n_layers=0)
