"""Chapter 2's runs of Theorem 3, at small sizes."""

import pytest
import torch

from mechbook.core import settings
from mechbook.gradients import three_steps_runs as steps
from mechbook.gradients.task import SingleTriggerBatch, SingleTriggerTask, sample
from mechbook.gradients.three_steps import predict, spurious_ratio
from mechbook.gradients.three_steps_run import ThreeStepSettings

SMALL = ThreeStepSettings(N=17, T=13, d=512, sequences=20_000)


def test_a_run_stores_memory_after_memory():
    """Oracle: Theorem 3: a recall is 1 from its step on and at chance before; the accuracy comes last."""
    run = steps.run(0, how=SMALL, test_sequences=4_000)
    for name, place in (("W_O2", 1), ("W_K2", 2), ("W_K1_early", 3)):
        values = [probe[name] for probe in run.probes]
        assert max(values[:place]) < 0.6 and min(values[place:]) == 1.0
    assert run.probes[3]["accuracy"] > 0.8 > 0.3 > run.probes[2]["accuracy"]
    assert run.position_in_query < run.probes[3]["accuracy"]
    assert run.attention[2]["q"] > run.attention[2]["o"] and run.attention[3]["o"] > 0.8
    assert 0.5 < run.spurious_ratio < 1.1


def test_accuracy_by_first_occurrence_averages_to_the_accuracy():
    """Oracle: the probability-weighted mean, and a loop for one position."""
    run = steps.run(0, how=SMALL, test_sequences=4_000)
    batch = steps.test_batch(0, SMALL, 4_000)
    right = predict(run.models[3], batch)[0].argmax(1) == batch.y
    share = torch.bincount(batch.first, minlength=12) / 4_000
    assert float((share * run.by_first).sum()) == pytest.approx(run.probes[3]["accuracy"], abs=1e-6)
    assert float(run.by_first[0]) == pytest.approx(float(right[batch.first == 0].double().mean()))


def test_previous_scores_have_the_predicted_size():
    """Oracle: the corrected factor of B.3.3 up to O(1/N), with no free parameter; crosstalk at d = 512 is below 10%."""
    how = ThreeStepSettings(N=61, T=13, d=2048, sequences=50_000)
    run = steps.run(0, how=how, test_sequences=100)
    t = torch.arange(2, 14, dtype=torch.float64)
    found = run.previous_scores().diagonal(-1)
    expected = steps.predicted_previous(t, 13) * (1 - 1 / 61)
    assert abs(float((found / expected)[1:-1].mean()) - 1) < 0.05


def test_the_factor_is_the_right_one_and_not_the_printed_one():
    """Oracle: 1 - 1/N up to 2/N against (T - 1)/T = 0.9375, four seeds."""
    values = torch.tensor([steps.W_K1_factor(seed, N=128) for seed in range(4)])
    error = float(values.std()) / 2
    assert abs(float(values.mean()) - (1 - 1 / 128)) < 2 / 128 + 4 * error
    assert float(values.mean()) - 15 / 16 > 4 * error


def test_counted_ratio_is_tau_with_its_small_terms():
    """Oracle: the finite-N formula, 4 standard errors over eight seeds."""
    how = steps.standard()
    ratios = torch.tensor([steps.counted_ratio(seed) for seed in range(8)])
    assert abs(float(ratios.mean()) - spurious_ratio(how.N, how.T)) < 4 * float(ratios.std()) / 8**0.5


def test_bag_of_words_guesses_the_most_frequent_other_token():
    """Oracle: three sequences by hand: right, wrong, and a tie that goes to the lower number."""
    z = torch.tensor([[1, 2, 2, 0, 1], [3, 0, 0, 4, 3], [4, 2, 1, 0, 4]])
    batch = SingleTriggerBatch(z=z, first=torch.tensor([0, 0, 0]), y=torch.tensor([2, 4, 0]))
    assert steps.bag_of_words_accuracy(batch, 5) == pytest.approx(2 / 3)


def test_the_full_model_has_the_same_matrices_and_fails():
    """Oracle: with the first layer's output and positions in every vector the accuracy is far from the proof's."""
    run = steps.run(0, how=SMALL, test_sequences=500)
    assert steps.in_full_model(run.models[3], steps.test_batch(0, SMALL, 300)) < run.probes[3]["accuracy"] - 0.3


def test_a_small_W_K2_in_step_3_is_scaled_up_afterwards():
    """Oracle: linearised, the gap inside step 3 does not matter (spec of the theory), so the accuracy is the same."""
    values = [
        steps.run(0, how=ThreeStepSettings(N=17, T=13, d=512, sequences=20_000, gap_W_K2=gap)).probes[3]["accuracy"]
        for gap in (0.3, 30.0)
    ]
    assert abs(values[0] - values[1]) < 0.03 and min(values) > 0.8


def test_settings_differ_by_scale(monkeypatch):
    """Oracle: the table of the module."""
    assert (steps.standard().N, steps.standard(d=64).d) == (64, 64)
    monkeypatch.setenv("MECHBOOK_SCALE", "paper")
    assert steps.standard().N == 128


def test_batches_for_testing_are_fresh():
    """Oracle: another stream than the steps'."""
    task = SingleTriggerTask(N=17, T=13)
    steps_data = sample(task, 100, settings.generator(2, 9, 0, 512, 1))
    assert not torch.equal(steps.test_batch(0, SMALL, 100).z, steps_data.z)
