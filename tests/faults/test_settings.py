"""Wrong settings, folders and machines, each one sentence before anything is done. Oracle: the planted mistakes."""

import ast
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from threading import Thread

import pytest

from mechbook.core.cache.closure import PACKAGE
from mechbook.site import build, execute, serve, supported
from mechbook.site.settings import MOST, Parser, add_arguments, wrong_setting

ROOT = PACKAGE.parent


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--workers", "0"], f"WORKERS is '0'; it must be a whole number from 1 to {MOST}."),
        (["--workers", "-3"], f"WORKERS is '-3'; it must be a whole number from 1 to {MOST}."),
        (["--workers", ""], f"WORKERS is ''; it must be a whole number from 1 to {MOST}."),
        (["--threads", "100000"], f"THREADS is '100000'; it must be a whole number from 1 to {MOST}."),
        (["--threads", "²"], f"THREADS is '²'; it must be a whole number from 1 to {MOST}."),
        (["--wrokers", "2"], "unrecognized arguments: --wrokers 2."),
    ],
)
def test_a_wrong_argument_is_one_sentence(arguments: list[str], words: str) -> None:
    parser = Parser()
    add_arguments(parser)
    with pytest.raises(ValueError) as error:
        parser.parse_args(arguments)
    assert str(error.value) == words


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("MECHBOOK_JOBS", "many", "MECHBOOK_JOBS is 'many'; it must be"),
        ("MECHBOOK_JOBS", "0", "MECHBOOK_JOBS is '0'; it must be"),
        (
            "MECHBOOK_CLUSTER",
            "nowhere",
            "MECHBOOK_CLUSTER is 'nowhere'; it must be an address such as tcp://HOST:8786.",
        ),
        ("MECHBOOK_CLUSTER", "tcp://a:b", "MECHBOOK_CLUSTER is 'tcp://a:b'; it must be"),
        ("MECHBOOK_FRESH", "yes", "MECHBOOK_FRESH is 'yes'; it must be"),
        ("MECHBOOK_THREADS", "100000", "THREADS is '100000'; it must be"),
        ("MECHBOOK_SITE", "example.org/book", "MECHBOOK_SITE is 'example.org/book'; it must be an address such as"),
        ("MECHBOOK_REPOSITORY", "ftp://a/b", "MECHBOOK_REPOSITORY is 'ftp://a/b'; it must be an address such as"),
        ("MECHBOOK_SITE", "https://example.org/book/", None),
        ("MECHBOOK_CLUSTER", "tcp://127.0.0.1:8786", None),
        ("MECHBOOK_CLUSTER", "", None),
        ("MECHBOOK_JOBS", "2", None),
    ],
)
def test_a_wrong_variable_is_one_sentence(name: str, value: str, words: str | None) -> None:
    said = wrong_setting(ROOT, {name: value})
    assert said is None if words is None else said is not None and said.startswith(words)


def test_a_folder_whose_name_is_a_pattern_is_refused() -> None:
    said = wrong_setting(Path("/tmp/books [old]"), {})
    assert said is not None and said.startswith("The book lies in /tmp/books [old]: a path with one of * ? [ ] # % ")


def test_folders_are_meant_from_where_the_build_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "PACKAGE", tmp_path / "mechbook")
    for name in execute.THREAD_VARIABLES + execute.FOLDERS + ("MECHBOOK_SITE_BUILD", "MECHBOOK_BUILD_STARTED"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("MECHBOOK_CACHE", "runs")
    monkeypatch.chdir(tmp_path)
    execute.prepare(1)
    assert os.environ["MECHBOOK_CACHE"] == str(tmp_path / "runs")


def test_an_interruption_at_any_time_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Imports take longest, so they come after the line is sure; the oracle is the module's own syntax tree."""

    def interrupted(root: Path) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "build", interrupted)
    assert build.main() == 130
    assert capsys.readouterr().err == "Interrupted; the chapters that were done are kept.\n"
    tree = ast.parse(Path(build.__file__).read_text(encoding="utf-8"))
    names = [node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("version", "system", "machine", "bits", "words"),
    [
        ((3, 10), "Linux", "x86_64", 64, "needs Python 3.11 to 3.14, and this one is 3.10"),
        ((3, 15), "Linux", "x86_64", 64, "needs Python 3.11 to 3.14, and this one is 3.15"),
        ((2, 7), "Linux", "x86_64", 64, "this one is 2.7"),
        ((3, 12), "Windows", "AMD64", 64, "on Windows use it inside WSL"),
        ((3, 12), "Darwin", "x86_64", 64, "Macs with an Intel processor"),
        ((3, 12), "Linux", "armv7l", 32, "64"),
        ((3, 11), "Linux", "x86_64", 64, ""),
        ((3, 14), "Darwin", "arm64", 64, ""),
        ((3, 13), "Linux", "aarch64", 64, ""),
    ],
)
def test_what_cannot_work_is_refused(
    version: tuple[int, int], system: str, machine: str, bits: int, words: str
) -> None:
    said = supported.refusal(version, system, machine, bits)
    assert bool(said) == bool(words) and words in said


