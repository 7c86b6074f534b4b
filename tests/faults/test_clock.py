"""A clock that was wrong: what is dated ahead of it. Oracle: the files that are left, and how often a run is made."""

import os
import time
from pathlib import Path

import pytest

from mechbook.core.cache import entries, store
from mechbook.core.cache.entries import cached
from mechbook.site import execute
from mechbook.site.clock import drop_runs_ahead, modules_ahead

DAY = 86400.0
MODULES = ("mechbook.core.cache.store",)


def test_a_run_from_the_future_is_not_taken_for_one_of_a_fresh_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(execute, "PACKAGE", tmp_path / "mechbook")
    for name in (*execute.THREAD_VARIABLES, "MECHBOOK_SITE_BUILD", "MECHBOOK_BUILD_STARTED"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "runs"))
    now, made = time.time(), []
    with monkeypatch.context() as then:
        then.setattr(entries.time, "time", lambda: now + DAY)
        cached({"a": 1}, lambda: made.append("then"), modules=MODULES)
    for fresh in (0, 1):
        monkeypatch.setenv("MECHBOOK_FRESH", str(fresh))
        execute.prepare(1)
        cached({"a": 1}, lambda: made.append("now"), modules=MODULES)
        assert made == ["then"] + ["now"] * fresh
    assert capsys.readouterr().out.startswith("Trained runs dated ahead of this machine's clock, computed anew")


def test_only_what_was_written_later_goes(tmp_path: Path) -> None:
    for name, written in (("old", 5.0), ("ahead", 15.0), ("odd", "soon")):
        store.save(tmp_path / f"{name}.safetensors", {"result": 1}, {"identity": {}, "written": written})
    (tmp_path / "cut.safetensors").write_bytes(b"\x10")
    (tmp_path / "ahead.state").write_text("kept")
    assert drop_runs_ahead(tmp_path, 10.0).endswith(" as all others: 1.")
    left = {"old.safetensors", "odd.safetensors", "cut.safetensors", "ahead.state"}
    assert {path.name for path in tmp_path.iterdir()} == left
    assert drop_runs_ahead(tmp_path, 10.0) == drop_runs_ahead(tmp_path / "none", 10.0) == ""


def test_modules_dated_ahead_are_said(tmp_path: Path) -> None:
    for name, ahead in (("a.py", False), ("b.py", True), ("deep/c.py", True), ("b.txt", True)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.utime(path, (0, 20.0 if ahead else 5.0))
    assert modules_ahead(tmp_path, 10.0).startswith("b.py and 1 more files of the package: dated ahead of")
    assert modules_ahead(tmp_path, 30.0) == ""
