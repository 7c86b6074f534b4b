"""Records written and read back; what is refused, and with which words. Oracles: the record itself, and JSON."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from mechbook.core.cache import entries
from mechbook.records import files
from mechbook.records.code import of_claim
from mechbook.records.kept import as_json, fits, load, load_claim, load_run, rounded, save
from tests.records.conftest import MODULES, claim_record, run_record


def test_a_run_comes_back_with_its_curves_to_six_digits(folder: Path) -> None:
    record = run_record()
    assert save(record) is True
    found = load_run(record.name)
    assert found is not None and found.path == folder / "induction/frozen/joint/0.json"
    assert found.values["loss"] == [1.23457, 0.000123457, 12345.7]
    assert found.values["W_O2"][:2] == [0.0, 1.0] and math.isnan(found.values["W_O2"][2])
    assert (found.seconds, found.final) == (12.3457, {"accuracy": 0.333333})
    for name in ("name", "settings", "modules", "code", "steps", "machine"):
        assert getattr(found, name) == getattr(record, name), name


def test_a_claim_comes_back_to_the_last_digit(folder: Path) -> None:
    record = claim_record()
    assert save(record) is True
    assert load_claim("ih.order") == record


def test_what_is_not_there_is_none(folder: Path) -> None:
    assert load_run("induction/frozen/joint/0") is None and load_claim("ih.order") is None
    assert files.files() == [] and files.digest("induction") == ""


@pytest.mark.parametrize("name", ["", "x", "../x", "induction/", "induction//x", "/induction/x", "induction/../x"])
def test_a_name_leads_nowhere_else(folder: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"is no name of a record: names are such as"):
        files.place(name)


def test_the_same_record_is_left_alone(folder: Path) -> None:
    record = run_record()
    save(record)
    before = record.path.read_bytes()
    # of the same settings and code, whatever else it says
    assert save(run_record(seconds=99.0, final={"accuracy": 1.0})) is False
    assert record.path.read_bytes() == before


@pytest.mark.parametrize("changes", [{"code": "other"}, {"settings": {"seed": 1}}])
def test_another_one_is_refused_unless_asked(folder: Path, changes: dict[str, Any]) -> None:
    save(run_record())
    before = run_record().path.read_bytes()
    with pytest.raises(files.Refused, match=r"^0\.json holds a record of other settings or code: ask to replace it"):
        save(run_record(**changes))
    assert run_record().path.read_bytes() == before
    assert save(run_record(**changes), replace=True) is True
    found = load_run(run_record().name)
    assert found is not None and found.same(run_record(**changes)) and not found.same(run_record())


def test_a_claim_gives_way_to_more_seeds_alone(folder: Path) -> None:
    save(claim_record())
    other = [{"W_O2": 0.5, "W_K1": 1}, {"W_O2": 0.5, "W_K1": 2}]
    assert save(claim_record(values=other[:1], seeds=[0])) is False
    assert save(claim_record(values=other, seeds=[1, 2])) is False
    assert save(claim_record(values=[*claim_record().values, other[0]], seeds=[0, 1, 2])) is True
    found = load_claim("ih.order")
    assert found is not None and found.seeds == [0, 1, 2]


def test_nothing_is_left_beside_a_record(folder: Path) -> None:
    save(run_record())
    save(claim_record())
    there = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert there == ["claims/ih.order.json", "induction/frozen/joint/0.json"]


def test_a_record_is_json_of_its_content_and_checksum(folder: Path) -> None:
    save(run_record())
    text = run_record().path.read_text(encoding="utf-8")
    found = json.loads(text)
    assert (found["form"], found["content"]) == ("mechbook run 1", as_json(run_record().content()))
    # a line for each part: git shows which one changed
    assert len(text.splitlines()) == len(found["content"]) + 6


def cut(text: str) -> str:
    return text[: len(text) // 2]


def tampered(text: str) -> str:
    assert text.count("1.23457") == 1
    return text.replace("1.23457", "1.23458")


def unknown(text: str) -> str:
    return text.replace("mechbook run 1", "mechbook run 2")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (cut, r"^induction/frozen/joint/0\.json cannot be read \(.*\): take it from git or remove it\.$"),
        (tampered, r"^induction/frozen/joint/0\.json does not match its checksum: take it from git or remove it\.$"),
        (unknown, r"^induction/frozen/joint/0\.json has no form that this version knows"),
        (lambda text: "[]", r"^induction/frozen/joint/0\.json has no form that this version knows"),
    ],
)
def test_a_spoilt_record_is_refused_in_a_sentence(folder: Path, spoil: Any, said: str) -> None:
    path = run_record().path
    save(run_record())
    path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(files.BadRecord, match=said):
        load_run("induction/frozen/joint/0")
    with pytest.raises(files.BadRecord, match=said):
        save(run_record())


def test_a_record_with_other_parts_is_refused(folder: Path) -> None:
    path = run_record().path
    content = run_record().content()
    del content["seconds"]
    files.write(path, "mechbook run 1", content)
    with pytest.raises(files.BadRecord, match=r"^0\.json has other parts than a record of the form 'mechbook run 1'"):
        load(path)


def test_a_claims_record_is_no_runs(folder: Path) -> None:
    files.write(files.place("induction/frozen/joint/0"), "mechbook claim 1", claim_record().content())
    with pytest.raises(files.BadRecord, match=r"^0\.json is no record of a run"):
        load_run("induction/frozen/joint/0")


def test_all_records_together_stay_small(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(run_record())
    size = run_record().path.stat().st_size
    monkeypatch.setattr(files, "LARGEST", 2 * size - 1)
    with pytest.raises(files.Refused, match=r"^1\.json is not written"):
        save(run_record(name="induction/frozen/joint/1"))
    monkeypatch.setattr(files, "LARGEST", 2 * size)
    assert save(run_record(name="induction/frozen/joint/1")) is True


def test_earlier_is_other_code_or_other_settings() -> None:
    code = entries.code(MODULES)
    record = run_record(code=code)
    assert record.earlier() is False
    assert record.earlier({"run": {"T": 11, "steps": (1, 2)}, "seed": 0}) is False
    assert record.earlier({"run": {"T": 12, "steps": (1, 2)}, "seed": 0}) is True
    assert run_record().earlier() is True
    assert run_record(code=code, modules=("mechbook.records.gone",)).earlier() is True
    record = claim_record(code=of_claim(MODULES))
    assert record.earlier({"T": 11, "seeds": 2}) is False
    assert record.earlier({"T": 11, "seeds": 3}) is True
    assert claim_record().earlier({"T": 11, "seeds": 2}) is True


def test_the_digest_of_a_folder_changes_with_any_of_its_files(folder: Path) -> None:
    save(run_record())
    first = files.digest("induction")
    save(claim_record())
    save(run_record(name="noisy/main/0"))
    assert files.digest("induction") == first
    save(run_record(name="induction/frozen/joint/1"))
    second = files.digest("induction")
    assert second != first
    run_record().path.write_text("x", encoding="utf-8")
    assert files.digest("induction") not in (first, second)


@pytest.mark.parametrize("value", [0.0, -1.0, 1 / 3, 123456789.0, 1e-30, 41.0])
def test_rounding_is_within_half_a_unit_of_the_sixth_digit(value: float) -> None:
    found = rounded(value)
    assert found is not None
    assert abs(found - value) <= 0.5 * 10 ** (math.floor(math.log10(abs(value) or 1)) - 5) * (1 + 1e-9)


def test_what_is_not_finite_is_none() -> None:
    assert [rounded(x) for x in (math.nan, math.inf, -math.inf)] == [None] * 3


@pytest.mark.parametrize(
    ("recorded", "now", "fit"),
    [
        ({"T": 11}, {"T": 11, "new": 5}, True),
        ({"T": 11, "part": {"d": 2}}, {"T": 11, "part": {"d": 2, "new": {"x": 1}}}, True),
        ({"levels": [[0.2, {"steps": 7}]]}, {"levels": [[0.2, {"steps": 7, "new": None}]]}, True),
        ({"T": 11}, {"T": 12}, False),
        ({"T": 11, "gone": 1}, {"T": 11}, False),
        ({"part": {"d": 2}}, {"part": {"d": 3, "new": 1}}, False),
        ({"part": {"d": 2}}, {"part": 2}, False),
        ({"levels": [1, 2]}, {"levels": [1, 2, 3]}, False),
        ({"levels": [1, 2]}, {"levels": [2, 1]}, False),
        ({"lr": None}, {"lr": 0.1}, False),
    ],
)
def test_a_preset_fits_where_all_that_was_recorded_is_the_same(recorded: Any, now: Any, fit: bool) -> None:
    assert fits(recorded, now) is fit


def test_a_claim_gathers_seeds_though_its_preset_has_a_new_setting(folder: Path) -> None:
    save(claim_record())
    more = {"values": [*claim_record().values, {"W_O2": 0.5, "W_K1": 1}], "seeds": [0, 1, 2]}
    assert save(claim_record(setup={"T": 11, "seeds": 2, "new": 1}, **more)) is True
    with pytest.raises(files.Refused, match=r"other settings or code"):
        save(claim_record(setup={"T": 12, "seeds": 2, "new": 1}, **more))
