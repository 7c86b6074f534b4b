"""The measurements of chapter 4's theory, at sizes that take no time, and the closed forms they are held against."""

import math

import numpy as np
import pytest
import torch

from mechbook.noisy.theory import key_query
from mechbook.noisy.theory import memory_runs as memory
from mechbook.noisy.theory import one_step as noisy_theory
from mechbook.noisy.theory.moments import first_step, token_visits, value_gradient_moments
from mechbook.noisy.theory.task import UniformNoisyTask, counts_of, sample_sequences


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))


def test_the_derived_table_is_the_limit_of_the_exact_moments():
    # Oracle: exact moments at N = 1500, T = 400 N: every entry within 2%. They decide about the printed table, too.
    N, T, alpha = 1500, 600_000, 0.3
    exact = value_gradient_moments(UniformNoisyTask(N=N, T=T, alpha=alpha))
    right, printed = noisy_theory.right_table(N, T, alpha), noisy_theory.printed_table(N, T, alpha)
    wrong = set()
    for case, moments in exact.items():
        for which in (0, 1):
            assert abs(right[case][which] / moments[which] - 1) < 0.02, case
            if printed[case][which] is not None and abs(printed[case][which] / moments[which] - 1) > 0.05:
                wrong.add((case[0], which))
    assert wrong == {("noise", 0), ("trigger", 1), ("token", 1)}


def test_printed_variances_have_a_second_moment_of_f_over_n_too_much():
    # Oracle: exact E f_k^2, averaged over outputs, at a large size; the claim the text makes about the misprint.
    N, T, alpha = 1000, 400_000, 0.3
    task = UniformNoisyTask(N=N, T=T, alpha=alpha)
    right, printed = noisy_theory.right_table(N, T, alpha), noisy_theory.printed_table(N, T, alpha)
    v = token_visits(task, 1)
    for case in (("trigger", "token"), ("token", "noise"), ("token", "trigger"), ("token", "token")):
        k = {"noise": N, "trigger": 0, "token": 2}[case[1]]
        assert abs((printed[case][1] - right[case][1]) / (v.second[k, k] / N) - 1) < 0.02


def test_margins_at_a_small_size(monkeypatch):
    # Oracle: exact margins within 4.5 standard errors; the spread of one-step margins is exact moments' within 10%.
    task = UniformNoisyTask(N=7, T=40, alpha=0.5)
    monkeypatch.setattr(noisy_theory, "task_of_theorem_1", lambda: task)
    monkeypatch.setattr(noisy_theory, "sample_sizes", lambda: (1000, 3000))
    found = noisy_theory._margins(0)
    assert found["feed_forward"]["population"] == pytest.approx(0.5 - 0.5 / 7)
    for block in ("feed_forward", "attention"):
        row = found[block]
        assert abs(row["pooled"] - row["population"]) < 4.5 * row["error"]
        assert row["spread"][0] * 1000**0.5 == pytest.approx(row["predicted_spread"], rel=0.2)


def test_measured_gradients_are_the_exact_ones():
    # Oracle: exact moments, within 4.5 standard errors, for each first update.
    task = UniformNoisyTask(N=8, T=60, alpha=0.4, elsewhere=0.02)
    found, exact = key_query.measured(task, 40_000, torch.Generator().manual_seed(1)), key_query.exact(task)
    for name in ("W_F", "W_V", *key_query.DIRECTIONS):
        assert abs(found[name] - exact[name]) < 4.5 * found[f"{name}_error"], name


def test_predictions_are_the_softmax_of_the_feed_forward_s_step():
    # Oracle: torch's softmax.
    step = first_step(UniformNoisyTask(N=6, T=9, alpha=0.7))
    assert np.allclose(noisy_theory.predictions(step), torch.tensor(step.feed_forward).softmax(0).numpy(), atol=1e-14)


def test_needed_length_solves_its_condition():
    # Oracle: the condition itself, alpha (1 - alpha) = 1/x + 1/x^2; and the exact gradient's sign around it at large N.
    for alpha in (0.1, 0.5, 0.8):
        x = key_query.needed_length(alpha)
        assert abs(1 / x + 1 / x**2 - alpha * (1 - alpha)) < 1e-12
    N, x = 3000, key_query.needed_length(0.5)
    for T, sign in ((0.97 * x * N, -1), (1.03 * x * N, 1)):
        assert math.copysign(1, key_query.exact(UniformNoisyTask(N=N, T=int(T), alpha=0.5))["others"]) == sign


