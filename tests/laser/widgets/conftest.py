"""A site with widget 5d and a small model, for the tests of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.browser import served
from tests.laser.widgets.live_site import build, tiny_widget
from tests.widgets.language.files import write


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("weights") / "tiny.gguf")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Path:
    folder = tmp_path_factory.mktemp("site")
    build(folder, tiny_widget(), weights, most=100_000)
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with served(site) as found:
        yield f"{found}/page/index.html"
