"""The hand-built model. Oracle: the targets of the task; the attention it is meant to have, from the same weights."""

import math

import pytest
import torch

from mechbook.hops.construction import four_hops_in_two_layers, hop_construction
from mechbook.hops.task import draw_composition, hop_targets, sample_sigma


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("n", "k"), [(5, 1), (5, 2), (5, 4), (3, 8), (7, 8), (2, 16)])
def test_every_power_of_two_is_exact(n: int, k: int) -> None:
    """Oracle: `hop_targets` for 1, 2, 4, ..., k hops, at every token of 50 sequences, no answer wrong."""
    task = draw_composition(n, k, generator(k))
    sigma = sample_sigma(task, 50, generator(n))
    model = hop_construction(task)
    assert model.config.n_layers == int(math.log2(k)) + 1
    hops = [2**m for m in range(model.config.n_layers)]
    targets = hop_targets(task, sigma, hops).reshape(50, k * n, len(hops))
    assert torch.equal(model(sigma.reshape(50, -1)).argmax(-1), targets)


def test_the_right_key_has_the_share_of_the_docstring() -> None:
    """Oracle: a softmax with one key that leads all others by beta at least."""
    n, k, beta = 5, 4, 7.0
    task = draw_composition(n, k, generator(1))
    sigma = sample_sigma(task, 9, generator(2))
    trace = hop_construction(task, beta=beta).trace(sigma.reshape(9, -1))
    reached = hop_targets(task, sigma, (1, 2))
    t = torch.arange(k * n)
    i, y = t // n, t % n
    keys = [(i * n + task.pi[i, y]).expand(9, -1)]
    keys += [((i + ahead) % k * n) + reached[..., m].reshape(9, -1) for m, ahead in enumerate((1, 2))]
    for attention, right in zip(trace.attention, keys, strict=True):
        share = attention[:, 0].gather(2, right[..., None])
        assert float(share.min()) >= 1 / (1 + (k * n - 1) * math.exp(-beta)) - 1e-6
    # in layer 1 every other key scores 0: the share is the bound itself
    first = trace.attention[0][:, 0].gather(2, keys[0][..., None])
    torch.testing.assert_close(first, torch.full_like(first, 1 / (1 + (k * n - 1) * math.exp(-beta))))


def test_other_hidden_permutations_make_it_wrong() -> None:
    """Oracle: chance; the permutations are in the weights, so those of another task do not fit."""
    task, other = (draw_composition(7, 4, generator(seed)) for seed in (3, 4))
    sigma = sample_sigma(task, 50, generator(5))
    found = hop_construction(other)(sigma.reshape(50, -1))[:, :, -1].argmax(-1)
    accuracy = (found == hop_targets(task, sigma, (4,)).reshape(50, -1)).float().mean()
    assert float(accuracy) < 0.3


@pytest.mark.parametrize("k", [3, 6])
def test_k_must_be_a_power_of_two(k: int) -> None:
    with pytest.raises(ValueError, match=f"k is {k}; hops are doubled here, so it must be a power of two"):
        hop_construction(draw_composition(5, k, generator(0)))


def test_beta_must_be_positive() -> None:
    with pytest.raises(ValueError, match="beta is 0.0; it must be positive."):
        hop_construction(draw_composition(5, 4, generator(0)), beta=0.0)


@pytest.mark.parametrize(("n", "k"), [(5, 4), (7, 4), (3, 5), (2, 7)])
def test_two_layers_can_do_four_hops(n: int, k: int) -> None:
    """Oracle: `hop_targets`, at every token of 50 sequences, no answer wrong."""
    task = draw_composition(n, k, generator(k))
    sigma = sample_sigma(task, 50, generator(n))
    model = four_hops_in_two_layers(task)
    assert model.config.n_layers == 2
    found = model(sigma.reshape(50, -1))[:, :, 0].argmax(-1)
    assert torch.equal(found, hop_targets(task, sigma, (4,)).reshape(50, -1))


@pytest.mark.parametrize(
    ("k", "beta", "words"),
    [(3, 1.0, "k is 3; for 4 hops there must be 4 positions or more."), (4, 0.0, "beta is 0.0; it must be positive.")],
)
def test_two_layers_need_four_positions_and_a_positive_beta(k: int, beta: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        four_hops_in_two_layers(draw_composition(5, k, generator(0)), beta=beta)
