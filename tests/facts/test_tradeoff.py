"""The grid of heads and MLP widths: its parameters, and what is trained for each cell."""

from typing import Any

import pytest
import torch

from mechbook.facts import tradeoff, tradeoff_again
from mechbook.facts.model import FactWeights
from mechbook.facts.stack_training import StackSettings
from mechbook.facts.streams import STREAMS
from mechbook.facts.task import FactTask, random_task
from mechbook.facts.tradeoff import TradeoffSettings


def grid(**changes: Any) -> TradeoffSettings:
    training = StackSettings(steps=300, batch_size=64, rates=(1e-2, 1.0))
    given = {"S": 5, "D": 3, "T": 7, "d": 7, "d_h": 3, "H": (1, 4), "m": (0, 5, 40), "seeds": 2, "training": training}
    return TradeoffSettings(**given | changes)


def test_parameters_of_the_grid() -> None:
    """Oracle: 4 H d_h d + 2 m d by a loop."""
    expected = [[4 * H * 3 * 7 + 2 * m * 7 for m in (0, 5, 40)] for H in (1, 4)]
    assert grid().parameters().tolist() == expected


def test_every_cell_is_that_of_its_heads_width_and_seed(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: a training that returns 100 H + m + 0.1 seed, as the weights, the mask and the answers have it."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    answers = [random_task(5, STREAMS.generator("tradeoff tasks", seed), D=3, T=7).answers for seed in range(2)]

    def trained(
        tasks: list[FactTask], weights: FactWeights, how: StackSettings, rate: float, stream: Any, *, hidden: Any
    ) -> torch.Tensor:
        assert rate == 1e-2 and len(weights.E) == len(tasks) == len(hidden)
        seeds = [next(seed for seed in range(2) if torch.equal(task.answers, answers[seed])) for task in tasks]
        return 100 * weights.W_Q.shape[1] + hidden.sum(1).double() + 0.1 * torch.tensor(seeds)

    monkeypatch.setattr(tradeoff, "train_stack", trained)
    expected = [[[100 * H + m + 0.1 * seed for seed in range(2)] for m in (0, 5, 40)] for H in (1, 4)]
    torch.testing.assert_close(grid().run().accuracy, torch.tensor(expected).double(), rtol=0, atol=1e-5)


def test_a_cell_is_trained_again_on_tasks_that_the_map_did_not_see(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: a training that returns the number of neurons and which of the stream's tasks it was given."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    answers = [random_task(5, STREAMS.generator("tradeoff tasks", seed), D=3, T=7).answers for seed in range(4)]

    def trained(
        tasks: list[FactTask], weights: FactWeights, how: StackSettings, rate: float, stream: Any, *, hidden: Any
    ) -> torch.Tensor:
        assert rate == 1e-2 and weights.W_Q.shape[1] == 4
        seeds = [next(seed for seed in range(4) if torch.equal(task.answers, answers[seed])) for task in tasks]
        return hidden.sum(1).double() + 0.1 * torch.tensor(seeds)

    monkeypatch.setattr(tradeoff_again, "train_stack", trained)
    torch.testing.assert_close(
        tradeoff_again.again(grid(), 4, 5), torch.tensor([[0.2, 0.3], [5.2, 5.3]]).double(), rtol=0, atol=1e-5
    )
    with pytest.raises(ValueError, match="m is 0; it is the width of an MLP"):
        tradeoff_again.again(grid(), 4, 0)
