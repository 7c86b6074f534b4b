"""The cache over a small package in a temporary folder: what is computed is counted."""

import json
import math
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from mechbook.core.cache import closure, store
from mechbook.core.cache import entries as cache

KEY = {"name": "run", "steps": 7, "sizes": [2, 3]}
FILES = {
    "__init__.py": "",
    "model.py": "from toy.base import x\nDATA = 'table.csv'\n",
    "base.py": "x = 1\n",
    "table.csv": "1,2\n",
    "figure.py": "y = 1\n",
}


class Counted:
    """A computation that counts how often it runs."""

    def __init__(self, value: Any = None) -> None:
        self.calls = 0
        self.value = {"weights": torch.arange(6.0).view(2, 3), "loss": [0.1, 0.2]} if value is None else value

    def __call__(self) -> Any:
        self.calls += 1
        return self.value


def ask(compute: Any, key: dict[str, Any] | None = None) -> Any:
    return cache.cached(KEY if key is None else key, compute, modules=("toy.model",))


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def write(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, (1.0, 1.0))


def restart() -> None:
    """Let this process read the package's files anew, as another one would."""
    cache._code.cache_clear()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = (tmp_path / "toy").resolve()
    folder.mkdir()
    for name, text in FILES.items():
        write(folder / name, text)
    monkeypatch.setattr(closure, "PACKAGE", folder)
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "cache" / "deep"))
    for name in ("MECHBOOK_FRESH", "MECHBOOK_BUILD_STARTED", "MECHBOOK_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def folder(package: Path, tmp_path: Path) -> Path:
    return tmp_path / "cache" / "deep"


def test_computed_once_and_equal_bit_for_bit(folder: Path) -> None:
    value = {"w": torch.randn(5, 7, generator=torch.Generator().manual_seed(1)).T, 3: (0.1, math.nan), "n": [None]}
    compute = Counted(value)
    fresh, again = ask(compute), ask(compute)
    assert compute.calls == 1
    assert store.checksum(fresh) == store.checksum(again) == store.checksum(value)
    assert fresh["w"].stride() == again["w"].stride()
    again["w"].zero_()
    assert torch.equal(ask(compute)["w"], value["w"])
    assert len(entries(folder)) == 1


def test_every_part_of_the_identity_is_an_entry_of_its_own(
    package: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = Counted()
    threads = torch.get_num_threads()
    ask(compute)
    ask(compute, dict(reversed(KEY.items())))
    assert compute.calls == 1
    changes = [
        lambda: ask(compute, {**KEY, "steps": 8}),
        lambda: ask(compute, {**KEY, "sizes": [3, 2]}),
        lambda: monkeypatch.setattr(torch, "__version__", "0.0.1"),
        lambda: torch.set_num_threads(threads + 1),
        lambda: monkeypatch.setenv("MECHBOOK_DEVICE", "meta"),
        lambda: write(package / "model.py", FILES["model.py"] + "edited = 1\n"),
        lambda: write(package / "base.py", "x = 2\n"),
        lambda: write(package / "table.csv", "1,3\n"),
        lambda: write(package / "__init__.py", "edited = 1\n"),
    ]
    try:
        for number, change in enumerate(changes):
            change()
            restart()
            ask(compute)
            assert compute.calls == number + 2, number
            ask(compute)
            assert compute.calls == number + 2, number
        write(package / "figure.py", "y = 2\n")
        restart()
        ask(compute)
        assert compute.calls == len(changes) + 1
    finally:
        torch.set_num_threads(threads)


def test_a_damaged_entry_is_computed_again_with_one_warning(folder: Path) -> None:
    compute = Counted()
    whole = ask(compute)
    (path,) = entries(folder)
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[-2] ^= 4
    for number, damaged in enumerate((bytes(flipped), content[:-9], content[:20], b"")):
        path.write_bytes(damaged)
        with pytest.warns(RuntimeWarning, match=r"^A damaged cache entry is computed again: .*\.$") as warned:
            assert store.checksum(ask(compute)) == store.checksum(whole)
        assert len(warned) == 1
        assert compute.calls == number + 2
        ask(compute)
        assert compute.calls == number + 2


def test_an_entry_under_anothers_name_is_not_taken(folder: Path) -> None:
    ask(Counted("one"))
    (one,) = entries(folder)
    ask(Counted("two"), {"other": 1})
    (two,) = set(entries(folder)) - {one}
    os.replace(two, one)
    with pytest.warns(RuntimeWarning, match="belongs to another key"):
        assert ask(Counted("one")) == "one"


def test_a_failed_computation_leaves_nothing_and_can_be_repeated(folder: Path) -> None:
    def fail() -> None:
        raise FloatingPointError("step 3")

    with pytest.raises(FloatingPointError, match="step 3"):
        ask(fail)
    with pytest.raises(OSError, match="of its own"):
        ask(lambda: exec("raise OSError('of its own')"))
    assert not entries(folder)
    assert ask(Counted("fine")) == "fine"


def test_fresh_ignores_what_was_written_before_the_build(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compute = Counted()
    ask(compute)
    monkeypatch.setenv("MECHBOOK_FRESH", "1")
    monkeypatch.setenv("MECHBOOK_BUILD_STARTED", str(time.time() - 50))
    ask(compute)
    assert compute.calls == 1
    monkeypatch.setenv("MECHBOOK_BUILD_STARTED", str(time.time()))
    ask(compute)
    assert compute.calls == 2
    ask(compute)
    assert compute.calls == 2, "written in this build"
    monkeypatch.delenv("MECHBOOK_BUILD_STARTED")
    monkeypatch.setattr(cache, "_STARTED", time.time())
    ask(compute)
    assert compute.calls == 3
    ask(compute)
    assert compute.calls == 3, "written by this process"
    monkeypatch.setenv("MECHBOOK_FRESH", "yes")
    with pytest.raises(ValueError, match=r"^MECHBOOK_FRESH is 'yes'; it must be 1"):
        ask(compute)


def test_code_edited_since_the_process_began_is_neither_read_nor_kept(package: Path, folder: Path) -> None:
    compute = Counted()
    ask(compute)
    (package / "base.py").write_text("x = 3\n")
    os.utime(package / "base.py", (time.time() + 5, time.time() + 5))
    restart()
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match=r"^base\.py changed since this process began"):
            ask(compute)
    assert compute.calls == 3 and len(entries(folder)) == 1
    assert cache.scratch(KEY, modules=("toy.model",)) is None


def test_a_folder_that_cannot_be_written_is_said_in_one_sentence(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "file" / "below"))
    compute = Counted()
    for calls in (1, 2):
        with pytest.warns(RuntimeWarning, match=r"^The cache folder .* cannot be written \(.*\): .*\.$") as warned:
            assert ask(compute)["loss"] == [0.1, 0.2]
        assert len(warned) == 1 and compute.calls == calls
    assert cache.scratch(KEY, modules=("toy.model",)) is None


def test_a_full_disk_is_said_and_the_result_is_returned(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(store, "save", full)
    with pytest.warns(RuntimeWarning, match="No space left on device"):
        assert ask(Counted("value")) == "value"


def test_keys_that_are_not_json_are_refused(folder: Path) -> None:
    for bad in ({"a": {1, 2}}, {"a": math.nan}, {"a": torch.zeros(1)}, {"a": {(1, 2): 3}}):
        with pytest.raises(TypeError, match=r"^A cache key must hold JSON values"):
            ask(Counted(), bad)
    with pytest.raises(ValueError, match="is not a module of toy"):
        cache.cached(KEY, Counted(), modules=("toy.absent",))


def test_scratch_is_one_file_for_a_key_and_an_old_one_goes_when_fresh(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(Counted())
    path = cache.scratch(KEY, modules=("toy.model",))
    assert path is not None and path.parent == folder and path not in entries(folder)
    assert path == cache.scratch(KEY, modules=("toy.model",))
    assert path != cache.scratch({"other": 1}, modules=("toy.model",))
    path.write_text("old")
    assert cache.scratch(KEY, modules=("toy.model",)) == path and path.exists()
    monkeypatch.setenv("MECHBOOK_FRESH", "1")
    monkeypatch.setenv("MECHBOOK_BUILD_STARTED", str(time.time() + 5))
    assert cache.scratch(KEY, modules=("toy.model",)) == path and not path.exists()


def test_the_folder_is_the_environments_the_checkouts_or_the_users(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache.folder() == tmp_path / "cache" / "deep"
    monkeypatch.delenv("MECHBOOK_CACHE")
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for platform, expected in (
        ("linux", "XDG_CACHE_HOME/mechbook"),
        ("win32", "LOCALAPPDATA/mechbook"),
        ("darwin", "HOME/Library/Caches/mechbook"),
    ):
        monkeypatch.setattr(sys, "platform", platform)
        assert cache.folder() == tmp_path / expected
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.folder() == tmp_path / "HOME" / ".cache" / "mechbook"
    (tmp_path / "pyproject.toml").write_text("")
    assert cache.folder() == tmp_path.resolve() / "_cache"


def _child(package: Path, log: Path, start: Any) -> None:
    closure.PACKAGE = package

    def compute() -> float:
        with log.open("a") as file:
            file.write("computed\n")
        time.sleep(0.5)
        return 0.25

    start.wait()
    if cache.cached(KEY, compute, modules=("toy.model",)) != 0.25:
        raise ValueError("another result")


def test_two_processes_asking_at_once_compute_once(package: Path, folder: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start, log = context.Barrier(2), tmp_path / "log"
    children = [context.Process(target=_child, args=(package, log, start)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    assert log.read_text() == "computed\n"


def test_an_entry_says_what_it_is(folder: Path) -> None:
    ask(Counted())
    _, about = store.load(entries(folder)[0])
    assert about["identity"]["key"] == json.loads(json.dumps(KEY))
    assert set(about["identity"]) == {"key", "code", "torch", "device", "threads"}
