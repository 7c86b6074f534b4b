"""What chapter 4 measures on the linear associative memory: Figure 6, alpha against n, and Theorem 2."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.noisy.theory.flow import TIME_OF_MEAN_LOSS, coordinates, flow
from mechbook.noisy.theory.memory import (
    clean_loss,
    descend,
    log_odds,
    noise_singular_value,
    on_sphere,
    orthonormal,
    scores,
    signal_at,
    target,
    truncate,
    truncation_helps,
)

RANKS = (1, 2, 3, 4)
RUNS = 20
# seeds that run side by side: sets of RUNS runs of Figure 6, and runs of alpha against n
SEEDS, CONDITION_SEEDS = 6, 3


def _key(name: str, **key: Any) -> dict[str, Any]:
    return {"experiment": name, "seed": settings.seed(), "scale": settings.scale(), **key}


def log_steps(last: int, count: int) -> list[int]:
    """About `count` steps from 0 to `last`, evenly spaced in the logarithm after the first."""
    return sorted({0, *(int(round(x)) for x in np.geomspace(1, last, count))})


def figure_6(d: int, seed: int) -> dict[str, Any]:
    """RUNS runs of Figure 6 (n = 3, alpha = 0.03) from random embeddings and weights; seed is in range(SEEDS).

    "steps", and "loss": the clean loss at each of them for RANKS and the full model, (steps, ranks + 1, runs).
    """
    n, alpha = 3, 0.03
    last = settings.choose(laptop=10_000, paper=100_000)

    def drawn(s: int) -> tuple[Tensor, Tensor, Tensor]:
        generator = settings.generator(4, 51, d, s)
        E, U = on_sphere(RUNS, n, d, generator), on_sphere(RUNS, n + 1, d, generator)
        return torch.randn(RUNS, d, d, generator=generator, dtype=torch.float64) / d**0.5, E, U

    def compute() -> dict[str, Any]:
        # all seeds side by side: a step of small matrices costs little more for many of them
        W, E, U = (torch.cat(parts) for parts in zip(*map(drawn, range(SEEDS)), strict=True))
        steps = log_steps(last, 33)
        path = descend(W, E, U, target(n, alpha)[None], lr=1.0, record=steps)
        loss = torch.stack([clean_loss(truncate(path, k), E, U) for k in (*RANKS, d)], 1)
        return {"steps": steps, "loss": list(loss.split(RUNS, dim=-1))}

    every = cached(_key("figure_6", d=d, seeds=SEEDS, last=last), compute, modules=(__name__,))
    return {"steps": every["steps"], "loss": every["loss"][seed]}


def grid() -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The numbers of inputs n and the noise levels alpha of `alpha_vs_n`."""
    return (2, 3, 4, 6), (0.003, 0.007, 0.015, 0.03, 0.08, 0.15, 0.3, 0.45, 0.55, 0.7)


def alpha_vs_n(n: int, seed: int) -> dict[str, Any]:
    """Gradient descent from zero with orthonormal embeddings in random directions, one run for each alpha of `grid`;
    seed is in range(CONDITION_SEEDS).

    "time" of the flow on the mean loss; "values": singular values (alphas, n), largest first; "signal": the logit gap
    a; "full", "cut", "removed": the clean loss, after cutting to rank n - 1, and after removing the direction that
    stores the noise, whichever singular value it has.
    """
    alphas = grid()[1]
    # a step of 2 on the sum over inputs; far below what keeps the descent stable, 4
    lr, last = 2.0 * n, settings.choose(laptop=15_000, paper=150_000)

    def drawn(s: int) -> tuple[Tensor, Tensor]:
        generator, d, runs = settings.generator(4, 52, n, s), n + 3, len(alphas)
        return orthonormal(runs, n, d, generator), orthonormal(runs, n + 1, d, generator)

    def compute() -> dict[str, Any]:
        E, U = (torch.cat(parts) for parts in zip(*map(drawn, range(CONDITION_SEEDS)), strict=True))
        targets = torch.stack([target(n, alpha) for alpha in alphas]).repeat(CONDITION_SEEDS, 1, 1)
        start = torch.zeros(len(E), n + 3, n + 3, dtype=torch.float64)
        W = descend(start, E, U, targets, lr=lr, record=[last])[0]
        logits, shared = scores(W, E, U), E.mean(1) * n**0.5
        found = {
            "values": torch.linalg.svdvals(W)[:, :n],
            "signal": logits[:, 0, 0] - logits[:, 0, 1],
            "full": clean_loss(W, E, U),
            "cut": clean_loss(truncate(W, n - 1), E, U),
            "removed": clean_loss(W - W @ shared[:, :, None] * shared[:, None, :], E, U),
        }
        return {name: list(value.split(len(alphas))) for name, value in found.items()}

    every = cached(_key("alpha_vs_n", n=n, seeds=CONDITION_SEEDS, lr=lr, last=last), compute, modules=(__name__,))
    return {"time": lr * last, **{name: parts[seed] for name, parts in every.items()}}


