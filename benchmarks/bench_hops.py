"""Time a training step of the hop transformer: seeds one at a time, and all in one program, on one thread.

Run `python benchmarks/bench_hops.py`. Both train the same models for the same steps; they take turns, so that a busy
machine slows both alike. The table shows milliseconds for one seed's step (fastest of n), and their ratio.
"""

import dataclasses
import time
from collections.abc import Callable

import torch

from mechbook.core.presets import at_scale
from mechbook.core.progress import Line, say
from mechbook.hops import experiments as hops
from mechbook.hops.fast_training import train_stacked
from mechbook.hops.model import HopTransformer
from mechbook.hops.presets import LAPTOP, PAPER
from mechbook.hops.runs import CompositionSettings
from mechbook.hops.training import Draw, train_hops

STEPS, REPEATS = 25, 4


def drawing(spec: CompositionSettings, seed: int, B: int) -> Draw:
    sample = spec.sampler(seed)
    return lambda generator: sample(B, generator)


def timed(spec: CompositionSettings) -> str:
    """Return one line of the table."""
    how = dataclasses.replace(spec.training, steps=STEPS, stop_at=None)
    B, seeds = how.batch_size, spec.seeds
    draws = [drawing(spec, s, B) for s in seeds]

    def models() -> list[HopTransformer]:
        return [HopTransformer(spec.config(), spec.stream(s, "weights")) for s in seeds]

    def one_at_a_time() -> None:
        for model, draw, s in zip(models(), draws, seeds, strict=True):
            train_hops(model, draw, how, spec.stream(s, "batches"))

    def together() -> None:
        train_stacked(models(), draws, how, [spec.stream(s, "batches") for s in seeds])

    best = {one_at_a_time: float("inf"), together: float("inf")}
    for _ in range(REPEATS):
        for way in best:
            best[way] = min(best[way], milliseconds(way) / STEPS / len(seeds))
    plain, stacked = best.values()
    c = spec.config()
    sizes = f"{spec.k:>2} {c.T:>3} {c.n_layers:>6} {B:>5} {len(seeds):>5}"
    return f"{sizes} {plain:>13.2f} {stacked:>8.2f} {plain / stacked:>6.2f}"


def milliseconds(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, milliseconds for a step of one seed (fastest of {REPEATS})")
    sizes = f"{'k':>2} {'T':>3} {'layers':>6} {'batch':>5} {'seeds':>5}"
    print(f"{sizes} {'one at a time':>13} {'together':>8} {'ratio':>6}")
    setup = at_scale(LAPTOP, PAPER)
    ks = (setup.k, 2, 8)
    with Line("make bench, hops", len(ks), "sizes") as line:
        for k in ks:
            say(line.passed(timed(hops.scaling_settings(setup, "mixture", k))))


if __name__ == "__main__":
    main()
