"""The experiments of chapter 1: what they measure against loops, and their results over seeds."""

import math

import pytest
import torch

from mechbook.core import settings
from mechbook.core.presets import replace
from mechbook.memories import experiments, other_forms, outer_product, plain, zipf
from mechbook.memories.presets import LAPTOP
from mechbook.memories.values import SCHEMES
from mechbook.shared.embeddings import random_embeddings


def test_results_have_an_entry_for_each_seed_and_are_kept(tmp_path, monkeypatch):
    """Oracle: the experiment itself, bit for bit; a second call takes what is kept, seconds included."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    setup = replace(LAPTOP, seeds=2, filter=replace(LAPTOP.filter, N=(64, 128), judged_at=64))
    first = experiments.over_seeds(experiments.filtering, setup)
    assert first.by_seed == [experiments.filtering(setup, seed) for seed in (0, 1)]
    assert experiments.over_seeds(experiments.filtering, setup) == first
    other = experiments.over_seeds(experiments.sets, setup)
    assert other.by_seed == [experiments.sets(setup, seed) for seed in (0, 1)]


def test_other_seeds_give_other_numbers_and_the_book_s_seed_shifts_them(monkeypatch):
    """Oracle: equality of repeated calls; inequality of others."""
    first = experiments.filter_recall(LAPTOP, 0, 512)
    assert experiments.filter_recall(LAPTOP, 0, 512) == first != experiments.filter_recall(LAPTOP, 1, 512)
    monkeypatch.setenv("MECHBOOK_SEED", "1")
    assert experiments.filter_recall(LAPTOP, 0, 512) != first


def test_inner_products_are_measured_over_pairs_of_different_embeddings():
    """Oracle: the loop over pairs for d = 16."""
    u = random_embeddings(1000, 16, std=0.25, generator=settings.generator(1, 0, 2, 16)).double()
    total = sum(float((u[i] @ u[i + 1 :].T).square().sum()) for i in range(1000))
    spread, norms = experiments.near_orthogonality(LAPTOP, 2)[16]
    assert spread == pytest.approx(4 * math.sqrt(total / (1000 * 999 / 2)), rel=1e-5)
    assert norms == pytest.approx(math.sqrt(float(((u.norm(dim=1) - 1) ** 2).mean())), rel=1e-5)


def test_remapped_variance_has_the_error_of_a_mean_of_squares():
    """Oracle: x^T W x has variance (d + 2)/d^2 and fourth moment 3 E|x|^8/d^2; the error within 15%."""
    for d, (variance, error, *norm) in experiments.remapped_variance(LAPTOP, 1).items():
        moment = (d + 2) * (d + 4) * (d + 6) / d**3
        wanted = math.sqrt((3 * moment / d**2 - ((d + 2) / d**2) ** 2) / 20_000)
        assert error == pytest.approx(wanted, rel=0.15)
        assert abs(variance - (d + 2) / d**2) < 5 * wanted
        # of |W x|^2: E|x|^4 2/d + Var|x|^2
        assert abs(norm[0] - 4 * (d + 1) / d**2) < 5 * norm[1] < norm[0] / 2


@pytest.mark.parametrize("M", [None, 10])
def test_crosstalk_counts_wrong_values_alone(M):
    """Oracle: the first memory of the stream by loops over wrong values; the closed form by the text's formula."""
    N, d = LAPTOP.crosstalk.N, LAPTOP.crosstalk.d
    _, _, predicted = experiments.wrong_scores(LAPTOP, 0, M)
    n = N // (M or N)
    assert predicted == pytest.approx((1 + n) * (1 + 2 / d) / d + (N - 1 - n) / d**2, rel=1e-9)
    s = experiments.scores_of(outer_product.shared_map(N, M), d, settings.generator(1, 2, 0, M or 0)).double()
    wrong = [float(s[i, k]) ** 2 for i in range(N) for k in range(M or N) if k != i % (M or N)]
    measured, error, _ = experiments.wrong_scores(LAPTOP, 0, M)
    assert abs(sum(wrong) / len(wrong) - measured) < 5 * error * 20


def test_sets_of_the_sum_table_have_the_sum_s_value():
    """Oracle: each token goes with each value once; keys are scaled sums of one of each family."""
    keys, values, targets = experiments.sum_table(LAPTOP, 0)
    n = LAPTOP.sets.tokens
    table = targets.reshape(n, n)
    for i in range(n):
        assert sorted(table[i].tolist()) == sorted(table[:, i].tolist()) == list(range(n))
    assert int(table[5, 23]) == 28 % n and keys.shape == (n * n, LAPTOP.sets.d) and len(values) == n
    grid = keys.reshape(n, n, -1)
    # a_1 - a_0 does not depend on b
    torch.testing.assert_close(grid[1, 3] - grid[0, 3], grid[1, 7] - grid[0, 7], atol=1e-6, rtol=0)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_zipf_errors_are_those_of_the_weighted_memory(scheme):
    """Oracle: the memory itself, W as a sum of outer products, on the same stream."""
    setup, d = replace(LAPTOP, zipf=replace(LAPTOP.zipf, memories=2)), 16
    g = settings.generator(1, 9, 0, list(SCHEMES).index(scheme), d)
    p, f = zipf.input_probabilities(setup), outer_product.shared_map(setup.zipf.N, setup.zipf.M)
    assert float(p.sum()) == pytest.approx(1, abs=1e-12) and float(p[0] / p[3]) == pytest.approx(8, rel=1e-9)
    weights = zipf.stored_weights(setup, scheme, d).float()
    wanted = [plain.weighted_error(p, f, weights, d, g) for _ in range(2)]
    # sums in another order may turn a tie
    assert zipf.zipf_error(setup, 0, scheme, d) == pytest.approx(sum(wanted) / 2, abs=1e-3)


