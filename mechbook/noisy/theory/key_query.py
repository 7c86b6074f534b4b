"""What chapter 4 measures of the gradient on W_KQ after one step (Chen et al., appendix A.2): signs, orders, flip."""

import math
from dataclasses import asdict

import numpy as np
import torch
from scipy.optimize import brentq

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.core.progress import Line
from mechbook.noisy.presets import NoisyPreset
from mechbook.noisy.streams import STREAMS
from mechbook.noisy.theory.moments import first_step, key_query_step, predictions, token_visits
from mechbook.noisy.theory.one_layer import key_query_gradient
from mechbook.noisy.theory.uniform_task import UniformNoisyTask, sample_counts

DIRECTIONS = ("noise", "trigger", "others")


def exact(task: UniformNoisyTask) -> dict[str, float]:
    """First updates of the population with step size 1: "W_F", "W_V" (noise over other tokens), W_KQ's DIRECTIONS."""
    step = first_step(task)
    gradient = key_query_step(task, step, predictions(step))
    return {
        "W_F": float(step.feed_forward[-1]),
        "W_V": float(step.values[-1, 1 : task.N].mean()),
        **{name: getattr(gradient, name) for name in DIRECTIONS},
    }


def measured(task: UniformNoisyTask, m: int, generator: torch.Generator) -> dict[str, float]:
    """The same from m sequences, W_V's first step being the population's in W_KQ's gradient; and their standard errors.

    Errors are named "noise_error" and so on.
    """
    drawn = sample_counts(task, m, generator)
    step = first_step(task)
    p = torch.tensor(predictions(step))[None]
    g = key_query_gradient(drawn.frequencies, drawn.targets, torch.tensor(step.values), p)
    columns = {"noise": g[:, -1], "trigger": g[:, 0], "others": g[:, 1:-1].mean(1)}
    hit = (drawn.targets == task.noise).double() - 1 / (task.N + 1)
    columns |= {"W_F": hit, "W_V": hit * drawn.frequencies[:, 1:-1].mean(1)}
    values = {name: float(x.mean()) for name, x in columns.items()}
    return values | {f"{name}_error": float(x.std() / m**0.5) for name, x in columns.items()}


def lengths(setup: NoisyPreset) -> dict[str, list[UniformNoisyTask]]:
    """The tasks of the three sweeps: N at T = 4N, N at T = N^2, and T / N at a fixed N."""
    sizes, alpha = setup.key_query, setup.alpha
    return {
        "short": [UniformNoisyTask(N=n, T=4 * n, alpha=alpha) for n in sizes.short],
        "long": [UniformNoisyTask(N=n, T=n * n, alpha=alpha) for n in sizes.long],
        "ratio": [UniformNoisyTask(N=sizes.N, T=r * sizes.N, alpha=alpha) for r in sizes.ratios],
    }


def sweep(setup: NoisyPreset, name: str, seed: int) -> list[dict[str, float]]:
    """`measured` on each task of one of the `lengths`."""
    tasks, m = lengths(setup)[name], setup.key_query.sequences

    def compute() -> list[dict[str, float]]:
        stream = f"key_query, {name}"
        with Line("the gradient on W_KQ after one step", len(tasks), "sizes") as line:
            return [line.passed(measured(task, m, STREAMS.generator(stream, seed, i))) for i, task in enumerate(tasks)]

    key = {
        "experiment": f"key_query_{name}",
        "seed": [settings.seed(), seed],
        "tasks": [asdict(task) for task in tasks],
        "sequences": m,
    }
    return list(cached(key, compute, modules=(__name__,)))


def exponent(tasks: list[UniformNoisyTask], values: list[float]) -> float:
    """The slope of log |value| against log N."""
    return float(np.polyfit(np.log([task.N for task in tasks]), np.log(np.abs(values)), 1)[0])


def crossing(x: list[float], values: list[float]) -> float:
    """Where values, given at increasing x, first turn from negative to positive, by a straight line.

    Raises ValueError where they do not.
    """
    for i in range(1, len(x)):
        if values[i - 1] < 0 <= values[i]:
            return float(x[i - 1] + (x[i] - x[i - 1]) * values[i - 1] / (values[i - 1] - values[i]))
    raise ValueError("The values do not turn from negative to positive.")


def needed_length(alpha: float) -> float:
    """T / N above which the other tokens' gradient is positive, for N large: alpha (1 - alpha) = N/T + (N/T)^2.

    Raises ValueError for alpha outside (0, 1).
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; no length is enough unless it is strictly between 0 and 1.")
    s = alpha * (1 - alpha)
    return (1 + math.sqrt(1 + 4 * s)) / (2 * s)


def flip_task(setup: NoisyPreset, elsewhere: float) -> UniformNoisyTask:
    """The task on which the noise token is made frequent elsewhere."""
    return UniformNoisyTask(N=setup.flip.N, T=setup.flip.T, alpha=setup.alpha, elsewhere=elsewhere)


def elsewhere_grid(setup: NoisyPreset) -> tuple[float, ...]:
    """Probabilities of the noise token after tokens that are no trigger, around where the sign flips."""
    base = (1 - setup.alpha) / setup.flip.N
    return tuple(base * x for x in (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0))


def frequencies(task: UniformNoisyTask) -> np.ndarray:
    """The expected frequency F_k of each token, averaged over outputs."""
    return np.asarray((token_visits(task, 0).mean + sum(token_visits(task, y).mean for y in range(1, task.N))) / task.N)


def relative_frequency(task: UniformNoisyTask) -> float:
    """The noise token's expected frequency over sum_k F_k^2, the mean frequency of a token met at random."""
    F = frequencies(task)
    return float(F[-1] / (F**2).sum())


def derived_flip(setup: NoisyPreset) -> float:
    """The probability elsewhere at which F_noise = sum_k F_k^2."""
    return float(brentq(lambda x: relative_frequency(flip_task(setup, x)) - 1, 0.0, 0.5))


def flip(setup: NoisyPreset, seed: int) -> dict[str, list[float]]:
    """The gradient along the noise direction over `elsewhere_grid`: "measured" with its "error", and "exact"."""
    m = setup.flip.sequences

    def compute() -> dict[str, list[float]]:
        tasks = [flip_task(setup, x) for x in elsewhere_grid(setup)]
        found = [measured(task, m, STREAMS.generator("flip", seed, i)) for i, task in enumerate(tasks)]
        return {
            "measured": [f["noise"] for f in found],
            "error": [f["noise_error"] for f in found],
            "exact": [exact(task)["noise"] for task in tasks],
        }

    key = {
        "experiment": "key_query_flip",
        "seed": [settings.seed(), seed],
        "alpha": setup.alpha,
        **asdict(setup.flip),
    }
    return dict(cached(key, compute, modules=(__name__,)))
