"""Look-ups of two layers and what is lost without one. Oracles: loops by definition, the hand-built model, softmax."""

import math

import torch

from mechbook.hops import two_layers
from mechbook.hops.construction import four_hops_in_two_layers
from mechbook.hops.model import HopConfig, HopLayer, HopTransformer
from mechbook.hops.task import Composition, hop_targets, sample_sigma


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_carrier_is_the_token_before_that_carries_one_s_own_value() -> None:
    """Oracle: a loop over queries, which reads sigma at the token that is named."""
    k, n = 5, 3
    sigma = sample_sigma(Composition(torch.zeros(k, n, dtype=torch.long)), 4, generator(1))
    found = two_layers.carriers(sigma)
    assert found.shape == (4, k * n)
    for b in range(4):
        for i in range(k):
            for y in range(n):
                position, u = divmod(int(found[b, i * n + y]), n)
                assert position == (i - 1) % k and int(sigma[b, position, u]) == y


def test_a_layer_that_may_not_look_at_a_key_shares_its_attention_among_the_others() -> None:
    """Oracle: a loop over queries and heads that leaves the key out of the softmax; with no key, the layer itself."""
    T, d, heads = 5, 6, 2
    layer = HopLayer(HopConfig(T=T, N=3, hops=1, d=d, n_layers=1, n_heads=heads), generator(2)).double()
    x = torch.randn(2, T, d, generator=generator(3), dtype=torch.float64)
    keys = torch.randint(T, (2, T), generator=generator(4))
    torch.testing.assert_close(two_layers.layer_without(layer, x, None), layer(x)[0])
    found, width, y = two_layers.layer_without(layer, x, keys), d // heads, layer.norm(x)
    for b in range(2):
        for t in range(T):
            others, mixed = [s for s in range(T) if s != int(keys[b, t])], []
            for h in range(heads):
                rows = slice(h * width, (h + 1) * width)
                q = layer.W_Q[rows] @ y[b, t]
                scores = torch.stack([q @ (layer.W_K[rows] @ y[b, s]) / math.sqrt(width) for s in others])
                mixed.append(scores.softmax(0) @ torch.stack([layer.W_V[rows] @ y[b, s] for s in others]))
            torch.testing.assert_close(found[b, t], x[b, t] + layer.W_O @ torch.cat(mixed))


def test_the_hand_built_model_needs_its_three_look_ups_and_not_the_carrier() -> None:
    """Oracle: by its definition; without any of the three it is no longer right, without the fourth it is.

    The hidden permutations move every value, so that no carrier is a key of the three.
    """
    k, n, B = 4, 5, 50
    task = Composition((torch.arange(n) + torch.arange(1, k + 1)[:, None]) % n)
    sigma = sample_sigma(task, B, generator(5))
    model, right = four_hops_in_two_layers(task), hop_targets(task, sigma, (4,)).reshape(B, k * n)
    z, keys = sigma.reshape(B, -1), two_layers.first_keys(task, sigma)
    assert keys.shape == (B, k * n, len(two_layers.LOOK_UPS))
    accuracy = [
        float((two_layers.logits_without(model, z, closed)[:, :, 0].argmax(-1) == right).double().mean())
        for closed in (None, *keys.unbind(-1))
    ]
    assert accuracy[0] == 1.0 and accuracy[4] == 1.0 and max(accuracy[1:4]) < 0.9


def test_without_a_closed_key_a_trained_model_s_logits_are_its_own() -> None:
    """Oracle: the model's forward pass, with LayerNorm, two heads and two layers."""
    model = HopTransformer(HopConfig(T=12, N=3, hops=4, d=8, n_layers=2, n_heads=2), generator(6))
    z = torch.randint(3, (7, 12), generator=generator(7))
    torch.testing.assert_close(two_layers.logits_without(model, z, None), model(z))
