"""The factors of Theorem 3's memories against sums and against counted sequences."""

import pytest
import torch

from mechbook.core.presets import replace
from mechbook.gradients.attention_lemmas import second_layer_gradient
from mechbook.gradients.presets import LAPTOP
from mechbook.gradients.streams import STREAMS
from mechbook.gradients.task import SingleTriggerTask, sample
from mechbook.gradients.three_steps.counts import W_O2_counts
from mechbook.gradients.three_steps.factors import (
    W_K1_factor,
    W_K2_gap,
    counted_ratio,
    counted_ratio_of_more,
    gamma,
    gamma_in_full,
    spurious_ratio,
    step_two_gap,
    tau,
    without_end,
)
from mechbook.gradients.three_steps.probes import diagonal_gap
from tests.gradients.three_steps.small import generator


def test_tau_is_a_mean_of_tails():
    """Oracle: double sums; t_o uniform on 2..T."""
    for size in (2, 7, 64):
        tails = [sum(1 / t for t in range(s, size + 1)) for s in range(2, size + 1)]
        assert tau(size) == pytest.approx(sum(tails) / (size - 1))


@pytest.mark.parametrize(("n", "t"), [(16, 16), (13, 29)])
def test_spurious_ratio_is_that_of_the_task(n, t):
    """Oracle: the two coefficients over 400,000 sequences, 4 standard errors from ten parts; tau itself is rejected."""
    task, random = SingleTriggerTask(N=n, T=t), generator(3)
    parts = torch.stack([W_O2_counts(sample(task, 40_000, random), n)[:2] for _ in range(10)])
    ratios = torch.tensor([diagonal_gap(p[1]) / diagonal_gap(p[0]) for p in parts])
    error = float(ratios.std()) / 10**0.5
    assert abs(float(ratios.mean()) - spurious_ratio(n, t)) < 4 * error
    assert abs(float(ratios.mean()) - tau(t)) > 4 * error


def test_counted_ratio_is_tau_with_its_small_terms():
    """Oracle: the finite-N formula, 4 standard errors over eight seeds."""
    ratios = torch.tensor([counted_ratio(LAPTOP, seed) for seed in range(8)])
    assert abs(float(ratios.mean()) - spurious_ratio(LAPTOP.N, LAPTOP.T)) < 4 * float(ratios.std()) / 8**0.5


def test_more_sequences_decide_between_tau_and_its_small_terms():
    """Oracle: the finite-N formula, 4 standard errors over five seeds."""
    how = replace(LAPTOP, N=16, T=16, sequences=20_000)
    ratios = torch.tensor([counted_ratio_of_more(how, seed) for seed in range(5)])
    error = float(ratios.std()) / 5**0.5
    assert abs(float(ratios.mean()) - spurious_ratio(16, 16)) < 4 * error < abs(float(ratios.mean()) - tau(16))


def test_gamma_is_its_mean():
    """Oracle: the definition, a double loop over t_o and t."""
    for T in (2, 7, 64):
        terms = [1 / o - sum(1 / t for t in range(o - 1, T + 1)) / T - 1 / T**2 for o in range(2, T + 1)]
        assert gamma(T) == pytest.approx(sum(terms) / (T - 1), rel=1e-12)
    with pytest.raises(ValueError, match="T is 1; a trigger and its output"):
        gamma(1)


def test_the_second_step_s_gap_is_lemma_4_s():
    """Oracle: Lemma 4 on one-hot embeddings, keys the running means; T N / alpha times the diagonal's lead."""
    n, t, alpha, how = 5, 7, 1e-6, replace(LAPTOP.gap, vocabularies=(3, 5), sequences=10_000)
    sequences = sample(SingleTriggerTask(N=n, T=t), 10_000, STREAMS.generator("second step's gap", 0, n))
    x = torch.eye(n, dtype=torch.float64)[sequences.z]
    one = torch.eye(n, dtype=torch.float64)
    keys = x.cumsum(1) / torch.arange(1, t + 1)[:, None]
    table = -second_layer_gradient(x, keys, x[:, -1], sequences.y, one, alpha * one)
    assert W_K2_gap(t, how, 0, n) == pytest.approx(diagonal_gap(table) * t * n / alpha, rel=1e-6)


def test_the_gap_is_gamma_in_full_up_to_terms_of_order_one_over_n():
    """Oracle: the closed form: within 3/N and 4 standard errors over four seeds, at T = 16; gamma itself is refused."""
    for n in (32, 128):
        found = torch.tensor([step_two_gap(LAPTOP, seed, n, short=True) for seed in range(4)])
        error = 4 * float(found.std()) / 2
        assert abs(float(found.mean()) - 1) < 3 / n + error
    assert float(found.mean()) * gamma_in_full(16) / gamma(16) - 1 > 3 / n + error


def test_the_gap_is_taken_at_the_length_that_is_asked_for():
    """Oracle: `W_K2_gap` at T = 16 and T = 9 from as many sequences, over gamma in full there."""
    how = replace(LAPTOP, T=9, gap=replace(LAPTOP.gap, sequences=10_000))
    assert step_two_gap(how, 1, 32) == pytest.approx(W_K2_gap(9, how.gap, 1, 32) / gamma_in_full(9))
    short = replace(how.gap, sequences=20_000)
    assert step_two_gap(how, 1, 32, short=True) == pytest.approx(W_K2_gap(16, short, 1, 32) / gamma_in_full(16))


def test_what_falls_as_one_over_n_is_extrapolated_away():
    """Oracle: 1 + 3/N and 2 - 5/N, by hand; and the sentence."""
    assert without_end(64, 1 + 3 / 64, 256, 1 + 3 / 256) == pytest.approx(1)
    assert without_end(2, 2 - 5 / 2, 7, 2 - 5 / 7) == pytest.approx(2)
    with pytest.raises(ValueError, match="few is 7 and many is 7; they must have 1 <= few < many."):
        without_end(7, 1.0, 7, 1.0)


def test_counted_ratio_follows_the_preset():
    """Oracle: tau grows with T by more than the sampling's noise."""
    short, long = (counted_ratio(replace(LAPTOP, T=T, sequences=20_000), 0) for T in (9, 64))
    assert long > short + 0.1


def test_the_factor_is_the_right_one_and_not_the_printed_one():
    """Oracle: 1 - 1/N up to 2/N against (T - 1)/T = 0.9375, four seeds."""
    values = torch.tensor([W_K1_factor(LAPTOP.factor, seed, 128) for seed in range(4)])
    error = float(values.std()) / 2
    assert abs(float(values.mean()) - (1 - 1 / 128)) < 2 / 128 + 4 * error
    assert float(values.mean()) - 15 / 16 > 4 * error


def test_impossible_sizes_are_refused():
    """Oracle: the sentences."""
    with pytest.raises(ValueError, match="T is 1; a trigger and its output"):
        tau(1)
    with pytest.raises(ValueError, match="N is 2 and T is 7"):
        spurious_ratio(2, 7)