def condition(n: int, seed: int) -> list[dict[str, float]]:
    """What `alpha_vs_n` found against what the symmetric optimum says, for each alpha.

    "noise": ((n - 1) a - n L) / sqrt(n + 1) as predicted from the measured a; "found": the singular value that is not
    one of the n - 1 equal ones; "signal", "law": a and its law in t; "error": the largest relative error of all n
    singular values; "ratio": clean loss cut / full, "removed": that without the noise's direction / full; "helps",
    "predicted": whether cutting lowers it, 0 or 1.
    """
    run, rows = alpha_vs_n(n, seed), []
    for i, alpha in enumerate(grid()[1]):
        a, values = float(run["signal"][i]), run["values"][i].tolist()
        size = noise_singular_value(n, a, alpha)
        expected = sorted([size, *[a] * (n - 1)], reverse=True)
        rows.append(
            {
                "alpha": alpha,
                "noise": math.copysign(size, (n - 1) * a - n * log_odds(alpha)),
                "found": values[0] if size > a else values[-1],
                "signal": a,
                "law": signal_at(n, alpha, run["time"]),
                "error": max(abs(v / e - 1) for v, e in zip(values, expected, strict=True)),
                "ratio": float(run["cut"][i] / run["full"][i]),
                "removed": float(run["removed"][i] / run["full"][i]),
                "helps": float(run["cut"][i] < run["full"][i]),
                "predicted": float(truncation_helps(n, a, alpha)),
            }
        )
    return rows


def theorem_2() -> dict[str, Any]:
    """Gradient descent on the memory with n = 2 against the flow of its two coordinates.

    For each of `alphas`: "a", "b" along "times" (alphas, t) in the printed equations' unit, "right_a" and so on of
    both ODEs, "full" and "cut": P(noise) of the full and of the rank-1 model; "outside": the largest entry of W outside
    the two-dimensional span.
    """
    lr, last = settings.choose(laptop=(0.1, 100_000), paper=(0.05, 2_000_000))
    alphas = alphas_of_theorem_2()

    def compute() -> dict[str, Any]:
        runs = len(alphas)
        E = torch.eye(3, dtype=torch.float64)[:2].expand(runs, 2, 3)
        U = torch.eye(3, dtype=torch.float64).expand(runs, 3, 3)
        steps = [step for step in log_steps(last, 40) if step >= 1]
        targets = torch.stack([target(2, alpha) for alpha in alphas])
        path = descend(torch.zeros(runs, 3, 3, dtype=torch.float64), E, U, targets, lr=lr, record=steps)
        a, b, outside = coordinates(path.numpy()[..., :2])
        times = np.array(steps) * lr / TIME_OF_MEAN_LOSS
        result = {"times": times, "a": a.T, "b": b.T, "outside": float(outside.max())}
        for form in ("right", "printed"):
            flows = [flow(alpha, times, form) for alpha in alphas]
            result[f"{form}_a"] = np.array([f[0] for f in flows])
            result[f"{form}_b"] = np.array([f[1] for f in flows])
        for name, W in (("full", path), ("cut", truncate(path, 1))):
            result[name] = scores(W, E, U).softmax(-1)[..., 0, 2].T.numpy()
        return {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in result.items()}

    return dict(cached(_key("theorem_2", lr=lr, last=last), compute, modules=(__name__,)))


def alphas_of_theorem_2() -> tuple[float, ...]:
    """Three within the theorem's (0.2, 0.4), and one on each side of it."""
    return (0.05, 0.22, 0.3, 0.38, 0.7)
