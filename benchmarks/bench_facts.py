"""Time sweeps over factual-recall models that batch their configurations in one tensor program, and one at a time.

Run `python benchmarks/bench_facts.py`, on one thread. The same models, tasks and steps both ways; the two take turns,
so that a busy machine slows both alike, and each one's fastest time counts. Also Figure 5's linear model, all seeds in
one stack and seed by seed; and counts against sequences, forward and backward.
"""

import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

from mechbook.core.progress import Line, say
from mechbook.facts.dynamics import descend
from mechbook.facts.model import FactConfig, FactTransformer, count_logits, initial_weights, linear_logits, stack
from mechbook.facts.stack_training import StackSettings, train_stack
from mechbook.facts.task import FactTask, count_tokens, random_task, sample, structured_answers
from mechbook.facts.task_stack import FactStack

REPEATS = 3
STEPS = 60


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def compare(name: str, together: Callable[[], object], apart: Callable[[], object], unit: int) -> None:
    """Print the fastest time of each, per model and step, and the ratio."""
    best = [float("inf")] * 2
    for _ in range(REPEATS):
        for place, run in enumerate((together, apart)):
            best[place] = min(best[place], seconds(run))
    one, other = (1e3 * value / unit for value in best)
    say(f"{name:<44} {one:>9.3f} {other:>9.3f} {other / one:>7.2f}")


def sweep(S: int, d: int, H: int, d_h: int, widths: tuple[int, ...], seeds: int, batch: int) -> None:
    """Cells of Figure 3: MLP widths, padded to the largest, and seeds."""
    how = StackSettings(steps=STEPS, batch_size=batch, rates=(1e-2,))
    cells = [(m, seed) for m in widths for seed in range(seeds)]
    tasks = [random_task(S, generator(seed), D=8, T=32) for _, seed in cells]

    def config(m: int) -> FactConfig:
        return FactConfig(V=tasks[0].V, A=tasks[0].A, d=d, H=H, d_h=d_h, m=m)

    def together() -> None:
        most = max(widths)
        weights = stack([initial_weights(config(most), generator(seed)) for _, seed in cells])
        hidden = torch.stack([(torch.arange(most) < m).float() for m, _ in cells])
        train_stack(tasks, weights, how, 1e-2, generator(1), hidden=hidden)

    def apart() -> None:
        for task, (m, seed) in zip(tasks, cells, strict=True):
            train_stack([task], stack([initial_weights(config(m), generator(seed))]), how, 1e-2, generator(1))

    compare(f"Figure 3: {len(cells)} models, S = R = {S}, d = {d}, H = {H}", together, apart, STEPS * len(cells))


def dynamics(seeds: int, batch: int) -> None:
    """Seeds of Figure 5, left."""
    task = FactTask(S=16, R=4, D=8, T=32, n_noise=20, answers=structured_answers(16, 4, 8))

    def train(G: int) -> None:
        tasks, stream = FactStack([task] * G), generator(G)
        tables = torch.full((G, task.V, task.A), 1e-5), torch.full((G, task.V), 1e-5)
        for _ in range(10 * STEPS):
            descend(linear_logits, tables, None, tasks.sample_counts(batch, stream), 0.1)

    def apart() -> None:
        for _ in range(seeds):
            train(1)

    compare(f"Figure 5, left: {seeds} seeds, batch {batch}", lambda: train(seeds), apart, 10 * STEPS * seeds)


def definition(batch: int) -> None:
    """One step's forward and backward: from counts, and from sequences position by position."""
    task = random_task(16, generator(0), D=8, T=32)
    model = FactTransformer(initial_weights(FactConfig(V=task.V, A=task.A, d=32, H=8, d_h=8, m=32), generator(1)))
    asked = sample(task, batch, generator(2))

    def by_count() -> None:
        for _ in range(STEPS):
            F.cross_entropy(count_logits(model.weights(), count_tokens(asked.z, task.V)), asked.targets).backward()

    def by_position() -> None:
        for _ in range(STEPS):
            F.cross_entropy(model(asked.z), asked.targets).backward()

    compare(f"counts, and sequences of T = {task.T}: batch {batch}", by_count, by_position, STEPS)


def main() -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    print(f"torch {torch.__version__}, one thread, milliseconds a model and step (fastest of {REPEATS})")
    print(f"{'':<44} {'together':>9} {'one by one':>9} ratio")
    with Line("make bench, facts", 5, "parts") as line:
        for comparison in (
            lambda: sweep(16, 32, 4, 8, (0, 16, 32), 3, 256),
            lambda: sweep(16, 32, 12, 8, (64, 128), 3, 256),
            lambda: dynamics(5, 512),
            lambda: say(f"{'':<44} {'counts':>9} {'sequences':>9}   ratio"),
            lambda: definition(256),
        ):
            comparison()
            line.advance()


if __name__ == "__main__":
    main()