def test_what_is_refused_is_what_the_package_says_it_needs() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (least, most), above = (supported.FIRST, supported.LAST), supported.LAST[1] + 1
    assert f'requires-python = ">={least[0]}.{least[1]},<{most[0]}.{above}"' in project


MAKE = shutil.which("make")


@pytest.mark.skipif(MAKE is None, reason="there is no make")
def test_make_passes_on_none_of_the_users_settings_of_python_and_pip(tmp_path: Path) -> None:
    """Oracle: the environment that a recipe really has."""
    show = tmp_path / "show.mk"
    show.write_text(".PHONY: show\nshow:\n\t@env\n")
    given = {"PIP_USER": "1", "PIP_TARGET": "x", "PYTHONSTARTUP": "x", "PYTHONWARNINGS": "error", "PYTHONPATH": "x"}
    given |= {"PYTHONHOME": "x", "PYTHONUTF8": "0", "KEPT": "1"}
    command = [str(MAKE), "--no-print-directory", "-f", "Makefile", "-f", str(show), "show"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **given}, capture_output=True, text=True, check=True)
    said = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert said["KEPT"] == "1" and said["PIP_USER"] == "0" and said["PYTHONUTF8"] == "1"
    assert not {"PIP_TARGET", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONPATH", "PYTHONHOME"} & set(said)


@pytest.mark.skipif(MAKE is None, reason="there is no make")
@pytest.mark.parametrize(
    ("program", "words"),
    [("'no such python'", "There is no"), ("old", "mechbook needs Python 3.11 to 3.14, and this one is 3.9")],
)
def test_a_python_that_cannot_work_downloads_nothing(tmp_path: Path, program: str, words: str) -> None:
    """Oracle: the folder of the environment, which is not even begun."""
    old = tmp_path / "old"
    here = "import sys; sys.argv.pop(0); exec(open(sys.argv[0]).read().replace('sys.version_info', '(3, 9)'))"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{here}" "$@"\n')
    old.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [str(MAKE), "sync", f"PYTHON={program.strip(chr(39))}", f"VENV={tmp_path / 'venv'}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and words in done.stderr, done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_port_in_use_or_out_of_range_and_no_site_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve.main(["8000"], tmp_path) == 1
    assert capsys.readouterr().err == "There is no site yet: run make book first.\n"
    (tmp_path / "index.html").write_text("here")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert serve.main([str(port)], tmp_path) == 1
        assert capsys.readouterr().err.startswith(f"Nothing can listen on port {port} (")
    for wrong in ("99999", "0", "http"):
        assert serve.main([wrong], tmp_path) == 1
        assert capsys.readouterr().err == f"PORT is {wrong!r}; it must be a whole number from 1 to 65535.\n"


def test_the_site_is_served_on_the_port_that_is_announced(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("here")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with serve.server(port, tmp_path) as running:
        thread = Thread(target=running.serve_forever, daemon=True)
        thread.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
            assert answer.read() == b"here"
        running.shutdown()
        thread.join()


@pytest.mark.skipif(MAKE is None, reason="there is no make")
def test_a_symlink_to_the_checkout_is_the_same_environment(tmp_path: Path) -> None:
    """Oracle: the mark that says an environment is ready, from the folder itself, a link to it, and a copy."""
    show = tmp_path / "show.mk"
    show.write_text(".PHONY: show\nshow:\n\t@echo '$(READY) $(LAB)'\n")
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("Makefile", "pyproject.toml", *(path.name for path in ROOT.glob("requirements*.txt"))):
        shutil.copy(ROOT / name, copy / name)
    (tmp_path / "link").symlink_to(copy)
    shutil.copytree(copy, tmp_path / "moved")
    command = [str(MAKE), "--no-print-directory", "-f", "Makefile", "-f", str(show), "show"]

    def mark(folder: Path) -> str:
        # as a shell that has walked through the link
        environment = {**os.environ, "PWD": str(folder)}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    assert mark(tmp_path / "link") == mark(copy) != mark(tmp_path / "moved")
