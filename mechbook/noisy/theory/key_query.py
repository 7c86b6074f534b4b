"""What chapter 4 measures of the gradient on W_KQ after one step (Chen et al., appendix A.2): signs, orders, flip."""

import math

import numpy as np
import torch
from scipy.optimize import brentq

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.noisy.theory.moments import first_step, key_query_step, token_visits
from mechbook.noisy.theory.one_layer import key_query_gradient
from mechbook.noisy.theory.one_step import ALPHA, predictions
from mechbook.noisy.theory.task import UniformNoisyTask, sample_counts

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


def lengths() -> dict[str, list[UniformNoisyTask]]:
    """The tasks of the three sweeps: N at T = 4N, N at T = N^2, and T / N at a fixed N."""
    short, long, N, ratios = settings.choose(
        laptop=((16, 32, 64, 128), (32, 64, 128, 256), 64, (1, 2, 3, 4, 5, 6, 8, 12, 16)),
        paper=((16, 32, 64, 128, 256), (32, 64, 128, 256, 512), 256, (1, 2, 3, 4, 5, 6, 8, 12, 16)),
    )
    return {
        "short": [UniformNoisyTask(N=n, T=4 * n, alpha=ALPHA) for n in short],
        "long": [UniformNoisyTask(N=n, T=n * n, alpha=ALPHA) for n in long],
        "ratio": [UniformNoisyTask(N=N, T=r * N, alpha=ALPHA) for r in ratios],
    }


def sweep(name: str, seed: int) -> list[dict[str, float]]:
    """`measured` on each task of one of the `lengths`."""
    m = settings.choose(laptop=10_000, paper=100_000)

    def compute() -> list[dict[str, float]]:
        section = 45 + list(lengths()).index(name)
        return [measured(task, m, settings.generator(4, section, seed, i)) for i, task in enumerate(lengths()[name])]

    key = {"experiment": f"key_query_{name}", "seed": [settings.seed(), seed], "scale": settings.scale()}
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
    """T / N above which the other tokens' gradient is positive, for N large: alpha (1 - alpha) = N/T + (N/T)^2."""
    s = alpha * (1 - alpha)
    return (1 + math.sqrt(1 + 4 * s)) / (2 * s)


def flip_task(elsewhere: float) -> UniformNoisyTask:
    """The task on which the noise token is made frequent elsewhere."""
    N, T = settings.choose(laptop=(32, 512), paper=(128, 8192))
    return UniformNoisyTask(N=N, T=T, alpha=ALPHA, elsewhere=elsewhere)


def elsewhere_grid() -> tuple[float, ...]:
    """Probabilities of the noise token after tokens that are no trigger, around where the sign flips."""
    base = (1 - ALPHA) / flip_task(0.0).N
    return tuple(base * x for x in (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0))


def frequencies(task: UniformNoisyTask) -> np.ndarray:
    """The expected frequency F_k of each token, averaged over outputs."""
    return np.asarray((token_visits(task, 0).mean + sum(token_visits(task, y).mean for y in range(1, task.N))) / task.N)


def relative_frequency(task: UniformNoisyTask) -> float:
    """The noise token's expected frequency over sum_k F_k^2, the mean frequency of a token met at random."""
    F = frequencies(task)
    return float(F[-1] / (F**2).sum())


def derived_flip() -> float:
    """The probability elsewhere at which F_noise = sum_k F_k^2."""
    return float(brentq(lambda x: relative_frequency(flip_task(x)) - 1, 0.0, 0.5))


def flip(seed: int) -> dict[str, list[float]]:
    """The gradient along the noise direction over `elsewhere_grid`: "measured" with its "error", and "exact"."""
    m = settings.choose(laptop=10_000, paper=100_000)

    def compute() -> dict[str, list[float]]:
        tasks = [flip_task(x) for x in elsewhere_grid()]
        found = [measured(task, m, settings.generator(4, 48, seed, i)) for i, task in enumerate(tasks)]
        return {
            "measured": [f["noise"] for f in found],
            "error": [f["noise_error"] for f in found],
            "exact": [exact(task)["noise"] for task in tasks],
        }

    key = {"experiment": "key_query_flip", "seed": [settings.seed(), seed], "scale": settings.scale()}
    return dict(cached(key, compute, modules=(__name__,)))
