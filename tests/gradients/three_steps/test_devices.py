"""Chapter 2 runs on the CPU whatever the device of the settings is, as its claims say: nothing is done elsewhere."""

import re
from pathlib import Path

import pytest

from mechbook.gradients.three_steps import runs
from mechbook.gradients.three_steps.runs import ThreeStepSettings
from tests.devices import standing_in


def test_the_three_steps_are_taken_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    how = ThreeStepSettings(
        seed=0,
        N=5,
        T=7,
        d=11,
        sequences=23,
        test_sequences=13,
        logit=0.3,
        gap_W_K2=30.0,
        gap_W_K1=100.0,
        probe_gap=30.0,
    )
    with standing_in(monkeypatch) as seen:
        result = runs._run(how)
    assert not seen.launches and not seen.waits
    assert all(table.device.type == "cpu" for table in result.memories.values())


def test_the_chapter_says_so() -> None:
    """Oracle: the chapter's own lines: one `reporter` on the CPU, and no claim that names another device."""
    text = (Path(__file__).parents[3] / "book" / "02_gradients_as_memories.md").read_text(encoding="utf-8")
    assert re.findall(r"= reporter\(.*\)", text) == ['= reporter(setup, LAPTOP, PAPER, device="cpu")']
    assert "device=None" not in text
