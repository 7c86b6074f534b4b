"""Capacity searches by their settings: what they search, against loops, and what they find."""

import math
from itertools import pairwise

import pytest
import torch

from mechbook.core.presets import replace
from mechbook.core.training import stopping
from mechbook.memories.capacity import (
    CapacityResult,
    CapacitySettings,
    SearchSettings,
    TrainedSearches,
    linear_settings,
    mlp_settings,
    outer_capacity,
    outer_settings,
    outer_settings_by_M,
    predicted_outer_capacity,
    quantile_of_one,
    slope,
    solve_log,
)
from mechbook.memories.parts import Linear, Outer
from mechbook.memories.presets import LAPTOP, PAPER
from mechbook.memories.trained import MemoryTrainingSettings, train_memory
from mechbook.shared.capacity_search import capacity_by_bisection


def test_searches_are_those_of_the_preset():
    """Oracle: by hand; seeds, dimensions, memories of each, and the largest numbers tried."""
    outer, shared = outer_settings(LAPTOP).searches, outer_settings(LAPTOP, shared=True).searches
    assert len(outer) == 3 * (7 * 16 + 4 * 4) and {each.M for each in outer} == {None}
    assert len(shared) == 3 * (3 * 16 + 6 * 4) and {(each.M, each.high / each.d) for each in shared} == {(8, 2)}
    linear = linear_settings(LAPTOP, shared=True)
    assert [(each.seed, each.d, each.high, each.guess) for each in linear.searches[6:8]] == [
        (0, 64, 2048, 192), (1, 8, 256, 24),
    ]  # fmt: skip
    assert linear.training == MemoryTrainingSettings(lr=1.0, steps=400, enough=0.99)
    assert max(each.d for each in linear_settings(PAPER).searches) == 256
    mlp = mlp_settings(PAPER)
    assert {each.width // each.d for each in mlp.searches} == {1, 2, 4, 8}
    assert max(each.d for each in mlp.searches) == 181 and {each.seed for each in mlp.searches} == set(range(5))
    assert mlp.training == MemoryTrainingSettings(lr=0.03, steps=6000, enough=0.99)


def test_a_run_finds_each_memory_s_capacity_and_is_kept(tmp_path, monkeypatch):
    """Oracle: bisection with one memory trained at a time; a second run has the seconds of the first."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    monkeypatch.setenv("MECHBOOK_THREADS", "1")
    setup = replace(
        LAPTOP,
        seeds=2,
        linear_steps=60,
        linear=Linear(d=(5, 7), lr=1.0),
        outer=Outer(d=(5, 7), d_shared=(5, 7), few=1, many=2),
    )
    made = linear_settings(setup)
    first = made.run()
    tasks = TrainedSearches(made.searches, made.training)

    def passes(number, N):
        return train_memory(tasks.task(number, N), tasks.starts[number], made.training)[0] >= 0.99

    wanted = [
        capacity_by_bisection(lambda N, i=i: passes(i, N), search.numbers()) for i, search in enumerate(made.searches)
    ]
    assert first.found == wanted and made.run() == first
    outer = outer_settings(setup, shared=True)
    assert outer.run().found == [outer_capacity(search, 0.99) for search in outer.searches]


def test_stopped_searches_go_on_to_the_same_capacities(tmp_path, monkeypatch):
    """Oracle: the searches in one go, and how often memories are trained."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "one"))
    spec = linear_settings(replace(LAPTOP, seeds=2, linear_steps=60, linear=Linear(d=(5, 7), lr=1.0)))
    called, asked, train = [], [], TrainedSearches.pass_together

    def counted(searches, tried):
        called.append(tried)
        if asked and len(called) == 2:
            asked[0].ask()
        return train(searches, tried)

    monkeypatch.setattr(TrainedSearches, "pass_together", counted)
    plain, whole = spec.run(), list(called)
    called.clear()
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "other"))
    with stopping.at(None) as stop, pytest.raises(stopping.Stopped) as stopped:
        asked.append(stop)
        spec.run()
    assert stopped.value.step == 2 and stopped.value.path.exists()
    asked.clear()
    assert spec.run().found == plain.found
    assert called == whole and not stopped.value.path.exists()


def test_a_training_that_stops_elsewhere_is_refused():
    """Oracle: the sentence."""
    with pytest.raises(ValueError, match="enough is 0.9, and 0.99 in the training; both must be the same recall"):
        CapacitySettings(searches=(), enough=0.9, training=MemoryTrainingSettings(lr=1.0, steps=1))


def test_slopes_are_those_of_logarithms():
    """Oracle: an exact power law."""
    d = [16, 32, 128]
    assert slope(d, [5 * x**1.3 for x in d]) == pytest.approx(1.3, abs=1e-12)


