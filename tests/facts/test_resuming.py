"""Runs of chapter 6 that are stopped go on to the same bits. Oracle: the same run in one go."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mechbook.core.training import stopping
from mechbook.facts import capacity, dynamics, knowledge, tradeoff
from mechbook.facts.capacity import CapacitySettings
from mechbook.facts.dynamics import DynamicsSettings
from mechbook.facts.knowledge import KnowledgeSettings
from mechbook.facts.stack_training import StackSettings
from mechbook.facts.tradeoff import TradeoffSettings

ENOUGH = StackSettings(steps=150, batch_size=64, rates=(0.01,), test_size=128)
HOW = StackSettings(steps=7, batch_size=16, rates=(0.01, 0.1), test_size=16)
LINEAR = DynamicsSettings(
    model="linear", S=4, R=2, D=2, T=5, n_noise=2, lr=0.1, steps=23, batch_size=7, init=0.1, seeds=2, probe_every=5,
    test_size=11, checkpoints=4,
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A run, the function of its module that is counted, and at which of its calls the stop is asked for."""

    run: Any
    module: Any
    counted: str
    at: int
    step: int  # what is kept then: parts, or steps


CASES = {
    "capacity": Case(
        CapacitySettings(d=16, alpha=1.0, beta=1.0, D=4, T=5, seeds=1, training=ENOUGH), capacity, "train_stack", 2, 2
    ),
    "trade-off": Case(
        TradeoffSettings(S=3, D=2, T=4, d=5, d_h=2, H=(1, 2), m=(3, 37), seeds=2, training=HOW),
        tradeoff,
        "train_stack",
        3,
        3,
    ),
    "linear": Case(LINEAR, dynamics, "descend", 11, 11),
    "softmax": Case(replace(LINEAR, model="softmax", d=5), dynamics, "descend", 11, 11),
    "knowledge": Case(
        KnowledgeSettings(shape=(1, 8, 2), N=5, exposures=4, batch_size=3, lr=0.01, seeds=2),
        knowledge,
        "gpt_logits",
        5,
        5,
    ),
}


def bits(result: Any) -> dict[str, Any]:
    """A result without its time, tensors as bytes."""

    def plain(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.numpy().tobytes()
        return {name: plain(each) for name, each in value.items()} if isinstance(value, dict) else value

    return {name: plain(value) for name, value in vars(result).items() if name != "seconds"}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_stopped_run_goes_on_to_the_same_bits(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "one"))
    # bits learned are none in so short a run: its losses tell runs apart
    monkeypatch.setattr(knowledge, "learned_bits", lambda task, losses: losses.double().sum((1, 2)))
    called: list[None] = []
    original: Callable[..., Any] = getattr(case.module, case.counted)

    asked: list[stopping.Stop] = []

    def counted(*arguments: Any, **named: Any) -> Any:
        called.append(None)
        if asked and len(called) == case.at:
            asked[0].ask()
        return original(*arguments, **named)

    plain = case.run.run()
    monkeypatch.setattr(case.module, case.counted, counted)
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "other"))
    with stopping.at(None) as stop, pytest.raises(stopping.Stopped) as stopped:
        asked.append(stop)
        case.run.run()
    asked.clear()
    assert (len(called), stopped.value.step) == (case.at, case.step) and stopped.value.path.exists()
    called.clear()
    # nothing is asked for twice: with the part that was kept it is as many calls as in one go
    again = case.run.run()
    assert bits(again) == bits(plain) and not stopped.value.path.exists()
    rest = len(called)
    called.clear()
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "third"))
    case.run.run()
    assert len(called) == rest + case.at
