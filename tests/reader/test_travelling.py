"""Runs that a site serves, used on another machine. Oracle: what was computed here, and a computation that refuses."""

import json
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

from mechbook.core.cache import entries
from mechbook.reader import travelling
from mechbook.site import served_runs

MODULES = ("mechbook.core.presets",)
SMALL, LARGE = {"w": torch.arange(5.0)}, {"w": torch.zeros(3000)}


def refuse() -> NoReturn:
    raise AssertionError("it was computed again")


@pytest.fixture
def threads() -> Any:
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int) -> Path:
    """What a build on another machine served: the smaller of two runs, computed with one thread."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "built"))
    monkeypatch.setenv("MECHBOOK_DEVICE", "cpu")
    torch.set_num_threads(1)
    for number, value in enumerate((SMALL, LARGE)):
        entries.cached({"number": number}, lambda value=value: value, modules=MODULES)
    wanted = {path.name: list(MODULES) for path in (tmp_path / "built").glob("*.safetensors")}
    wanted["gone.safetensors"] = list(MODULES)
    served = served_runs.write(tmp_path / "page-runs.zip", wanted, most=10_000)
    assert (served.runs, served.left_out) == (1, 1) and served.size < 10_000
    # another machine: another torch, more threads, a cache of its own
    monkeypatch.delenv("MECHBOOK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(entries.closure, "PACKAGE", _elsewhere(tmp_path))
    monkeypatch.setattr(torch, "__version__", "9.9.0+other")
    torch.set_num_threads(2)
    return tmp_path / "page-runs.zip"


def _elsewhere(tmp_path: Path) -> Path:
    """The same package, as if it were installed."""
    place = tmp_path / "site-packages"
    place.mkdir()
    (place / "mechbook").symlink_to(Path(travelling.__file__).parents[1])
    return place / "mechbook"


def test_a_served_run_is_not_trained_again(archive: Path, tmp_path: Path) -> None:
    said = travelling.adopt(archive)
    assert said.startswith("Runs that the site's build trained and that are used here: 1, by torch ")
    assert "Too large to be served, and trained here: 1." in said and torch.get_num_threads() == 1
    found = entries.cached({"number": 0}, refuse, modules=MODULES)
    assert torch.equal(found["w"], SMALL["w"])
    assert entries.folder().parent == tmp_path / "home" / "mechbook"
    with pytest.raises(AssertionError, match="computed again"):
        entries.cached({"number": 1}, refuse, modules=MODULES)
    # again is nothing new, and as good
    assert travelling.adopt(archive) == said


@pytest.mark.parametrize("change", ["sources", "device", "modules"])
def test_a_run_of_other_code_or_for_another_device_is_left_out(archive: Path, tmp_path: Path, change: str) -> None:
    with zipfile.ZipFile(archive) as parts:
        found = {name: parts.read(name) for name in parts.namelist()}
    about = json.loads(found["runs.json"])
    if change == "sources":
        about["runs"][0]["sources"] = "0"
    if change == "modules":
        about["runs"][0]["modules"] = ["mechbook.gone"]
    if change == "device":
        value, notes = travelling.store.load(next(iter((tmp_path / "built").glob("*.safetensors"))))
        notes["identity"]["device"] = "cuda"
        travelling.store.save(tmp_path / "other", value, notes)
        found[about["runs"][0]["file"]] = (tmp_path / "other").read_bytes()
    found["runs.json"] = json.dumps(about).encode()
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as parts:
        for name, content in found.items():
            parts.writestr(name, content)
    assert "Of other code or for another device, and trained here: 1." in travelling.adopt(other)
    with pytest.raises(AssertionError, match="computed again"):
        entries.cached({"number": 0}, refuse, modules=MODULES)


def test_a_file_that_is_no_archive_is_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x-runs.zip").write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match="x-runs.zip does not hold a page's trained runs"):
        travelling.adopt(tmp_path / "x-runs.zip")


def test_glue_shows_what_the_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(travelling, "_show", shown.append)
    travelling.glue("a", 1, display=False)
    travelling.glue("b", 2)
    assert shown == [2]
