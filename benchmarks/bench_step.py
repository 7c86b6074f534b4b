"""Time one training step (forward and backward) of the simplified model, plain and fast, on one thread.

Run `python benchmarks/bench_step.py [--small]`. Four ways to the same loss, at the laptop's and at the paper's sizes:
maps written out (`trace`), the plain forward (torch's fused attention), the fast logits, and the step that the runs
take (at the laptop's sizes: the fast logits). The ways take turns, so that a busy machine slows all of them alike; the
table shows each one's fastest time, and how many times as long as the step the first two take. "products" is how many
times as many floating-point operations the plain way's matrix products have, and "share" the part of the step's time
that its own would take at this machine's rate: the ratio can grow by what is missing to 100%, and by fewer products.
"""

import argparse
import time
from collections.abc import Callable

import torch
from products import Products, rate
from torch import Tensor
from torch.nn import functional as F

from mechbook.core.progress import Line, say
from mechbook.induction.presets import LAPTOP, PAPER, InductionPreset
from mechbook.shared.bigrams import BigramBatch, sample, shakespeare_task
from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer
from mechbook.shared.simplified_fast import selected_logits
from mechbook.shared.simplified_step import selected_losses

REPEATS = {LAPTOP: 40, PAPER: 5}
Loss = Callable[[SimplifiedTransformer, BigramBatch], Tensor]


def of_logits(logits: Callable[[SimplifiedTransformer, BigramBatch], Tensor]) -> Loss:
    return lambda model, batch: F.cross_entropy(logits(model, batch), batch.targets[batch.in_context])


WAYS: dict[str, Loss] = {
    "maps": of_logits(lambda model, batch: model.trace(batch.inputs).logits[batch.in_context]),
    "plain": of_logits(lambda model, batch: model(batch.inputs)[batch.in_context]),
    "logits": of_logits(lambda model, batch: selected_logits(model, batch.inputs, batch.in_context)),
    "step": lambda model, batch: selected_losses(model, batch.inputs, batch.in_context, batch.targets)[0].mean(),
}


def milliseconds(run: Callable[..., object], *arguments: object) -> float:
    # of this thread's processor time: the turns that other programs take do not count
    start = time.thread_time()
    run(*arguments)
    return (time.thread_time() - start) * 1e3


def step(model: SimplifiedTransformer, batch: BigramBatch, loss: Loss) -> None:
    model.zero_grad()
    loss(model, batch).backward()


def products(model: SimplifiedTransformer, batch: BigramBatch, loss: Loss) -> int:
    with Products() as counted:
        step(model, batch, loss)
    return counted.flops


def measure(setup: InductionPreset) -> str:
    """Return one line of the table."""
    B, T, repeats = setup.batch_size, setup.T, REPEATS[setup]
    task = shakespeare_task(T=T, K=setup.K)
    generator = torch.Generator().manual_seed(0)
    batch = sample(task, B, generator)
    config = SimplifiedConfig(N=task.N, T=T, d=setup.d, matrix_init=setup.matrix_init)
    model = SimplifiedTransformer(config, generator)
    sampling = min(milliseconds(sample, task, B, generator) for _ in range(repeats))
    best = dict.fromkeys(WAYS, float("inf"))
    for _ in range(repeats):
        for way, loss in WAYS.items():
            best[way] = min(best[way], milliseconds(step, model, batch, loss))
    share = batch.in_context.float().mean().item()
    times = " ".join(f"{best[way]:>8.1f}" for way in WAYS)
    made = {way: products(model, batch, WAYS[way]) for way in ("plain", "step")}
    part = made["step"] / rate() / (best["step"] / 1e3)
    ratios = f"{best['plain'] / best['step']:>10.2f} {best['maps'] / best['step']:>9.2f}"
    ratios += f" {made['plain'] / made['step']:>8.2f} {part:>6.0%}"
    return f"{B:>4} {T:>4} {setup.d:>4} {repeats:>3} {share:>9.3f} {sampling:>7.2f} {times} {ratios}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Time one training step, plain and fast, on one thread.")
    parser.add_argument("--small", action="store_true", help="only the laptop's shape")
    small = parser.parse_args().small
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, random triggers, milliseconds of processor time (fastest of n)")
    ways = " ".join(f"{way:>8}" for way in WAYS)
    print(
        f"{'B':>4} {'T':>4} {'d':>4} {'n':>3} {'selected':>9} {'sample':>7} {ways} plain/step maps/step products  share"
    )
    setups = (LAPTOP,) if small else (LAPTOP, PAPER)
    with Line("make bench, a training step", len(setups), "sizes") as line:
        for setup in setups:
            say(line.passed(measure(setup)))


if __name__ == "__main__":
    main()
