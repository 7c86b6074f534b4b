"""Stored values against what was stored: structure, types and bits."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mechbook.core.cache import store


def same(a: object, b: object) -> bool:
    """Equal types, structure and bits."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and a.cpu().numpy().tobytes() == b.cpu().numpy().tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


VALUE = {
    "nothing": None,
    "numbers": (1, -2.5, 0.1 + 0.2, math.inf, math.nan, True, "text: \u00e9\n"),
    7: [torch.arange(3), {"a/b": torch.eye(2, dtype=torch.float64)}, [], {}, ()],
    "0": torch.tensor(3.5, dtype=torch.float32),
    "special": torch.tensor([math.nan, -0.0, math.inf]),
    "mask": torch.tensor([True, False, True]),
    "empty": torch.zeros(0, 5),
    "turned": torch.arange(6.0).view(2, 3).T,
}


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    store.save(tmp_path / "file", VALUE, {"n": [1, "x"]})
    value, about = store.load(tmp_path / "file")
    assert same(value, VALUE)
    assert same(store.plain(VALUE), VALUE)
    assert about == {"n": [1, "x"]}
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert store.load(tmp_path / "file")[0]["turned"].is_contiguous()


def test_bfloat16_and_a_value_that_is_one_number(tmp_path: Path) -> None:
    store.save(tmp_path / "a", torch.arange(5).bfloat16())
    assert torch.equal(store.load(tmp_path / "a")[0], torch.arange(5).bfloat16())
    store.save(tmp_path / "b", 3)
    assert store.load(tmp_path / "b") == (3, None)


def test_copies_are_independent_and_sharing_is_kept(tmp_path: Path) -> None:
    weights = torch.randn(31, 37, requires_grad=True)
    plain = store.plain({"a": weights, "b": [weights]})
    assert plain["a"] is plain["b"][0] and not plain["a"].requires_grad
    plain["a"].zero_()
    assert bool((weights != 0).all())
    store.save(tmp_path / "one", [weights])
    store.save(tmp_path / "many", [weights] * 9)
    assert (tmp_path / "many").stat().st_size < 1.5 * (tmp_path / "one").stat().st_size
    many, _ = store.load(tmp_path / "many")
    assert len(many) == 9 and many[0] is many[8]


def test_every_damage_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    store.save(path, {"a": torch.zeros(5), "n": 1234567}, "about this")
    whole = path.read_bytes()
    assert b"1234567" in whole and b"about this" in whole
    changed = bytearray(whole)
    changed[-1] ^= 1
    for damaged in (
        b"",
        whole[:7],
        whole[: len(whole) // 2],
        whole[:-1],
        whole + b"\0",
        bytes(changed),
        whole.replace(b"1234567", b"1234568"),
        whole.replace(b"about this", b"about that"),
        b"\0" * len(whole),
    ):
        path.write_bytes(damaged)
        with pytest.raises(store.DamagedFile):
            store.load(path)
    path.write_bytes(whole)
    store.load(path)


def test_an_interrupted_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save(tmp_path / "file", "old")

    def fail(descriptor: int) -> None:
        raise OSError("no space")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space"):
        store.save(tmp_path / "file", "new")
    assert store.load(tmp_path / "file")[0] == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_cannot_be_stored_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"^value/'a'/1 is a set; what can be stored is"):
        store.save(tmp_path / "file", {"a": [1, {2}]})
    with pytest.raises(TypeError, match=r"^value has the key \(1, 2\); keys"):
        store.plain({(1, 2): 3})
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError):
        store.load(tmp_path / "file")


def test_a_checksum_tells_any_two_values_apart() -> None:
    values = [
        {"a": torch.zeros(2, 3)},
        {"a": torch.zeros(3, 2)},
        {"b": torch.zeros(2, 3)},
        {"a": torch.zeros(2, 3, dtype=torch.int32)},
        {"a": -torch.zeros(2, 3)},
        {"a": 0},
        {"a": 0.0},
        {"a": False},
        [0],
        (0,),
    ]
    assert len({store.checksum(value) for value in values}) == len(values)
    assert store.checksum({"a": torch.zeros(2, 3)}) == store.checksum(values[0])
