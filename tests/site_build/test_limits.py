"""How long a cell may run. Oracles: _config.yml, and estimates made up here."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from mechbook.core.cache.closure import PACKAGE
from mechbook.paper import estimate, everything, standing
from mechbook.site import limits
from mechbook.site.limits import cell_limit

ROOT = PACKAGE.parent


@pytest.fixture(autouse=True)
def two_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chapter 3 has a run that is there and two that are not, of 2 hours and of half an hour; chapter 4 an unknown."""
    hours = {"a": 9.0, "b": 2.0, "c": 0.5, "d": None}
    themes = [
        SimpleNamespace(name="induction", setup=None, runs=lambda setup: ["a", "b", "c"]),
        SimpleNamespace(name="noisy", setup=None, runs=lambda setup: ["a", "d"]),
    ]
    monkeypatch.setattr(everything, "THEMES", themes)
    monkeypatch.setattr(standing, "computed", lambda run: run == "a")
    monkeypatch.setattr(standing, "kept_step", lambda run: 7)
    monkeypatch.setattr(estimate, "hours_left", lambda run, step: hours[run] if step == 7 else 100.0)


def test_the_laptop_s_limit_is_that_of_the_configuration() -> None:
    configured = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["execute"]["timeout"]
    for page in ("book/03_induction_heads", "book/index"):
        assert cell_limit(ROOT, page) == configured


def test_another_timeout_in_the_configuration_counts(tmp_path: Path) -> None:
    for name in ("_config.yml", "_toc.yml"):
        text = (ROOT / name).read_text(encoding="utf-8").replace("timeout: 3600", "timeout: 77")
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert cell_limit(tmp_path, "book/03_induction_heads") == 77


@pytest.mark.parametrize(
    ("page", "limit"),
    [
        ("book/03_induction_heads", 3600 + 3 * 9000),
        ("book/04_noisy_recall", None),
        ("book/07_khop_curriculum", None),
        ("book/index", 3600),
    ],
)
def test_at_the_papers_scale_it_follows_the_missing_runs(
    monkeypatch: pytest.MonkeyPatch, page: str, limit: int | None
) -> None:
    monkeypatch.setenv("MECHBOOK_SCALE", "paper")
    assert limits.cell_limit(ROOT, page) == limit
