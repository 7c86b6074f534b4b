"""The linear associative memory with one common noise token (Chen et al., section 5 and appendix C).

Inputs 1..n, outputs 1..c with c = n + 1; input i is followed by output i with probability 1 - alpha and by the noise
token c with alpha (equation 4). The logit of j given i is u_j^T W e_i (equation 5). The loss is the mean over inputs of
the cross-entropy, W is trained by gradient descent, and is cut to a low rank only to look at it.
All functions take a batch of runs at once.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from mechbook.core.progress import Line


def target(n: int, alpha: float | int) -> Float[Tensor, "n c"]:
    """p_alpha(j | i), a row for each input (equation 4). Raises ValueError for n < 1 or alpha outside [0, 1]."""
    if n < 1:
        raise ValueError(f"n is {n}; a memory needs at least one input.")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}; it is a probability and must lie in [0, 1].")
    noise = torch.full((n, 1), float(alpha), dtype=torch.float64)
    return torch.cat([(1 - alpha) * torch.eye(n, dtype=torch.float64), noise], dim=1)


def on_sphere(runs: int, count: int, d: int, generator: Generator) -> Float[Tensor, "runs count d"]:
    """`count` vectors a run, uniform on the unit sphere of dimension d.

    Raises ValueError for a negative number, or d < 1.
    """
    _check_sizes(runs, count, d)
    x = torch.randn(runs, count, d, generator=generator, dtype=torch.float64)
    return x / x.norm(dim=-1, keepdim=True)


def _check_sizes(runs: int, count: int, d: int) -> None:
    if min(runs, count) < 0 or d < 1:
        raise ValueError(f"runs is {runs}, count is {count} and d is {d}; they must be 0 or more, and d at least 1.")


def orthonormal(runs: int, count: int, d: int, generator: Generator) -> Float[Tensor, "runs count d"]:
    """`count` orthonormal vectors a run, in uniformly random directions.

    Raises ValueError for a negative number, d < 1 or count > d.
    """
    _check_sizes(runs, count, d)
    if count > d:
        raise ValueError(f"{count} vectors cannot be orthonormal in dimension {d}; take d of at least {count}.")
    return torch.linalg.qr(torch.randn(runs, d, count, generator=generator, dtype=torch.float64))[0].mT


def scores(
    W: Float[Tensor, "*runs d d"], E: Float[Tensor, "*#runs n d"], U: Float[Tensor, "*#runs c d"]
) -> Float[Tensor, "*runs n c"]:
    """The logits u_j^T W e_i, a row for each input (equation 5)."""
    return E @ W.mT @ U.mT


def gradient(
    W: Float[Tensor, "*runs d d"],
    E: Float[Tensor, "*#runs n d"],
    U: Float[Tensor, "*#runs c d"],
    targets: Float[Tensor, "*#runs n c"],
) -> Float[Tensor, "*runs d d"]:
    """Gradient of the mean loss: (1/n) sum_ij (p_ij - p_alpha(j | i)) u_j e_i^T (Lemma E.1)."""
    error = scores(W, E, U).softmax(-1) - targets
    return U.mT @ error.mT @ E / E.shape[-2]


def descend(
    W: Float[Tensor, "runs d d"],
    E: Float[Tensor, "runs n d"],
    U: Float[Tensor, "runs c d"],
    targets: Float[Tensor, "#runs n c"],
    *,
    lr: float | int,
    record: Sequence[int],
) -> Float[Tensor, "records runs d d"]:
    """W along gradient descent, at each step of `record` (increasing, from 0), which ends with the last of them.

    Raises ValueError for a step size that is not positive and finite, and for steps that do not increase.
    """
    if not 0 < lr < math.inf:
        raise ValueError(f"lr is {lr}; the step size must be a positive finite number.")
    if not record or list(record) != sorted(set(record)) or record[0] < 0:
        raise ValueError(f"record is {list(record)}; it must name increasing steps from 0 on.")
    kept, step = [], 0
    with Line(f"{len(W)} memories side by side", record[-1], "steps") as line:
        for wanted in record:
            while step < wanted:
                W = W - lr * gradient(W, E, U, targets)
                step += 1
                line.advance()
            kept.append(W)
    return torch.stack(kept)


def truncate(W: Float[Tensor, "*runs d d"], rank: int) -> Float[Tensor, "*runs d d"]:
    """The best approximation of W of this rank. Raises ValueError for a rank below 0 or above d."""
    d = W.shape[-1]
    if not 0 <= rank <= d:
        raise ValueError(f"rank is {rank}; a {d} by {d} matrix is cut to a rank between 0 and {d}.")
    left, values, right = torch.linalg.svd(W)
    return left[..., :rank] * values[..., None, :rank] @ right[..., :rank, :]


def clean_loss(
    W: Float[Tensor, "*runs d d"], E: Float[Tensor, "*#runs n d"], U: Float[Tensor, "*#runs c d"]
) -> Float[Tensor, "*runs"]:
    """The pure-label loss, in nats: mean over inputs of -log P(i | i), the loss on data without noise."""
    return -scores(W, E, U).log_softmax(-1)[..., : E.shape[-2], : E.shape[-2]].diagonal(dim1=-2, dim2=-1).mean(-1)


def symmetric_optimum(n: int, a: float | int, alpha: float | int) -> Float[Tensor, "n_plus_1 n"]:
    """The logits (output, input) of the symmetric memory that predicts noise with probability alpha, from zero.

    The correct output is a above the wrong ones and L = log((1 - alpha)/alpha) above the noise; columns sum to zero.
    Exactly the noise's share among correct and noise is alpha; the wrong outputs vanish as a grows.
    Raises ValueError for n < 1 or alpha outside (0, 1).
    """
    L = log_odds(alpha)
    _at_least_one(n)
    noise = ((n - 1) * a - n * L) / (n + 1)
    wrong = noise + L - a
    top = wrong * torch.ones(n, n, dtype=torch.float64) + a * torch.eye(n, dtype=torch.float64)
    return torch.cat([top, torch.full((1, n), noise, dtype=torch.float64)])


def _at_least_one(n: int) -> None:
    if n < 1:
        raise ValueError(f"n is {n}; a memory needs at least one input.")


def log_odds(alpha: float | int) -> float:
    """L = log((1 - alpha) / alpha): by how much the correct output's logit exceeds the noise's at the optimum."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; log((1 - alpha) / alpha) needs it strictly between 0 and 1.")
    return math.log((1 - alpha) / alpha)


