"""Figure 5's runs: what they measure and keep. The step has its oracle in test_plain.py."""

import dataclasses
import math
from typing import Any

import pytest
import torch

from mechbook.facts import dynamics
from mechbook.facts.dynamics import DynamicsSettings, Model, checkpoint_steps


def test_checkpoints_go_from_the_start_to_the_end() -> None:
    """Oracle: the docstring; 25 factors from 1 to 8192 are 8192^(1/25) each, up to rounding."""
    steps = checkpoint_steps(8192, 25)
    assert steps[0] == 0 and steps[-1] == 8192 and steps == sorted(set(steps)) and 15 <= len(steps) <= 26
    ratios = [b / a for a, b in zip(steps[4:], steps[5:], strict=False)]
    assert all(abs(ratio / 8192 ** (1 / 25) - 1) < 0.05 for ratio in ratios)


def small_run(model: Model) -> DynamicsSettings:
    """A run of a moment, in which a model learns."""
    return DynamicsSettings(
        model=model, S=6, R=3, D=2, T=9, n_noise=5, d=40, lr=1.0, init=0.01, steps=300, batch_size=64, seeds=2,
        probe_every=50, test_size=256, checkpoints=9,
    )  # fmt: skip


@pytest.mark.parametrize("model", ["linear", "softmax"])
def test_a_run_learns_and_comes_back_the_same(model: Model, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: log |A| at the start, less at the end; from the cache bit for bit what was computed."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    spec = small_run(model)
    run, again = spec.run(), spec.run()
    assert run.scores["loss"].shape == (7, 2) and run.steps == [0, 50, 100, 150, 200, 250, 300]
    assert float((run.scores["loss"][0] - math.log(6)).abs().max()) < 0.02
    assert float(run.scores["loss"][-1].max()) < 0.7 * math.log(6)
    assert torch.equal(run.final_values, again.final_values) and run.seconds == again.seconds
    assert not torch.equal(run.final_values[0], run.final_values[1])
    assert torch.equal(run.values[-1], run.final_values[0])


def test_a_rate_that_explodes_is_told() -> None:
    """Oracle: the sentence."""
    with pytest.raises(FloatingPointError, match="lower lr = 1e\\+30"):
        dynamics._train(dataclasses.replace(small_run("linear"), lr=1e30, steps=20))
