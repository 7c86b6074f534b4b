"""Searches for capacities: bisection against a scan, climbing against bisection."""

import random

import pytest
import torch

from mechbook.memories import outer_product
from mechbook.memories.trained import MemoryTrainingSettings, Task, Weights, train_memories, train_memory
from mechbook.shared.capacity_search import candidates, capacities_by_climbing, capacity_by_bisection


def test_candidates_reach_from_low_to_high_in_steps_no_larger_than_the_ratio():
    """Oracle: the definition, and one by one where the ratio is less than that."""
    found = candidates(3, 1009, 1.07)
    assert found[0] == 3 and found[-1] == 1009
    assert all(a < b <= max(a + 1, a * 1.07) for a, b in zip(found[:-1], found[1:], strict=True))
    assert candidates(1, 9, 1.02) == list(range(1, 10))


@pytest.mark.parametrize("true", [1, 2, 40, 96, 97])
def test_bisection_finds_the_last_that_passes_in_few_tries(true):
    """Oracle: a scan of all candidates; tries at most 2 + log2."""
    numbers, tried = candidates(1, 98, 1.01), []

    def passes(N):
        tried.append(N)
        return N <= true

    assert capacity_by_bisection(passes, numbers) == max(N for N in numbers if N <= true)
    assert len(tried) <= 2 + 7


def test_climbing_finds_the_same_from_any_guess():
    """Oracle: bisection, for 60 searches in step with random capacities, candidates and guesses."""
    choose = random.Random(7)
    numbers, true, guesses = [], [], []
    for _ in range(60):
        numbers.append(candidates(choose.randint(1, 5), choose.randint(20, 3000), choose.choice([1.02, 1.1, 1.5])))
        true.append(choose.randint(numbers[-1][0], numbers[-1][-2]))
        guesses.append(choose.randint(1, 4000))
    asked = []

    def together(tried):
        assert len({number for number, _ in tried}) == len(tried)
        asked.extend(tried)
        return [N <= true[number] for number, N in tried]

    found = capacities_by_climbing(together, numbers, guesses)
    assert found == [capacity_by_bisection(lambda N, t=t: N <= t, each) for t, each in zip(true, numbers, strict=True)]
    # no candidate of a search is computed twice
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("M", [None, 3])
def test_trained_memories_have_the_same_capacity_by_both_searches(M):
    """Oracle: the loop over seeds and sizes, each memory trained alone."""
    torch.set_num_threads(1)
    how, searches = MemoryTrainingSettings(lr=1.0, steps=40), [(5, 0), (5, 1), (7, 0)]
    drawn = []
    for d, seed in searches:
        g = torch.Generator().manual_seed(1000 * d + seed)
        drawn.append([outer_product.draw_embeddings(n, d, generator=g, unit_norm=True) for n in (80, M or 80)])

    def task(number, N):
        keys, values = drawn[number]
        return Task(keys[:N], values if M else values[:N], torch.arange(N) % (M or N))

    starts = [Weights(W=torch.zeros(d, d)) for d, _ in searches]
    numbers = [candidates(1, 80)] * len(searches)
    loop = [
        capacity_by_bisection(lambda N, i=i: train_memory(task(i, N), starts[i], how)[0] >= 0.99, numbers[i])
        for i in range(len(searches))
    ]

    def together(tried):
        found = train_memories([task(*each) for each in tried], [starts[number] for number, _ in tried], how)
        return [recall >= 0.99 for recall, _ in found]

    assert capacities_by_climbing(together, numbers, [4, 60, 12]) == loop
    assert len(set(loop)) > 1


def test_bad_input_is_refused_in_one_sentence():
    """Oracle: the sentences."""
    with pytest.raises(ValueError, match="low is 0 and high 5; they must have 1 <= low < high"):
        candidates(0, 5)
    with pytest.raises(ValueError, match="low is 5 and high 5"):
        candidates(5, 5)
    with pytest.raises(ValueError, match="ratio is 1.0; it must be a finite number > 1"):
        candidates(1, 5, 1.0)
    with pytest.raises(ValueError, match="ratio is inf; it must be a finite number > 1"):
        candidates(1, 5, float("inf"))
    for search in (
        lambda passes: capacity_by_bisection(passes, [2, 3, 4]),
        lambda passes: capacities_by_climbing(lambda tried: [passes(N) for _, N in tried], [[2, 3, 4]], [3]),
    ):
        with pytest.raises(ValueError, match="Already 2 pairs are not stored; the search must begin lower"):
            search(lambda N: False)
        with pytest.raises(ValueError, match="Even 4 pairs are stored; the search must go higher"):
            search(lambda N: True)
    with pytest.raises(ValueError, match="There are 1 searches and 2 guesses; each search has one"):
        capacities_by_climbing(lambda tried: [], [[1, 2]], [1, 2])
