"""The grid of heads and MLP widths: its parameters, and one of a moment."""

from typing import Any

import pytest

from mechbook.facts.stack_training import StackSettings
from mechbook.facts.tradeoff import TradeoffSettings


def grid(**changes: Any) -> TradeoffSettings:
    training = StackSettings(steps=300, batch_size=64, rates=(1e-2,), test_size=128)
    given = {"S": 5, "D": 3, "T": 7, "d": 7, "d_h": 3, "H": (1, 4), "m": (0, 5, 40), "seeds": 2, "training": training}
    return TradeoffSettings(**given | changes)


def test_parameters_of_the_grid() -> None:
    """Oracle: 4 H d_h d + 2 m d by a loop."""
    expected = [[4 * H * 3 * 7 + 2 * m * 7 for m in (0, 5, 40)] for H in (1, 4)]
    assert grid().parameters().tolist() == expected


def test_more_heads_and_a_wider_mlp_know_more(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the corners of the map; untrained, every cell is near chance, 1 / 15."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    found = grid().run().accuracy
    assert found.shape == (2, 3, 2)
    assert float(found[1, 2].min()) > float(found[0, 0].max()) + 0.2
    none = grid(training=StackSettings(steps=0, batch_size=1, rates=(1e-2,), test_size=128)).run().accuracy
    assert float(none.max()) < 0.35
