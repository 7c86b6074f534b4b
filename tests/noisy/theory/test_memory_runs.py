"""The measurements on the linear memory, at sizes that take no time."""

import pytest
import torch

from mechbook.core.presets import replace
from mechbook.noisy.presets import LAPTOP, AlphaVsN, Theorem2
from mechbook.noisy.theory import memory_runs
from mechbook.noisy.theory.memory import noise_singular_value


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))


def test_log_steps_start_at_zero_and_end_at_the_last():
    # Oracle: by hand.
    assert memory_runs.log_steps(100, 3) == [0, 1, 10, 100]


def test_condition_compares_the_measured_spectrum_with_the_derived_one(monkeypatch):
    # Oracle: a spectrum made up with one value 1% off, and losses made up so that one verdict disagrees.
    n, alphas = 3, (0.03, 0.7)
    setup = replace(LAPTOP, alpha_vs_n=AlphaVsN(n=(n,), alphas=alphas, steps=5000))
    sizes = [noise_singular_value(n, 8.0, alpha) for alpha in alphas]
    run = {
        "time": 1e4,
        "values": torch.tensor([[8.0, 8.0, sizes[0] * 1.01], [sizes[1], 8.0, 8.0]]),
        "signal": torch.tensor([8.0, 8.0]),
        "full": torch.tensor([1.0, 1.0]),
        "cut": torch.tensor([0.25, 0.5]),
        "removed": torch.tensor([0.1, 0.1]),
    }
    monkeypatch.setattr(memory_runs, "alpha_vs_n", lambda setup, n, seed: run)
    first, second = memory_runs.condition(setup, n, 0)
    assert first["error"] == pytest.approx(0.01, rel=1e-3) and second["error"] == pytest.approx(0, abs=1e-6)
    assert first["found"] == pytest.approx(sizes[0] * 1.01) and second["found"] == pytest.approx(sizes[1])
    assert (first["helps"], first["predicted"]) == (1, 1) and (second["helps"], second["predicted"]) == (1, 0)
    assert first["ratio"] == pytest.approx(0.25) and first["removed"] == pytest.approx(0.1)


def test_runs_side_by_side_are_those_of_fewer_sets():
    # Oracle: the first set alone; small products may be summed in another order.
    few = replace(LAPTOP, figure_6=replace(LAPTOP.figure_6, sets=1, runs=3, steps=20))
    more = replace(few, figure_6=replace(few.figure_6, sets=2))
    one, other = memory_runs.figure_6(few, 8, 0), memory_runs.figure_6(more, 8, 0)
    assert one["steps"] == other["steps"] and one["loss"].shape[1:] == (5, 3)
    torch.testing.assert_close(one["loss"], other["loss"], atol=1e-12, rtol=1e-12)


def test_the_descent_follows_the_right_flow():
    # Oracle: the flow itself, at a small step size; the printed one is farther off.
    found = memory_runs.theorem_2(replace(LAPTOP, theorem_2=Theorem2(alphas=(0.3,), lr=0.02, steps=2000)))
    assert float((found["a"] - found["right_a"]).abs().max()) < 0.01
    assert float((found["b"] - found["printed_b"]).abs().max()) > 0.05
    assert found["outside"] < 1e-12
