"""One record, one JSON file below results/paper: written whole or not at all, and refused where it is not as written.

A file holds its form ("mechbook run 1"), its content and the SHA-256 of the content.
"""

import hashlib
import json
import os
import re
import uuid
from pathlib import Path
from typing import Any

from mechbook.core.cache import closure

FORMS = ("mechbook run 1", "mechbook claim 1")
# All records together, in bytes.
LARGEST = 10_000_000


class BadRecord(ValueError):
    """A file that is no record, or no longer the one that was written."""


class Refused(ValueError):
    """A record that was not written, so as not to lose another one."""


def results() -> Path:
    """The folder of all records: the one that a wheel has in the package, else `results` of the checkout."""
    packed = closure.PACKAGE / "results"
    return packed if packed.is_dir() else closure.PACKAGE.parent / "results"


def folder() -> Path:
    """Where records are kept: MECHBOOK_RECORDS, else `paper` of all `results`."""
    if chosen := os.environ.get("MECHBOOK_RECORDS"):
        return Path(chosen).expanduser()
    return results() / "paper"


def place(name: str) -> Path:
    """The file of the record `name`, such as "induction/frozen/joint/0"; ValueError for a name that is none."""
    if not re.fullmatch(r"[a-z]\w*(/\w[\w.=,-]*)+", name):
        raise ValueError(f"{name!r} is no name of a record: names are such as 'induction/frozen/joint/0'.")
    return folder() / f"{name}.json"


def checksum(content: dict[str, Any]) -> str:
    """The SHA-256 of a record's content, in whichever order its keys are. ValueError for what JSON cannot hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def write(path: Path, form: str, content: dict[str, Any]) -> None:
    """Write a record at one stroke, a line for each part of its content; Refused where all would be too large."""
    parts = [f"  {json.dumps(name)}: {json.dumps(part, allow_nan=False)}" for name, part in content.items()]
    head = f'{{\n "form": {json.dumps(form)},\n "sha256": "{checksum(content)}",\n "content": {{\n'
    text = head + ",\n".join(parts) + "\n }\n}\n"
    others = sum(other.stat().st_size for other in files() if other != path)
    if others + len(text.encode()) > LARGEST:
        raise Refused(f"{path.name} is not written: all records together would exceed {LARGEST // 10**6} MB.")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(draft, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def check_writable() -> None:
    """Refused, one sentence, where no record can be written: said before hours are computed for one."""
    there = folder()
    if there.is_relative_to(closure.PACKAGE):
        # an upgrade would remove them
        raise Refused("The package's own records stay as they are: name another folder (MECHBOOK_RECORDS).")
    draft = there / f".{uuid.uuid4().hex}.tmp"
    try:
        there.mkdir(parents=True, exist_ok=True)
        draft.touch()
        draft.unlink()
    except OSError as error:
        reason = error.strerror or error
        raise Refused(f"{there} cannot be written ({reason}): name another folder (MECHBOOK_RECORDS).") from error


def read(path: Path) -> tuple[str, dict[str, Any]]:
    """The form and the content of a record. BadRecord, one sentence that names the file, where it is not as written."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise BadRecord(f"{_shown(path)} cannot be read ({error}): take it from git or remove it.") from error
    if not isinstance(found, dict) or found.get("form") not in FORMS:
        raise BadRecord(f"{_shown(path)} has no form that this version knows ({', '.join(FORMS)}): remove it.")
    content = found.get("content")
    if not isinstance(content, dict) or found.get("sha256") != checksum(content):
        raise BadRecord(f"{_shown(path)} does not match its checksum: take it from git or remove it.")
    return found["form"], content


def files(below: str = "") -> list[Path]:
    """Every record's file, or those below one folder ("induction"), in order; none where there is no folder."""
    root = folder() / below
    return sorted(root.rglob("*.json")) if root.is_dir() else []


def digest(below: str) -> str:
    """The SHA-256 of all that lies in one folder of records; empty where nothing does."""
    found = [(path.relative_to(folder()).as_posix(), path.read_bytes()) for path in files(below)]
    known = [(name, hashlib.sha256(data).hexdigest()) for name, data in found]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest() if known else ""


def _shown(path: Path) -> str:
    return path.relative_to(folder()).as_posix() if path.is_relative_to(folder()) else path.name
