"""What a factual-recall model gets right: the whole answer, its relation, its subject (Nichani et al. section 5)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class FactScores:
    """Means over a batch; a leading shape, such as one of seeds, is kept. Losses in nats, shares as fractions.

    loss: -log p(a*)
    relation_only: -log of the mass on A_r, the D answers valid for the relation
    subject_only: -log of the mass on the R answers {a : a = a* mod D}, the subject's answer in any relation where the
        map is the structured one
    accuracy: share of argmaxes that are a*
    valid: share of argmaxes in A_r
    """

    loss: Float[Tensor, "*G"]
    relation_only: Float[Tensor, "*G"]
    subject_only: Float[Tensor, "*G"]
    accuracy: Float[Tensor, "*G"]
    valid: Float[Tensor, "*G"]


def fact_scores(logits: Float[Tensor, "*G B A"], targets: Int[Tensor, "*G B"], D: int) -> FactScores:
    """Return losses and accuracies of logits over A = R D answers. Raises ValueError where D does not divide A."""
    A = logits.shape[-1]
    if D < 1 or A % D:
        raise ValueError(f"D is {D} and there are {A} answers; D must divide their number.")
    logp = logits.log_softmax(-1)
    by_relation = logp.unflatten(-1, (A // D, D))
    relation, place = (targets // D).unsqueeze(-1), (targets % D).unsqueeze(-1)
    best = logits.argmax(-1)
    return FactScores(
        loss=-logp.gather(-1, targets.unsqueeze(-1)).squeeze(-1).mean(-1),
        relation_only=-torch.logsumexp(by_relation, -1).gather(-1, relation).squeeze(-1).mean(-1),
        subject_only=-torch.logsumexp(by_relation, -2).gather(-1, place).squeeze(-1).mean(-1),
        accuracy=(best == targets).to(logits.dtype).mean(-1),
        valid=(best // D == targets // D).to(logits.dtype).mean(-1),
    )


def log_slope(x: Sequence[int | float], y: Sequence[int | float]) -> float:
    """Return the least-squares slope of log y against log x.

    Raises ValueError for fewer than two different x, another number of y, and what is not positive and finite.
    """
    if len(x) != len(y) or not all(0 < value < math.inf for value in (*x, *y)):
        raise ValueError(f"A slope of logarithms needs as many positive finite x as y, not {list(x)} and {list(y)}.")
    if len(set(x)) < 2:
        raise ValueError(f"A slope needs two different x; there are {sorted(set(x))}.")
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
