"""The progress bar, with a stand-in for tqdm that notes what it is asked."""

import sys
from types import ModuleType

import pytest

from mechbook.core.training import progress


class Bar:
    made: list["Bar"] = []

    def __init__(self, **arguments: object) -> None:
        self.arguments, self.updates, self.closed = arguments, 0, False
        Bar.made.append(self)

    def update(self) -> None:
        self.updates += 1

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[Bar]:
    module = ModuleType("tqdm")
    module.tqdm = Bar  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tqdm", module)
    monkeypatch.setattr(progress, "find_spec", lambda name: object() if name == "tqdm" else None)
    monkeypatch.setattr(Bar, "made", [])
    monkeypatch.delenv("MECHBOOK_SITE_BUILD", raising=False)
    return Bar.made


def test_a_bar_on_stderr_after_some_seconds_counts_from_where_the_run_starts(bars: list[Bar]) -> None:
    with pytest.raises(KeyboardInterrupt), progress.Progress(3, 7) as shown:
        shown.advance()
        shown.advance()
        raise KeyboardInterrupt
    (bar,) = bars
    assert (bar.arguments["initial"], bar.arguments["total"], bar.updates, bar.closed) == (3, 7, 2, True)
    assert bar.arguments["file"] is sys.stderr
    assert bar.arguments["delay"] == progress.LONG_RUN_SECONDS > 1


def test_no_bar_while_the_site_is_built_or_without_tqdm(bars: list[Bar], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECHBOOK_SITE_BUILD", "1")
    with progress.Progress(0, 7) as shown:
        shown.advance()
    monkeypatch.delenv("MECHBOOK_SITE_BUILD")
    monkeypatch.setattr(progress, "find_spec", lambda name: None)
    with progress.Progress(0, 7) as shown:
        shown.advance()
    assert not bars