def test_the_schemes_store_what_they_say():
    """Oracle: by hand; the first M d/part inputs, p and its root relative to the first, and their exponents."""
    setup = replace(LAPTOP, a=2.0, zipf=replace(LAPTOP.zipf, N=50))
    weights = {scheme: zipf.stored_weights(setup, scheme, 64) for scheme in SCHEMES}
    assert weights["top"].tolist() == [1.0] * 10 + [0.0] * 40
    assert weights["p"].tolist() == pytest.approx([x**-2.0 for x in range(1, 51)])
    assert weights["root"].tolist() == pytest.approx([1 / x for x in range(1, 51)])
    exponents = [zipf.derived_exponent(setup, scheme) for scheme in SCHEMES]
    assert exponents == pytest.approx([1 / 4, 1 / 2, 1])


def test_fitted_exponents_are_slopes():
    """Oracle: an exact power law."""
    d = [16, 32, 128]
    assert zipf.fitted_exponent(d, [3 * x**-0.7 for x in d]) == pytest.approx(0.7, abs=1e-12)
    with pytest.raises(ValueError, match="There is no scheme 'q'; they are p, root, top"):
        zipf.stored_weights(LAPTOP, "q", 16)


def test_factorised_recall_is_measured_with_the_same_pairs_as_the_full_matrix():
    """Oracle: at d' = d and few pairs both recall nearly all; at d' = 4 the factors do not."""
    rows, full, strength = experiments.factorised_recall(LAPTOP, 0, 64)
    assert len(rows) == len(LAPTOP.factors.d_prime) and rows[-1] > 0.99 and full > 0.99 and rows[0] < 0.5
    assert strength == pytest.approx(1, abs=0.05)
    assert other_forms.predicted_factorised_recall(64, LAPTOP.factors.d, 4) == pytest.approx(rows[0], abs=0.1)


def test_more_values_than_keys_leave_each_key_its_own():
    """Oracle: the injective map on the same stream, for fewer pairs than values."""
    setup = replace(LAPTOP, d=17, recall=replace(LAPTOP.recall, N=(5, 40)))
    few = experiments.outer_recall(setup, 0, 40)
    generator = settings.generator(1, 3, 0, 40)
    wanted = [outer_product.recall(experiments.scores_of(torch.arange(5), 17, generator)) for _ in range(4)]
    assert few[0] == pytest.approx(sum(wanted) / 4, abs=1e-12) and len(few) == 2


def test_scores_with_unequal_weights_are_held_against_their_own_variances():
    """Oracle: a closed form with the weights left out, the wrong implementation, is refused; the right one passes."""
    setup = replace(LAPTOP, crosstalk=replace(LAPTOP.crosstalk, N=30, d=23, M=6, memories=300))
    for form in experiments.weighted_crosstalk(setup, 0).values():
        for name, wanted in (("wrong", 1.0), ("right", 1.0), ("centre", 0.0)):
            value, error = form[name]
            assert abs(value - wanted) < 5 * error < 0.25, name
    with pytest.MonkeyPatch.context() as patch:
        plain_variance = outer_product.score_variance
        patch.setattr(experiments, "score_variance", lambda f, d, weights: plain_variance(f, d))
        off = experiments.weighted_crosstalk(setup, 0)
    assert all(abs(form["right"][0] - 1) > 5 * form["right"][1] for form in off.values())


def test_step_sizes_are_compared_on_the_same_pairs():
    """Oracle: beyond N = d the best step recalls more than a step of 1, and less than the full matrix."""
    setup = replace(LAPTOP, factors=replace(LAPTOP.factors, d=64, d_prime=(64,), N_steps=(192,), memories=2))
    unit, best, full = experiments.step_sizes(setup, 0)[192]
    assert unit + 0.03 < best < full


def test_sets_of_three_go_through_the_filter_too():
    """Oracle: the number of sets, as many as pairs, all different; a threshold between 2/3 and 1 keeps them apart."""
    setup = replace(LAPTOP, sets=replace(LAPTOP.sets, tokens=12))
    filtered, linear = experiments.own_set_recall(setup, 0, 3)
    assert filtered == 1.0 and linear < 1.0
    assert experiments.own_set_recall(setup, 0) == experiments.own_set_recall(setup, 0, 2)
