"""What a downloaded chapter needs beside the package: the runs that the site's build trained, and `glue`.

The first cell of such a notebook calls `adopt` with a file that the site serves (`mechbook.site.travel` writes it).
"""

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from IPython.display import display

from mechbook.core.cache import closure, entries, store

ABOUT = "runs.json"


def glue(name: str, value: Any, display: bool = True) -> None:
    """Show a value that the site's page quotes in its text; a downloaded page has it there already."""
    if display:
        _show(value)


_show = display


def sources(modules: Sequence[str]) -> str:
    """The SHA-256 of the files that `modules` depend on, byte by byte: the same for every Python."""
    found = hashlib.sha256()
    for path in closure.module_closure(modules, package=closure.PACKAGE):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(closure.PACKAGE).as_posix()} {content}\n".encode())
    return found.hexdigest()


def adopt(archive: Path) -> str:
    """Put the runs of `archive` where the package looks for its own; return what there is to say, in a sentence or two.

    They go into a folder of their own in the cache folder, which MECHBOOK_CACHE names from then on, unless it is set.
    Torch gets as many threads as the runs were computed with. A run of other code than is installed is left out, and so
    is one for another device than is in use. ValueError for a file that is no such archive.
    """
    try:
        with zipfile.ZipFile(archive) as parts:
            about = json.loads(parts.read(ABOUT))
            torch.set_num_threads(int(about["threads"]))
            _own_folder(archive)
            kept = [_adopted(parts, run["file"], run["modules"], run["sources"]) for run in about["runs"]]
    except (zipfile.BadZipFile, KeyError, ValueError, store.DamagedFile) as error:
        raise ValueError(f"{archive.name} does not hold a page's trained runs ({error}): download it again.") from error
    where = f"torch {about['torch']} on {about['device']}"
    said = f"Runs that the site's build trained and that are used here: {sum(kept)}, by {where}."
    others = len(kept) - sum(kept)
    if others:
        said += f" Of other code or for another device, and trained here: {others}."
    if about["left_out"]:
        said += f" Too large to be served, and trained here: {about['left_out']}."
    return said


def _own_folder(archive: Path) -> None:
    if not os.environ.get("MECHBOOK_CACHE"):
        name = f"site-{hashlib.sha256(archive.read_bytes()).hexdigest()[:16]}"
        os.environ["MECHBOOK_CACHE"] = str(entries.folder().absolute() / name)
    entries.folder().mkdir(parents=True, exist_ok=True)


def _adopted(parts: zipfile.ZipFile, file: str, modules: list[str], of: str) -> bool:
    """Whether the run is where `cached` looks for it, under this machine's torch and Python."""
    try:
        if sources(modules) != of:
            return False
    except ValueError:
        return False
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "run.safetensors"
        place.write_bytes(parts.read(file))
        value, notes = store.load(place)
    identity = entries._identity(notes["identity"]["key"], tuple(modules))
    if identity["device"] != notes["identity"]["device"]:
        return False
    path = entries._path(identity)
    if not path.exists():
        store.save(path, value, {"identity": identity, "written": notes["written"]})
    return True
