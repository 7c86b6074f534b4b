"""Widgets of an installed package. Oracle: what a checkout's widget has, and what a notebook is given to show."""

from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from matplotlib.figure import Figure

from mechbook.widgets import base, bundle, language_engine


def made(words: str = "What it shows.") -> base.BookWidget:
    """A widget of one weight."""
    held = base.store({"w": torch.zeros(2)})
    return base.BookWidget(kind="hops", name="widget-x", settings={}, store=held, picture=Figure(), words=words)


def test_a_wheel_s_own_scripts_are_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / bundle.BUILT).parent.mkdir(parents=True)
    (tmp_path / bundle.BUILT).write_text("(() => {})();\n")
    assert bundle.library(tmp_path) == "(() => {})();\n"


def test_a_wheel_s_own_engine_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / language_engine.BUILT).parent.mkdir(parents=True)
    (tmp_path / language_engine.BUILT).write_text('{"worker": "w", "kernels": ["a", "b"]}')
    assert language_engine.engine(tmp_path) == {"worker": "w", "kernels": ["a", "b"]}
    script = language_engine.script(tmp_path)
    assert script == 'globalThis.mechbookLanguage = {"worker": "w", "kernels": ["a", "b"]};\n'


def test_without_scripts_the_picture_is_shown_and_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> NoReturn:
        raise RuntimeError("x has no package.json.")

    shown: list[Any] = []
    monkeypatch.setattr(base, "library", missing)
    monkeypatch.setattr(base, "display", lambda what, **_: shown.append(what))
    # in a checkout it is an error, which a build tells
    with pytest.raises(RuntimeError, match="package.json"):
        made()
    monkeypatch.setattr(base, "PACKAGE", tmp_path / "mechbook")
    made()._ipython_display_()
    (picture,) = shown
    assert "What it shows." in picture.data and "data:image/png" in picture.data
    assert capsys.readouterr().out.startswith("The widget itself is in the wheel that the book's site serves")
