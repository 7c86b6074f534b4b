"""The line of progress. Oracles: a terminal of the tests' own, whose every character is read; fractions by hand."""

import os
import pty
import re
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from fcntl import ioctl
from termios import TIOCSWINSZ

import pytest

from mechbook.core import progress
from mechbook.core.progress import Line, one_by_one, share

SCREEN = (40, 130)
# Work goes on when the line has been drawn twice more: the machine may be as slow as it likes.
SLOW = """
import sys, time
from mechbook.core import progress
progress.LONG, progress.EVERY = 0.1, 0.02
write, drawn = progress._SCREEN.write, []
progress._SCREEN.write = lambda text: drawn.append(write(text))

def work():
    wanted = len(drawn) + 2
    while progress.wanted() and len(drawn) < wanted:
        time.sleep(0.01)
"""
# Three rounds of four steps, and a word that is printed on the way.
WORK = (
    SLOW
    + """
def training(round):
    with progress.Line("training", 4, "steps") as line:
        for _ in range(4):
            work()
            line.advance()
    if round == 1:
        progress.say("half of it")
    return round

print(progress.one_by_one(training, range(3), "a search", "rounds"))
"""
)
LINE = re.compile(r" *(\d+)% \|.{10}\| \d\d:\d\d, about (\d\d:\d\d|\?) left; a search: (\d) of 3 rounds(.*)")


def on_a_terminal(code: str, **variables: str) -> str:
    """All that a process writes to its terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-c", code], {**os.environ, **variables})
    ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", *SCREEN, 0, 0))
    said = b""
    try:
        while part := os.read(terminal, 4096):
            said += part
    except OSError:
        # the other end is closed
        pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, said.decode()
    return said.decode()


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No test leaves a line that is drawn on."""
    yield
    assert progress._SCREEN.lines == []


def test_a_terminal_shows_what_it_is_how_far_and_the_time_left_and_then_nothing() -> None:
    said = on_a_terminal(WORK)
    drawn = [part for part in re.split(r"[\r\n]+", said) if "a search" in part]
    found = [LINE.fullmatch(part.rstrip()) for part in drawn]
    assert len(found) > 5 and all(found), said
    shares = [int(line[1]) for line in found if line]
    assert shares == sorted(shares) and len(set(shares)) > 5 and shares[-1] > 80, shares
    assert {line[3] for line in found if line} >= {"1", "2"}
    assert any(re.fullmatch(r"; training: [0-4] of 4 steps", line[4]) for line in found if line)
    assert any(line[2] != "?" for line in found if line)
    # what is printed meanwhile stands on a line of its own, and at the end the line is blank
    lines = [line.rpartition("\r")[2] for line in said.replace("\r\n", "\n").split("\n")]
    assert lines == ["half of it", "[0, 1, 2]", ""], lines


@pytest.mark.parametrize(
    ("variable", "value"), [("MECHBOOK_SITE_BUILD", "1"), ("TQDM_DISABLE", "1")], ids=["a site's page", "not wanted"]
)
def test_nothing_is_shown_where_it_is_not_wanted(variable: str, value: str) -> None:
    assert on_a_terminal(WORK, **{variable: value}) == "half of it\r\n[0, 1, 2]\r\n"


def test_the_training_loop_s_bar_takes_the_line_s_place_and_its_words() -> None:
    """Oracle: what stands on the terminal, which never has two bars."""
    code = """
from mechbook.core.training import progress as loop
loop.LONG_RUN_SECONDS = 0.1

def run(seed):
    work()
    with loop.Progress(0, 20) as bar:
        for _ in range(20):
            work()
            time.sleep(0.1)
            bar.advance()

progress.one_by_one(run, range(2), "a claim", "seeds")
"""
    said = on_a_terminal(SLOW + code)
    drawn = [part for part in re.split(r"[\r\n]+", said) if part.strip()]
    own = [part for part in drawn if part.rstrip().endswith("left; a claim: 0 of 2 seeds")]
    loop = [part for part in drawn if re.match(r"a claim: \d of 2 seeds: +\d+%\|.*/20 ", part)]
    assert own and loop, said
    assert "\x1b[A" not in said and all("a claim" in part or "/20 " in part for part in drawn), said
    # one comes after the other: of the loop's only the first views are without the words
    assert sum("/20 " in part for part in drawn) - len(loop) <= 4, said


def test_nothing_is_written_to_a_file() -> None:
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("half of it\n[0, 1, 2]\n", "")


def test_an_interruption_takes_the_line_away() -> None:
    """Oracle: what comes after it on the terminal."""
    code = """
try:
    with progress.Line("outer", 2, "parts"), progress.Line("inner", 2, "parts"):
        work()
        raise KeyboardInterrupt
except KeyboardInterrupt:
    before = len(drawn)
    time.sleep(0.2)
    print("stopped", progress._SCREEN.lines, len(drawn) - before)
"""
    said = on_a_terminal(SLOW + code)
    assert "outer: 0 of 2 parts; inner: 0 of 2 parts" in said
    assert said.endswith("stopped [] 0\r\n") and "outer" not in said.rpartition("stopped")[2]
    assert re.search(r"outer[^\r\n]*\r +\rstopped", said), said


def test_many_short_works_are_one_long_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the moments at which a screen of the test's own is to be drawn."""
    waits: list[float] = []
    screen = progress._Screen()
    monkeypatch.setattr(screen, "draw", lambda over, wait, start: waits.append(wait))
    monkeypatch.setattr(progress, "_SCREEN", screen)
    monkeypatch.setattr(progress, "LONG", 0.4)
    monkeypatch.setattr(progress, "EVERY", 0.01)
    monkeypatch.setattr(progress, "PAUSE", 0.2)
    for pause in (0.0, 0.1, 0.1, 0.3):
        time.sleep(pause)
        with Line("a work", 1, "parts", show=True):
            time.sleep(0.1)
    assert waits[0] == waits[3] == 0.4
    assert waits[0] > waits[1] > waits[2] >= 0.01


def test_a_part_moves_the_whole_on() -> None:
    """Oracle: of 5 rounds 2 are done, of the third 1 of 2 programs, of the second of these a quarter."""
    lines = [Line("a", 5, "rounds", start=2), Line("b", 2, "programs", start=1), Line("c", 4, "steps", start=1)]
    assert share(lines) == pytest.approx((2 + (1 + 0.25) / 2) / 5)
    assert share([]) == share([Line("a", 0, "rounds")]) == 0
    assert share([Line("a", 2, "rounds", start=3)]) == 1


def test_one_by_one_is_a_list_in_order_and_an_error_is_raised() -> None:
    assert one_by_one(lambda n: n * n, [3, 1, 2], "squares", "numbers") == [9, 1, 4]
    with pytest.raises(ZeroDivisionError):
        one_by_one(lambda n: 1 / n, [1, 0, 2], "inverses", "numbers")
