"""Independent points of a sweep: in this process, in several on this machine or on a Dask cluster, by the same code.

spread(measure_one, points)                        # as MECHBOOK_JOBS and MECHBOOK_CLUSTER say; one process by default
spread(measure_one, points, jobs=2)                # two processes here
spread(measure_one, points, cluster="tcp://host:8786")      # a Dask scheduler's address; start workers with one thread

On a cluster a point whose worker dies is done again by another one.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

Point = TypeVar("Point")
Result = TypeVar("Result")


def spread(
    function: Callable[[Point], Result], points: Sequence[Point], *, jobs: int | None = None, cluster: str | None = None
) -> list[Result]:
    """`[function(point) for point in points]`, the points divided among processes or a cluster's workers.

    jobs: processes on this machine; MECHBOOK_JOBS by default, and 1 without it
    cluster: the address of a Dask scheduler; MECHBOOK_CLUSTER by default. It takes the place of `jobs`.

    Every process computes with as many threads as this one; those of this machine also with its MECHBOOK_ settings as
    they are now, while a cluster's workers keep their own. ValueError for jobs below 1 and a cluster that does not
    answer; what `function` raises is raised.
    """
    jobs = _jobs() if jobs is None else jobs
    cluster = os.environ.get("MECHBOOK_CLUSTER") or None if cluster is None else cluster
    if jobs < 1:
        raise ValueError(f"jobs is {jobs}; it must be 1 or more.")
    if cluster is None and (jobs == 1 or len(points) < 2):
        return [function(point) for point in points]
    from joblib import Parallel, delayed

    threads = torch.get_num_threads()
    # processes outlive a call of this function, and what they began with may have changed since
    settings = _settings() if cluster is None else None
    tasks = [delayed(_as_here)(threads, settings, function, point) for point in points]
    with _backend(cluster, jobs):
        # one point a task: they take long, and one that is lost is not to take others with it
        return list(Parallel(batch_size=1)(tasks))


@contextmanager
def _backend(cluster: str | None, jobs: int) -> Iterator[None]:
    from joblib import parallel_config

    if cluster is None:
        with parallel_config(backend="loky", n_jobs=jobs):
            yield
        return
    from distributed import Client

    try:
        client = Client(cluster, timeout=20)
    except (OSError, ValueError) as error:
        raise ValueError(f"no Dask scheduler answers at {cluster!r} ({type(error).__name__}).") from error
    with client, parallel_config(backend="dask"):
        yield


def _as_here(threads: int, settings: dict[str, str] | None, function: Callable[[Any], Result], point: Any) -> Result:
    torch.set_num_threads(threads)
    if settings is not None:
        for name in _settings().keys() - settings.keys():
            del os.environ[name]
        os.environ.update(settings)
    return function(point)


def _settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("MECHBOOK_")}


def _jobs() -> int:
    value = os.environ.get("MECHBOOK_JOBS", "1")
    if not (value.isascii() and value.isdecimal() and int(value) >= 1):
        raise ValueError(f"MECHBOOK_JOBS is {value!r}; it must be a whole number >= 1.")
    return int(value)
