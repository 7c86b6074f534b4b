"""What is dated ahead of this machine's clock, as after it was wrong: modules, which are said, and runs, which go.

A run's entry of the cache is believed by its date: one from the future would pass for made in this build for ever.
"""

import json
import time
from pathlib import Path

from safetensors import SafetensorError, safe_open


def modules_ahead(package: Path, now: float | None = None) -> str:
    """A sentence about the files of a package that are dated ahead of `now` (the clock's by default); "" without any.

    To the cache of runs they are edited at this moment, and it keeps nothing that depends on them.
    """
    now = time.time() if now is None else now
    names = sorted(path.name for path in package.rglob("*.py") if path.stat().st_mtime > now)
    if not names:
        return ""
    more = f" and {len(names) - 1} more files" if len(names) > 1 else ""
    return (
        f"{names[0]}{more} of the package: dated ahead of this machine's clock, so that no run that depends on it is "
        "kept: touch it."
    )


def drop_runs_ahead(folder: Path, now: float | None = None) -> str:
    """Remove the runs of a cache folder that were written after `now`; a sentence that says so, "" where none was.

    An entry that cannot be read is left to those who read it.
    """
    now = time.time() if now is None else now
    dropped = 0
    for path in folder.glob("*.safetensors"):
        try:
            with safe_open(path, framework="pt") as file:
                written = json.loads((file.metadata() or {})["about"])["written"]
        except (SafetensorError, OSError, KeyError, TypeError, ValueError):
            continue
        if isinstance(written, int | float) and written > now:
            path.unlink()
            dropped += 1
    if not dropped:
        return ""
    return f"Trained runs dated ahead of this machine's clock, computed anew as all others: {dropped}."
