"""What chapter 4 measures on the one-layer model: Theorem 1, Table 2, and the gradient on W_KQ of appendix A.2.

Each function measures one seed, from the cache where it was measured before, and returns plain numbers and tensors.
Predictions are exact moments (`mechbook.noisy.theory.moments`), measurements are samples.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.noisy.theory.moments import CASES, FirstStep, first_step, margin_moments, value_gradient_moments
from mechbook.noisy.theory.one_layer import noise_margin, one_step_logits
from mechbook.noisy.theory.task import NoisyCounts, UniformNoisyTask, counts_of, sample_counts, sample_sequences

_CHAPTER = 4
ALPHA = 0.5


def _kept(name: str, seed: int, **key: Any) -> dict[str, Any]:
    return {"experiment": name, "seed": [settings.seed(), seed], "scale": settings.scale(), **key}


def _draw(task: UniformNoisyTask, m: int, section: int, seed: int, number: int = 0) -> NoisyCounts:
    generator = settings.generator(_CHAPTER, section, seed, number)
    # two ways to the same distribution: the one's cost grows with T, the other's with T / N + N
    short = task.T <= task.N
    return counts_of(task, sample_sequences(task, m, generator)) if short else sample_counts(task, m, generator)


def task_of_theorem_1() -> UniformNoisyTask:
    """The task on which the margins are measured against the sample size."""
    return settings.choose(
        laptop=UniformNoisyTask(N=64, T=256, alpha=ALPHA), paper=UniformNoisyTask(N=256, T=1024, alpha=ALPHA)
    )


def sample_sizes() -> tuple[int, ...]:
    """The sizes m of the one-step updates of `margins`."""
    return settings.choose(laptop=(10, 30, 100, 300, 1000, 3000), paper=(10, 30, 100, 300, 1000, 3000, 10_000))


def margins(seed: int) -> dict[str, Any]:
    """Theorem 1 against sampling: the two blocks' margins after one step on m sequences, for each of `sample_sizes`.

    For "feed_forward" and "attention": "mean" and "spread" over updates for each m (attention: averaged over test
    sequences) and the "exponent" of the spread; "population", the exact margin; "pooled", the margin after one step on
    all sequences, with its standard "error"; "predicted_spread" of one sequence, exact. "target": alpha-hat / N.
    """
    return dict(cached(_kept("margins", seed), lambda: _margins(seed), modules=(__name__,)))


def _margins(seed: int) -> dict[str, Any]:
    task, updates = task_of_theorem_1(), 400
    M = settings.choose(laptop=131_072, paper=1_048_576)
    drawn, test = _draw(task, M, 41, seed), _draw(task, 20, 41, seed, 1).frequencies
    blocks: dict[str, dict[str, Any]] = {name: {"mean": [], "spread": []} for name in ("feed_forward", "attention")}
    sizes = sample_sizes()
    for m in sizes:
        part = slice(0, updates * m)
        both = one_step_logits(drawn.frequencies[part], drawn.targets[part], test, m)
        for block, logits in zip(blocks.values(), both, strict=True):
            margin = noise_margin(logits)
            block["mean"].append(float(margin.mean()))
            block["spread"].append(float(margin.std(0).mean()))
    pieces = one_step_logits(drawn.frequencies, drawn.targets, test, M // 128)
    step = first_step(task)
    mean, variance = margin_moments(task, test.numpy())
    noise, other = task.alpha, (1 - task.alpha) / task.N
    exact = {
        "feed_forward": (noise_margin(torch.tensor(step.feed_forward)), noise + other - (noise - other) ** 2),
        "attention": (noise_margin(test @ torch.tensor(step.values).T).mean(), float(variance.mean())),
    }
    for (name, block), logits in zip(blocks.items(), pieces, strict=True):
        pooled = noise_margin(logits.mean(0)).mean()
        each = noise_margin(logits) if name == "feed_forward" else noise_margin(logits).mean(1)
        block["pooled"], block["error"] = float(pooled), float(each.std() / len(each) ** 0.5)
        block["population"], block["predicted_spread"] = float(exact[name][0]), exact[name][1] ** 0.5
        block["exponent"] = float(np.polyfit(np.log(sizes), np.log(block["spread"]), 1)[0])
    q_hat = test[:, task.noise]
    target = (task.alpha**2 * q_hat + task.alpha * (1 - q_hat)).mean() / task.N
    return {**blocks, "target": float(target)}


def sizes_of_needs() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The vocabulary sizes N and lengths T over which the two blocks' needs of samples are compared."""
    return settings.choose(
        laptop=((16, 64, 256), (4, 8, 16, 32, 64, 128, 256, 512)),
        paper=((16, 64, 256, 1024), (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)),
    )


