"""Models trained side by side: padding, tasks of different sizes, and what is refused."""

import dataclasses
import math

import pytest
import torch

from mechbook.facts.model import FactConfig, initial_weights, stack
from mechbook.facts.stack_training import StackSettings, train_stack
from mechbook.facts.task import random_task


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_neurons_that_a_model_has_not_stay_off() -> None:
    """Oracle: a stack without padding is what the padded one must equal, given the same weights."""
    how = StackSettings(steps=40, batch_size=32, rates=(1e-2,))
    tasks = [random_task(4, generator(seed), D=8, T=32) for seed in (1, 2)]
    wide = [initial_weights(FactConfig(V=17, A=32, d=8, H=2, d_h=4, m=7), generator(seed)) for seed in (3, 4)]
    narrow = [
        dataclasses.replace(w, W_in=w.W_in[:3], b_in=w.b_in[:3], W_out=w.W_out[:, :3] * math.sqrt(7 / 3)) for w in wide
    ]
    hidden = (torch.arange(7) < 3).float().expand(2, 7)
    padded, plain = stack(wide), stack(narrow)
    first = train_stack(tasks, padded, how, 1e-2, generator(5), hidden=hidden)
    second = train_stack(tasks, plain, how, 1e-2, generator(5))
    torch.testing.assert_close(padded.W_O, plain.W_O, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(padded.W_out[..., :3], plain.W_out, rtol=1e-3, atol=1e-4)
    assert float((first - second).abs().max()) < 0.01


def test_training_teaches_the_facts_of_each_size() -> None:
    """Oracle: a stack of a small and a larger task; a wide model knows both, and never names an answer not there."""
    how = StackSettings(steps=400, batch_size=64, rates=(1e-2,))
    tasks = [random_task(size, generator(size), D=8, T=32) for size in (3, 5)]
    config = FactConfig(V=21, A=40, d=24, H=4, d_h=6, m=32)
    weights = stack([initial_weights(config, generator(seed)) for seed in (1, 2)])
    untrained = train_stack(tasks, weights, dataclasses.replace(how, steps=0), 1e-2, generator(3))
    trained = train_stack(tasks, weights, how, 1e-2, generator(3))
    assert float(untrained.max()) < 0.4 and float(trained.min()) > 0.97


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": -1}, "steps is -1; it must be at least 0."),
        ({"batch_size": 0}, "batch_size is 0; it must be at least 1."),
        ({"test_size": 0}, "test_size is 0; it must be at least 1."),
        ({"rates": ()}, "rates is (); it must hold one learning rate or more, all above 0."),
        ({"rates": (1e-2, 0.0)}, "rates is (0.01, 0.0); it must hold one learning rate or more, all above 0."),
    ],
)
def test_what_cannot_be_trained_is_refused(change: dict[str, object], words: str) -> None:
    """Oracle: the sentence."""
    with pytest.raises(ValueError) as refused:
        StackSettings(**{"steps": 3, "batch_size": 2, "rates": (1e-2,), **change})  # type: ignore[arg-type]
    assert str(refused.value) == words
