"""The disk cache of trained runs: computed once for one key, one code and one machine setting, checked when read."""

import hashlib
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from mechbook.core import settings
from mechbook.core.cache import closure, store

_STARTED = time.time()


def cached(key: dict[str, Any], compute: Callable[[], Any], *, modules: tuple[str, ...]) -> Any:
    """`compute()`, from disk where it was computed before with the same key, code, torch, device and thread count.

    `key` is everything `compute` depends on, as JSON values. `modules` names the modules whose code decides the result,
    for example ("mechbook.induction.runs",); what they import from the package, data files included, counts with them.
    What `compute` returns nests dict, list and tuple over tensors and plain values, and comes back with its tensors on
    the CPU, bit for bit the same whether computed or read.

    Processes that ask for the same entry wait for the one computing it. An entry that cannot be read back exactly is
    computed again, with a warning; so is one older than the build when MECHBOOK_FRESH=1 (without a warning). Where the
    folder cannot be written a warning says so and nothing is kept. TypeError for a key that is not JSON.
    """
    identity = _identity(key, modules)
    if edited := _edited_since_start(modules):
        _warn(f"{edited} changed since this process began: results are computed and not kept until it is restarted.")
        return store.plain(compute())
    path = _path(identity)
    # what is wrong with an entry is said once, by who repairs it
    if (found := _read(path, identity, warn=False)) is not None:
        return found["result"]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"))
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        _warn(f"The cache folder {path.parent} cannot be written ({error}): this result is computed and not kept.")
        return store.plain(compute())
    try:
        # whoever held the lock may have written it meanwhile
        if (found := _read(path, identity, warn=True)) is not None:
            return found["result"]
        result = compute()
        try:
            store.save(path, {"result": result}, {"identity": identity, "written": time.time()})
        except OSError as error:
            _warn(f"The cache folder {path.parent} cannot be written ({error}): this result is not kept.")
        return store.plain(result)
    finally:
        lock.release()


def scratch(key: dict[str, Any], *, modules: tuple[str, ...], name: str = "state") -> Path | None:
    """A file beside the entry of `key` for what an interrupted computation may leave; None where none can be kept.

    The file is for the one process that holds the entry's lock, so call it from within `compute`. One left over from
    before the build is removed when MECHBOOK_FRESH=1.
    """
    if _edited_since_start(modules):
        return None
    path = _path(_identity(key, modules)).with_suffix(f".{name}")
    try:
        if path.exists() and path.stat().st_mtime < _oldest_allowed():
            path.unlink()
    except OSError as error:
        _warn(f"{path} cannot be removed ({error}): the computation starts over and keeps no state.")
        return None
    return path if os.access(path.parent, os.W_OK) else None


def found(key: dict[str, Any], *, modules: tuple[str, ...]) -> Any:
    """What `cached` would read for this key and these modules, None where it would have to compute."""
    identity = _identity(key, modules)
    entry = None if _edited_since_start(modules) else _read(_path(identity), identity, warn=False)
    return None if entry is None else entry["result"]


def states(key: dict[str, Any], *, modules: tuple[str, ...]) -> list[Path]:
    """The files that an interrupted computation of this key has left (`scratch`), by name."""
    path = _path(_identity(key, modules))
    return sorted(path.parent.glob(f"{path.stem}.state*"))


def code(modules: tuple[str, ...]) -> str:
    """The SHA-256 of the code that `modules` depend on, as it was imported: comments and docstrings do not count."""
    return _code(modules, closure.PACKAGE)[1]


def folder() -> Path:
    """Where entries are kept: MECHBOOK_CACHE, else `_cache` of the checkout, else the user's cache folder."""
    if chosen := os.environ.get("MECHBOOK_CACHE"):
        return Path(chosen).expanduser()
    project = closure.PACKAGE.parent
    if (project / "pyproject.toml").is_file():
        return project / "_cache"
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "mechbook"


@lru_cache
def _code(modules: tuple[str, ...], package: Path) -> tuple[tuple[Path, ...], str]:
    """The files that `modules` depend on, and the SHA-256 of their names and of what they decide (`closure.digest`).

    Once per process: it runs the code it imported, whatever happens to the files.
    """
    files = tuple(closure.module_closure(modules, package=package))
    found = hashlib.sha256()
    for path in files:
        found.update(f"{path.relative_to(package).as_posix()} {closure.digest(path)}\n".encode())
    return files, found.hexdigest()


def _identity(key: dict[str, Any], modules: tuple[str, ...]) -> dict[str, Any]:
    try:
        settled = json.loads(json.dumps(key, sort_keys=True, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise TypeError(f"A cache key must hold JSON values (text, finite numbers, lists, dicts): {error}.") from error
    return {
        "key": settled,
        "code": _code(modules, closure.PACKAGE)[1],
        "torch": torch.__version__,
        "device": f"{settings.device().type}{' (TF32)' if settings.uses_tf32() else ''}",
        "threads": torch.get_num_threads(),
    }


def _path(identity: dict[str, Any]) -> Path:
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return folder() / f"{digest[:40]}.safetensors"


def _read(path: Path, identity: dict[str, Any], *, warn: bool) -> dict[str, Any] | None:
    value: dict[str, Any]
    try:
        value, about = store.load(path)
    except FileNotFoundError:
        return None
    except store.DamagedFile as error:
        if warn:
            _warn(f"A damaged cache entry is computed again: {error}.")
        return None
    if about["identity"] != identity:
        if warn:
            _warn(f"A cache entry that belongs to another key is computed again: {path.name}.")
        return None
    return None if about["written"] < _oldest_allowed() else value


def _oldest_allowed() -> float:
    fresh = os.environ.get("MECHBOOK_FRESH", "")
    if fresh in ("", "0"):
        return 0.0
    if fresh != "1":
        raise ValueError(f"MECHBOOK_FRESH is {fresh!r}; it must be 1 (ignore what earlier builds computed) or 0.")
    return float(os.environ.get("MECHBOOK_BUILD_STARTED") or _STARTED)


def _edited_since_start(modules: tuple[str, ...]) -> str:
    # Kept under the edited file's hash, the results of the code imported before would be taken for the new code's.
    return ", ".join(p.name for p in _code(modules, closure.PACKAGE)[0] if p.stat().st_mtime > _STARTED)


def _warn(sentence: str) -> None:
    warnings.warn(sentence, RuntimeWarning, stacklevel=3)
