"""Batches drawn on a device: repeatable from the run's generator alone, however many are drawn in one pass."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Generator, Tensor

from mechbook.core.training.ahead import BATCHES, TOKENS, ahead, batches_ahead, next_seed, seeded


def numbers(seeds: Sequence[int]) -> list[Tensor]:
    return [torch.rand(3, generator=Generator().manual_seed(seed)) for seed in seeds]


def one(generator: Generator) -> Tensor:
    return torch.rand(3, generator=generator)


DRAWS: dict[str, Callable[[], Callable[[Generator], Tensor]]] = {
    "seeded": lambda: seeded(one, "cpu"),
    "ahead by 1": lambda: ahead(numbers, 1),
    "ahead by 5": lambda: ahead(numbers, 5),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_batch_is_that_of_the_generators_next_seed(name: str) -> None:
    """Oracle: each seed by hand; the generator has moved on by it and no more."""
    draw, run, copy = DRAWS[name](), Generator().manual_seed(7), Generator().manual_seed(7)
    for _ in range(12):
        expected = one(Generator().manual_seed(next_seed(copy)))
        assert torch.equal(draw(run), expected)
        assert torch.equal(run.get_state(), copy.get_state())


@pytest.mark.parametrize("name", DRAWS)
def test_a_run_is_taken_up_in_the_middle(name: str) -> None:
    """Oracle: the same run without a break; a kept state, in a new draw and in one that is ahead of it."""
    draw, run = DRAWS[name](), Generator().manual_seed(7)
    for _ in range(3):
        draw(run)
    kept = run.get_state()
    rest = [draw(run) for _ in range(8)]
    for again in (draw, DRAWS[name]()):
        taken = Generator()
        taken.set_state(kept)
        assert all(torch.equal(a, again(taken)) for a in rest)


def test_batches_are_drawn_together_and_few_times() -> None:
    calls: list[int] = []

    def counted(seeds: Sequence[int]) -> list[Tensor]:
        calls.append(len(seeds))
        return numbers(seeds)

    draw, run = ahead(counted, 4), Generator()
    for _ in range(9):
        draw(run)
    assert calls == [4, 4, 4]


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="batches is 0; it must be at least 1."):
        ahead(numbers, 0)


@pytest.mark.parametrize(
    ("B", "T", "expected"), [(512, 256, BATCHES), (8192, 256, TOKENS // (8192 * 256)), (10**6, 256, 1)]
)
def test_how_many_are_worth_drawing_at_once(B: int, T: int, expected: int) -> None:
    assert batches_ahead(B, T) == expected
