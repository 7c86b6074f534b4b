"""The list of everything the book claims, kept as data in claims.csv beside this file."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PATH = Path(__file__).with_name("claims.csv")
COLUMNS = ("id", "chapter", "source", "statement", "paper_value", "holds_when")
# As many as the pages' names, book/NN_name, have room for.
CHAPTERS = range(1, 100)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One figure, table, lemma or theorem that the book reproduces, and the criterion, in words, for it to hold."""

    id: str
    chapter: int
    source: str
    statement: str
    paper: str
    criterion: str


def load_claims(path: Path = PATH) -> dict[str, Claim]:
    """Return the claims by id, in the list's order.

    Raises ValueError for a list that lacks a column or a field, names an id twice, or names a chapter outside 1 to 99.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path.name} has the columns {reader.fieldnames}, where {list(COLUMNS)} are wanted.")
        return _by_id(path.name, (_claim(path.name, row) for row in reader))


def _claim(name: str, row: dict[str, str]) -> Claim:
    if set(row) != set(COLUMNS) or not all(row[column] for column in COLUMNS):
        raise ValueError(f"{name} has a row with a field missing or too many: {row.get('id')!r}.")
    if row["chapter"] not in {str(chapter) for chapter in CHAPTERS}:
        raise ValueError(f"{name} puts {row['id']} in chapter {row['chapter']!r}, where chapters are 1 to 99.")
    return Claim(
        id=row["id"],
        chapter=int(row["chapter"]),
        source=row["source"],
        statement=row["statement"],
        paper=row["paper_value"],
        criterion=row["holds_when"],
    )


def _by_id(name: str, rows: Iterable[Claim]) -> dict[str, Claim]:
    claims: dict[str, Claim] = {}
    for claim in rows:
        if claim.id in claims:
            raise ValueError(f"{name} lists {claim.id} twice.")
        claims[claim.id] = claim
    return claims