@pytest.mark.parametrize("M", [None, 3])
def test_outer_capacity_is_the_last_number_that_is_stored(M):
    """Oracle: the recall at every number, by hand; the one found passes and the next does not."""
    search = SearchSettings(d=23, seed=0, M=M, low=1, high=90, ratio=1.001)
    found = outer_capacity(search, 0.99)
    keys, values, _ = search.embeddings()

    def errors(N):
        f = [i % (M or N) for i in range(N)]
        W = sum(torch.outer(values[f[i]], keys[i]) for i in range(N))
        used = values if M else values[:N]
        return sum(int((used @ (W @ keys[i])).argmax()) != f[i] for i in range(N))

    assert errors(found) == 0 < errors(found + 1)


def test_trained_searches_use_one_set_of_embeddings_for_every_number():
    """Oracle: tasks of N and N + 1 pairs share the first N keys and values."""
    searches = [SearchSettings(d=5, seed=1, low=2, high=40, M=M, width=w) for M, w in ((None, None), (3, None))]
    tasks = TrainedSearches(searches, MemoryTrainingSettings(lr=1.0, steps=400))
    few, more = tasks.task(0, 7), tasks.task(0, 8)
    assert torch.equal(few.keys, more.keys[:7]) and torch.equal(few.values, more.values[:7])
    assert tasks.task(1, 8).values.shape == (3, 5) and tasks.task(1, 8).targets.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


def test_capacities_are_gathered_by_seed_and_size():
    """Oracle: the geometric mean of replicates by hand."""
    of = [SearchSettings(d=d, seed=s, low=1, high=9, replicate=r) for s in (0, 1) for d in (3, 5) for r in (0, 1)]
    made = CapacitySettings(searches=tuple(of), enough=0.99)
    found = CapacityResult(made, [2, 8, 3, 3, 1, 4, 5, 20], 1.0)
    assert found.sizes() == [(3, None), (5, None)]
    assert found.by_seed() == [pytest.approx([4, 3]), pytest.approx([2, 10])]


def test_solve_log_inverts_n_log_n():
    """Oracle: the inequality on both sides."""
    for value in (5.0, 100.0, 12_345.6):
        N = solve_log(value)
        assert N * math.log(N) <= value < (N + 1) * math.log(N + 1)


def test_a_predicted_capacity_of_many_dimensions_is_not_lost_to_rounding():
    """Oracle: growth as d^2 over a logarithm; a recall above 1 by rounding made the mean of errors negative, and 1."""
    found = [predicted_outer_capacity(d, None, 0.99) for d in (512, 1024, 2048)]
    assert all(3.2 < more / fewer < 4.2 for fewer, more in pairwise(found))


def test_the_predicted_capacity_is_the_median_of_measured_ones():
    """Oracle: 41 memories; half of them within a factor that the sign test allows (15 of 41 either side)."""
    d = 17
    predicted = predicted_outer_capacity(d, None, 0.99)
    found = [outer_capacity(SearchSettings(d=d, seed=0, low=1, high=80, replicate=r), 0.99) for r in range(41)]
    assert sum(N < 0.8 * predicted for N in found) <= 26 and sum(N > 1.25 * predicted for N in found) <= 26
    assert sorted(found)[20] == pytest.approx(predicted, rel=0.35)


def test_capacities_by_the_number_of_values_are_those_of_shared_values():
    """Oracle: at M = 8 the very searches of `outer_settings`; the union bound's quantile by hand, 1.645 for 1 in 20."""
    setup = replace(LAPTOP, outer=replace(LAPTOP.outer, d=(8, 16), d_shared=(64, 128), d_M=128, M=(2, 8)))
    by_M = outer_settings_by_M(setup)
    shared = [each for each in outer_settings(setup, shared=True).searches if each.d == 128]
    assert list(by_M) == [2, 8] and list(by_M[8].searches) == shared and {each.M for each in by_M[2].searches} == {2}
    assert quantile_of_one(2, 0.95) == pytest.approx(1.645, abs=1e-3)
    assert quantile_of_one(6, 0.75) == quantile_of_one(2, 0.95)
    with pytest.raises(ValueError, match="M is 1; with fewer than 2 values nothing can be wrong"):
        quantile_of_one(1, 0.99)


def test_patience_multiplies_the_steps_and_nothing_else():
    """Oracle: the same searches of the chosen dimensions."""
    patient, plain = linear_settings(LAPTOP, patient=True), linear_settings(LAPTOP)
    assert patient.training == replace(plain.training, steps=4000)
    assert list(patient.searches) == [each for each in plain.searches if each.d in (16, 32)]
