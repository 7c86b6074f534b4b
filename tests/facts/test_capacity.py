"""The search for what a shape stores: its models, and where the search ends."""

from typing import Any

import pytest
import torch

from mechbook.facts import capacity
from mechbook.facts.capacity import CapacitySettings
from mechbook.facts.model import FactWeights
from mechbook.facts.stack_training import StackSettings
from mechbook.facts.task import FactTask, random_task


def search(**changes: Any) -> CapacitySettings:
    training = StackSettings(steps=150, batch_size=64, rates=(1e-2,), test_size=128)
    return CapacitySettings(
        **{"d": 16, "alpha": 1.0, "beta": 1.0, "D": 8, "T": 32, "seeds": 2, "training": training} | changes
    )


def test_a_shape_has_the_parameters_it_is_named_by() -> None:
    """Oracle: 4 alpha d^2 + 2 beta d^2 where 8 divides alpha d; the sizes of a task."""
    for d, alpha, beta in ((16, 1.0, 1.0), (24, 2.0, 0.5)):
        assert search(d=d, alpha=alpha, beta=beta).shape(9).parameters == (4 * alpha + 2 * beta) * d * d
    task = random_task(9, torch.Generator().manual_seed(1), D=5, T=32)
    config = search(D=5).shape(9)
    assert (config.V, config.A) == (task.V, task.A)


def test_a_search_ends_where_the_best_rate_s_accuracy_falls(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: a training that stores 9 or 14 subjects, by its rate: the better one counts."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))

    def trained(tasks: list[FactTask], weights: FactWeights, how: StackSettings, rate: float, *rest: Any) -> Any:
        assert how.rates == (1e-2, 1e-3) and len(weights.E) == len(tasks) and {task.T for task in tasks} == {9}
        limit = 9 if rate == 1e-2 else 14
        return torch.tensor([1.0 if task.S <= limit else 0.98 for task in tasks]).double()

    monkeypatch.setattr(capacity, "train_stack", trained)
    training = StackSettings(steps=1, batch_size=1, rates=(1e-2, 1e-3))
    found = search(T=9, training=training).run()
    assert found.parameters == 6 * 16 * 16 and found.sizes == [14, 14]
    assert search(T=9, training=training).run() == found