def noise_singular_value(n: int, a: float | int, alpha: float | int) -> float:
    """The singular value of the direction that stores the noise: |(n - 1) a - n L| / sqrt(n + 1). The others are a.

    Raises ValueError for n < 1, and for an alpha that `log_odds` refuses.
    """
    _at_least_one(n)
    return abs((n - 1) * a - n * log_odds(alpha)) / math.sqrt(n + 1)


def signal_at(n: int, alpha: float | int, t: float | int) -> float:
    """The gap a after gradient flow for a long time t on the mean loss: log((n + 1)(1 - alpha) t / (2n)).

    Raises ValueError for n < 1, alpha outside [0, 1), or t not positive and finite.
    """
    if n < 1 or not 0 <= alpha < 1 or not 0 < t < math.inf:
        raise ValueError(f"n is {n}, alpha is {alpha} and t is {t}; they must be n >= 1, 0 <= alpha < 1 and t > 0.")
    return math.log((n + 1) * (1 - alpha) * t / (2 * n))


def truncation_helps(n: int, a: float | int, alpha: float | int) -> bool:
    """Whether cutting to rank n - 1 lowers the clean loss: 0 < (n - 1) a - n L < sqrt(n + 1) a.

    Above, the noise is not the smallest direction; below zero the noise's logit is, and removing it would raise it.
    Raises ValueError for n < 1, and for an alpha that `log_odds` refuses.
    """
    _at_least_one(n)
    return 0 < (n - 1) * a - n * log_odds(alpha) < math.sqrt(n + 1) * a
