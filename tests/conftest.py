"""What every test starts from: no settings of the reader's own, and one Chromium for those that look at pages."""

import os
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def plain_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run at laptop scale, seed 0, whatever the environment says; the device stays what it is."""
    for name in [name for name in os.environ if name.startswith("MECHBOOK_") and name != "MECHBOOK_DEVICE"]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The browser; without one the tests are skipped, and fail where CI=true."""
    # Here and not above: nothing of the package may be imported before its shapes are set to be checked.
    from mechbook.site.browser import launched

    try:
        with launched() as running:
            yield running
    except LookupError as error:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(error))
