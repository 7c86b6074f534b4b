"""The list of claims: the oracle is the file read by hand, and one planted error for each of its rules."""

import csv
from pathlib import Path

import pytest

from mechbook.claims.catalogue import COLUMNS, PATH, load_claims


def rows() -> list[dict[str, str]]:
    with PATH.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def written(path: Path, content: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(content[0]))
        writer.writeheader()
        writer.writerows(content)
    return path


def test_the_list_has_every_row_in_order_20_of_them_chapter_3_s() -> None:
    claims = load_claims()
    assert list(claims) == [row["id"] for row in rows()]
    assert sorted(id for id, claim in claims.items() if claim.chapter == 3) == sorted(
        id for id in claims if id.startswith("ih.")
    )
    assert sum(claim.chapter == 3 for claim in claims.values()) == 20


def test_a_claim_carries_its_criterion_in_words() -> None:
    claim = load_claims()["ih.one_layer_fails"]
    assert (claim.chapter, claim.source, claim.paper) == (3, "Birth sec. 3; talk", "~55%")
    assert claim.criterion == "between 0.40 and 0.70, reported with its spread"


def test_a_copy_of_the_list_loads_alike(tmp_path: Path) -> None:
    assert load_claims(written(tmp_path / "claims.csv", rows())) == load_claims()


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("id", "am.remap", "lists am.remap twice"),
        ("chapter", "0", "chapter '0'"),
        ("chapter", "100", "chapter '100'"),
        ("chapter", "three", "chapter 'three'"),
        ("holds_when", "", "field missing"),
    ],
)
def test_a_wrong_field_is_refused(tmp_path: Path, column: str, value: str, words: str) -> None:
    content = rows()
    content[0][column] = value
    with pytest.raises(ValueError, match=words):
        load_claims(written(tmp_path / "claims.csv", content))


def test_a_column_too_few_is_refused(tmp_path: Path) -> None:
    content = [{name: row[name] for name in COLUMNS[:-1]} for row in rows()]
    with pytest.raises(ValueError, match="columns"):
        load_claims(written(tmp_path / "claims.csv", content))


def test_a_field_too_many_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "claims.csv"
    path.write_text(PATH.read_text(encoding="utf-8").rstrip("\n") + ",one more\n", encoding="utf-8")
    last = rows()[-1]["id"]
    with pytest.raises(ValueError, match=f"too many: '{last}'"):
        load_claims(path)
