"""Time the capacity search of trained linear memories: the obvious loop over seeds and sizes, and all of them in step.

Run `python benchmarks/bench_capacity.py [--small]`, on one thread. The loop trains one memory at a time with autograd
and torch's Adam, and bisects; the fast search trains those of a round side by side with gradients written out, and
climbs from below. The searches are those of chapter 1 at the laptop scale: the same embeddings, candidates, steps and
criterion. Ratios are printed, of the clock's time and of the processor's, which a busy machine disturbs less; where the
answers differ the program says so and fails.
"""

import argparse
import time

import torch

from mechbook.core.progress import Line, one_by_one
from mechbook.memories.capacity import SearchSettings, TrainedSearches, linear_settings
from mechbook.memories.presets import LAPTOP
from mechbook.memories.trained import MemoryTrainingSettings, train_memory
from mechbook.shared.capacity_search import capacity_by_bisection


def loop(searches: list[SearchSettings], how: MemoryTrainingSettings) -> list[int]:
    """The capacity of each search's memory, one search after the other."""
    tasks = TrainedSearches(searches, how)

    def capacity(number: int) -> int:
        def passes(N: int) -> bool:
            return train_memory(tasks.task(number, N), tasks.starts[number], how)[0] >= how.enough

        return capacity_by_bisection(passes, searches[number].numbers())

    return one_by_one(capacity, range(len(searches)), "one after the other", "searches")


def in_step(searches: list[SearchSettings], how: MemoryTrainingSettings) -> list[int]:
    """The capacity of each search's memory, all searches together."""
    return TrainedSearches(searches, how).capacities()


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the search for capacities, as a loop and in step.")
    parser.add_argument("--small", action="store_true", help="only d up to 32")
    small = parser.parse_args().small
    torch.set_num_threads(1)
    made = linear_settings(LAPTOP)
    how, searches = made.training, [search for search in made.searches if search.d <= (32 if small else 64)]
    assert how is not None
    # the first training loads what later ones share
    loop(searches[:1], how), in_step(searches[:1], how)
    times, answers = {}, {}
    with Line("make bench, capacities", 2, "ways") as line:
        for name, way in (("in step", in_step), ("loop", loop)):
            start = time.perf_counter(), time.process_time()
            answers[name] = line.passed(way(searches, how))
            times[name] = time.perf_counter() - start[0], time.process_time() - start[1]
    sizes = sorted({search.d for search in searches})
    print(f"capacity of trained memories, d = {sizes}, {len(searches)} searches, torch {torch.__version__}, one thread")
    for place, kind in enumerate(("clock", "processor")):
        one, all_of_them = times["loop"][place], times["in step"][place]
        print(f"{kind:>9}: loop {one:.1f} s, in step {all_of_them:.1f} s, ratio {one / all_of_them:.1f}")
    if answers["loop"] != answers["in step"]:
        raise SystemExit(f"The answers differ: {answers}")
    print(f"the same answers: {answers['loop']}")


if __name__ == "__main__":
    main()
