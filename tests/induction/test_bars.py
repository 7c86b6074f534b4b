"""The order of the memories at other bars: counts read by eye from written-out curves."""

from dataclasses import dataclass, field

import pytest
import torch

from mechbook.core.training.loop import TrainingResult
from mechbook.induction import bars
from mechbook.induction.experiments import joint_settings
from mechbook.induction.presets import LAPTOP


@dataclass
class Written:
    values: dict[str, list[float]]
    steps: list[int] = field(default_factory=lambda: [0, 10, 20, 30])


def test_who_comes_first_at_each_bar():
    """Oracle: by eye. In the first run W_K1 passes .5 before W_K2 and .7 after it; the second never reaches .7."""
    runs = [
        Written({"W_O2": [0, 0.9, 0.9, 0.9], "two": [0, 0.1, 0.2, 0.8], "one": [0, 0.2, 0.55, 0.6]}),
        Written({"W_O2": [0, 0.9, 0.9, 0.9], "two": [0, 0.1, 0.6, 0.6], "one": [0, 0.1, 0.6, 0.6]}),
    ]
    assert bars.in_order(runs, "two", "one", 0.5) == (0, 1)
    assert bars.in_order(runs, "two", "one", 0.7) == (1, 0)
    # a tie is in neither order
    assert bars.in_order(runs[1:], "two", "one", 0.6) == (0, 0)
    # W_O2 too late
    late = Written({"W_O2": [0, 0, 0, 0.9], "two": [0, 0.9, 0.9, 0.9], "one": [0, 0, 0.9, 0.9]})
    assert bars.in_order([late], "two", "one", 0.5) == (0, 0)


def test_a_row_has_a_cell_for_each_bar():
    run = Written({"W_O2": [0, 1, 1, 1], "two": [0, 0, 1, 1], "one": [0, 0, 0, 1]})
    assert bars.rows([run], {"words": ("two", "one")}) == [["words", *["1/0"] * len(bars.BARS)]]


def test_the_first_use_weighs_the_positions(monkeypatch):
    """Oracle: a model whose W_K1 finds the predecessor of position 3 alone; use of one half there, and elsewhere."""
    setup = LAPTOP
    T = joint_settings(setup, 0).T
    use = torch.zeros(T).index_fill_(0, torch.tensor([3, 5]), 0.5)
    monkeypatch.setattr(bars, "first_use", lambda *arguments: use)
    run = TrainingResult(steps=[0], values={}, checkpoints={}, final={}, seconds=0.0)
    monkeypatch.setattr(bars, "joint_run", lambda setup, seed: run)

    class Model:
        P = torch.eye(T)
        W_K1 = torch.zeros(T, T)

    Model.W_K1[3, 2] = 1.0
    Model.W_K1[5, 0] = 1.0
    monkeypatch.setattr(bars, "along", lambda spec, probe: [float(probe(Model))])
    assert bars.read_by_first_use(setup, 0).values[bars.FIRST] == pytest.approx([0.5])


def test_the_sentence_on_recorded_runs():
    """Oracle: by eye. In the first run W_K1 is first at .3, and behind from .4 on; in the second the order stands."""
    turned = Written({"W_O2": [1, 1, 1, 1], "W_K2": [0, 0.2, 1, 1], "W_K1": [0, 0.35, 0.35, 1]})
    kept = Written({"W_O2": [1, 1, 1, 1], "W_K2": [0, 1, 1, 1], "W_K1": [0, 0, 0, 1]})
    assert bars.at_papers_size([]) == "Of the paper's size no run is recorded here."
    words = bars.at_papers_size([turned, kept])
    assert words.startswith("In the 2 recorded runs") and words.endswith("0.8, and $W_K^1$ is ahead in some at 0.3.")
    assert "at the bars 0.4, 0.5, 0.6, 0.7, 0.8" in words
    assert bars.at_papers_size([kept]).endswith("; in none is $W_K^1$ ahead.")
