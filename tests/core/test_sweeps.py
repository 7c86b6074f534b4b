"""Points of a sweep spread over processes and a Dask cluster, against the plain loop; a worker is killed on the way."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from mechbook.core.sweeps import spread

POINTS = list(range(12))


def squares(folder: Path) -> Any:
    """A function that workers get by value, and that notes which process took which point."""

    def square(point: int) -> int:
        import os
        import time

        (folder / f"{point}-{os.getpid()}").touch()
        time.sleep(0.2)
        return point * point

    return square


@pytest.fixture
def cluster() -> Iterator[Any]:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as running:
        yield running


def test_one_process_is_the_loop(tmp_path: Path) -> None:
    assert spread(squares(tmp_path), POINTS) == [point**2 for point in POINTS]
    assert {file.name.split("-")[1] for file in tmp_path.iterdir()} == {str(os.getpid())}


def test_two_processes_give_the_loop_in_its_order_with_this_process_s_threads(tmp_path: Path) -> None:
    """Oracle: the loop."""
    assert spread(squares(tmp_path), POINTS, jobs=2) == [point**2 for point in POINTS]
    pids = {file.name.split("-")[1] for file in tmp_path.iterdir()}
    assert len(pids) == 2 and str(os.getpid()) not in pids
    assert spread(lambda _: torch.get_num_threads(), [1, 2], jobs=2) == [torch.get_num_threads()] * 2


def test_processes_that_are_there_already_follow_the_settings_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the environment of this process, at each of three calls that the same two processes answer."""

    def there(_: int) -> tuple[str | None, str | None]:
        import os

        return os.environ.get("MECHBOOK_CACHE"), os.environ.get("MECHBOOK_SEED")

    assert spread(there, [1, 2], jobs=2) == [(None, None)] * 2
    monkeypatch.setenv("MECHBOOK_CACHE", "one")
    assert spread(there, [1, 2], jobs=2) == [("one", None)] * 2
    monkeypatch.delenv("MECHBOOK_CACHE")
    monkeypatch.setenv("MECHBOOK_SEED", "3")
    assert spread(there, [1, 2], jobs=2) == [(None, "3")] * 2


def test_a_killed_worker_s_points_are_done_again(tmp_path: Path, cluster: Any) -> None:
    """Oracle: the loop; and the killed process, which had taken a point that another one took again."""
    killed: list[str] = []

    def kill_one() -> None:
        while len(list(tmp_path.iterdir())) < 4:
            time.sleep(0.01)
        newest = max(tmp_path.iterdir(), key=lambda file: file.stat().st_mtime)
        killed.append(newest.name.split("-")[1])
        os.kill(int(killed[0]), signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    found = spread(squares(tmp_path), POINTS, cluster=cluster.scheduler_address)
    killer.join()
    assert found == [point**2 for point in POINTS]
    taken = [file.name.split("-") for file in tmp_path.iterdir()]
    by_point = {point: {pid for name, pid in taken if name == str(point)} for point in map(str, POINTS)}
    assert any(killed[0] in pids and len(pids) > 1 for pids in by_point.values())
    assert str(os.getpid()) not in {pid for _, pid in taken}


def test_what_a_point_raises_is_raised(tmp_path: Path) -> None:
    def fail(point: int) -> int:
        if point == 3:
            raise KeyError("point 3")
        return point

    for jobs in (1, 2):
        with pytest.raises(KeyError, match="point 3"):
            spread(fail, POINTS, jobs=jobs)


def test_the_settings_decide_where_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECHBOOK_JOBS", "2")
    spread(squares(tmp_path), POINTS)
    assert str(os.getpid()) not in {file.name.split("-")[1] for file in tmp_path.iterdir()}
    for wrong in ("0", "two", ""):
        monkeypatch.setenv("MECHBOOK_JOBS", wrong)
        with pytest.raises(ValueError, match=f"MECHBOOK_JOBS is '{wrong}'; it must be a whole number >= 1"):
            spread(squares(tmp_path), POINTS)
    with pytest.raises(ValueError, match="jobs is 0"):
        spread(squares(tmp_path), POINTS, jobs=0)
    monkeypatch.setenv("MECHBOOK_JOBS", "1")
    monkeypatch.setenv("MECHBOOK_CLUSTER", "nowhere://x")
    with pytest.raises(ValueError, match="no Dask scheduler answers at 'nowhere://x'"):
        spread(squares(tmp_path), POINTS)
