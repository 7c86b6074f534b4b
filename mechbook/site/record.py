"""The committed record of which claims held, by scale: what a later build may not quietly lose.

    python -m mechbook.site.record _build/html/claims.json

updates record.json from a build's claims.json, taken at seed 0 on the CPU.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("record.json")
SCALES = ("laptop", "paper")

Record = dict[str, dict[str, bool | None]]


def load_record(path: Path = PATH) -> Record:
    """Return {scale: {claim id: held}}, held being True, False or None (not run).

    Raises ValueError, one sentence, for a file that is not there or is no such record.
    """
    record = _read_json(path)
    if not isinstance(record, dict) or sorted(record) != sorted(SCALES):
        raise ValueError(f"{path.name} is no record of claims: it is to have the scales {' and '.join(SCALES)}.")
    for scale, held in record.items():
        if not isinstance(held, dict):
            raise ValueError(f"{path.name} is no record of claims: {scale} is to map claims to true, false or null.")
        for id, value in held.items():
            if value is not None and not isinstance(value, bool):
                raise ValueError(f"{path.name} has {value!r} for {id} where true, false or null is allowed.")
    return record


def update(record: Record, rows: Sequence[Any]) -> Record:
    """Return the record with what the rows of a claims.json say; claims they do not name keep their entry.

    Raises ValueError for rows of another seed than 0 or another device than the CPU, and for a malformed row.
    """
    updated = {scale: dict(record.get(scale, {})) for scale in SCALES}
    for row in rows:
        if not isinstance(row, dict) or not {"id", "held", "scale", "seed", "device"} <= row.keys():
            raise ValueError("claims.json has a row without id, held, scale, seed or device.")
        if row["seed"] != 0 or row["device"] != "cpu":
            raise ValueError(
                f"{row['id']} was measured at seed {row['seed']} on {row['device']}, where the record holds "
                "what seed 0 on cpu gave."
            )
        if row.get("changed"):
            raise ValueError(
                f"{row['id']} was measured with settings that a reader changed ({row['changed'][0]}), where the record "
                "holds what the presets gave: build the book with its presets first."
            )
        if row["scale"] not in SCALES or not (row["held"] is None or isinstance(row["held"], bool)):
            raise ValueError(f"{row['id']} has scale {row['scale']!r} and held {row['held']!r}, which no record holds.")
        updated[row["scale"]][row["id"]] = row["held"]
    return {scale: dict(sorted(held.items())) for scale, held in updated.items()}


def save_record(record: Record, path: Path = PATH) -> None:
    """Write the record at one stroke: a reader never sees half of it."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    os.replace(draft, path)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}.") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Update the record and say what changed; return 1, with one line on stderr, where that is refused."""
    parser = argparse.ArgumentParser(prog="python -m mechbook.site.record", description=__doc__)
    parser.add_argument("claims", type=Path, help="the claims.json of a build")
    parser.add_argument("--record", type=Path, default=PATH, help="the record to update")
    options = parser.parse_args(arguments)
    try:
        before = load_record(options.record)
        rows = _read_json(options.claims)
        if not isinstance(rows, list):
            raise ValueError(f"{options.claims} is to hold a list of claims.")
        after = update(before, rows)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    save_record(after, options.record)
    for scale in SCALES:
        for id, held in after[scale].items():
            if id not in before[scale] or before[scale][id] != held:
                print(f"{scale} {id}: {before[scale].get(id, 'new')} -> {held}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
