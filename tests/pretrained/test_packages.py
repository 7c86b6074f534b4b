"""Weights that come in the parts of several packages: put together, checked, and refused where a part is wrong."""

import hashlib
import re
import sys
from pathlib import Path

import pytest

from mechbook.pretrained import packages
from mechbook.pretrained.load import UnavailableWeights, load
from mechbook.pretrained.packages import Parted, joined

ROOT = Path(__file__).parents[2]
PARTS = (b"The first ", b"of all ", b"parts.")


@pytest.fixture
def parted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parted:
    """Three packages that fail when they are imported, each with one part."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "cache"))
    for number, part in enumerate(PARTS):
        data = tmp_path / "site" / f"piece_of_model_{number}" / "data"
        data.mkdir(parents=True)
        (data.parent / "__init__.py").write_text("raise RuntimeError('imported')")
        (data / f"model.part{number}").write_bytes(part)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return Parted(
        file="model.gguf",
        parts=tuple((f"piece_of_model_{i}", f"data/model.part{i}", len(part)) for i, part in enumerate(PARTS)),
        sha256=hashlib.sha256(b"".join(PARTS)).hexdigest(),
        how="make it so",
    )


def test_the_parts_are_put_together_once_and_afresh_where_the_whole_is_damaged(parted: Parted, tmp_path: Path) -> None:
    whole = joined("tiny", parted)
    assert whole == tmp_path / "cache" / "weights" / "model.gguf" and whole.read_bytes() == b"".join(PARTS)
    assert not any(name.startswith("piece_of_model") for name in sys.modules)
    (tmp_path / "site" / "piece_of_model_1" / "data" / "model.part1").unlink()
    assert joined("tiny", parted) == whole
    whole.write_bytes(b"The first of all partz.")
    with pytest.raises(UnavailableWeights):
        joined("tiny", parted)
    (tmp_path / "site" / "piece_of_model_1" / "data" / "model.part1").write_bytes(PARTS[1])
    assert joined("tiny", parted).read_bytes() == b"".join(PARTS)


def test_a_missing_a_cut_and_a_changed_part_are_one_sentence_each(parted: Parted, tmp_path: Path) -> None:
    place = tmp_path / "site" / "piece_of_model_2" / "data" / "model.part2"
    place.unlink()
    with pytest.raises(
        UnavailableWeights,
        match="tiny's weights come in 3 packages, of which piece_of_model_2 is not installed or lacks its file: make",
    ):
        joined("tiny", parted)
    place.write_bytes(PARTS[2][:3])
    with pytest.raises(ValueError, match="part2 has 3 bytes where 6 are expected: install piece_of_model_2 afresh"):
        joined("tiny", parted)
    place.write_bytes(b"partz.")
    with pytest.raises(ValueError, match=r"tiny's parts do not make the file that they should \(SHA-256 .*afresh"):
        joined("tiny", parted)
    assert sorted(path.suffix for path in (tmp_path / "cache" / "weights").iterdir()) in ([], [".lock"])


def test_gemma_is_refused_with_its_terms_where_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UnavailableWeights, match=r"make second-model installs them.*Gemma Terms of Use \(ai\.google"):
        load("gemma3-270m")
    with pytest.raises(ValueError, match="gemma3-270m has one revision"):
        load("gemma3-270m", revision="main")


def test_what_make_installs_are_the_parts_that_are_read_and_no_build_asks_for_them() -> None:
    """Oracle: the requirements' own lines, and who names them in the Makefile."""
    lines = (ROOT / "requirements-second-model.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w-]+)==(\S+)$", lines, re.M))
    parts = packages.PARTED["gemma3-270m"].parts
    assert {package.replace("_", "-") for package, _, _ in parts} < set(pins) and len(pins) == len(parts) + 1
    assert "Gemma Terms of Use: ai.google.dev/gemma/terms" in lines.replace("\n# ", " ")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.findall(r"^(\S+): \$\(SECOND\)", makefile, re.M) == ["second-model"]
    assert "gemma" not in (ROOT / "requirements.txt").read_text(encoding="utf-8").lower()
    assert "gemma" not in (ROOT / "requirements-models.txt").read_text(encoding="utf-8").lower()
