"""Batches drawn ahead against the plain sampler, one batch at a time."""

import pytest
import torch

from mechbook.noisy.task import sample, shakespeare_noisy_task
from mechbook.noisy.task_ahead import sampler

TASK = shakespeare_noisy_task(T=11, alpha=0.4, K=2)
B = 5
PARTS = ("z", "is_trigger", "in_context", "answers")


def generator(seed=3):
    return torch.Generator().manual_seed(seed)


def assert_same(drawn, expected):
    for name in PARTS:
        assert torch.equal(getattr(drawn, name), getattr(expected, name)), name


def test_batches_and_generator_are_those_of_the_plain_sampler():
    """Oracle: `sample`, bit for bit, over several fillings; the generator's state after each batch."""
    plain, ahead = generator(), generator()
    draw = sampler(TASK, B, batches=3)
    for _ in range(8):
        assert_same(draw(ahead), sample(TASK, B, plain))
        assert torch.equal(ahead.get_state(), plain.get_state())


def test_a_run_is_taken_up_anywhere():
    """Oracle: `sample` from the state that was kept in the middle of a filling; by the same sampler and by another."""
    random, draw = generator(), sampler(TASK, B, batches=4)
    draw(random)
    state = random.get_state()
    expected = draw(random)
    draw(random)
    for again in (draw, sampler(TASK, B, batches=4)):
        random.set_state(state)
        assert_same(again(random), expected)


def test_another_generator_gets_its_own_batches():
    """Oracle: `sample`; two generators take turns at one sampler."""
    draw = sampler(TASK, B, batches=4)
    turns = [(generator(seed), generator(seed)) for seed in (1, 2)]
    for _ in range(3):
        for ahead, plain in turns:
            assert_same(draw(ahead), sample(TASK, B, plain))


@pytest.mark.parametrize(("changes", "words"), [({"batch_size": 0}, "batch_size is 0"), ({"batches": 0}, "batches is")])
def test_impossible_sizes_are_refused_in_a_sentence(changes, words):
    """Oracle: the sentence."""
    with pytest.raises(ValueError, match=words):
        sampler(TASK, **{"batch_size": B, **changes})