def test_the_flip_is_where_frequencies_say():
    # Oracle: frequencies of sampled sequences at the derived point, and (1 - alpha)/N to first order.
    beta = key_query.derived_flip()
    task = key_query.flip_task(beta)
    f = counts_of(task, sample_sequences(task, 20_000, torch.Generator().manual_seed(0))).frequencies.mean(0)
    assert float(f[-1] / (f**2).sum()) == pytest.approx(1, abs=0.05)
    assert beta == pytest.approx(0.5 / task.N, rel=0.05)
    assert key_query.relative_frequency(key_query.flip_task(0.0)) < 0.6


def test_crossing_and_exponent_by_hand():
    # Oracle: a straight line and a power law.
    assert key_query.crossing([1.0, 2.0, 4.0], [-3.0, -1.0, 1.0]) == pytest.approx(3.0)
    with pytest.raises(ValueError, match="do not turn from negative to positive"):
        key_query.crossing([1.0, 2.0], [1.0, 2.0])
    tasks = [UniformNoisyTask(N=N, T=9, alpha=0.5) for N in (8, 16, 64)]
    assert key_query.exponent(tasks, [-3 * task.N**-1.5 for task in tasks]) == pytest.approx(-1.5)


def test_log_steps_start_at_zero_and_end_at_the_last():
    # Oracle: by hand.
    assert memory.log_steps(100, 3) == [0, 1, 10, 100]


def test_condition_compares_the_measured_spectrum_with_the_derived_one(monkeypatch):
    # Oracle: a spectrum made up with one value 1% off, and losses made up so that one verdict disagrees.
    n, alphas = 3, (0.03, 0.7)
    monkeypatch.setattr(memory, "grid", lambda: ((n,), alphas))
    sizes = [memory.noise_singular_value(n, 8.0, alpha) for alpha in alphas]
    run = {
        "time": 1e4,
        "values": torch.tensor([[8.0, 8.0, sizes[0] * 1.01], [sizes[1], 8.0, 8.0]]),
        "signal": torch.tensor([8.0, 8.0]),
        "full": torch.tensor([1.0, 1.0]),
        "cut": torch.tensor([0.25, 0.5]),
        "removed": torch.tensor([0.1, 0.1]),
    }
    monkeypatch.setattr(memory, "alpha_vs_n", lambda n, seed: run)
    first, second = memory.condition(n, 0)
    assert first["error"] == pytest.approx(0.01, rel=1e-3) and second["error"] == pytest.approx(0, abs=1e-6)
    assert first["found"] == pytest.approx(sizes[0] * 1.01) and second["found"] == pytest.approx(sizes[1])
    assert (first["helps"], first["predicted"]) == (1, 1) and (second["helps"], second["predicted"]) == (1, 0)
    assert first["ratio"] == pytest.approx(0.25) and first["removed"] == pytest.approx(0.1)


def test_seeds_and_scales_are_kept_apart(monkeypatch):
    # Oracle: two seeds of the task's small Monte Carlo differ, and asking again gives the same numbers.
    monkeypatch.setattr(noisy_theory, "task_of_table_2", lambda: UniformNoisyTask(N=7, T=12, alpha=0.3))
    monkeypatch.setattr(noisy_theory, "sequences_of_table_2", lambda: 20_000)
    first, second = noisy_theory.table_2(0), noisy_theory.table_2(1)
    assert first == noisy_theory.table_2(0) and first != second
    assert max(abs(z) for row in first.values() for z in row.values()) < 4.5
    monkeypatch.setenv("MECHBOOK_SEED", "1")
    assert noisy_theory.table_2(0) != first


@pytest.mark.parametrize("scale", ["laptop", "paper"])
def test_the_settings_of_both_scales_can_be_had(scale, monkeypatch):
    # Oracle: what the chapter says of them.
    monkeypatch.setenv("MECHBOOK_SCALE", scale)
    sweeps = key_query.lengths()
    assert all(task.T == 4 * task.N for task in sweeps["short"]) and all(task.T == task.N**2 for task in sweeps["long"])
    Ns, Ts = noisy_theory.sizes_of_needs()
    assert Ns[-1] // 8 in Ts and Ns[-1] in Ts
    cut = key_query.needed_length(0.5)
    ratios = [task.T / task.N for task in sweeps["ratio"]]
    assert min(ratios) < cut - 1 and max(ratios) > cut + 2
    assert key_query.flip_task(0.0).N < key_query.flip_task(0.0).T
    assert max(key_query.elsewhere_grid()) > key_query.derived_flip() > key_query.elsewhere_grid()[1]
