"""What chapter 4 measures on the one-layer model after one step: Theorem 1, and how many samples attention needs.

Each function measures one seed, from the cache where it was measured before, and returns plain numbers and tensors.
Predictions are exact moments (`mechbook.noisy.theory.moments`), measurements are samples.
"""

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.core.progress import Line
from mechbook.noisy.presets import NoisyPreset
from mechbook.noisy.streams import STREAMS
from mechbook.noisy.theory.moments import first_step, margin_moments
from mechbook.noisy.theory.one_layer import noise_margin, one_step_logits
from mechbook.noisy.theory.uniform_task import UniformNoisyTask, draw_counts


def margins_task(setup: NoisyPreset) -> UniformNoisyTask:
    """The task on which the margins are measured against the sample size."""
    return UniformNoisyTask(N=setup.margins.N, T=setup.margins.T, alpha=setup.alpha)


def margins(setup: NoisyPreset, seed: int) -> dict[str, Any]:
    """Theorem 1 against sampling: the two blocks' margins after one step on m sequences, for each of the sizes m.

    For "feed_forward" and "attention": "mean" and "spread" over updates for each m (attention: averaged over test
    sequences) and the "exponent" of the spread; "population", the exact margin; "pooled", the margin after one step on
    all sequences, with its standard "error"; "predicted_spread" of one sequence, exact. "target": alpha-hat / N.
    """
    key = {"experiment": "margins", "seed": [settings.seed(), seed], "alpha": setup.alpha, **asdict(setup.margins)}
    return dict(cached(key, lambda: _margins(setup, seed), modules=(__name__,)))


def _margins(setup: NoisyPreset, seed: int) -> dict[str, Any]:
    task, sizes, M = margins_task(setup), setup.margins.sizes, setup.margins.sequences
    drawn = draw_counts(task, M, STREAMS.generator("margins", seed, 0))
    test = draw_counts(task, 20, STREAMS.generator("margins", seed, 1)).frequencies
    blocks: dict[str, dict[str, Any]] = {name: {"mean": [], "spread": []} for name in ("feed_forward", "attention")}
    for m in sizes:
        part = slice(0, setup.margins.updates * m)
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


def tests_of_needs(task: UniformNoisyTask, typical: Tensor) -> dict[str, Tensor]:
    """Frequencies of test sequences: "typical" ones of the task, and one token "repeated" T - 1 times before q."""
    repeated = torch.zeros(1, task.N + 1, dtype=torch.float64)
    repeated[0, 2], repeated[0, 0] = 1 - 1 / task.T, 1 / task.T
    return {"typical": typical, "repeated": repeated}


def needs(setup: NoisyPreset, seed: int) -> dict[str, Any]:
    """How many times more samples attention needs than feed-forward for the same relative spread of its margin.

    {(kind of test sequence): {"exact", "measured", "error"}: (N, T)} over the sizes of `setup.needs`; "error" is the
    standard error of the measured ratio's logarithm. "typical" also has "margin", the exact margin times N over
    alpha-hat, (N, T).
    """
    key = {"experiment": "needs", "seed": [settings.seed(), seed], "alpha": setup.alpha, **asdict(setup.needs)}
    return dict(cached(key, lambda: _needs(setup, seed), modules=(__name__,)))


def samples_z(need: dict[str, Any]) -> float:
    """How far the samples measured by `needs` are from the exact ones at the largest N, in standard errors.

    The largest distance over lengths and kinds of test sequences, between the logarithms of the ratios.
    """
    apart = [
        float(((kind["measured"][-1] / kind["exact"][-1]).log().abs() / kind["error"][-1]).max())
        for kind in need.values()
    ]
    return max(apart)


def log_ratio_error(above: Tensor, below: Tensor) -> float:
    """The standard error of log(mean of `above` / mean of `below`), two (n,) columns measured on the same n updates.

    To first order that logarithm moves by the mean of above/E[above] - below/E[below].
    """
    moved = above / above.mean() - below / below.mean()
    return float(moved.std() / len(moved) ** 0.5)


def _squares(margin: Tensor) -> Tensor:
    return (margin - margin.mean()) ** 2


def _needs(setup: NoisyPreset, seed: int) -> dict[str, Any]:
    Ns, Ts, alpha = setup.needs.N, setup.needs.T, setup.alpha
    m, updates = setup.needs.batch, setup.needs.updates
    rows: dict[str, dict[str, list[float]]] = {kind: {} for kind in ("typical", "repeated")}

    def put(kind: str, name: str, value: Any) -> None:
        rows[kind].setdefault(name, []).append(float(value))

    with Line("samples that attention needs", len(Ns) * len(Ts), "sizes") as line:
        for i, N in enumerate(Ns):
            for k, T in enumerate(Ts):
                task, number = UniformNoisyTask(N=N, T=T, alpha=alpha), 100 * i + k
                drawn, step = draw_counts(task, m * updates, STREAMS.generator("needs", seed, number)), first_step(task)
                p, r = alpha, (1 - alpha) / N
                typical = draw_counts(task, 20, STREAMS.generator("needs, test sequences", seed, number)).frequencies
                tests = tests_of_needs(task, typical)
                for kind, test in tests.items():
                    feed_forward, attention = one_step_logits(drawn.frequencies, drawn.targets, test, m)
                    mean, variance = margin_moments(task, test.numpy())
                    population = noise_margin(test @ torch.tensor(step.values).T)
                    q_hat = test[:, task.noise]
                    own = (p + r - (p - r) ** 2) / (p - r) ** 2
                    put(kind, "exact", np.mean(variance / mean**2) / own)
                    relative = noise_margin(attention).var(0) / population**2
                    put(kind, "measured", relative.mean() / (noise_margin(feed_forward).var() / (p - r) ** 2))
                    squares = (noise_margin(attention) - noise_margin(attention).mean(0)) ** 2 / population**2
                    put(kind, "error", log_ratio_error(squares.mean(1), _squares(noise_margin(feed_forward))))
                    put(kind, "margin", (population * N / (p**2 * q_hat + p * (1 - q_hat))).mean())
                line.advance()
    shape = (len(Ns), len(Ts))
    return {kind: {name: torch.tensor(v).view(shape) for name, v in row.items()} for kind, row in rows.items()}
