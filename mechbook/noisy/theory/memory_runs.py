"""What chapter 4 measures on the linear associative memory: Figure 6, alpha against n, and Theorem 2."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.noisy.presets import NoisyPreset
from mechbook.noisy.streams import STREAMS
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


def log_steps(last: int, count: int) -> list[int]:
    """About `count` steps from 0 to `last`, evenly spaced in the logarithm after the first."""
    return sorted({0, *(int(round(x)) for x in np.geomspace(1, last, count))})


def figure_6(setup: NoisyPreset, d: int, number: int) -> dict[str, Any]:
    """A set of runs of Figure 6 from random embeddings and weights, by its number, in dimension d.

    "steps", and "loss": the clean loss at each of them for RANKS and the full model, (steps, ranks + 1, runs).
    """
    chosen = setup.figure_6
    n, runs = chosen.n, chosen.runs

    def drawn(s: int) -> tuple[Tensor, Tensor, Tensor]:
        generator = STREAMS.generator("figure_6", d, s)
        E, U = on_sphere(runs, n, d, generator), on_sphere(runs, n + 1, d, generator)
        return torch.randn(runs, d, d, generator=generator, dtype=torch.float64) / d**0.5, E, U

    def compute() -> dict[str, Any]:
        # all sets side by side: a step of small matrices costs little more for many of them
        W, E, U = (torch.cat(parts) for parts in zip(*map(drawn, range(chosen.sets)), strict=True))
        steps = log_steps(chosen.steps, 33)
        path = descend(W, E, U, target(n, chosen.alpha)[None], lr=1.0, record=steps)
        loss = torch.stack([clean_loss(truncate(path, k), E, U) for k in (*RANKS, d)], 1)
        return {"steps": steps, "loss": list(loss.split(runs, dim=-1))}

    key = {"experiment": "figure_6", "seed": settings.seed(), **asdict(chosen), "dimensions": d}
    every = cached(key, compute, modules=(__name__,))
    return {"steps": every["steps"], "loss": every["loss"][number]}


def alpha_vs_n(setup: NoisyPreset, n: int, seed: int) -> dict[str, Any]:
    """Gradient descent from zero with orthonormal embeddings in random directions, one run for each noise level.

    "time" of the flow on the mean loss; "values": singular values (alphas, n), largest first; "signal": the logit gap
    a; "full", "cut", "removed": the clean loss, after cutting to rank n - 1, and after removing the direction that
    stores the noise, whichever singular value it has.
    """
    alphas, last = setup.alpha_vs_n.alphas, setup.alpha_vs_n.steps
    # a step of 2 on the sum over inputs; far below what keeps the descent stable, 4
    lr = 2.0 * n

    def drawn(s: int) -> tuple[Tensor, Tensor]:
        generator, d, runs = STREAMS.generator("alpha_vs_n", n, s), n + 3, len(alphas)
        return orthonormal(runs, n, d, generator), orthonormal(runs, n + 1, d, generator)

    def compute() -> dict[str, Any]:
        E, U = (torch.cat(parts) for parts in zip(*map(drawn, range(setup.seeds)), strict=True))
        targets = torch.stack([target(n, alpha) for alpha in alphas]).repeat(setup.seeds, 1, 1)
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

    key = {
        "experiment": "alpha_vs_n",
        "seed": settings.seed(),
        "seeds": setup.seeds,
        "lr": lr,
        **asdict(setup.alpha_vs_n),
        "n": n,
    }
    every = cached(key, compute, modules=(__name__,))
    return {"time": lr * last, **{name: parts[seed] for name, parts in every.items()}}


def condition(setup: NoisyPreset, n: int, seed: int) -> list[dict[str, float]]:
    """What `alpha_vs_n` found against what the symmetric optimum says, for each alpha.

    "noise": ((n - 1) a - n L) / sqrt(n + 1) as predicted from the measured a; "found": the singular value that is not
    one of the n - 1 equal ones; "signal", "law": a and its law in t; "error": the largest relative error of all n
    singular values; "ratio": clean loss cut / full, "removed": that without the noise's direction / full; "helps",
    "predicted": whether cutting lowers it, 0 or 1.
    """
    run, rows = alpha_vs_n(setup, n, seed), []
    for i, alpha in enumerate(setup.alpha_vs_n.alphas):
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


def theorem_2(setup: NoisyPreset) -> dict[str, Any]:
    """Gradient descent on the memory with n = 2 against the flow of its two coordinates.

    For each noise level: "a", "b" along "times" (alphas, t) in the printed equations' unit, "right_a" and so on of both
    ODEs, "full" and "cut": P(noise) of the full and of the rank-1 model; "outside": the largest entry of W outside the
    two-dimensional span.
    """
    alphas, lr, last = setup.theorem_2.alphas, setup.theorem_2.lr, setup.theorem_2.steps

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

    key = {"experiment": "theorem_2", "seed": settings.seed(), **asdict(setup.theorem_2)}
    return dict(cached(key, compute, modules=(__name__,)))