def tests_of_needs(task: UniformNoisyTask, typical: Tensor) -> dict[str, Tensor]:
    """Frequencies of test sequences: "typical" ones of the task, and one token "repeated" T - 1 times before q."""
    repeated = torch.zeros(1, task.N + 1, dtype=torch.float64)
    repeated[0, 2], repeated[0, 0] = 1 - 1 / task.T, 1 / task.T
    return {"typical": typical, "repeated": repeated}


def needs(seed: int) -> dict[str, Any]:
    """How many times more samples attention needs than feed-forward for the same relative spread of its margin.

    {(kind of test sequence): {"exact", "measured"}: (N, T)} over `sizes_of_needs`; "typical" also has "margin", the
    exact margin times N over alpha-hat, (N, T).
    """
    return dict(cached(_kept("needs", seed), lambda: _needs(seed), modules=(__name__,)))


def _needs(seed: int) -> dict[str, Any]:
    Ns, Ts = sizes_of_needs()
    m, updates = 100, settings.choose(laptop=200, paper=1000)
    rows: dict[str, dict[str, list[float]]] = {kind: {} for kind in ("typical", "repeated")}

    def put(kind: str, name: str, value: Any) -> None:
        rows[kind].setdefault(name, []).append(float(value))

    for i, N in enumerate(Ns):
        for k, T in enumerate(Ts):
            task = UniformNoisyTask(N=N, T=T, alpha=ALPHA)
            drawn, step = _draw(task, m * updates, 42, seed, 100 * i + k), first_step(task)
            p, r = ALPHA, (1 - ALPHA) / N
            tests = tests_of_needs(task, _draw(task, 20, 43, seed, 100 * i + k).frequencies)
            for kind, test in tests.items():
                feed_forward, attention = one_step_logits(drawn.frequencies, drawn.targets, test, m)
                mean, variance = margin_moments(task, test.numpy())
                population = noise_margin(test @ torch.tensor(step.values).T)
                q_hat = test[:, task.noise]
                own = (p + r - (p - r) ** 2) / (p - r) ** 2
                put(kind, "exact", np.mean(variance / mean**2) / own)
                relative = noise_margin(attention).var(0) / population**2
                put(kind, "measured", relative.mean() / (noise_margin(feed_forward).var() / (p - r) ** 2))
                put(kind, "margin", (population * N / (p**2 * q_hat + p * (1 - q_hat))).mean())
    shape = (len(Ns), len(Ts))
    return {kind: {name: torch.tensor(v).view(shape) for name, v in row.items()} for kind, row in rows.items()}


def task_of_table_2() -> UniformNoisyTask:
    """The task of the Monte Carlo for Table 2."""
    return settings.choose(
        laptop=UniformNoisyTask(N=23, T=200, alpha=0.3), paper=UniformNoisyTask(N=64, T=1024, alpha=0.3)
    )


def sequences_of_table_2() -> int:
    """How many sequences that Monte Carlo draws."""
    return settings.choose(laptop=200_000, paper=1_000_000)


