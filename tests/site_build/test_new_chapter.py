"""A new chapter. Oracles: its own tests and the rules for chapters, run on a copy of the checkout that has it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mechbook.claims.catalogue import load_claims
from mechbook.core.cache.closure import PACKAGE
from mechbook.site import new_chapter
from mechbook.site.layers import THEMES
from mechbook.site.notebooks import pages

ROOT = PACKAGE.parent
NAME = "sparse_codes"
HERE = f"{len(THEMES) + 1:02}_{NAME}"


def copied(target: Path) -> Path:
    """What of the checkout a chapter and its tests need."""
    skip = shutil.ignore_patterns("__pycache__", "_build", "_cache", "_vendor", ".venv", ".git", "node_modules", "_lab")
    shutil.copytree(ROOT, target, ignore=skip, symlinks=True)
    (ROOT / "_vendor").mkdir(exist_ok=True)
    (target / "_vendor").symlink_to((ROOT / "_vendor").resolve(), target_is_directory=True)
    return target


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A copy with a new chapter, and what was said to be written."""
    root = copied(tmp_path_factory.mktemp("new") / "mechbook")
    return root, new_chapter.write(NAME, root)


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MECHBOOK_")}
    environment = {**kept, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def test_what_is_written_is_said_and_nothing_else_changes(made: tuple[Path, list[str]]) -> None:
    root, said = made
    files = [path.relative_to(root) for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    files = [file for file in files if file.parts[0] not in ("_vendor", ".venv")]
    differ = [
        file.as_posix()
        for file in files
        if not (ROOT / file).exists() or (ROOT / file).read_bytes() != (root / file).read_bytes()
    ]
    assert sorted(differ) == sorted(said)
    assert not any(re.search(r"@[A-Z]+@", (root / file).read_text(encoding="utf-8")) for file in said)
    assert pages(root)[pages(root).index(f"book/{HERE}") - 1] == "book/07_khop_curriculum"
    assert set(load_claims(root / "mechbook/claims/claims.csv")) - set(load_claims()) == {"sparsecodes.first"}


@pytest.mark.slow
def test_its_tests_the_rules_for_chapters_and_the_linter_pass(made: tuple[Path, list[str]]) -> None:
    root, _ = made
    tests = [f"tests/{NAME}", "tests/chapters", "tests/claims", "tests/site_build/test_layers.py"]
    tests += ["tests/site_build/test_map.py", "tests/site_build/test_record.py", "tests/core/test_streams.py"]
    tests += ["tests/site_build/test_pages.py", "tests/widgets/test_bundle.py"]
    done = run(root, "pytest", "-q", "-p", "no:cacheprovider", *tests)
    assert done.returncode == 0, done.stdout[-3000:]
    assert f"{HERE}" in run(root, "pytest", "-q", "--collect-only", "tests/chapters").stdout
    assert run(root, "ruff", "check", "--no-cache", ".").stdout == "All checks passed!\n"
    done = run(root, "mechbook.site.lint")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_its_page_builds_and_its_claim_holds_as_recorded(made: tuple[Path, list[str]]) -> None:
    root, _ = made
    toc = (root / "_toc.yml").read_text(encoding="utf-8")
    chapters = f"  - file: book/{HERE}\n  - file: book/scorecard\n"
    (root / "_toc.yml").write_text(f"format: jb-book\nroot: book/start\nchapters:\n{chapters}", encoding="utf-8")
    (root / "book" / "start.md").write_text("# Start\n\nText.\n", encoding="utf-8")
    done = run(root, "mechbook.site.build", "--workers", "1")
    (root / "_toc.yml").write_text(toc, encoding="utf-8")
    (root / "book" / "start.md").unlink()
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    (claim,) = json.loads((root / "_build/html/claims.json").read_text(encoding="utf-8"))
    assert (claim["id"], claim["status"], claim["note"]) == ("sparsecodes.first", "held", None)


@pytest.mark.slow
def test_a_fault_in_it_is_seen(made: tuple[Path, list[str]]) -> None:
    """The copy is the last test's to break: the measurement is twice what it should be."""
    root, _ = made
    file = root / "mechbook" / NAME / "experiments.py"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("drawn.square()", "2 * drawn.square()"), encoding="utf-8")
    done = run(root, "pytest", "-q", "-p", "no:cacheprovider", f"tests/{NAME}/test_experiments.py")
    file.write_text(text, encoding="utf-8")
    assert done.returncode == 1 and "2 failed" in done.stdout, done.stdout[-1000:]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Sparse", "must be words of small letters"),
        ("sparse-codes", "must be words of small letters"),
        ("../x", "must be words of small letters"),
        ("class", "must be words of small letters"),
        ("a" * 25, "must have at most 24 letters"),
        ("hops", "there is mechbook/hops already"),
        ("core", "there is mechbook/core already"),
        ("laser", "there is mechbook/laser already"),
        ("khop_curriculum", "there is book/07_khop_curriculum.md already"),
        ("noisy_2", "its claims would be noisy.*"),
    ],
)
def test_a_bad_name_is_one_sentence_and_writes_nothing(
    name: str, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "write_text", lambda *arguments, **more: pytest.fail("something is written"))
    assert new_chapter.main([name]) == 1
    said = capsys.readouterr().err
    assert words in said and said.startswith("NAME is ") and len(said.splitlines()) == 1


def test_a_file_that_is_not_as_expected_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    root = tmp_path / "mechbook"
    for name in ("book", "tests/site", "mechbook"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "_toc.yml").write_text("format: jb-book\nroot: book/index\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"^_toc\.yml is not as it was, and nothing was written"):
        new_chapter.write(NAME, root)
    assert not (root / "mechbook" / NAME).exists()
