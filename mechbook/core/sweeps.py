"""Independent points of a sweep: in this process, in several on this machine or on a Dask cluster, by the same code.

spread(measure_one, points)                        # as MECHBOOK_JOBS and MECHBOOK_CLUSTER say; one process by default
spread(measure_one, points, jobs=2)                # two processes here
spread(measure_one, points, cluster="tcp://host:8786")      # a Dask scheduler's address; start workers with one thread

On a cluster a point whose worker dies is done again by another one; one that kills several is given up, in a sentence,
once all others are done.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from mechbook.core.progress import Line

Point = TypeVar("Point")
Result = TypeVar("Result")

# Seconds: until a scheduler answers, until it has a worker, and how often it is asked whether it still has one.
WAIT = 20.0


def spread(
    function: Callable[[Point], Result],
    points: Sequence[Point],
    *,
    jobs: int | None = None,
    cluster: str | None = None,
    what: str = "a sweep",
) -> list[Result]:
    """`[function(point) for point in points]`, the points divided among processes or a cluster's workers.

    jobs: processes on this machine; MECHBOOK_JOBS by default, and 1 without it
    cluster: the address of a Dask scheduler; MECHBOOK_CLUSTER by default. It takes the place of `jobs`.
    what: what is computed, in words, for the line of progress

    Every process computes with as many threads as this one; those of this machine also with its MECHBOOK_ settings as
    they are now, while a cluster's workers keep their own. What `function` raises is raised. ValueError for jobs below
    1, for a cluster that does not answer or has no worker, within `WAIT` seconds, and where points are lost because the
    processes that computed them died; all that `function` itself kept of other points is there then.
    """
    jobs = _jobs() if jobs is None else jobs
    cluster = os.environ.get("MECHBOOK_CLUSTER") or None if cluster is None else cluster
    if jobs < 1:
        raise ValueError(f"jobs is {jobs}; it must be 1 or more.")
    with Line(what, len(points), "points") as line:
        if cluster is not None:
            return _on_cluster(cluster, function, points, line)
        if jobs == 1 or len(points) < 2:
            return [line.passed(function(point)) for point in points]
        return _here(jobs, function, points, line)


def _here(jobs: int, function: Callable[[Point], Result], points: Sequence[Point], line: Line) -> list[Result]:
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    # processes outlive a call of this function, and what they began with may have changed since
    tasks = [delayed(_as_here)(torch.get_num_threads(), _settings(), function, point) for point in points]
    try:
        # one point a task: they take long, and one that is lost is not to take others with it
        found = Parallel(batch_size=1, backend="loky", n_jobs=jobs, return_as="generator")(tasks)
        return [line.passed(result) for result in found]
    except TerminatedWorkerError as error:
        raise ValueError(
            "a process of the sweep died on the way, perhaps for want of memory: take fewer (MECHBOOK_JOBS)."
        ) from error


def _on_cluster(cluster: str, function: Callable[[Point], Result], points: Sequence[Point], line: Line) -> list[Result]:
    from distributed import KilledWorker, wait

    results: dict[int, Result] = {}
    lost: list[int] = []
    with _client(cluster) as client:
        arguments = (torch.get_num_threads(), None, function)
        # not pure: the same point of another sweep is another task
        futures = [client.submit(_as_here, *arguments, point, pure=False) for point in points]
        waiting = {future: number for number, future in enumerate(futures)}
        while waiting:
            try:
                done = wait(list(waiting), timeout=WAIT, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                if not client.ncores():
                    raise _gone(cluster, "has no worker left", len(results), len(points)) from None
                continue
            for future in done:
                number = waiting.pop(future)
                line.advance()
                if future.status in ("cancelled", "lost"):
                    raise _gone(cluster, "no longer answers", len(results), len(points))
                try:
                    results[number] = future.result()
                except KilledWorker:
                    lost.append(number)
    if lost:
        named = ", ".join(str(number + 1) for number in sorted(lost))
        raise ValueError(
            f"every worker that computed point {named} of {len(points)} died, perhaps for want of memory; the others "
            "are done."
        )
    return [results[number] for number in range(len(points))]


@contextmanager
def _client(cluster: str) -> Iterator[Any]:
    from distributed import Client

    try:
        # in a thread: a notebook's own has a loop of events that runs already
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, _answered(cluster)).result()
        client = Client(cluster, timeout=WAIT)
    except (OSError, ValueError, TimeoutError) as error:
        raise ValueError(f"no Dask scheduler answers at {cluster!r} ({type(error).__name__}).") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WAIT)
        except TimeoutError as error:
            raise ValueError(f"the Dask scheduler at {cluster!r} has no worker: start one (dask worker).") from error
        yield client


async def _answered(cluster: str) -> None:
    """Wait until a scheduler has said its first words: a client itself would wait for them without end."""
    from distributed import Security
    from distributed.comm import connect

    arguments = Security().get_connection_args("client")
    comm = await asyncio.wait_for(connect(cluster, timeout=WAIT, **arguments), WAIT)
    await comm.close()


def _gone(cluster: str, what: str, done: int, points: int) -> ValueError:
    return ValueError(f"the Dask cluster at {cluster!r} {what}: {done} of {points} points are done.")


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
