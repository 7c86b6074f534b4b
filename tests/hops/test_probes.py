"""Probes of hop transformers. Oracles: numpy's least squares, the hand-built model, loops over queries."""

import numpy as np
import pytest
import torch

from mechbook.hops.construction import four_hops_in_two_layers, hop_construction
from mechbook.hops.probes import (
    first_layer,
    fit_probe,
    keys_of_hops,
    keys_of_two_layers,
    landings_of_hops,
    mass_on,
    probe_accuracy,
    readable,
)
from mechbook.hops.task import draw_composition, hop_targets, sample_sigma


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_probe_is_ridge_regression_on_indicators() -> None:
    """Oracle: numpy's least squares on the same rows with sqrt(m ridge) I below them; weights to 1e-10."""
    m, d, n, ridge = 67, 5, 3, 0.05
    x, y = torch.randn(m, d, generator=generator(1)), torch.randint(n, (m,), generator=generator(2))
    rows = np.vstack([np.column_stack([x.double().numpy(), np.ones(m)]), np.sqrt(m * ridge) * np.eye(d + 1)])
    wanted = np.vstack([np.eye(n)[y.numpy()], np.zeros((d + 1, n))])
    expected = torch.from_numpy(np.linalg.lstsq(rows, wanted, rcond=None)[0])
    W = fit_probe(x, y, n=n, ridge=ridge)
    torch.testing.assert_close(W, expected, rtol=0, atol=1e-10)
    right = (rows[:m] @ expected.numpy()).argmax(1) == y.numpy()
    assert 0.3 < right.mean() < 0.9
    assert probe_accuracy(W, x, y) == pytest.approx(right.mean())


def test_what_the_hand_built_model_holds_is_read_layer_by_layer() -> None:
    """Oracle: the construction holds 2^(l-1) hops after layer l, and no more; 4 hops of 3 values are read by chance."""
    n, k = 3, 4
    task = draw_composition(n, k, generator(3))
    sigma = sample_sigma(task, 400, generator(4))
    streams = hop_construction(task).trace(sigma.reshape(400, -1)).streams
    found = readable(streams, hop_targets(task, sigma, (1, 2, 4)).reshape(400, n * k, 3), n=n)
    assert found.shape == (4, 3)
    assert [first_layer(found[:, hop]) for hop in range(3)] == [1, 2, 3]
    assert bool((found[:, 0][1:] == 1).all()) and float(found[2, 1]) == 1.0 and float(found[3, 2]) == 1.0
    assert abs(float(found[2, 2]) - 1 / 3) < 0.1


def test_the_probe_is_tested_on_what_it_was_not_fitted_to() -> None:
    """Oracle: chance; with random targets and as many features as tokens, only the fitted half can be right."""
    stream = torch.randn(10, 7, 40, generator=generator(5))
    targets = torch.randint(2, (10, 7, 1), generator=generator(6))
    assert float(readable([stream], targets, n=2)[0, 0]) < 0.75


def test_first_layer_counts_from_the_embedding() -> None:
    """Oracle: by hand."""
    assert first_layer(torch.tensor([0.95, 1.0])) == 0
    assert first_layer(torch.tensor([0.2, 0.9, 0.91])) == 2
    assert first_layer(torch.tensor([0.2, 0.3, 0.4])) == 3


def test_keys_and_landings_are_those_of_a_walk() -> None:
    """Oracle: a loop over queries and hops."""
    n, k = 3, 5
    task = draw_composition(n, k, generator(7))
    sigma = sample_sigma(task, 4, generator(8))
    reads, lands = keys_of_hops(task, sigma), landings_of_hops(task, sigma)
    for b in range(4):
        for i in range(k):
            for y in range(n):
                value = y
                for r in range(k):
                    at = (i + r) % k
                    assert int(lands[b, i * n + y, r]) == at * n + value
                    hidden = int(task.pi[at, value])
                    assert int(reads[b, i * n + y, r]) == at * n + hidden
                    value = int(sigma[b, at, hidden])


def test_keys_of_two_layers_are_those_that_the_hand_built_layer_looks_at() -> None:
    """Oracles: a loop over queries by their definition; the attention of the three heads written by hand."""
    task = draw_composition(3, 5, generator(11))
    sigma = sample_sigma(task, 4, generator(12))
    keys = keys_of_two_layers(task, sigma)
    for b in range(4):
        for i in range(5):
            for y in range(3):
                here, forth, back = keys[b, i * 3 + y].tolist()
                assert here == i * 3 + int(task.pi[i, y])
                assert forth == (i + 1) % 5 * 3 + int(task.pi[(i + 1) % 5, sigma[b, i, y]])
                assert back // 3 == (i - 1) % 5
                carried = int(sigma[b, (i - 1) % 5, back % 3])
                assert int(task.pi[i, carried]) == y
    attention = four_hops_in_two_layers(task).trace(sigma.reshape(4, -1)).attention[0]
    assert bool((mass_on(attention, keys).diagonal() > 0.999).all())


def test_masses_are_means_over_queries() -> None:
    """Oracle: a loop."""
    B, H, T, K = 2, 3, 5, 4
    attention = torch.rand(B, H, T, T, generator=generator(9)).softmax(-1)
    keys = torch.randint(T, (B, T, K), generator=generator(10))
    found = mass_on(attention, keys)
    for h in range(H):
        for key in range(K):
            masses = [attention[b, h, t, keys[b, t, key]] for b in range(B) for t in range(T)]
            assert float(found[h, key]) == pytest.approx(float(sum(masses)) / len(masses), abs=1e-6)


def test_a_ridge_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="ridge is 0.0; it must be positive."):
        x, y = torch.zeros(2, 1), torch.zeros(2, dtype=torch.long)
        fit_probe(x, y, n=2, ridge=0.0)
