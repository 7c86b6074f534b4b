"""The committed record: what may enter it, and how it says no."""

import json
from pathlib import Path
from typing import Any

import pytest

from mechbook.claims.catalogue import load_claims
from mechbook.site.record import load_record, main, save_record, update

EMPTY: dict[str, dict[str, bool | None]] = {"laptop": {}, "paper": {}}


def row(id: str, held: Any = True, scale: Any = "laptop", seed: int = 0, device: str = "cpu") -> dict[str, Any]:
    return {"id": id, "held": held, "scale": scale, "seed": seed, "device": device, "measured": 1.0}


def test_the_committed_record_is_one_and_has_every_claim_of_the_list() -> None:
    """Without its entry a claim may stop holding and no build fails: record a new one from a build at seed 0."""
    record = load_record()
    assert {id for held in record.values() for id in held} <= set(load_claims())
    assert set(record["laptop"]) == set(load_claims())


def test_update_keeps_the_other_scale_and_the_claims_not_named() -> None:
    record = {"laptop": {"ih.order": True, "am.sets": True}, "paper": {"ih.order": False}}
    updated = update(record, [row("ih.order", False), row("am.remap", None)])
    assert updated == {
        "laptop": {"am.remap": None, "am.sets": True, "ih.order": False},
        "paper": {"ih.order": False},
    }
    assert list(updated["laptop"]) == ["am.remap", "am.sets", "ih.order"]
    assert record["laptop"]["ih.order"] is True


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (row("ih.order", seed=1), "seed 1 on cpu"),
        (row("ih.order", device="cuda"), "seed 0 on cuda"),
        (row("ih.order", scale="napkin"), "'napkin'"),
        (row("ih.order", held="yes"), "'yes'"),
        (row("ih.order", held=1), "held 1"),
        ({"id": "ih.order", "held": True}, "row without"),
        (row("ih.order", held=None) | {"changed": ["alpha = 0.3 (preset: 0.5)"]}, "a reader changed .alpha = 0.3"),
    ],
)
def test_what_may_not_enter_the_record(bad: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        update(EMPTY, [row("am.sets"), bad])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "is no record"),
        ('{"laptop": {}}', "is no record"),
        ('{"laptop": {}, "paper": []}', "paper is to map"),
        ('{"laptop": {"ih.order": "yes"}, "paper": {}}', "'yes' for ih.order"),
        ('{"laptop": {"ih.order": 1}, "paper": {}}', "1 for ih.order"),
    ],
)
def test_a_malformed_record_is_refused_in_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=words) as caught:
        load_record(path)
    assert "\n" not in str(caught.value)


def test_an_absent_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        load_record(tmp_path / "record.json")


def test_saved_is_loaded_and_nothing_else_is_left(tmp_path: Path) -> None:
    record = {"laptop": {"ih.order": True, "am.sets": None}, "paper": {"ih.order": False}}
    save_record(record, tmp_path / "record.json")
    assert load_record(tmp_path / "record.json") == record
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_the_command_updates_the_record_and_says_what_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, claims = tmp_path / "record.json", tmp_path / "claims.json"
    save_record({"laptop": {"ih.order": True, "am.sets": True}, "paper": {}}, record)
    claims.write_text(json.dumps([row("ih.order", False), row("am.sets"), row("am.remap", None)]), encoding="utf-8")
    assert main([str(claims), "--record", str(record)]) == 0
    assert load_record(record)["laptop"] == {"am.remap": None, "am.sets": True, "ih.order": False}
    assert capsys.readouterr().out == "laptop am.remap: new -> None\nlaptop ih.order: True -> False\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (json.dumps([row("ih.order", seed=3)]), "seed 3"),
        ("{}", "is to hold a list"),
        ("[1]", "row without"),
        ("nonsense", "is not JSON"),
        (None, "cannot be read"),
    ],
)
def test_the_command_refuses_with_one_line_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, words: str
) -> None:
    record, claims = tmp_path / "record.json", tmp_path / "claims.json"
    save_record({"laptop": {"ih.order": True}, "paper": {}}, record)
    before = record.read_bytes()
    if content is not None:
        claims.write_text(content, encoding="utf-8")
    assert main([str(claims), "--record", str(record)]) == 1
    told = capsys.readouterr()
    assert words in told.err and told.err.count("\n") == 1 and told.out == ""
    assert record.read_bytes() == before
