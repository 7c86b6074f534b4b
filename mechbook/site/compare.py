"""Compare what two builds measured, value by value, to the last digit.

    python -m mechbook.site.compare before/claims.json after/claims.json

Prints a line for each claim that differs and a count; exit code 1 where any does.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COMPARED = ("measured", "spread", "values", "seeds", "scale", "seed", "device", "held", "marginal", "status", "reason")


def differences(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence for each claim that only one of two builds has, and for each thing measured or judged that differs."""
    old, new = ({row["id"]: row for row in rows} for rows in (before, after))
    told = [f"{id}: only before." for id in old if id not in new]
    told += [f"{id}: only after." for id in new if id not in old]
    for id in old:
        if id in new:
            told += [
                f"{id}: {name} was {old[id].get(name)!r} and is {new[id].get(name)!r}."
                for name in COMPARED
                if old[id].get(name) != new[id].get(name)
            ]
    return told


def main(arguments: Sequence[str]) -> int:
    """Compare the two files named on the command line."""
    if len(arguments) != 2:
        print("Name two files: python -m mechbook.site.compare before/claims.json after/claims.json", file=sys.stderr)
        return 2
    before, after = (json.loads(Path(name).read_text(encoding="utf-8")) for name in arguments)
    told = differences(before, after)
    print("\n".join([*told, f"{len(before)} claims before, {len(after)} after, {len(told)} differences."]))
    return int(bool(told))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
