"""Record runs at the papers' size: `make paper`.

    python -m mechbook.paper [--list] [--seconds 3600] [--replace] ["induction/frozen/*" ...]

What is missing is computed, most wanted first; laser/pythia-1b and laser/gpt2, which ask the model hub for weights,
only by name. It stops by itself after --seconds, or on Ctrl-C or SIGTERM, at the next safe point, and says in one line
what is kept; called again it goes on there, to the same numbers bit for bit.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType

from mechbook.core.training import stopping
from mechbook.core.training.loop import use_threads
from mechbook.paper.estimate import hours_left
from mechbook.paper.everything import BY_NAME, THEMES, Theme, chosen, theme_of
from mechbook.paper.recorder import record_claims, record_run, themes_of
from mechbook.paper.standing import DONE, EARLIER, kept_step, line, standing
from mechbook.records.wanted import PaperRun

AGAIN = "make paper goes on there."


def work(
    runs: Sequence[PaperRun],
    stop: stopping.Stop,
    *,
    replace: bool = False,
    themes: Sequence[Theme] = THEMES,
) -> int:
    """Record what is missing of `runs`, and the claims that this makes whole; 0, or 1 where a run failed.

    Where it is to stop it says in one line what is kept, and returns.
    """
    failed, done = 0, 0
    for run in runs:
        found = standing(run).what
        if found == DONE or (found == EARLIER and not replace):
            continue
        if stop.due():
            print(f"Stopped before {run.name}; recorded in this call: {done}. {AGAIN}")
            return int(failed > 0)
        if _too_long(run, stop):
            continue
        began = time.perf_counter()
        try:
            record_run(run, replace=replace)
        except stopping.Stopped as stopped:
            at = f"step {stopped.step} of {run.steps}" if stopped.path.exists() else "its start"
            print(f"{run.name} stopped at {at}; its state is kept, and recorded in this call: {done}. {AGAIN}")
            return int(failed > 0)
        except (FloatingPointError, RuntimeError, ValueError) as error:
            failed += 1
            print(f"{run.name} failed: {error}", file=sys.stderr)
            continue
        done += 1
        print(f"{run.name}: recorded after {time.perf_counter() - began:.0f} s.", flush=True)
        _claims(theme_of(run, themes), replace)
    for theme in themes_of(runs, themes):
        _claims(theme, replace)
    return int(failed > 0)


def _too_long(run: PaperRun, stop: stopping.Stop) -> bool:
    """Whether a run that keeps no state would not be done in time; says so."""
    if run.keeps_state or stop.deadline is None:
        return False
    hours = hours_left(run)
    if hours is None or time.monotonic() + 3600 * hours <= stop.deadline:
        return False
    print(f"{run.name} keeps no state and takes about {hours:.2g} h: left for a longer call.")
    return True


def _claims(theme: Theme, replace: bool) -> None:
    for id in record_claims(theme, replace=replace):
        print(f"{id}: recorded.", flush=True)


def main(arguments: Sequence[str] | None = None, themes: Sequence[Theme] = THEMES) -> int:
    """List or record; the exit status: 0, 1 where something failed, 128 and the number of a signal that stopped it."""
    parser = argparse.ArgumentParser(prog="python -m mechbook.paper", description=__doc__)
    parser.add_argument("runs", nargs="*", help="names or patterns of runs; all by default")
    parser.add_argument("--list", action="store_true", help="say how far each run is, and compute none")
    parser.add_argument("--seconds", type=float, help="stop by itself after so many")
    parser.add_argument("--replace", action="store_true", help="also replace records of earlier code")
    given = parser.parse_args(arguments)
    os.environ["MECHBOOK_SCALE"] = "paper"
    use_threads()
    named = [name for name in given.runs if name in BY_NAME]
    patterns = [pattern for pattern in given.runs if pattern not in BY_NAME]
    try:
        runs = [] if named and not patterns else chosen(patterns, themes)
        if given.list:
            for run in runs:
                print(line(run, times=True), flush=True)
            for name in named if given.runs else BY_NAME:
                print(f"{name:<44} {BY_NAME[name].standing()}")
            return 0
        failed = [name for name in named if (given.replace or not BY_NAME[name].done()) and BY_NAME[name].record()]
        return _recorded(runs, given.seconds, given.replace, themes) or int(bool(failed))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1


def _recorded(runs: Sequence[PaperRun], seconds: float | None, replace: bool, themes: Sequence[Theme]) -> int:
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
            status = work(runs, stop, replace=replace, themes=themes)
        except KeyboardInterrupt:
            kept = [f"{run.name} at step {step}" for run in runs if (step := kept_step(run))]
            print(f"Stopped at once. Kept: the runs recorded before{''.join(f', {each}' for each in kept)}. {AGAIN}")
            status = 130
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return 128 + signals[0] if signals else status


if __name__ == "__main__":
    sys.exit(main())
