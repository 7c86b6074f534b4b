"""The trained runs that a page's notebook takes along: those its cells asked the cache for, while they fit."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat
import torch
from jupyter_cache.base import JupyterCacheAbstract

from mechbook.core.cache import entries, store
from mechbook.reader.travelling import ABOUT, sources
from mechbook.site.wheel import zipped

# Of one page, in bytes; larger runs stay where they are. Pages of a free host may have 1 GB in all.
MOST = 25_000_000


@dataclass(frozen=True)
class Served:
    """name: of the archive, "" where there is none; runs, size: how many and how many bytes; left_out: too large."""

    name: str
    runs: int
    size: int
    left_out: int


def asked(cache: JupyterCacheAbstract, page: nbformat.NotebookNode) -> dict[str, list[str]]:
    """The runs that the page's cells asked for when they were executed: file name to modules."""
    try:
        executed = cache.get_cache_bundle(cache.match_cache_notebook(page).pk).nb
    except KeyError:
        return {}
    found: dict[str, list[str]] = dict(executed.metadata.get("mechbook", {}).get("runs", {}))
    return found


def write(target: Path, wanted: Mapping[str, list[str]], folder: Path | None = None, most: int = MOST) -> Served:
    """Write the archive of the runs `wanted` out of the cache's `folder`, the smallest first, up to `most` bytes.

    A run that is gone or damaged is left out, and no archive is written where nothing is left.
    """
    folder = entries.folder() if folder is None else folder
    there = {name: (folder / name).stat().st_size for name in wanted if (folder / name).is_file()}
    files: dict[str, bytes] = {}
    runs, size, left_out, made_by = [], 0, 0, {}
    for name in sorted(there, key=lambda name: (there[name], name)):
        if size + there[name] > most:
            left_out += 1
            continue
        try:
            _, notes = store.load(folder / name)
            of = sources(wanted[name])
        except (store.DamagedFile, ValueError):
            continue
        made_by = notes["identity"]
        size += there[name]
        files[name] = (folder / name).read_bytes()
        runs.append({"file": name, "modules": list(wanted[name]), "sources": of})
    target.unlink(missing_ok=True)
    if not runs:
        return Served("", 0, 0, left_out)
    about = {"torch": made_by.get("torch", torch.__version__), "device": made_by["device"], "left_out": left_out}
    files[ABOUT] = json.dumps({**about, "threads": made_by["threads"], "runs": runs}, indent=1).encode()
    target.parent.mkdir(parents=True, exist_ok=True)
    zipped(target, files)
    return Served(target.name, len(runs), size, left_out)

