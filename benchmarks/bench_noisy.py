"""Time one training step (forward and backward) of the noisy-recall model, plain and fast, on one thread.

Run `python benchmarks/bench_noisy.py`. The two take turns, so that a busy machine slows both alike; the table shows
each one's fastest time and their ratio, and what sampling the batch costs beside it.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from mechbook.noisy.fast import selected_logits
from mechbook.noisy.model import NoisyConfig, NoisyTransformer
from mechbook.noisy.presets import LAPTOP
from mechbook.noisy.task import NoisyBatch, sample, shakespeare_noisy_task

# The laptop's batch and dimensions: (B, T, d).
SHAPES = tuple((LAPTOP.batch, LAPTOP.T, d) for d in (*LAPTOP.other_d, LAPTOP.d))
REPEATS = 30
Logits = Callable[[NoisyTransformer, NoisyBatch], Tensor]
WAYS: dict[str, Logits] = {
    "plain": lambda model, batch: model(batch.inputs)[batch.in_context],
    "fast": lambda model, batch: selected_logits(model, batch.inputs, batch.in_context),
}


def milliseconds(run: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    run(*arguments)
    return (time.perf_counter() - start) * 1e3


def step(model: NoisyTransformer, batch: NoisyBatch, logits: Logits) -> None:
    model.zero_grad()
    F.cross_entropy(logits(model, batch), batch.targets[batch.in_context]).backward()


def main() -> None:
    torch.set_num_threads(1)
    print("noisy recall, one step in milliseconds\n   B   T   d  sample    plain     fast  plain/fast")
    for B, T, d in SHAPES:
        task = shakespeare_noisy_task(T=T, alpha=0.5)
        generator = torch.Generator().manual_seed(0)
        batch = sample(task, B, generator)
        model = NoisyTransformer(NoisyConfig(V=task.N + 1, T=T, d=d), generator)
        sampling = min(milliseconds(sample, task, B, generator) for _ in range(REPEATS))
        best = dict.fromkeys(WAYS, float("inf"))
        for _ in range(REPEATS):
            for way, logits in WAYS.items():
                best[way] = min(best[way], milliseconds(step, model, batch, logits))
        print(
            f"{B:>4} {T:>3} {d:>3} {sampling:>7.2f} {best['plain']:>8.1f} {best['fast']:>8.1f}"
            f" {best['plain'] / best['fast']:>11.2f}"
        )


if __name__ == "__main__":
    main()
