"""Chapter 2's runs of Theorem 3: the three steps, and what each of them leaves behind."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.core.presets import require
from mechbook.core.progress import Line
from mechbook.gradients.presets import GradientsPreset
from mechbook.gradients.streams import STREAMS
from mechbook.gradients.task import SingleTriggerBatch, SingleTriggerTask, sample
from mechbook.gradients.three_steps.counts import (
    W_K1_counts,
    W_K1_step,
    W_K2_counts,
    W_K2_step,
    W_O2_counts,
    W_O2_step,
)
from mechbook.gradients.three_steps.model import ThreeStepModel, initial, predict
from mechbook.gradients.three_steps.probes import diagonal_gap, in_full_model, previous_gap
from mechbook.shared.recall import previous_token_recall, recall_W_K1, recall_W_K2, recall_W_O2

WEIGHTS, STEPS, PROBES = 0, 1, 2
"""The parts of the stream "three steps"."""


@dataclass(frozen=True, kw_only=True)
class ThreeStepSettings:
    """Sizes, sequences for each step, and the step sizes, each given by what it makes of its matrix.

    eta of W_O2: the mean logit of the attended token is `logit`; of W_K2: the mean score of the right mark exceeds the
    others' by `gap_W_K2`; of W_K1: the median over t of the previous position's score exceeds the mean of all by
    `gap_W_K1`. For the probes W_K2 is scaled to `probe_gap`, so that layer 2's softmax is sharp whatever it was in
    step 3. `second_layer` is "linearised" or has its "softmax" in step 3; `chunk` sequences are drawn at a time.
    """

    seed: int
    N: int
    T: int
    d: int
    sequences: int
    test_sequences: int
    logit: float
    gap_W_K2: float
    gap_W_K1: float
    probe_gap: float
    second_layer: str = "linearised"
    chunk: int = 10_000

    def __post_init__(self) -> None:
        least = {"seed": 0, "N": 2, "T": 2, "d": 1, "sequences": 1, "test_sequences": 1, "chunk": 1}
        sizes = ("logit", "gap_W_K2", "gap_W_K1", "probe_gap")
        require(
            self,
            *((name, getattr(self, name) >= at, f"at least {at}") for name, at in least.items()),
            *((name, 0 < getattr(self, name) < float("inf"), "a finite number > 0") for name in sizes),
            ("second_layer", self.second_layer in ("linearised", "softmax"), "'linearised' or 'softmax'"),
        )

    def generator(self, part: int) -> torch.Generator:
        """The generator of WEIGHTS, of the STEPS' sequences or of those of the PROBES."""
        return STREAMS.generator("three steps", self.seed, self.d, part)

    def key(self) -> dict[str, Any]:
        """All that decides the run besides its code and the machine, as JSON values."""
        return {"three steps": asdict(self), "seed": settings.seed()}

    def run(self) -> "ThreeStepResult":
        """Take the three steps and probe the model before and after each, or read it from the cache."""
        return ThreeStepResult(**cached(self.key(), lambda: vars(_run(self)), modules=(__name__,)))


def three_step_settings(setup: GradientsPreset, seed: int, **changes: Any) -> ThreeStepSettings:
    """The settings of the run of a seed, as the preset has them but for `changes`, such as d=256."""
    names = ("N", "T", "d", "sequences", "test_sequences", "logit", "gap_W_K2", "gap_W_K1")
    settings = {name: getattr(setup, name) for name in names}
    return ThreeStepSettings(**(settings | {"seed": seed, "probe_gap": setup.gap_W_K2} | changes))


@dataclass(frozen=True, kw_only=True)
class ThreeStepResult:
    """What one run of the three steps left behind; `etas` are its step sizes.

    `probes`: for the start and after each step, recalls "W_O2", "W_K2", "W_K1", "W_K1_early" (the first quarter of the
    positions) and "accuracy" on fresh sequences.
    `by_first`: final accuracy by the position of the trigger's first occurrence.
    `attention`: layer 2's mean attention on the trigger's first occurrence, "q", and on the output after it, "o".
    `position_in_query`: final accuracy where layer 2's query is w_E(q) + p_T.
    `spurious_ratio`: mean diagonals of w_U . W_O2 W_V2 Phi_1 w_E over w_U . W_O2 W_V2 w_E, after the first step.
    `memories`: the final value table "W_O2", score table "W_K2" and scores of positions "W_K1".
    `stored`: alpha alpha', the gaps of the value and of the score table before the third step.
    `seconds`: of the clock, when it was run.
    """

    probes: list[dict[str, float]]
    by_first: Float[Tensor, "T_minus_1"]
    position_in_query: float
    spurious_ratio: float
    attention: list[dict[str, float]]
    memories: dict[str, Tensor]
    stored: float
    etas: tuple[float, ...]
    seconds: float

    def previous_scores(self) -> Float[Tensor, "T T"]:
        """p_t . W_K1 p_s in units of eta alpha alpha': the step size and what steps 1 and 2 had stored divided out."""
        return self.memories["W_K1"] / (self.etas[2] * self.stored)


