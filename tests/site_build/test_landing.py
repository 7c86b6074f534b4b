"""The landing page's parts. Oracle: files and rows written here."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from docutils import nodes

from mechbook.site import landing
from mechbook.site.findings import PageOnly

ROOT = Path(__file__).resolve().parents[2]
LICENCE = "MIT License\n\nCopyright (c) 2031, Ada and others\n\nPermission is granted.\nCopyright stays.\n"
CITED = 'cff-version: 1.2.0\ntitle: "A book: of numbers"\nauthors:\n  - name: somebody else\nversion: 2.5.0\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "LICENSE").write_text(LICENCE, encoding="utf-8")
    (tmp_path / "CITATION.cff").write_text(CITED, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "numbers"\n', encoding="utf-8")
    return tmp_path


def test_authors_year_and_licence_are_those_that_the_licence_names(root: Path) -> None:
    assert landing.licence(root) == ("MIT", "2031", "Ada and others")
    assert landing.licence(ROOT)[0] == "BSD 3-Clause" and landing.licence(ROOT)[2] == "the mechbook authors"
    (root / "LICENSE").write_text("All rights reserved.\n", encoding="utf-8")
    with pytest.raises(ValueError, match="LICENSE names no licence"):
        landing.licence(root)


def test_the_entry_names_an_address_only_where_there_is_one(root: Path) -> None:
    entry = (
        "@software{numbers,\n  author  = {{Ada and others}},\n  title   = {A book: of numbers},\n"
        "  year    = {2031},\n  version = {2.5.0},\n"
    )
    assert landing.bibtex(root, "") == entry + "}"
    assert landing.bibtex(root, "https://x.example/b") == entry + "  url     = {https://x.example/b},\n}"


def test_date_and_commit_of_the_build_are_the_page_s_alone(root: Path) -> None:
    """What tells one build from another is in no notebook, which is the same from build to build."""
    shown = landing.colophon(root, "", datetime(2031, 5, 17, tzinfo=UTC))
    alone = [one for one in shown if isinstance(one, PageOnly)]
    assert [one.astext() for one in alone] == ["Built on 2031-05-17 from commit unknown."]
    rest = " ".join(one.astext() for one in shown if one not in alone)
    assert "By Ada and others, under the MIT licence." in rest and "2031-05-17" not in rest


def rows(**counts: int) -> list[dict[str, object]]:
    """So many rows of each status, all but the first in chapter 2."""
    found = [status.replace("_", " ") for status, count in counts.items() for _ in range(count)]
    return [{"status": status, "chapter": 2 if number else 1} for number, status in enumerate(found)]


def shown(found: list[dict[str, object]]) -> tuple[list[str], str, nodes.Element]:
    page = nodes.section("", *landing.tally(found, "scorecard.html"))
    counts = [one.astext() for one in page.findall(nodes.paragraph) if "mb-count" in one["classes"]]
    return counts, "".join(one.astext() for one in page.findall(nodes.raw)), page


def test_the_numbers_are_those_of_the_rows_and_lead_to_the_scorecard() -> None:
    counts, drawn, page = shown(rows(held=4, failed=2, not_run=1))
    assert counts == ["4 held", "2 did not hold", "1 not run"]
    assert {one["refuri"] for one in page.findall(nodes.reference)} == {"scorecard.html"}
    assert "Of 7 claims, in this build:" in page.astext()
    found = [drawn.count(f'class="mb-{kind}"') for kind in ("held", "failed", "other")]
    assert found == [4, 2, 1] and "Chapter 1: 1 held; chapter 2: 3 held, 2 did not hold, 1 not run." in drawn


def test_claims_that_were_not_judged_are_not_lost() -> None:
    counts, drawn, _ = shown(rows(held=1, settings_changed=2, missing=1))
    assert counts == ["1 held", "0 did not hold", "0 not run", "3 not judged"]
    assert drawn.count('class="mb-other"') == 3
