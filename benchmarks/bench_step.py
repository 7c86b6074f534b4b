"""Time one training step (forward and backward) of the simplified model, plain and fast, on one thread.

Run `python benchmarks/bench_step.py [--small]`. Three ways to the same loss: maps written out (`trace`), the plain
forward (torch's fused attention), and the fast step. The ways take turns, so that a busy machine slows all of them
alike; the table shows each one's fastest time, and the ratios to the fast step's.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from mechbook.shared.bigrams import BigramBatch, sample, shakespeare_task
from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer
from mechbook.shared.simplified_fast import selected_logits

SHAPES = {(64, 64): 40, (512, 256): 4}
Logits = Callable[[SimplifiedTransformer, BigramBatch], Tensor]
WAYS: dict[str, Logits] = {
    "maps": lambda model, batch: model.trace(batch.inputs).logits[batch.in_context],
    "plain": lambda model, batch: model(batch.inputs)[batch.in_context],
    "fast": lambda model, batch: selected_logits(model, batch.inputs, batch.in_context),
}


def milliseconds(run: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    run(*arguments)
    return (time.perf_counter() - start) * 1e3


def step(model: SimplifiedTransformer, batch: BigramBatch, logits: Logits) -> None:
    model.zero_grad()
    F.cross_entropy(logits(model, batch), batch.targets[batch.in_context]).backward()


def measure(B: int, T: int, repeats: int) -> str:
    """Return one line of the table."""
    task = shakespeare_task(T=T, K=5)
    generator = torch.Generator().manual_seed(0)
    batch = sample(task, B, generator)
    model = SimplifiedTransformer(SimplifiedConfig(N=65, T=T, d=128), generator)
    sampling = min(milliseconds(sample, task, B, generator) for _ in range(repeats))
    best = dict.fromkeys(WAYS, float("inf"))
    for _ in range(repeats):
        for way, logits in WAYS.items():
            best[way] = min(best[way], milliseconds(step, model, batch, logits))
    share = batch.in_context.float().mean().item()
    times = " ".join(f"{best[way]:>8.1f}" for way in WAYS)
    ratios = f"{best['plain'] / best['fast']:>10.2f} {best['maps'] / best['fast']:>9.2f}"
    return f"{B:>4} {T:>4} {repeats:>3} {share:>9.3f} {sampling:>7.2f} {times} {ratios}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Time one training step, plain and fast, on one thread.")
    parser.add_argument("--small", action="store_true", help="only the laptop's shape")
    small = parser.parse_args().small
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, d = 128, K = 5 random triggers, milliseconds (fastest of n)")
    ways = " ".join(f"{way:>8}" for way in WAYS)
    print(f"{'B':>4} {'T':>4} {'n':>3} {'selected':>9} {'sample':>7} {ways} plain/fast maps/fast")
    for (B, T), repeats in SHAPES.items():
        if not small or B <= 64:
            print(measure(B, T, repeats), flush=True)


if __name__ == "__main__":
    main()
