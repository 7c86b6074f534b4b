"""Settings of every test: none of the reader's own reach it."""

import os

import pytest


@pytest.fixture(autouse=True)
def plain_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run at laptop scale, seed 0, whatever the environment says; the device stays what it is."""
    for name in [name for name in os.environ if name.startswith("MECHBOOK_") and name != "MECHBOOK_DEVICE"]:
        monkeypatch.delenv(name)
