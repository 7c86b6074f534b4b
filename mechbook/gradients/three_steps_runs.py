"""Chapter 2's runs of Theorem 3: the three steps and what each leaves behind, their limits, the printed factors.

The paper states the theorem without sizes. "laptop" has N = T = 64 and d = 2048; "paper" is a larger version of it.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mechbook.core import settings
from mechbook.core.settings import choose
from mechbook.gradients.task import SingleTriggerBatch, SingleTriggerTask, sample
from mechbook.gradients.three_steps import ThreeStepModel, W_K1_counts, W_O2_counts, diagonal_gap, predict
from mechbook.gradients.three_steps_run import ThreeStepSettings, three_steps
from mechbook.shared.recall import previous_token_recall, recall_W_K1, recall_W_K2, recall_W_O2
from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer

SWEEP = (128, 256, 512, 1024, 2048)
GAPS = (0.3, 3.0, 30.0)


def standard(**changes: Any) -> ThreeStepSettings:
    """The settings of this scale, with changes by name."""
    N, T, d = choose(laptop=(64, 64, 2048), paper=(128, 128, 4096))
    return ThreeStepSettings(**({"N": N, "T": T, "d": d, "sequences": 50_000} | changes))


@dataclass(frozen=True, kw_only=True)
class StepRun:
    """What one run of the three steps left behind; `etas` are its step sizes.

    `probes`: for the start and after each step, recalls "W_O2", "W_K2", "W_K1", "W_K1_early" (the first quarter of the
    positions) and "accuracy" on fresh sequences.
    `by_first`: final accuracy by the position of the trigger's first occurrence; `models`: the four models.
    `attention`: layer 2's mean attention on the trigger's first occurrence, "q", and on the output after it, "o".
    `position_in_query`: final accuracy where layer 2's query is w_E(q) + p_T.
    `spurious_ratio`: mean diagonals of w_U . W_O2 W_V2 Phi_1 w_E over w_U . W_O2 W_V2 w_E, after the first step.
    """

    probes: list[dict[str, float]]
    by_first: Float[Tensor, "T_minus_1"]
    position_in_query: float
    spurious_ratio: float
    attention: list[dict[str, float]]
    models: list[ThreeStepModel]
    etas: tuple[float, float, float]

    def previous_scores(self) -> Float[Tensor, "T T"]:
        """p_t . W_K1 p_s in units of eta alpha alpha': the step size and what steps 1 and 2 had stored divided out."""
        before = self.models[2]
        alpha = diagonal_gap(before.value_table) * diagonal_gap(before.score_table)
        return self.models[3].position_scores / (self.etas[2] * alpha)


def run(seed: int, *, how: ThreeStepSettings | None = None, test_sequences: int = 10_000) -> StepRun:
    """Take the three steps with the streams of a seed, and probe the model before and after each."""
    how = standard() if how is None else how
    key = (2, 9, seed, how.d)
    models, etas = three_steps(how, settings.generator(*key, 0), settings.generator(*key, 1))
    # layer 2 is probed with a sharp softmax, whatever W_K2 was inside step 3
    sharpen = standard().gap_W_K2 / how.gap_W_K2
    models = [replace(model, W_K2=model.W_K2 * sharpen) for model in models]
    batch = test_batch(seed, how, test_sequences)
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
    count = torch.bincount(batch.first, minlength=how.T - 1)
    shifted = predict(models[-1], batch, position_in_query=True)[0].argmax(1)
    return StepRun(
        probes=probes,
        by_first=torch.bincount(batch.first, weights=hits, minlength=how.T - 1) / count,
        position_in_query=float((shifted == batch.y).double().mean()),
        spurious_ratio=float(models[1].spurious_table.diagonal().mean() / models[1].value_table.diagonal().mean()),
        attention=masses,
        models=models,
        etas=etas,
    )


def test_batch(seed: int, how: ThreeStepSettings, size: int) -> SingleTriggerBatch:
    """Fresh sequences of the task, not those of any step."""
    return sample(SingleTriggerTask(N=how.N, T=how.T), size, settings.generator(2, 9, seed, how.d, 2))


def bag_of_words_accuracy(batch: SingleTriggerBatch, N: int) -> float:
    """Accuracy of guessing the most frequent token of the context, the trigger left out; of ties, the lowest number."""
    counts = torch.zeros(len(batch.z), N).scatter_add_(1, batch.z, torch.ones_like(batch.z, dtype=torch.float32))
    counts.scatter_(1, batch.trigger[:, None], -1.0)
    return float((counts.argmax(1) == batch.y).double().mean())


def counted_ratio(seed: int) -> float:
    """The ratio of eq. (16)'s two associations, spurious to right, from the first step's coefficients alone.

    Without embeddings there is no crosstalk: what is left is the sampling of the sequences.
    """
    how = standard()
    batch = sample(SingleTriggerTask(N=how.N, T=how.T), how.sequences, settings.generator(2, 10, seed))
    counts = W_O2_counts(batch, how.N)
    return diagonal_gap(counts[1]) / diagonal_gap(counts[0])


def W_K1_factor(seed: int, *, N: int, T: int = 16, sequences: int = 20_000) -> float:
    """The factor that multiplies (1/T) P(t_q = t - 1) (1/t)(1 - 1/t) in p_{t-1}'s coefficient, mean over t = 3..T - 1.

    Perfect memories, vanishing logits (p_hat = 1/N): step 3's coefficients in units of alpha alpha'. The text as
    printed has (T - 1)/T here.
    """
    small, random = 1e-6, settings.generator(2, 11, seed, N)
    perfect = torch.eye(N, dtype=torch.float64)
    task = SingleTriggerTask(N=N, T=T)
    parts = [W_K1_counts(sample(task, 2_000, random), small * perfect, perfect) for _ in range(sequences // 2_000)]
    found = torch.stack(parts).mean(0).diagonal(-1) / small
    t = torch.arange(2, T + 1, dtype=torch.float64)
    return float((found / predicted_previous(t, T))[1:-1].mean())


def predicted_previous(t: Float[Tensor, "n"], T: int) -> Float[Tensor, "n"]:
    """Return (1/T) (1/(T - 1)) (1/t) (1 - 1/t): p_{t-1}'s share in W_K1 p_t, in units of alpha alpha' (1 - 1/N)."""
    return (1 - 1 / t) / t / T / (T - 1)


def in_full_model(model: ThreeStepModel, batch: SingleTriggerBatch) -> float:
    """Accuracy at the last position when chapter 3's simplified transformer is given the three learned matrices.

    There every x_t carries its token, its position and layer 1's output, in keys, queries and values alike.
    """
    N, T, d = len(model.W_E), len(model.P), model.W_E.shape[1]
    full = SimplifiedTransformer(SimplifiedConfig(N=N, T=T, d=d), torch.Generator())
    # that model divides scores by sqrt(d)
    scale = {"W_K1": d**0.5, "W_K2": d**0.5}
    with torch.no_grad():
        for name in ("W_E", "P", "W_U", "W_V1", "W_O1", "W_V2", "W_K1", "W_K2", "W_O2"):
            getattr(full, name).copy_(getattr(model, name) * scale.get(name, 1.0))
        logits = full(batch.z)[:, -1]
    return float((logits.argmax(1) == batch.y).double().mean())
