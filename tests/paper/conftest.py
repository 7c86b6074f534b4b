"""Records and a cache of the test's own; nothing is left of the scale that recording sets."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of records, empty."""
    monkeypatch.setenv("MECHBOOK_SCALE", "laptop")
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MECHBOOK_RECORDS", str(tmp_path / "records"))
    return tmp_path / "records"
