"""Memory recall against loops, memories built to be right or wrong, and a closed form for the divergence."""

import math

import pytest
import torch

from mechbook.induction.construction import induction_head
from mechbook.shared.embeddings import orthonormal_embeddings
from mechbook.shared.recall import (
    feed_forward_kl,
    induction_memory_maps,
    memory_map,
    memory_recall,
    previous_token_recall,
    recall_W_K1,
    recall_W_K2,
    recall_W_O2,
)
from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def untrained(seed=3):
    config = SimplifiedConfig(N=7, T=11, d=13)
    return SimplifiedTransformer(config, torch.Generator().manual_seed(seed)).double()


def best(scores):
    return max(range(len(scores)), key=lambda j: scores[j])


@pytest.mark.parametrize("weighted", [False, True])
def test_memory_recall_is_equation_9(weighted):
    # Oracle: equation (9) as a loop over pairs, a matrix that is neither all right nor all wrong, unequal dimensions.
    n, d_in, d_out = 23, 11, 17
    keys, values = random(n, d_in, seed=1), random(n, d_out, seed=2)
    W = values.T @ keys + 9 * random(d_out, d_in, seed=3)
    weights = random(n, seed=4).abs() if weighted else None
    hits = [float(best([(values[j] @ W @ keys[i]).item() for j in range(n)]) == i) for i in range(n)]
    w = [1.0] * n if weights is None else weights.tolist()
    expected = sum(a * b for a, b in zip(hits, w, strict=True)) / sum(w)
    assert 0.1 < expected < 0.9
    assert memory_recall(W, keys, values, weights).item() == pytest.approx(expected, abs=1e-12)


