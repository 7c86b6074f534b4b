"""Damage to the cache of executed pages. Oracle: what was kept, and a page beside it that nobody touched."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from sqlalchemy.exc import OperationalError

from mechbook.site.page_cache import keep, kept, opened, timings


def notebook(source: str) -> Any:
    found = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    found.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "mechbook": "0" * 64}
    return found


def executed(source: str, result: str) -> str:
    found = notebook(source)
    found.cells[0].outputs = [nbformat.v4.new_output("stream", text=result)]
    return nbformat.writes(found)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cache that has the pages "1" and "2"."""
    cache = opened(tmp_path / "cache")
    for source, result in (("1", "one"), ("2", "two")):
        keep(cache, executed(source, result), 0.5, tmp_path / f"{source}.md")
    assert kept(cache, notebook("1")) and kept(cache, notebook("2")) and not kept(cache, notebook("3"))
    return tmp_path / "cache"


def entry(folder: Path, source: str) -> Path:
    _, key = opened(folder).create_hashed_notebook(notebook(source))
    return folder / "executed" / key / "base.ipynb"


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "no UTF-8": lambda path: path.write_bytes(b"\xff\xfe" + path.read_bytes()[2:]),
    "cut": lambda path: path.write_text(path.read_text()[:60]),
    "empty": lambda path: path.write_text(""),
    "an object": lambda path: path.write_text("{}"),
    "a list": lambda path: path.write_text("[]"),
    "no cells": lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), "cells": []})),
    "cells that are none": lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), "cells": [7]})),
    "gone": lambda path: path.unlink(),
    "its folder gone": lambda path: shutil.rmtree(path.parent),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_entry_is_told_and_made_anew_and_the_other_stays(
    folder: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    DAMAGE[how](entry(folder, "1"))
    cache = opened(folder)
    assert not kept(cache, notebook("1")) and kept(cache, notebook("2"))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("A page's entry in the cache cannot be used (") and line.endswith("it is executed again.")
    keep(cache, executed("1", "again"), 0.5, folder / "1.md")
    _, found = opened(folder).merge_match_into_notebook(notebook("1"))
    assert found.cells[0].outputs[0].text == "again"


def test_two_entries_that_changed_places_are_both_made_anew(folder: Path) -> None:
    one, two = entry(folder, "1"), entry(folder, "2")
    first = one.read_text()
    one.write_text(two.read_text())
    two.write_text(first)
    assert not kept(opened(folder), notebook("1")) and not kept(opened(folder), notebook("2"))


def test_a_damaged_list_of_entries_starts_the_cache_anew(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "global.db").write_bytes(b"no database" * 100)
    cache = opened(folder)
    assert "the list of executed pages cannot be read" in capsys.readouterr().out
    assert not kept(cache, notebook("1"))
    keep(cache, executed("1", "one"), 0.5, folder / "1.md")
    assert kept(opened(folder), notebook("1"))


@pytest.mark.parametrize("words", ["database or disk is full", "disk I/O error", "unable to open database file"])
def test_a_disk_that_refuses_costs_no_page(folder: Path, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """Oracle: the files, before and after."""
    before = sorted(folder.rglob("*"))

    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("SELECT", {}, sqlite3.OperationalError(words))

    cache = opened(folder)
    monkeypatch.setattr(type(cache), "list_cache_records", refuse)
    with pytest.raises(RuntimeError, match=f"cannot be opened .*{words}.*nothing of it is lost"):
        opened(folder)
    monkeypatch.setattr(type(cache), "match_cache_notebook", refuse)
    with pytest.raises(RuntimeError, match=f"cannot be opened .*{words}.*nothing of it is lost"):
        kept(cache, notebook("1"))
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("text", "known"),
    [('{"a": 1.5}', {"a": 1.5}), ('{"a": 1.', {}), ("[]", {}), ("\udcff", {}), ('{"a": "soon", "b": 2}', {"b": 2.0})],
)
def test_damaged_timings_are_no_timings(tmp_path: Path, text: str, known: dict[str, float]) -> None:
    path = tmp_path / "chapter_seconds.json"
    assert timings(path) == {}
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert timings(path) == known