def take_steps(
    how: ThreeStepSettings, *, dtype: torch.dtype = torch.float32
) -> tuple[list[ThreeStepModel], tuple[float, float, float]]:
    """Return the model before the first step and after each of the three, and the three step sizes.

    As `plain.three_steps`, from counts; every step is on fresh sequences.
    """
    task, data = SingleTriggerTask(N=how.N, T=how.T), how.generator(STEPS)

    line = Line(f"three steps of gradient descent, d = {how.d}", 3 * how.sequences, "sequences")

    def mean(counts: Callable[[SingleTriggerBatch], Tensor]) -> Tensor:
        total, left = torch.zeros(()), how.sequences
        while left > 0:
            size = min(how.chunk, left)
            total = total + counts(sample(task, size, data)) * (size / how.sequences)
            left -= size
            line.advance(size)
        return total

    with line:
        zero = initial(how.N, how.T, how.d, how.generator(WEIGHTS), dtype=dtype)
        step = W_O2_step(zero, mean(lambda batch: W_O2_counts(batch, how.N)))
        model = replace(zero, W_O2=step)
        eta_1 = how.logit / float(model.value_table.diagonal().mean())
        first = replace(zero, W_O2=eta_1 * step)

        values, position_values = first.value_table, first.position_value_table
        step = W_K2_step(first, mean(lambda batch: W_K2_counts(batch, values, position_values)))
        model = replace(first, W_K2=step)
        eta_2 = how.gap_W_K2 / diagonal_gap(model.score_table)
        second = replace(first, W_K2=eta_2 * step)

        scores = second.score_table
        step = W_K1_step(second, mean(lambda batch: W_K1_counts(batch, values, scores, how.second_layer)))
        model = replace(second, W_K1=step)
        eta_3 = how.gap_W_K1 / float(previous_gap(model.position_scores).median())
        third = replace(second, W_K1=eta_3 * step)
    return [zero, first, second, third], (eta_1, eta_2, eta_3)


def sharpened(models: list[ThreeStepModel], how: ThreeStepSettings) -> list[ThreeStepModel]:
    """The models as they are probed: layer 2 with a sharp softmax, whatever W_K2 was inside step 3."""
    return [replace(model, W_K2=model.W_K2 * (how.probe_gap / how.gap_W_K2)) for model in models]


def probe_batch(how: ThreeStepSettings, size: int) -> SingleTriggerBatch:
    """Fresh sequences of the task, not those of any step."""
    return sample(SingleTriggerTask(N=how.N, T=how.T), size, how.generator(PROBES))


def full_model_accuracy(setup: GradientsPreset, seed: int) -> float:
    """Accuracy of chapter 3's transformer with the three matrices, in the dimension of the variants."""
    how = three_step_settings(setup, seed, d=setup.variants.d)
    model = sharpened(take_steps(how)[0], how)[3]
    return in_full_model(model, probe_batch(how, setup.variants.full_model_sequences))


def _run(how: ThreeStepSettings) -> ThreeStepResult:
    start = time.perf_counter()
    taken, etas = take_steps(how)
    models = sharpened(taken, how)
    batch = probe_batch(how, how.test_sequences)
    probes, masses, hits = [], [], torch.zeros(0)
    for model in models:
        logits, attention = predict(model, batch)
        hits = (logits.argmax(1) == batch.y).double()
        at = (attention.gather(1, (batch.first + shift)[:, None]).mean() for shift in (0, 1))
        masses.append(dict(zip(("q", "o"), map(float, at), strict=True)))
        probes.append(
            {
                "W_O2": float(recall_W_O2(model)),
                "W_K2": float(recall_W_K2(model)),
                "W_K1": float(recall_W_K1(model)),
                "W_K1_early": float(previous_token_recall(model.W_K1, model.P, (1, max(2, how.T // 4)))),
                "accuracy": float(hits.mean()),
            }
        )
    before, final = models[2], models[3]
    count = torch.bincount(batch.first, minlength=how.T - 1)
    shifted = predict(final, batch, position_in_query=True)[0].argmax(1)
    return ThreeStepResult(
        probes=probes,
        by_first=torch.bincount(batch.first, weights=hits, minlength=how.T - 1) / count,
        position_in_query=float((shifted == batch.y).double().mean()),
        spurious_ratio=float(models[1].spurious_table.diagonal().mean() / models[1].value_table.diagonal().mean()),
        attention=masses,
        memories={"W_O2": final.value_table, "W_K2": final.score_table, "W_K1": final.position_scores},
        stored=diagonal_gap(before.value_table) * diagonal_gap(before.score_table),
        etas=etas,
        seconds=time.perf_counter() - start,
    )
