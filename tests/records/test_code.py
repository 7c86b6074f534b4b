"""Which edits change the code of a claim. Oracle: a small package written here, and edits whose effect is known."""

from pathlib import Path

import pytest

from mechbook.core.cache import closure, entries
from mechbook.records import code
from mechbook.records.wanted import setup_of

PRESETS = '''"""Settings."""
from book.core.presets import require

EVERY = 10


class Preset:
    """What there is."""

    steps: int

    def __post_init__(self):
        require(self, fits(self.steps))

    @property
    def half(self):
        """Half of the steps."""
        return self.steps // 2


def fits(steps):
    return steps > 0


PAPER = Preset(steps=7)
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """book/core/presets.py, book/theme/presets.py and book/theme/values.py, which imports both."""
    root = tmp_path / "book"
    for folder in (root, root / "core", root / "theme"):
        folder.mkdir()
        (folder / "__init__.py").write_text("")
    (root / "core" / "presets.py").write_text("def require(preset, *rules):\n    return rules\n")
    (root / "theme" / "presets.py").write_text(PRESETS)
    (root / "theme" / "values.py").write_text("from book.theme.presets import Preset\n\ndef order(s):\n    return s\n")
    monkeypatch.setattr(closure, "PACKAGE", root)
    return root


def now() -> str:
    """The code of the claim in a process that has just begun."""
    code._of_claim.cache_clear()
    entries._code.cache_clear()
    return code.of_claim(("book.theme.values",))


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("    steps: int\n", "    steps: int\n    more: int = 3\n", True),
        ("steps=7", "steps=8", True),  # compared as a value, not as code
        ("steps > 0", "steps > 1", True),
        ("fits(self.steps))", "fits(self.steps), fits(2))", True),
        ("EVERY = 10", "EVERY = 10\nOTHER = 3", True),
        ("Half of the steps.", "The half of them.", True),
        ("steps // 2", "steps // 3", False),
        ("def half", "def part", False),
    ],
)
def test_of_presets_only_what_they_compute_counts(package: Path, old: str, new: str, same: bool) -> None:
    before, run_before = now(), code.of_run(("book.theme.values",))
    assert PRESETS.count(old) == 1
    (package / "theme" / "presets.py").write_text(PRESETS.replace(old, new))
    assert (now() == before) is same
    # a run's code is that of its cache entry, to which any edit counts but one of a docstring
    assert (code.of_run(("book.theme.values",)) == run_before) is ("Half" in old)


@pytest.mark.parametrize(
    ("place", "old", "new"),
    [("theme/values.py", "return s", "return s + 1"), ("core/presets.py", "return rules", "return ()")],
)
def test_all_other_code_counts(package: Path, place: str, old: str, new: str) -> None:
    before, path = now(), package / place
    path.write_text(path.read_text().replace(old, new))
    assert now() != before


def test_code_that_is_gone_has_no_digest(package: Path) -> None:
    assert code.of_claim(("book.theme.gone",)) == "" == code.of_run(("book.theme.gone",))
    assert now() != ""


def test_the_constants_beside_a_preset_are_recorded_with_it() -> None:
    from mechbook.induction.presets import PAPER, PROBE_EVERY

    found = setup_of(PAPER)
    assert (found["PROBE_EVERY"], found["T"], found["vanilla"]["d"]) == (PROBE_EVERY, PAPER.T, PAPER.vanilla.d)
    assert "PAPER" not in found and all(isinstance(name, str) for name in found)
