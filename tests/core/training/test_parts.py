"""Parts of a run, taken in order. Oracle: a list of who was computed."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mechbook.core.training import stopping
from mechbook.core.training.parts import Parts


def computing(done: list[int], number: int) -> Callable[[], dict[str, object]]:
    def compute() -> dict[str, object]:
        done.append(number)
        return {"number": number, "tensor": torch.tensor([number / 3], dtype=torch.float64)}

    return compute


@pytest.mark.parametrize("seconds", [0.0, None])
def test_a_part_is_computed_once_though_its_process_ends(tmp_path: Path, seconds: float | None) -> None:
    done: list[int] = []
    parts = Parts(tmp_path / "state", {"run": 1}, seconds=seconds)
    for number in range(3):
        parts.take(computing(done, number))
    # a process that is killed here has kept what was done when the last part began
    again = Parts(tmp_path / "state", {"run": 1}, seconds=seconds)
    kept = 2 if seconds == 0 else 0
    found = [again.take(computing(done, number)) for number in range(5)]
    assert done == [0, 1, 2, *range(kept, 5)]
    assert [row["number"] for row in found] == list(range(5))
    assert all(torch.equal(row["tensor"], torch.tensor([n / 3], dtype=torch.float64)) for n, row in enumerate(found))
    assert again.seconds >= again.before >= 0
    again.over()
    assert not (tmp_path / "state").exists()


def test_it_stops_between_parts(tmp_path: Path) -> None:
    done: list[int] = []
    parts = Parts(tmp_path / "state", {"run": 1})
    with stopping.at(None) as stop:
        parts.take(computing(done, 0))
        stop.ask()
        with pytest.raises(stopping.Stopped) as stopped:
            parts.take(computing(done, 1))
    assert done == [0] and stopped.value.step == 1
    again = Parts(tmp_path / "state", {"run": 1})
    assert again.take(computing(done, 0))["number"] == 0 and done == [0]


def test_another_run_s_parts_are_not_taken(tmp_path: Path) -> None:
    parts, done = Parts(tmp_path / "state", {"run": 1}, seconds=0.0), []
    for number in range(2):
        parts.take(computing(done, number))
    with pytest.warns(RuntimeWarning, match="belongs to another run"):
        other = Parts(tmp_path / "state", {"run": 2})
    assert other.done == []


def test_without_a_place_nothing_is_kept() -> None:
    done: list[int] = []
    parts = Parts(None, {"run": 1}, seconds=0.0)
    assert parts.take(computing(done, 0))["number"] == 0
    parts.over()
