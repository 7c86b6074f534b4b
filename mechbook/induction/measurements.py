"""What is measured on trained models: accuracy on fresh sequences, attention masses, preferences, diagonals."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from mechbook.claims.criteria import mean_of
from mechbook.claims.report import format_mean
from mechbook.core import settings
from mechbook.induction.metrics import in_context_accuracy
from mechbook.induction.preference import Preference, retrieval_preference
from mechbook.induction.probes_attention import induction_mass, previous_token_mass
from mechbook.induction.runs import FRESH, InductionSettings
from mechbook.shared.bigrams import BigramBatch, sample
from mechbook.shared.simplified import SimplifiedTransformer
from mechbook.shared.vanilla import VanillaTransformer


def trained(spec: InductionSettings, step: int | None = None) -> SimplifiedTransformer | VanillaTransformer:
    """The model of a run at a checkpoint, or at its end (None), on the settings' device.

    Raises KeyError where there is no checkpoint at `step`.
    """
    run, model = spec.run(), spec.build()
    model.load_state_dict(run.final if step is None else run.checkpoints[step])
    return model.to(settings.device()).requires_grad_(False)


def fresh_batch(
    spec: InductionSettings, size: int = 512, *, outputs: Literal["uniform", "bigram"] | None = None
) -> BigramBatch:
    """Sequences of the run's task that it was not trained on; `outputs` replaces how the task draws them."""
    spec = spec if outputs is None else replace(spec, outputs=outputs)
    return sample(spec.task(), size, settings.generator(*spec.seed_key, FRESH), settings.device())


def accuracy(spec: InductionSettings, *, outputs: Literal["uniform", "bigram"] | None = None) -> float:
    """In-context accuracy of the trained model on fresh sequences."""
    batch = fresh_batch(spec, outputs=outputs)
    return float(in_context_accuracy(trained(spec)(batch.inputs), batch))


def head_masses(spec: InductionSettings) -> dict[str, list[float]]:
    """Mean attention of each head of the trained model, over fresh sequences.

    "previous": the heads of layer 1, on the preceding position; "induction": those of layer 2 at in-context positions,
    "repeats": at other repeated tokens, both on what followed earlier occurrences of the query.
    """
    batch = fresh_batch(spec)
    first, second = trained(spec).trace(batch.inputs).attention
    repeats = ~batch.is_trigger & (batch.occurrence >= 2)
    heads = range(first.shape[1])
    return {
        "previous": [float(previous_token_mass(first[:, h])) for h in heads],
        "induction": [float(induction_mass(second[:, h], batch.inputs, batch.in_context)) for h in heads],
        "repeats": [float(induction_mass(second[:, h], batch.inputs, repeats)) for h in heads],
    }


def uniform_induction(spec: InductionSettings) -> float:
    """The induction mass (`head_masses`) that attention spread evenly over the context would have."""
    batch = fresh_batch(spec)
    T = batch.inputs.shape[1]
    even = torch.ones(T, T, device=batch.inputs.device).tril()
    even = (even / even.sum(1, keepdim=True)).expand(len(batch.inputs), T, T)
    return float(induction_mass(even, batch.inputs, batch.in_context))


def preference(spec: InductionSettings) -> Preference:
    """How far the trained model raises a retrieved token above the global bigrams, at second occurrences."""
    batch = fresh_batch(spec)
    logits = trained(spec)(batch.inputs)
    return retrieval_preference(logits, batch.inputs, batch.occurrence, spec.task().pi_b.to(logits))


def steps_in_words(steps: Sequence[int], budget: int) -> str:
    """Steps to something over seeds for a table: their mean; a bound where some seed did not get there in `budget`."""
    count = sum(number > budget for number in steps)
    return format_mean(mean_of(steps), None, (count, budget) if count else None, len(steps))


def diagonal_separation(matrix: Tensor) -> float:
    """The diagonal's mean minus the rest's mean, in standard deviations of the rest; matrix (n, n)."""
    off = matrix[~torch.eye(len(matrix), dtype=torch.bool, device=matrix.device)]
    return float((matrix.diagonal().mean() - off.mean()) / off.std())


def subdiagonal_separation(matrix: Tensor) -> float:
    """As `diagonal_separation` for the entries just below the diagonal, those of key t - 1 for query t."""
    there = torch.ones_like(matrix, dtype=torch.bool).tril(-1) & torch.ones_like(matrix, dtype=torch.bool).triu(-1)
    return float((matrix[there].mean() - matrix[~there].mean()) / matrix[~there].std())


def rank_correlation(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Spearman's correlation of two vectors and the lower end of its 95% interval (Fisher's transform)."""
    ranks = [stats.rankdata(np.asarray(v.detach().cpu(), dtype=float)) for v in (x, y)]
    result = stats.pearsonr(*ranks)
    return float(result.statistic), float(result.confidence_interval(0.95).low)
