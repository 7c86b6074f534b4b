"""Record runs at the papers' size: `make paper`.

    python -m mechbook.paper [--list] [--seconds 3600] [--replace] [--small] ["induction/frozen/*" ...]

What is missing is computed, most wanted first; laser/pythia-1b and laser/gpt2, which ask the model hub for weights,
only by name. It stops by itself after --seconds, or on Ctrl-C or SIGTERM, at the next safe point, and says in one line
what is kept; called again it goes on there, to the same numbers bit for bit.
"""

import argparse
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType

from mechbook.core.progress import Line
from mechbook.core.training import stopping
from mechbook.core.training.loop import use_threads
from mechbook.paper.estimate import hours_left
from mechbook.paper.everything import BY_NAME, THEMES, Theme, chosen, theme_of
from mechbook.paper.recorder import record_claims, record_run, themes_of
from mechbook.paper.standing import DONE, EARLIER, kept_step, line, standing
from mechbook.records import files
from mechbook.records.wanted import PaperRun

AGAIN = "make paper goes on there."


def work(
    listed: Callable[[], Sequence[PaperRun]],
    stop: stopping.Stop,
    *,
    replace: bool = False,
    themes: Sequence[Theme] = THEMES,
) -> int:
    """Record what is missing of the runs that are `listed`, and the claims that this makes whole; 0, or 1 on a failure.

    They are listed again when all are done: some runs are there only once others are known. Where it is to stop it says
    in one line what is kept, and returns.
    """
    asked: set[str] = set()
    counts = {"failed": 0, "done": 0}
    while runs := [run for run in listed() if run.name not in asked]:
        for number, run in enumerate(runs, 1):
            asked.add(run.name)
            counts |= {"number": number, "listed": len(runs)}
            if not _recorded_now(run, stop, counts, replace=replace, themes=themes):
                return int(counts["failed"] > 0)
        for theme in themes_of(runs, themes):
            _claims(theme, replace, counts)
    return int(counts["failed"] > 0)


def _recorded_now(
    run: PaperRun, stop: stopping.Stop, counts: dict[str, int], *, replace: bool, themes: Sequence[Theme]
) -> bool:
    """Record one run if it is missing, and the claims that stand on it; False where it is time to stop."""
    found = standing(run).what
    if found == DONE or (found == EARLIER and not replace):
        return True
    done = f"recorded in this call: {counts['done']}. {AGAIN}"
    if stop.due():
        print(f"Stopped before {run.name}; {done}")
        return False
    if _too_long(run, stop):
        return True
    began = time.perf_counter()
    try:
        with Line(f"{run.name}, run {counts['number']} of {counts['listed']}", 1, ""):
            record_run(run, replace=replace)
    except stopping.Stopped as stopped:
        kept = f"{run.at(stopped.step)}; its state is kept, and" if stopped.path.exists() else "its start;"
        print(f"{run.name} stopped at {kept} {done}")
        return False
    except (FloatingPointError, RuntimeError, ValueError) as error:
        counts["failed"] += 1
        print(f"{run.name} failed: {error}", file=sys.stderr)
        return True
    except OSError as error:
        # the next would fare the same; what this run gave is in the cache
        counts["failed"] += 1
        where, reason = error.filename or files.folder(), error.strerror or error
        print(f"{run.name} is computed and cannot be recorded: {where}: {reason}. {AGAIN}", file=sys.stderr)
        return False
    counts["done"] += 1
    print(f"{run.name}: recorded after {time.perf_counter() - began:.0f} s.", flush=True)
    _claims(theme_of(run, themes), replace, counts)
    return True


def _too_long(run: PaperRun, stop: stopping.Stop) -> bool:
    """Whether a run that keeps no state would not be done in time; says so."""
    if run.keeps_state or stop.deadline is None:
        return False
    hours = hours_left(run)
    if hours is None or time.monotonic() + 3600 * hours <= stop.deadline:
        return False
    print(f"{run.name} keeps no state and takes about {hours:.2g} h: left for a longer call.")
    return True


def _claims(theme: Theme, replace: bool, counts: dict[str, int]) -> None:
    for id, wrong in record_claims(theme, replace=replace).items():
        if wrong:
            counts["failed"] += 1
            print(f"{id} is not recorded: {wrong}", file=sys.stderr)
        else:
            print(f"{id}: recorded.", flush=True)


def main(arguments: Sequence[str] | None = None, themes: Sequence[Theme] = THEMES) -> int:
    """List or record; the exit status: 0, 1 where something failed, 128 and the number of a signal that stopped it."""
    parser = argparse.ArgumentParser(prog="python -m mechbook.paper", description=__doc__)
    parser.add_argument("runs", nargs="*", help="names or patterns of runs; all by default")
    parser.add_argument("--list", action="store_true", help="say how far each run is, and compute none")
    parser.add_argument("--seconds", help="stop by itself after so many")
    parser.add_argument("--small", action="store_true", help="presets of seconds, to try the whole way")
    parser.add_argument("--replace", action="store_true", help="also replace records of earlier code")
    given = parser.parse_args(arguments)
    os.environ["MECHBOOK_SCALE"] = "paper"
    use_threads()
    named = [name for name in given.runs if name in BY_NAME]
    patterns = [pattern for pattern in given.runs if pattern not in BY_NAME]
    try:
        if given.small:
            themes = _small()
        seconds = None if given.seconds is None else whole_time(given.seconds)
        runs = [] if named and not patterns else chosen(patterns, themes)
        if given.list:
            for run in runs:
                print(line(run, times=True), flush=True)
            for name in named if given.runs else BY_NAME:
                print(f"{name:<44} {BY_NAME[name].standing()}")
            return 0
        files.check_writable()
        failed = [name for name in named if (given.replace or not BY_NAME[name].done()) and BY_NAME[name].record()]
        listed = (lambda: []) if named and not patterns else (lambda: chosen(patterns, themes))
        return _recorded(listed, seconds, given.replace, themes) or int(bool(failed))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1


def _small() -> tuple[Theme, ...]:
    if not os.environ.get("MECHBOOK_RECORDS"):
        raise ValueError("--small records into a folder of its own: name it (MECHBOOK_RECORDS=small-records).")
    # only here: nothing else needs it
    from mechbook.paper.small import SMALL

    return SMALL


def whole_time(text: str) -> float:
    """Seconds from SECONDS; ValueError, one sentence, for anything else."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError(f"SECONDS is {text!r}; it must be a number of seconds, 0 or more.")
    return seconds


def _recorded(
    listed: Callable[[], Sequence[PaperRun]], seconds: float | None, replace: bool, themes: Sequence[Theme]
) -> int:
    signals: list[int] = []
    with stopping.at(None if seconds is None else time.monotonic() + seconds) as stop:

        def ask(number: int, frame: FrameType | None) -> None:
            if signals:
                raise KeyboardInterrupt
            signals.append(number)
            stop.ask()
            print("Stopping at the next safe point; a second signal stops at once.", file=sys.stderr)

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            status = work(listed, stop, replace=replace, themes=themes)
        except KeyboardInterrupt:
            kept = [f"{run.name} at step {step}" for run in listed() if (step := kept_step(run))]
            print(f"Stopped at once. Kept: the runs recorded before{''.join(f', {each}' for each in kept)}. {AGAIN}")
            status = 130
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return 128 + signals[0] if signals else status


if __name__ == "__main__":
    sys.exit(main())
