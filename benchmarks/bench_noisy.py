"""Time one training step (forward and backward) of the noisy-recall model, plain and fast, on one thread.

Run `python benchmarks/bench_noisy.py [--small]`. Three ways to the same loss, at the laptop's and at the paper's sizes:
the plain forward, the fast logits, and the step that the runs take (at the laptop's sizes: the fast logits). They take
turns, so that a busy machine slows all alike; the table shows each one's fastest time, how many times as long as the
step the plain way takes, and what sampling the batch costs beside it. "products" is how many times as many
floating-point operations the plain way's matrix products have, and "share" the part of the step's time that its own
would take at this machine's rate: the ratio can grow by what is missing to 100%, and by fewer products.
"""

import argparse
import time
from collections.abc import Callable

import torch
from products import Products, rate
from torch import Tensor
from torch.nn import functional as F

from mechbook.core.progress import Line, say
from mechbook.noisy.fast import selected_logits
from mechbook.noisy.model import NoisyConfig, NoisyTransformer
from mechbook.noisy.presets import LAPTOP, PAPER, NoisyPreset
from mechbook.noisy.step import selected_losses
from mechbook.noisy.task import NoisyBatch, sample, shakespeare_noisy_task

REPEATS = {LAPTOP: 30, PAPER: 3}
Loss = Callable[[NoisyTransformer, NoisyBatch], Tensor]


def of_logits(logits: Callable[[NoisyTransformer, NoisyBatch], Tensor]) -> Loss:
    return lambda model, batch: F.cross_entropy(logits(model, batch), batch.targets[batch.in_context])


WAYS: dict[str, Loss] = {
    "plain": of_logits(lambda model, batch: model(batch.inputs)[batch.in_context]),
    "logits": of_logits(lambda model, batch: selected_logits(model, batch.inputs, batch.in_context)),
    "step": lambda model, batch: selected_losses(model, batch.inputs, batch.in_context, batch.targets)[0].mean(),
}


def milliseconds(run: Callable[..., object], *arguments: object) -> float:
    # of this thread's processor time: the turns that other programs take do not count
    start = time.thread_time()
    run(*arguments)
    return (time.thread_time() - start) * 1e3


def step(model: NoisyTransformer, batch: NoisyBatch, loss: Loss) -> None:
    model.zero_grad()
    loss(model, batch).backward()


def products(model: NoisyTransformer, batch: NoisyBatch, loss: Loss) -> int:
    with Products() as counted:
        step(model, batch, loss)
    return counted.flops


def measure(setup: NoisyPreset, d: int) -> str:
    """Return one line of the table."""
    task = shakespeare_noisy_task(T=setup.T, alpha=setup.alpha, K=setup.K)
    generator = torch.Generator().manual_seed(0)
    batch = sample(task, setup.batch, generator)
    model = NoisyTransformer(NoisyConfig(V=task.N + 1, T=setup.T, d=d), generator)
    repeats = REPEATS[setup]
    sampling = min(milliseconds(sample, task, setup.batch, generator) for _ in range(repeats))
    best = dict.fromkeys(WAYS, float("inf"))
    for _ in range(repeats):
        for way, loss in WAYS.items():
            best[way] = min(best[way], milliseconds(step, model, batch, loss))
    times = " ".join(f"{best[way]:>8.1f}" for way in WAYS)
    ratio = best["plain"] / best["step"]
    made = {way: products(model, batch, WAYS[way]) for way in ("plain", "step")}
    share = made["step"] / rate() / (best["step"] / 1e3)
    counted = f"{made['plain'] / made['step']:>8.2f} {share:>6.0%}"
    return f"{setup.batch:>4} {setup.T:>4} {d:>4} {repeats:>3} {sampling:>7.2f} {times} {ratio:>10.2f} {counted}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Time one training step, plain and fast, on one thread.")
    parser.add_argument("--small", action="store_true", help="only the laptop's shapes")
    small = parser.parse_args().small
    torch.set_num_threads(1)
    print("noisy recall, one step on one thread, milliseconds of processor time (fastest of n)")
    ways = " ".join(f"{way:>8}" for way in WAYS)
    print(f"{'B':>4} {'T':>4} {'d':>4} {'n':>3} {'sample':>7} {ways} plain/step products  share")
    shapes = [(LAPTOP, d) for d in (*LAPTOP.other_d, LAPTOP.d)] + ([] if small else [(PAPER, PAPER.d)])
    with Line("make bench, noisy recall", len(shapes), "sizes") as line:
        for setup, d in shapes:
            say(line.passed(measure(setup, d)))


if __name__ == "__main__":
    main()
