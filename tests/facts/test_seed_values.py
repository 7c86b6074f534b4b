"""The values of chapter 6's claims on results made up here, read off by eye or counted by hand."""

import math

import pytest
import torch

from mechbook.facts import seed_values
from mechbook.facts.capacity import CapacityResult
from mechbook.facts.construction_size import FewestResult, HeadLoadResult, HeadLoadSettings
from mechbook.facts.dynamics import DynamicsResult
from mechbook.facts.knowledge import KnowledgeResult
from mechbook.facts.task import random_task


def test_each_family_of_shapes_has_a_slope_of_its_own() -> None:
    """Facts grow as parameters in one family and as their square in the other, from the same point, for seed 1."""
    found = {
        (4, 1.0, 1.0): CapacityResult(parameters=100, sizes=[9, 10], seconds=0.0),
        (8, 1.0, 1.0): CapacityResult(parameters=400, sizes=[9, 20], seconds=0.0),
        (4, 1.0, 4.0): CapacityResult(parameters=100, sizes=[9, 10], seconds=0.0),
        (8, 1.0, 4.0): CapacityResult(parameters=400, sizes=[9, 40], seconds=0.0),
    }
    assert seed_values.capacity(found, 1) == pytest.approx({"pooled": 1.5, "least": 1.0, "most": 2.0})
    assert seed_values.capacity(found, 0) == pytest.approx({"pooled": 0.0, "least": 0.0, "most": 0.0}, abs=1e-12)
    alone = {point: result for point, result in found.items() if point[1:] == (1.0, 1.0)}
    assert seed_values.capacity(alone, 1) == pytest.approx({"pooled": 1.0, "least": 1.0, "most": 1.0})


def test_the_mlp_is_counted_without_the_heads_that_copy_and_a_head_is_full_at_d_h_tokens() -> None:
    """S = 3 and 6: d = 12 and 24, two heads of 2 d^2 each; the rest is the MLP's, 70 and 70 * 8 by hand: slope 1.5."""
    fewest = FewestResult(
        facts=[9, 36],
        parameters={"attention_only": [[50, 200]], "attention_mlp": [[4 * 144 + 70, 4 * 576 + 560]]},
        seconds=0.0,
    )
    accuracy = torch.tensor([[[0.9], [0.8], [0.7]], [[1.0], [0.98], [0.3]], [[1.0], [1.0], [0.995]]])
    spec = HeadLoadSettings(S=6, D=3, T=8, d=16, d_h=(2, 3, 6), tokens=(1, 2, 3), seeds=1)
    found = seed_values.construction_size(fewest, HeadLoadResult(accuracy=accuracy), spec, 0)
    assert found["mlp_alone"] == pytest.approx(1.5) and found["attention_only"] == pytest.approx(1.0)
    # d_h = 2 with 2 and 3 tokens, d_h = 3 with 3
    assert found["crowded"] == pytest.approx(0.8)
    # with 0.99: none at d_h = 2, one token at 3, three at 6
    assert found["border"] == pytest.approx(0.5) and found["border_rises"] == pytest.approx(3)


def test_an_mlp_is_judged_where_heads_alone_are_too_few() -> None:
    """Rows: heads; columns: widths 0, 4, 8; two seeds. By eye: the third row needs no MLP, the second gains to 0.96."""
    accuracy = torch.tensor(
        [
            [[0.1, 0.1], [0.8, 0.8], [0.7, 0.7]],
            [[0.9, 0.98], [0.9, 0.9], [0.92, 1.0]],
            [[0.96, 0.98], [1.0, 1.0], [1.0, 1.0]],
        ]
    )
    assert seed_values.where_an_mlp_helps(accuracy) == (1, 2)
    expected = {"attention_only": 0.96, "without": 0.5, "attention_mlp": 0.7, "few_heads": 0.8}
    expected |= {"chosen_without": 0.9, "chosen_mlp": 0.92}
    fresh = torch.tensor([[0.5, 0.6], [0.7, 0.75]])
    assert seed_values.tradeoff(accuracy, fresh, 0) == pytest.approx(expected)
    # where every row is enough by itself, the first
    assert seed_values.where_an_mlp_helps(accuracy[2:]) == (0, 1)


def made(losses: list[float]) -> DynamicsResult:
    none = torch.zeros(0)
    return DynamicsResult(
        steps=[10 * i for i in range(len(losses))],
        scores={"loss": torch.tensor([[9.0, loss] for loss in losses], dtype=torch.float64)},
        checkpoint_steps=[],
        values=none,
        weights=none,
        final_values=none,
        final_weights=none,
        seconds=0.0,
    )


def test_stages_are_read_at_their_times() -> None:
    """D = 3, R = 2: levels log 6 and log 3. Due at 45: the first level is looked at at step 20."""
    task = random_task(6, torch.Generator().manual_seed(1), D=3, T=8)
    high, low = math.log(task.A), math.log(task.D)
    run = made([high, high, high - 0.03, low, low, low, 1.0, 0.5, 0.04, 0.02, 0.01])
    found = seed_values.plateau_linear(run, task, 45.0, 1)
    assert found == pytest.approx({"start_gap": 0.03, "plateau_steps": 20, "final_loss": 0.01})
    assert seed_values.convergence(run, 1) == pytest.approx({"final": 0.01, "earlier": 0.5})


def test_the_fullest_run_is_that_of_one_seed() -> None:
    runs = [KnowledgeResult(parameters=7, ratio=[1.0, r], ratio_int8=[], most=2.0, seconds=0.0) for r in (1.5, 1.9)]
    assert seed_values.fullest(runs, 1) == pytest.approx(0.95) and seed_values.fullest(runs, 0) == pytest.approx(0.5)
