"""One line on stderr that says what is computed, how far it is and how long it may still take.

with Line("hops, 8 models side by side", how.steps, "steps") as line:
    for step in range(how.steps):
        ...
        line.advance()

found = one_by_one(measure, seeds, "margins after one step", "seeds")      # [measure(seed) for seed in seeds]

The line comes after five seconds, in a terminal and in a notebook opened by hand, and goes when the work is done; of
many short works, one after the other, five seconds after the first began. One line within another is a part of it, and
moves it on. Nothing is shown while the site is built, whose pages would keep it, nor where stderr is neither a terminal
nor a notebook, nor in the processes of a sweep, nor with TQDM_DISABLE=1. The loop of `mechbook.core.training.loop` has
a bar of its own, which takes the line's place and its words.
"""

import math
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType
from typing import Any, TextIO, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Seconds until a line is worth it, between two looks at how far it is, and in which one work follows another.
LONG, EVERY, PAUSE = 5.0, 0.5, 1.0
# A narrow terminal cuts off the end.
FORMAT = "{percentage:3.0f}% |{bar:10}| {elapsed}, about {remaining} left; {desc}"


def wanted() -> bool:
    """Whether this process is one that a person looks at, in a terminal or in a notebook, and wants to see it."""
    if os.environ.get("MECHBOOK_SITE_BUILD") == "1" or multiprocessing.parent_process() is not None:
        return False
    return on_screen()


def on_screen() -> bool:
    """Whether stderr is a terminal or a notebook's output, and tqdm is there to draw."""
    if sys.stderr is None or find_spec("tqdm") is None or os.environ.get("TQDM_DISABLE", "0") not in ("", "0"):
        return False
    return sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel")


class Line:
    """How far a computation is: `done` of `total` units, of which `start` were done before.

    what: what is computed, in words; unit: what is counted, in the plural, or "" where `what` says how far it is
    show: whether to show it (`wanted()` by default)
    """

    def __init__(
        self, what: str, total: int | float, unit: str, *, start: int | float = 0, show: bool | None = None
    ) -> None:
        self.what, self.total, self.unit, self.done, self.show = what, total, unit, start, show

    def advance(self, by: int | float = 1) -> None:
        """So many units more are done."""
        self.done += by

    def passed(self, result: Result) -> Result:
        """`result`, with which one unit more is done."""
        self.advance()
        return result

    def words(self) -> str:
        """What it is, and how far: "margins: 3 of 20 seeds"."""
        if not self.unit:
            return self.what
        return f"{self.what}: {min(self.done, self.total):,.0f} of {self.total:,.0f} {self.unit}"

    def __enter__(self) -> "Line":
        _SCREEN.open(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _SCREEN.close(self)


def one_by_one(function: Callable[[Item], Result], items: Sequence[Item], what: str, unit: str) -> list[Result]:
    """`[function(item) for item in items]`, with a line that counts the items."""
    with Line(what, len(items), unit) as line:
        return [line.passed(function(item)) for item in items]


def say(text: str, file: TextIO | None = None) -> None:
    """Print a line of text, on stdout by default, above a line of progress if there is one."""
    out = sys.stdout if file is None else file
    _SCREEN.write("")
    print(text, file=out, flush=True)


def share(lines: Sequence[Line]) -> float:
    """How much of the outermost is done, each line being a part of one unit of the line around it: 0 to 1."""
    inner = 0.0
    for line in reversed(lines):
        inner = min((line.done + inner) / line.total, 1.0) if line.total > 0 else 0.0
    return inner


class _Screen:
    """The lines that are open in the thread that opened the first of them, and the thread that draws them as one."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.owner: int | None = None
        # when the first of the works that follow one another began, and when the last of them ended
        self.began = self.ended = -math.inf
        self.lock, self.pen = threading.Lock(), threading.Lock()
        # how many characters stand on the line
        self.drawn = 0
        self.over = threading.Event()
        self.thread: threading.Thread | None = None

    def open(self, line: Line) -> None:
        """Take up a line; the first one has them drawn. One of another thread than the first one's is left out."""
        with self.lock:
            if self.lines:
                if self.owner == threading.get_ident():
                    self.lines.append(line)
                return
            if not (wanted() if line.show is None else line.show):
                return
            now = time.monotonic()
            if now - self.ended > PAUSE:
                self.began = now
            self.owner, self.over = threading.get_ident(), threading.Event()
            self.lines.append(line)
            wait = max(EVERY, LONG - (now - self.began))
            self.thread = threading.Thread(target=self.draw, args=(self.over, wait, share([line])), daemon=True)
            self.thread.start()

    def close(self, line: Line) -> None:
        """Take a line away, and with the first one what is drawn."""
        with self.lock:
            if line not in self.lines:
                return
            first = line is self.lines[0]
            # those within it that an interruption has left open go with it
            del self.lines[self.lines.index(line) :]
        if first and self.thread is not None:
            self.over.set()
            self.thread.join()
            self.ended = time.monotonic()

    def draw(self, over: threading.Event, wait: float, start: float) -> None:
        """Draw after `wait` seconds, until `over`; `start` is what was done when it began."""
        began = time.monotonic()
        if over.wait(wait):
            return
        tqdm = import_module("tqdm").tqdm
        try:
            while lines := list(self.lines):
                done, words = share(lines), "; ".join(line.words() for line in lines)
                others = [bar for bar in list(tqdm._instances) if _is_shown(bar)]
                for bar in others:
                    # the training loop's: there is one line, and it says what it is of
                    bar.set_description_str(words, refresh=False)
                elapsed = time.monotonic() - began
                meter = tqdm.format_meter(
                    done, 1.0, elapsed, _columns(), prefix=words, bar_format=FORMAT, initial=start
                )
                self.write("" if others else meter)
                if over.wait(EVERY):
                    return
        finally:
            self.write("")

    def write(self, text: str) -> None:
        """Put a text in the line's place; "" leaves nothing of it."""
        with self.pen:
            if self.drawn or text:
                blank = " " * self.drawn
                sys.stderr.write(f"\r{text}{blank[len(text) :]}" if text else f"\r{blank}\r")
                sys.stderr.flush()
            self.drawn = len(text)


def _is_shown(bar: Any) -> bool:
    """Whether one of tqdm's bars has come; one that is only being made has not yet its times."""
    return bool(getattr(bar, "last_print_t", 0.0) >= getattr(bar, "start_t", math.inf) + getattr(bar, "delay", 0.0))


def _columns() -> int | None:
    """How wide the terminal is; None where that is not known, and in a notebook."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or None
    except (OSError, ValueError):
        return None


_SCREEN = _Screen()
