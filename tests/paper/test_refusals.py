"""What `make paper` says where something is wrong, and that nothing recorded is lost. Oracle: the bytes there were."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mechbook.core.cache.closure import PACKAGE
from mechbook.paper import __main__ as paper
from mechbook.records import files
from mechbook.records.kept import load_claim, load_run
from tests.paper.small import numbers

FIRST = "memories/number/0"


def cut(text: str) -> str:
    return text[: len(text) // 2]


def other_number(text: str) -> str:
    assert text.count('"seconds": 2.5') == 1
    return text.replace('"seconds": 2.5', '"seconds": 3.5')


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (cut, "memories/number/0.json cannot be read ("),
        (other_number, "memories/number/0.json does not match its checksum: take it from git or remove it."),
    ],
)
def test_a_record_that_is_not_as_written_is_named_and_left(
    spoil: Callable[[str], str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[int] = []
    theme = numbers(ran)
    paper.main(["*/0"], [theme])
    path = files.place(FIRST)
    spoilt = spoil(path.read_text(encoding="utf-8"))
    path.write_text(spoilt, encoding="utf-8")
    claim = files.place("claims/am.double").read_bytes()
    for arguments in ([], ["--replace"]):
        capsys.readouterr()
        assert paper.main(arguments, [theme]) == 1
        found = capsys.readouterr()
        assert found.err.startswith(said) and len(found.err.splitlines()) == 1 and found.out == ""
        assert path.read_text(encoding="utf-8") == spoilt and files.place("claims/am.double").read_bytes() == claim
    assert ran == [0]
    # what the sentence says helps: the run is still in the cache
    path.unlink()
    assert paper.main(["*/0"], [theme]) == 0 and ran == [0] and load_run(FIRST) is not None


def test_a_misspelt_name_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[int] = []
    assert paper.main(["memories/nummber/0"], [numbers(ran)]) == 1
    assert ran == [] and capsys.readouterr().err == (
        "No run is named 'memories/nummber/0' (did you mean 'memories/number/0'?): "
        "LIST=1 lists the names, and * stands for any part of one.\n"
    )


@pytest.mark.parametrize("seconds", ["soon", "-1", "nan", "inf", ""])
def test_seconds_that_are_none_are_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[int] = []
    assert paper.main(["--seconds=" + seconds], [numbers(ran)]) == 1
    said = f"SECONDS is {seconds!r}; it must be a number of seconds, 0 or more.\n"
    assert ran == [] and capsys.readouterr().err == said


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_computed(
    own_folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # a file where the folder is to be: not even root can write below it
    own_folders.parent.mkdir(exist_ok=True)
    (own_folders.parent / "file").write_text("")
    monkeypatch.setenv("MECHBOOK_RECORDS", str(own_folders.parent / "file" / "paper"))
    ran: list[int] = []
    assert paper.main([], [numbers(ran)]) == 1
    said = capsys.readouterr().err
    assert ran == [] and "cannot be written (" in said and said.endswith("name another folder (MECHBOOK_RECORDS).\n")
    assert len(said.splitlines()) == 1


def test_a_disk_that_is_full_loses_no_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    ran: list[int] = []
    theme = numbers(ran)
    run, _, _ = theme.runs(theme.setup)
    run.settings.run()  # os.fsync is the cache's too, which has it now
    with monkeypatch.context() as patch:
        patch.setattr("mechbook.records.files.os.fsync", full)
        assert paper.main([], [theme]) == 1
    said = capsys.readouterr().err
    assert said.startswith("memories/number/0 is computed and cannot be recorded: ") and len(said.splitlines()) == 1
    assert "No space left on device. make paper goes on there." in said
    # the next would have fared the same, so it was not begun, and no half of a record is left
    assert ran == [0] and files.files() == [] and not list(files.folder().rglob("*.tmp"))
    assert paper.main([], [theme]) == 0
    assert ran == [0, 1, 2] and load_claim("am.double") is not None


KILLED = """
import os, signal, sys
from mechbook.paper import __main__ as paper
from mechbook.records import files
from tests.paper.small import numbers

def kill(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[1:] == ["kill"]:
    # when the text is written, before it has its name; or just after
    files.os.replace = kill
sys.exit(paper.main([], [numbers([])]))
"""


def test_a_kill_during_the_write_leaves_the_old_record_or_none(own_folders: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}

    def call(*arguments: str) -> int:
        command = [sys.executable, "-c", KILLED, *arguments]
        return subprocess.run(command, env=environment, cwd=PACKAGE.parent, capture_output=True, check=False).returncode

    assert call("kill") == -9
    assert files.files() == [] and load_run(FIRST) is None
    # what is left of the draft disturbs nothing
    assert call() == 0
    assert [path.relative_to(own_folders).as_posix() for path in files.files()] == [
        "claims/am.double.json",
        *(f"memories/number/{seed}.json" for seed in range(3)),
    ]
    before = files.place(FIRST).read_bytes()
    files.place("memories/number/1").unlink()
    assert call("kill") == -9
    assert files.place(FIRST).read_bytes() == before and load_run("memories/number/1") is None


def test_a_claim_that_cannot_be_measured_stops_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[int] = []
    theme = numbers(ran)
    (claim,) = theme.claims

    def undefined(setup: object, seed: int) -> float:
        return float("nan") if seed == 1 else 2.0 * seed

    assert paper.main([], [replace(theme, claims=[replace(claim, measure=undefined)])]) == 1
    assert ran == [0, 1, 2]
    assert "am.double is not recorded: am.double has the value nan, which is not finite" in capsys.readouterr().err
    found = load_claim("am.double")
    assert found is not None and found.seeds == [0]
