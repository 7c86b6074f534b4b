"""How long a run will take on this device, from two of its steps."""

import hashlib
import json
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from mechbook.core import settings
from mechbook.core.cache import entries
from mechbook.records.machine import device_name
from mechbook.records.wanted import PaperRun, Settings

FILE = "paper_step_seconds.json"


def step_seconds(run: PaperRun) -> float | None:
    """Seconds for one step of a run, measured on two steps once for its kind, code, device and threads.

    None for a run that cannot be cut to a few steps.
    """
    if run.short is None:
        return None
    path = entries.folder() / FILE
    known: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    key = _key(run)
    if key not in known:
        known[key] = two_steps(run.short)
        _keep(path, known)
    return known[key]


def two_steps(short: Callable[[int], Settings]) -> float:
    """Seconds a step: half of what a run of three steps takes longer than one of a single step."""
    if settings.device().type != "cpu":
        _timed(short(1))  # an accelerator's first step is unlike all others
    return max(_timed(short(3)) - _timed(short(1)), 0.0) / 2


def hours_left(run: PaperRun, from_step: int = 0) -> float | None:
    """Hours from a step to a run's end; None where that is not known."""
    seconds = step_seconds(run)
    return None if seconds is None else seconds * max(run.steps - from_step, 0) / 3600


def _timed(run: Settings) -> float:
    with _empty_cache():
        began = time.perf_counter()
        run.run()
        return time.perf_counter() - began


@contextmanager
def _empty_cache() -> Iterator[None]:
    before = os.environ.get("MECHBOOK_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MECHBOOK_CACHE"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["MECHBOOK_CACHE"]
            else:
                os.environ["MECHBOOK_CACHE"] = before


def _key(run: PaperRun) -> str:
    known = [run.name.partition("/")[0], run.kind, entries.code(run.modules)]
    known += [torch.__version__, device_name(settings.device()), str(torch.get_num_threads())]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def _keep(path: Path, known: dict[str, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    draft.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    os.replace(draft, path)
