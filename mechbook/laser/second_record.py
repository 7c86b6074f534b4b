"""The record of chapter 5's study on a second model: a JSON file with its form, its content and the SHA-256 of that.

`mechbook.laser.second_model` writes it, and has what it holds; the chapter reads it.
"""

import json
from pathlib import Path
from typing import Any

from mechbook.records import code, files

MODEL = "gemma3-270m"
FORM = "mechbook second model 1"
PLACE = files.results() / "second_model" / f"{MODEL}.json"


def write(content: dict[str, Any], place: Path = PLACE) -> None:
    """Keep a record at one stroke, in place of any before it. ValueError for what JSON cannot hold."""
    content = json.loads(json.dumps(content, allow_nan=False))
    parts = ",\n".join(f"  {json.dumps(name)}: {json.dumps(part)}" for name, part in content.items())
    head = f'{{\n "form": {json.dumps(FORM)},\n "sha256": "{files.checksum(content)}",\n "content": {{\n'
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_suffix(".tmp")
    draft.write_text(f"{head}{parts}\n }}\n}}\n", encoding="utf-8")
    draft.replace(place)


def recorded(place: Path = PLACE) -> dict[str, Any]:
    """The content of the record. ValueError where there is none, BadRecord (one, too) where it is not as written."""
    if (found := read(place)) is None:
        raise ValueError(f"{place.parent.name} has no {place.name}: take it from git, or make second-model writes it.")
    return found


def earlier(content: dict[str, Any]) -> bool:
    """Whether the record is of earlier code than is here now."""
    return bool(content["code"] != code.of_run(content["modules"]))


def read(place: Path = PLACE) -> dict[str, Any] | None:
    """The content of the record, None where there is none. BadRecord (a ValueError) where it is not as written."""
    if not place.exists():
        return None
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise files.BadRecord(f"{place.name} cannot be read ({error}): take it from git or remove it.") from error
    content = found.get("content") if isinstance(found, dict) and found.get("form") == FORM else None
    if not isinstance(content, dict) or found.get("sha256") != files.checksum(content):
        raise files.BadRecord(f"{place.name} is not the record that was written: take it from git or remove it.")
    return content
