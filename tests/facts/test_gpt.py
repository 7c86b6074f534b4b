"""The stacked GPT, and int8 rounding."""

import math

import pytest
import torch

from mechbook.facts.gpt import gpt_logits, initial_gpt, parameter_count, quantise_rows
from mechbook.shared.vanilla import VanillaConfig, VanillaTransformer

CONFIG = VanillaConfig(N=13, T=7, d=6, n_layers=2, n_heads=3, d_mlp=11)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stacked(G: int) -> dict[str, torch.Tensor]:
    """Weights in float64, with gains and biases that are not their first values."""
    weights = {name: w.double() for name, w in initial_gpt(CONFIG, G, generator(1)).items()}
    for number, name in enumerate(sorted(weights)):
        if "norm" in name or ".b_" in name:
            weights[name] += torch.randn(weights[name].shape, generator=generator(number), dtype=torch.float64) / 2
    return weights


def test_each_model_of_a_stack_is_the_vanilla_transformer() -> None:
    """Oracle: VanillaTransformer with one model's weights, in float64."""
    weights, z = stacked(3), torch.randint(13, (3, 5, 7), generator=generator(2))
    found = gpt_logits(weights, z, CONFIG)
    single = VanillaTransformer(CONFIG, generator(0)).double()
    assert single.state_dict().keys() == weights.keys()
    for g in range(3):
        single.load_state_dict({name: w[g] for name, w in weights.items()})
        torch.testing.assert_close(found[g], single(z[g]).detach(), rtol=0, atol=1e-10)
    assert parameter_count(weights) == sum(p.numel() for p in single.parameters())


def test_shorter_sequences_are_read_and_longer_ones_refused() -> None:
    """Oracle: causality, a prefix gives the same logits; the sentence."""
    weights, z = stacked(2), torch.randint(13, (2, 5, 7), generator=generator(2))
    torch.testing.assert_close(
        gpt_logits(weights, z[..., :4], CONFIG), gpt_logits(weights, z, CONFIG)[:, :, :4], rtol=0, atol=1e-10
    )
    with pytest.raises(ValueError, match="the sequences have 8 positions; this model has 7."):
        gpt_logits(weights, torch.zeros(2, 1, 8, dtype=torch.int64), CONFIG)


def test_initial_sizes() -> None:
    """Oracle: the standard deviations of the docstring, to 4 standard errors."""
    config = VanillaConfig(N=97, T=89, d=60, n_layers=2, n_heads=3)
    deep = 2.0
    expected = {"W_E": 0.3, "P": 0.3, "W_U": 60**-0.5, "blocks.1.W_Q": 60**-0.5, "blocks.1.W_O": 60**-0.5 / deep}
    expected |= {"blocks.0.W_in": 60**-0.5, "blocks.0.W_out": 240**-0.5 / deep}
    weights = initial_gpt(config, 2, generator(1))
    for name, std in expected.items():
        assert abs(float(weights[name].std()) - std) < 4 * std / math.sqrt(2 * weights[name].numel()), name


def test_rows_become_at_most_255_levels() -> None:
    """Oracle: a loop over rows; the error is at most half a level, and a row of zeros stays."""
    rows = torch.randn(2, 5, 7, generator=generator(1), dtype=torch.float64)
    rows[1, 3] = 0.0
    rounded = quantise_rows({"W": rows})["W"]
    for before, after in zip(rows.flatten(0, 1), rounded.flatten(0, 1), strict=True):
        scale = max(abs(v) for v in before.tolist()) / 127
        levels = [round(v / scale) if scale else 0 for v in before.tolist()]
        assert after.tolist() == pytest.approx([level * scale for level in levels], abs=1e-12)
    assert float((rounded - rows).abs().max()) <= float(rows.abs().max()) / 127 / 2 + 1e-12
    assert not torch.equal(rounded, rows)