def table_2(seed: int) -> dict[str, Any]:
    """Monte Carlo of the gradients' moments at zero, each in standard errors from the exact ones.

    "means" and "variances": {"j, k": (measured - exact) / standard error} for the ten cases of Table 2, and for the
    two of Lemma D.1, "noise" and "token".
    """
    return dict(cached(_kept("table_2", seed), lambda: _table_2(seed), modules=(__name__,)))


def _table_2(seed: int) -> dict[str, Any]:
    task = task_of_table_2()
    drawn = _draw(task, sequences_of_table_2(), 44, seed)
    c = 1 / (task.N + 1)
    token = {"noise": task.noise, "trigger": 0, "token": 1}
    error = {name: c - (drawn.targets == j).double() for name, j in token.items()}
    entries = {}
    for (row, column), moments in value_gradient_moments(task).items():
        k = {"noise": task.noise, "trigger": 0, "same": 1, "token": 2}[column]
        entries[f"{row}, {column}"] = (error[row] * drawn.frequencies[:, k], *moments)
    for name, p in (("noise", task.alpha), ("token", (1 - task.alpha) / task.N)):
        entries[name] = (error[name], c - p, p * (1 - p))
    result: dict[str, dict[str, float]] = {"means": {}, "variances": {}}
    for name, (x, mean, variance) in entries.items():
        result["means"][name] = float((x.mean() - mean) / (x.std() / len(x) ** 0.5))
        square = (x - mean) ** 2
        result["variances"][name] = float((square.mean() - variance) / (square.std() / len(x) ** 0.5))
    return result


def printed_table(N: int, T: int, alpha: float) -> dict[tuple[str, str], tuple[float | None, float]]:
    """Table 2's mean and variance as printed in the text we had; None where we could not read the entry.

    Of the variance of (q, q) only the part in 1 / N^3 was legible.
    """
    a, b = alpha, 1 - alpha
    x, y = 1 / (T * N**2), 1 / N**3
    common = (2 - a) * (x + y)
    values = (
        (a**2 / N, a**2 / (T * N) + (a**3 - a**4) / N**2),
        (-a / N, a / (T * N) + (a - a**2) / N**2),
        (-a / N, a / (T * N) + (a - a**2) / N**2),
        ((2 * a - 1) / N**2, x + (a**2 - a + 1) * y),
        ((2 * a - 1) / (a * N**2), (a**2 - a + 1) / a**2 * y),
        (a / N**2, common),
        (a**2 / N**2, (2 - a) * (a * x + a**2 * y)),
        (a / N**2, common),
        (None, (1 + b * (2 - a)) * x + (1 + b * (2 - a) ** 2) * y),
        (a / N**2, common),
    )
    return dict(zip(CASES, values, strict=True))


def right_table(N: int, T: int, alpha: float) -> dict[tuple[str, str], tuple[float, float]]:
    """What the moments tend to for N, T and T / N large; derived from `value_gradient_moments`' definition."""
    a, b = alpha, 1 - alpha
    x, y = 1 / (T * N**2), 1 / N**3
    values = (
        (-(a**2) / N, a**2 / (T * N) + (a**3 - a**4) / N**2),
        (-a / N, a / (T * N) + (a - a**2) / N**2),
        (-a / N, a / (T * N) + (a - a**2) / N**2),
        ((2 * a - 1) / N**2, b * (x + y)),
        ((2 * a - 1) / (a * N**2), b * ((2 - a) * x + y) / a**2),
        (a / N**2, b * (x + y)),
        (a**2 / N**2, b * (a * x + a**2 * y)),
        (a / N**2, b * (x + y)),
        ((3 * a - 1 - a**2) / N**2, b * ((2 - a) * x + (2 - a) ** 2 * y)),
        (a / N**2, b * (x + y)),
    )
    return dict(zip(CASES, values, strict=True))


def predictions(step: FirstStep) -> np.ndarray:
    """The predicted distribution after one step of size 1, from W_F alone (A.2's first two assumptions)."""
    weights = np.exp(step.feed_forward)
    return np.asarray(weights / weights.sum())