def test_memory_recall_counts_what_was_stored():
    # Oracle: orthonormal memories with two of five pairs exchanged: 3/5; targets that follow the exchange: 1.
    keys, values = orthonormal_embeddings([5, 5], 11, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    stored = torch.tensor([0, 3, 2, 1, 4])
    W = values[stored].T @ keys
    assert memory_recall(W, keys, values).item() == pytest.approx(3 / 5)
    assert memory_recall(W, keys, values, targets=stored).item() == 1.0
    assert memory_recall(W, keys, values, torch.tensor([0.0, 1.0, 0.0, 1.0, 2.0])).item() == pytest.approx(0.5)


def test_memory_map_entries():
    # Oracle: v_j . W u_i one entry at a time; numbers of keys and values differ.
    W, keys, values = random(5, 3, seed=6), random(7, 3, seed=7), random(11, 5, seed=8)
    table = memory_map(W, keys, values)
    assert table.shape == (11, 7)
    for j, i in ((0, 0), (10, 6), (3, 5)):
        assert table[j, i].item() == pytest.approx((values[j] @ (W @ keys[i])).item(), abs=1e-12)


@pytest.mark.parametrize("window", [None, (1, 4), (5, 11), (10, 11)])
def test_previous_token_recall_matches_a_loop(window):
    # Oracle: for each query position the best of the keys up to and including it.
    T, d = 11, 13
    P = random(T, d, seed=9)
    W = P[1:].T @ P[:-1] + 6 * random(d, d, seed=10)
    start, stop = window or (1, T)
    hits = [best([(P[t] @ W @ P[s]).item() for s in range(t + 1)]) == t - 1 for t in range(start, stop)]
    assert previous_token_recall(W, P, window).item() == pytest.approx(sum(hits) / len(hits), abs=1e-12)


def test_previous_token_recall_ignores_the_future_and_knows_its_direction():
    # Oracle: a memory whose best key overall lies in the future is still right; one that
    # stores the next position, and a little of the same one, is wrong.
    (P,) = orthonormal_embeddings([7], 11, generator=torch.Generator().manual_seed(11), dtype=torch.float64)
    previous = P[1:].T @ P[:-1]
    ahead = P[:-2].T @ P[2:]
    assert previous_token_recall(previous + 5 * ahead, P).item() == 1.0
    assert previous_token_recall(previous.T + 0.1 * P.T @ P, P).item() == 0.0


@pytest.mark.parametrize("window", [(0, 5), (5, 5), (3, 12)])
def test_windows_outside_the_positions_are_refused(window):
    # Oracle: the sentence.
    with pytest.raises(ValueError, match="it must hold positions between 1 and 11"):
        previous_token_recall(torch.eye(13), torch.ones(11, 13), window)


def test_recall_of_the_models_matrices_matches_loops():
    # Oracle: section 4.2's associations one token at a time on noisy memories; W_K2's with w_E(k) as the query.
    model = untrained()
    with torch.no_grad():
        remapped = model.W_E @ (model.W_O1 @ model.W_V1).T
        model.W_K2.add_(model.W_E.T @ remapped, alpha=0.02)
        model.W_O2.add_(model.W_U.T @ (model.W_E @ model.W_V2.T), alpha=0.3)
        model.W_K1.add_(model.P[1:].T @ model.P[:-1], alpha=0.05)
    hit_K2, hit_O2 = [], []
    for k in range(7):
        w = model.W_E[k]
        hit_K2.append(best([(w @ model.W_K2 @ model.W_O1 @ model.W_V1 @ model.W_E[j]).item() for j in range(7)]) == k)
        hit_O2.append(best([(model.W_U[j] @ model.W_O2 @ model.W_V2 @ w).item() for j in range(7)]) == k)
    assert recall_W_K2(model).item() == pytest.approx(sum(hit_K2) / 7)
    assert recall_W_O2(model).item() == pytest.approx(sum(hit_O2) / 7)
    assert 0 < sum(hit_K2) < 7 and 0 < sum(hit_O2) < 7
    chosen, weights = [6, 2, 3], torch.tensor([0.2, 0.5, 0.9])
    expected = sum(w * hit_K2[k] for w, k in zip(weights.tolist(), chosen, strict=True)) / 1.6
    assert recall_W_K2(model, torch.tensor(chosen), weights).item() == pytest.approx(expected, abs=1e-6)
    assert recall_W_K1(model, (2, 7)) == previous_token_recall(model.W_K1, model.P, (2, 7))


def test_constructed_head_has_full_recall_on_its_triggers_only():
    # Oracle: equation (7) stores the triggers in Q and nothing else.
    triggers = (1, 4)
    model = induction_head(7, 11, 401, triggers=triggers, generator=torch.Generator().manual_seed(12))
    assert recall_W_K1(model) == recall_W_O2(model) == recall_W_K2(model, torch.tensor(triggers)) == 1.0
    assert recall_W_K2(model) < 0.9


def test_memory_maps_of_a_constructed_head():
    # Oracle: diagonals of eq. (7) stand out at the constructed scale: queries, and outputs, are rows.
    settings = dict(triggers=(1, 3), scales=(1.0, 1.0, 1.0), embeddings="orthonormal")
    model = induction_head(5, 7, 401, generator=torch.Generator().manual_seed(13), **settings)
    maps = induction_memory_maps(model)
    previous = torch.diag(torch.ones(6), -1)
    torch.testing.assert_close(maps["W_K1"] / math.sqrt(401), previous, atol=1e-4, rtol=0)
    torch.testing.assert_close(maps["W_O2"], torch.eye(5), atol=0.3, rtol=0)
    stored = torch.diag(torch.tensor([0.0, 1, 0, 1, 0]))
    torch.testing.assert_close(maps["W_K2"] / math.sqrt(401), stored, atol=0.4, rtol=0)
    assert maps["W_K2"].diagonal()[[0, 2, 4]].abs().max() < 1e-2 * math.sqrt(401)


def test_feed_forward_kl_matches_torch_and_closed_forms():
    # Oracle: torch's kl_div row by row; log N - H for a uniform prediction; a row with zeros is finite.
    W_F, W_E, W_U = random(13, 13, seed=14), random(7, 13, seed=15), random(7, 13, seed=16)
    pi_b = random(7, 7, seed=17).abs()
    pi_b[2, 3] = pi_b[5, 0] = 0.0
    pi_b = pi_b / pi_b.sum(1, keepdim=True)
    rows = [
        torch.nn.functional.kl_div((W_U @ (W_F @ W_E[k])).log_softmax(0), pi_b[k], reduction="sum") for k in range(7)
    ]
    expected = torch.stack(rows)
    torch.testing.assert_close(feed_forward_kl(W_F, W_E, W_U, pi_b), expected.mean(), atol=1e-12, rtol=1e-12)
    weights = random(7, seed=18).abs()
    weighted = (expected * weights).sum() / weights.sum()
    torch.testing.assert_close(feed_forward_kl(W_F, W_E, W_U, pi_b, weights), weighted, atol=1e-12, rtol=1e-12)
    entropy = torch.special.entr(pi_b).sum(1).mean()
    uniform = feed_forward_kl(torch.zeros_like(W_F), W_E, W_U, pi_b)
    torch.testing.assert_close(uniform, math.log(7) - entropy, atol=1e-12, rtol=1e-12)
