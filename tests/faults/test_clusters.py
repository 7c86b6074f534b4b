"""Faults of a sweep's cluster: each ends, and says what happened. Oracles: a clock, and which points were computed."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mechbook.core import sweeps

POINTS = list(range(6))
KILLER = 3


def noted(folder: Path, *, kills: bool = False) -> Any:
    """The square of a point, which is kept in a file; point `KILLER` kills its process where asked to."""

    def square(point: int) -> int:
        import os
        import signal

        if kills and point == KILLER:
            os.kill(os.getpid(), signal.SIGKILL)
        (folder / str(point)).touch()
        return point * point

    return square


def kept(folder: Path) -> set[int]:
    return {int(file.name) for file in folder.iterdir()}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "WAIT", 3.0)


@pytest.fixture
def scheduler() -> Iterator[Any]:
    """A cluster of two workers, of which a point may kill one before it is given up."""
    import dask
    from distributed import LocalCluster

    options: Any = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}), LocalCluster(**options) as running:
        yield running


def test_an_address_that_accepts_and_never_speaks_is_refused_in_time(impatient: None, tmp_path: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        before = time.monotonic()
        with pytest.raises(ValueError, match="no Dask scheduler answers at 'tcp://127.0.0.1") as error:
            sweeps.spread(noted(tmp_path), POINTS, cluster=f"tcp://127.0.0.1:{deaf.getsockname()[1]}")
        assert time.monotonic() - before < 20 and "\n" not in str(error.value)
    assert kept(tmp_path) == set()


def test_a_scheduler_without_a_worker_is_refused_in_time(impatient: None, tmp_path: Path) -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, processes=False, dashboard_address=None, silence_logs=50) as empty:
        with pytest.raises(ValueError, match="has no worker: start one"):
            sweeps.spread(noted(tmp_path), POINTS, cluster=empty.scheduler_address)


@pytest.mark.slow
def test_workers_that_are_all_gone_end_the_sweep(impatient: None, tmp_path: Path, scheduler: Any) -> None:
    """Oracle: the cluster, which is made to have none while it computes."""

    def slowly(point: int) -> int:
        import time

        time.sleep(60)
        return point

    gone = threading.Timer(5, lambda: scheduler.scale(0))
    gone.start()
    with pytest.raises(ValueError, match="has no worker left: 0 of 6 points are done"):
        sweeps.spread(slowly, POINTS, cluster=scheduler.scheduler_address)
    gone.join()


@pytest.mark.slow
def test_a_point_that_kills_its_workers_is_named_and_the_others_are_kept(tmp_path: Path, scheduler: Any) -> None:
    with pytest.raises(ValueError, match="every worker that computed point 4 of 6 died") as error:
        sweeps.spread(noted(tmp_path, kills=True), POINTS, cluster=scheduler.scheduler_address)
    assert kept(tmp_path) == set(POINTS) - {KILLER} and "\n" not in str(error.value)
    # the cluster is there for the next sweep
    assert sweeps.spread(noted(tmp_path), POINTS, cluster=scheduler.scheduler_address) == [p**2 for p in POINTS]


@pytest.mark.slow
def test_a_process_of_this_machine_that_dies_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a process of the sweep died on the way") as error:
        sweeps.spread(noted(tmp_path, kills=True), POINTS, jobs=2)
    assert "\n" not in str(error.value) and KILLER not in kept(tmp_path)
    assert sweeps.spread(noted(tmp_path), POINTS, jobs=2) == [p**2 for p in POINTS]
