"""Runs that are asked to stop, against the same runs left alone."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Generator

from mechbook.core.training import stopping
from mechbook.core.training.loop import TrainingResult, train
from mechbook.core.training.meter import Batch
from mechbook.core.training.settings import TrainingSettings
from tests.core.training.test_loop import Tiny, data, draw

SETTINGS = TrainingSettings(steps=13, batch_size=3, optimizer="sgd", lr=0.3)


def fit(path: Path | None, ask: Iterator[stopping.Stop | None] | None = None) -> TrainingResult:
    """Thirteen steps probed at each; a stop that `ask` gives is asked for at that draw."""

    def asking(generator: Generator) -> Batch:
        if ask is not None and (stop := next(ask)) is not None:
            stop.ask()
        return draw(generator)

    probes = {"norm": lambda model: model.A.norm()}
    return train(Tiny(), asking, SETTINGS, data(), probes=probes, probe_steps=range(14), state_path=path)


def at_draw(number: int, stop: stopping.Stop) -> Iterator[stopping.Stop | None]:
    yield from (stop if n == number else None for n in range(100))


def same(one: TrainingResult, other: TrainingResult) -> bool:
    states = all(torch.equal(one.final[name], other.final[name]) for name in one.final)
    return states and (one.steps, one.values) == (other.steps, other.values)


def test_a_run_stopped_anywhere_goes_on_to_the_same_numbers(tmp_path: Path) -> None:
    plain = fit(None)
    for number in (0, 4, 12):
        path = tmp_path / f"state{number}"
        with stopping.at(None) as stop, pytest.raises(stopping.Stopped) as caught:
            fit(path, at_draw(number, stop))
        # asked for while step `number` draws its batch: the next step's start is the first safe point
        assert (caught.value.step, caught.value.path) == (number + 1, path)
        assert path.exists()
        assert same(fit(path), plain)


def test_a_run_can_be_stopped_again_and_again(tmp_path: Path) -> None:
    plain, path, steps = fit(None), tmp_path / "state", []
    while True:
        with stopping.at(None) as stop:
            try:
                # its third draw
                found = fit(path, at_draw(2, stop))
                break
            except stopping.Stopped as stopped:
                steps.append(stopped.step)
    assert steps == [3, 6, 9, 12] and same(found, plain)


def test_a_deadline_that_is_over_stops_before_the_first_step(tmp_path: Path) -> None:
    with stopping.at(time.monotonic() - 1), pytest.raises(stopping.Stopped) as caught:
        fit(tmp_path / "state")
    assert caught.value.step == 0 and not (tmp_path / "state").exists()
    with stopping.at(time.monotonic() + 3600):
        fit(tmp_path / "state")


def test_a_run_without_a_state_is_finished_first() -> None:
    with stopping.at(None) as stop:
        stop.ask()
        assert stopping.due()
        assert same(fit(None), fit(None))
    assert not stopping.due()


def test_the_sentence_names_step_and_file(tmp_path: Path) -> None:
    assert str(stopping.Stopped(7, tmp_path / "x.state")) == "The run stopped at step 7; its state is kept in x.state."
