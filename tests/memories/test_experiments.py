"""The experiments of chapter 1: their settings, and what they measure against loops."""

import math

import pytest
import torch

from mechbook.core import settings
from mechbook.memories import capacity as memory_capacity
from mechbook.memories import experiments as memories
from mechbook.memories import forms as memory_forms
from mechbook.memories import memory


def test_seeds_and_sizes_grow_at_the_paper_scale(monkeypatch):
    """Oracle: 3 and 5 seeds; trained memories up to d = 64 and 256, MLPs up to 181."""
    assert list(memories.seeds()) == [0, 1, 2]
    assert max(each.d for each in memory_capacity.linear_searches()) == 64
    monkeypatch.setenv("MECHBOOK_SCALE", "paper")
    assert len(memories.seeds()) == 5
    assert max(each.d for each in memory_capacity.linear_searches()) == 256
    assert max(each.d for each in memory_capacity.mlp_searches()) == 181
    assert {each.width // each.d for each in memory_capacity.mlp_searches()} == {1, 2, 4, 8}


def test_other_seeds_give_other_numbers_and_the_book_s_seed_shifts_them(monkeypatch):
    """Oracle: equality of repeated calls; inequality of others."""
    first = memories.filter_recall(0, 512)
    assert memories.filter_recall(0, 512) == first != memories.filter_recall(1, 512)
    monkeypatch.setenv("MECHBOOK_SEED", "1")
    assert memories.filter_recall(0, 512) != first


def test_inner_products_are_measured_over_pairs_of_different_embeddings():
    """Oracle: the loop over pairs for d = 16."""
    from mechbook.shared.embeddings import random_embeddings

    u = random_embeddings(1000, 16, std=0.25, generator=settings.generator(1, 0, 2, 16)).double()
    total = sum(float((u[i] @ u[i + 1 :].T).square().sum()) for i in range(1000))
    spread, norms = memories.near_orthogonality(2)[16]
    assert spread == pytest.approx(4 * math.sqrt(total / (1000 * 999 / 2)), rel=1e-5)
    assert norms == pytest.approx(math.sqrt(float(((u.norm(dim=1) - 1) ** 2).mean())), rel=1e-5)


def test_remapped_variance_has_the_error_of_a_mean_of_squares():
    """Oracle: x^T W x has variance (d + 2)/d^2 and fourth moment 3 E|x|^8/d^2; the error within 15%."""
    for d, (variance, error) in memories.remapped_variance(1).items():
        moment = (d + 2) * (d + 4) * (d + 6) / d**3
        wanted = math.sqrt((3 * moment / d**2 - ((d + 2) / d**2) ** 2) / 20_000)
        assert error == pytest.approx(wanted, rel=0.15)
        assert abs(variance - (d + 2) / d**2) < 5 * wanted


@pytest.mark.parametrize("M", [None, 10])
def test_crosstalk_counts_wrong_values_alone(M):
    """Oracle: the first memory of the stream by loops over wrong values; the closed form by the text's formula."""
    N, d = memories.CROSSTALK_N, memories.CROSSTALK_D
    _, _, predicted = memories.crosstalk(0, M)
    n = N // (M or N)
    assert predicted == pytest.approx((1 + n) * (1 + 2 / d) / d + (N - 1 - n) / d**2, rel=1e-9)
    s = memories.scores_of(memory.shared_map(N, M), d, settings.generator(1, 2, 0, M or 0)).double()
    wrong = [float(s[i, k]) ** 2 for i in range(N) for k in range(M or N) if k != i % (M or N)]
    measured, error, _ = memories.crosstalk(0, M)
    assert abs(sum(wrong) / len(wrong) - measured) < 5 * error * 20


def test_sets_of_the_sum_table_have_the_sum_s_value():
    """Oracle: each token goes with each value once; keys are scaled sums of one of each family."""
    keys, values, targets = memories.sum_table(0)
    n = memories.TOKENS
    table = targets.reshape(n, n)
    for i in range(n):
        assert sorted(table[i].tolist()) == sorted(table[:, i].tolist()) == list(range(n))
    assert int(table[5, 23]) == 28 % n and keys.shape == (n * n, memories.SETS_D) and len(values) == n
    grid = keys.reshape(n, n, -1)
    # a_1 - a_0 does not depend on b
    torch.testing.assert_close(grid[1, 3] - grid[0, 3], grid[1, 7] - grid[0, 7], atol=1e-6, rtol=0)


@pytest.mark.parametrize("scheme", memories.SCHEMES)
def test_zipf_errors_are_those_of_the_weighted_memory(scheme):
    """Oracle: the memory itself, W by `outer_product_memory`, on the same stream."""
    d, g = 16, settings.generator(1, 9, 0, memories.SCHEMES.index(scheme), 16)
    p, f, total = memories.zipf(), memory.shared_map(memories.ZIPF_N, memories.ZIPF_M), 0.0
    assert float(p.sum()) == pytest.approx(1, abs=1e-12) and float(p[0] / p[3]) == pytest.approx(8, rel=1e-9)
    for _ in range(2):
        u = memory.draw_embeddings(memories.ZIPF_N, d, generator=g, unit_norm=True)
        v = memory.draw_embeddings(memories.ZIPF_M, d, generator=g, unit_norm=True)
        W = memory.outer_product_memory(u, v, f, memories.stored_weights(scheme, d).float())
        wrong = memory.scores(W, u, v).argmax(1) != f
        total += float((p * wrong).sum()) / 2
    # sums in another order may turn a tie
    assert memories.zipf_error(0, scheme, d, draws=2) == pytest.approx(total, abs=1e-3)


def test_fitted_exponents_are_slopes():
    """Oracle: an exact power law."""
    d = [16, 32, 128]
    assert memories.fitted_exponent(d, [3 * x**-0.7 for x in d]) == pytest.approx(0.7, abs=1e-12)
    assert memory_capacity.slope(d, [5 * x**1.3 for x in d]) == pytest.approx(1.3, abs=1e-12)
    with pytest.raises(ValueError, match="There is no scheme 'q'; they are p, root, top"):
        memories.stored_weights("q", 16)


@pytest.mark.parametrize("M", [None, 3])
def test_outer_capacity_is_the_last_number_that_is_stored(M):
    """Oracle: the recall at every number, by hand; the one found passes and the next does not."""
    search = memory_capacity.Search(d=23, seed=0, M=M, low=1, high=90, ratio=1.001)
    found = memory_capacity.outer_capacity(search)
    keys, values, _ = search.embeddings()

    def errors(N):
        f = [i % (M or N) for i in range(N)]
        W = sum(torch.outer(values[f[i]], keys[i]) for i in range(N))
        used = values if M else values[:N]
        return sum(int((used @ (W @ keys[i])).argmax()) != f[i] for i in range(N))

    assert errors(found) == 0 < errors(found + 1)


def test_trained_searches_use_one_set_of_embeddings_for_every_number():
    """Oracle: tasks of N and N + 1 pairs share the first N keys and values."""
    searches = [memory_capacity.Search(d=5, seed=1, low=2, high=40, M=M, width=w) for M, w in ((None, None), (3, None))]
    tasks = memory_capacity.TrainedSearches(searches, memory_capacity.linear_training())
    few, more = tasks.task(0, 7), tasks.task(0, 8)
    assert torch.equal(few.keys, more.keys[:7]) and torch.equal(few.values, more.values[:7])
    assert tasks.task(1, 8).values.shape == (3, 5) and tasks.task(1, 8).targets.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


def test_capacities_are_gathered_by_seed_and_size():
    """Oracle: the geometric mean of replicates by hand."""
    of = [
        memory_capacity.Search(d=d, seed=s, low=1, high=9, replicate=r) for s in (0, 1) for d in (3, 5) for r in (0, 1)
    ]
    found = memory_capacity.Capacities(of, [2, 8, 3, 3, 1, 4, 5, 20], 1.0)
    assert found.sizes() == [(3, None), (5, None)]
    assert found.by_seed() == [pytest.approx([4, 3]), pytest.approx([2, 10])]


def test_solve_log_inverts_n_log_n():
    """Oracle: the inequality on both sides."""
    for value in (5.0, 100.0, 12_345.6):
        N = memory_capacity.solve_log(value)
        assert N * math.log(N) <= value < (N + 1) * math.log(N + 1)


def test_the_predicted_capacity_is_the_median_of_measured_ones():
    """Oracle: 41 memories; half of them within a factor that the sign test allows (15 of 41 either side)."""
    d = 17
    predicted = memory_capacity.predicted_outer_capacity(d)
    found = [
        memory_capacity.outer_capacity(memory_capacity.Search(d=d, seed=0, low=1, high=80, replicate=r))
        for r in range(41)
    ]
    assert sum(N < 0.8 * predicted for N in found) <= 26 and sum(N > 1.25 * predicted for N in found) <= 26
    assert sorted(found)[20] == pytest.approx(predicted, rel=0.35)


def test_factorised_recall_is_measured_with_the_same_pairs_as_the_full_matrix():
    """Oracle: at d' = d and few pairs both recall nearly all; at d' = 4 the factors do not."""
    rows, full = memories.factorised_recall(0, 64)
    assert len(rows) == len(memories.FACTORS) and rows[-1] > 0.99 and full > 0.99 and rows[0] < 0.5
    assert memory_forms.predicted_factorised_recall(64, memories.FACTORISED_D, 4) == pytest.approx(rows[0], abs=0.1)
