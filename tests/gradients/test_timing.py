"""Measurements that are kept: what they are kept by, and that they come back."""

from mechbook.gradients.presets import LAPTOP
from mechbook.gradients.single_memory import ignores_position, optimum
from mechbook.gradients.timing import key, timed


def test_a_measurement_is_made_once_and_comes_back_with_its_seconds(tmp_path, monkeypatch):
    """Oracle: the function itself, and the seconds, which no second measurement would have to the last digit."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    first, again = (timed(ignores_position, LAPTOP.ignored, range(2)) for _ in range(2))
    assert first.results == [ignores_position(LAPTOP.ignored, seed) for seed in range(2)]
    assert again == first and first.seconds > 0


def test_all_that_decides_a_measurement_is_in_its_key(monkeypatch):
    """Oracle: keys of two that differ in one thing."""
    one = key(optimum, LAPTOP.optimum, [0, 1], 8)
    assert key(optimum, LAPTOP.optimum, [0, 1], 8) == one
    assert key(optimum, LAPTOP.optimum, [0, 2], 8) != one
    assert key(optimum, LAPTOP.optimum, [0, 1], 16) != one
    assert key(ignores_position, LAPTOP.optimum, [0, 1], 8) != one
    assert key(optimum, LAPTOP.one_step, [0, 1], 8) != one
    monkeypatch.setenv("MECHBOOK_SEED", "1")
    assert key(optimum, LAPTOP.optimum, [0, 1], 8) != one
