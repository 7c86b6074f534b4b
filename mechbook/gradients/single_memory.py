"""What chapter 2 measures on a single matrix: where descent can go, one step, many steps, a position to be ignored."""

import math
from statistics import NormalDist
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mechbook.gradients import lemmas
from mechbook.gradients.identities import autograd_at, normal
from mechbook.gradients.presets import IgnoredPreset, OneStepPreset, OptimumPreset, SpanPreset
from mechbook.gradients.streams import STREAMS


def span_residuals(how: SpanPreset, seed: int) -> dict[str, float]:
    """How far W - alpha_0 W_0 is outside the span of eq. (6) after descent, "plain" and "decayed" (by weight decay).

    "W_0" is the same measure of W_0 itself, for comparison.
    """
    random = STREAMS.generator("span", seed)
    W_E, W_U, W_0 = (normal(rows, how.d, generator=random) for rows in (how.n, how.n, how.d))
    joint = torch.rand(how.n, how.n, generator=random, dtype=torch.float64)
    joint /= joint.sum()
    result = {"W_0": float(lemmas.outside_span(W_0, W_E, W_U))}
    for name, weight_decay in (("plain", 0.0), ("decayed", how.weight_decay)):
        # by automatic differentiation: the formula is in the span by construction
        W = lemmas.descend(
            lambda W: autograd_at(lambda W: lemmas.association_loss(W, W_E, W_U, joint), W),
            W_0,
            steps=how.steps,
            lr=how.lr,
            weight_decay=weight_decay,
        )
        alpha_0 = (1 - how.lr * weight_decay) ** how.steps
        result[name] = float(lemmas.outside_span(W - alpha_0 * W_0, W_E, W_U))
    return result


def one_step(N: int, d: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One step of size N from zero on y = f(z), f a random permutation: W_1, the embeddings W_E and W_U, and f."""
    random = STREAMS.generator("one step", seed, d)
    W_E, W_U = normal(N, d, generator=random), normal(N, d, generator=random)
    f = torch.randperm(N, generator=random)
    joint = lemmas.deterministic_joint(f, N)
    zero = torch.zeros(d, d, dtype=torch.float64)
    W_1 = lemmas.descend(lambda W: lemmas.association_gradient(W, W_E, W_U, joint), zero, steps=1, lr=float(N))
    return W_1, W_E, W_U, f


def one_steps(how: OneStepPreset, seed: int) -> dict[str, Any]:
    """The "accuracy" after one step in each dimension; in the largest, the logits of "right" and "wrong" outputs.

    Logits are in units of eta / N.
    """
    accuracy, right, wrong = [], torch.zeros(0), torch.zeros(0)
    for d in how.dimensions:
        W_1, W_E, W_U, f = one_step(how.N, d, seed)
        accuracy.append(float(lemmas.memory_accuracy(W_1, W_E, W_U, lemmas.deterministic_joint(f, how.N))))
        right, wrong = split_logits(lemmas.memory_logits(W_1, W_E, W_U), f)
    return {"accuracy": accuracy, "right": right, "wrong": wrong}


def split_logits(logits: Float[Tensor, "N N"], f: Tensor) -> tuple[Float[Tensor, "N"], Float[Tensor, "m"]]:
    """Return the logits of the right outputs f(z), and of all others."""
    wrong = torch.ones_like(logits, dtype=torch.bool).scatter_(1, f[:, None], False)
    return logits.gather(1, f[:, None])[:, 0], logits[wrong]


def crosstalk(N: int, d: int | float) -> tuple[float, float]:
    """Predicted standard deviations of a wrong and of a right logit after one step, in units of eta / N.

    Wrong: 2/d from the pairs that share the key or the output, (N - 2)/d^2 from the others. Right: 4/d from the norms
    of the key and of the output, (N - 1)/d^2 from the others.
    Raises ValueError for N < 2, or d not positive and finite.
    """
    if N < 2 or not 0 < d < math.inf or not 0 < d**2 < math.inf:
        raise ValueError(f"N is {N} and d is {d}; there must be two pairs at least, in a positive finite dimension.")
    return math.sqrt(2 / d + (N - 2) / d**2), math.sqrt(4 / d + (N - 1) / d**2)


def predicted_accuracy(N: int, d: int | float) -> float:
    """P(right logit beats N - 1 independent wrong ones), all normal with the standard deviations of `crosstalk`.

    Raises ValueError as it does.
    """
    wrong, right = crosstalk(N, d)
    normal = NormalDist()
    grid = [-6 + 12 * i / 600 for i in range(601)]
    mass = [normal.pdf(x) for x in grid]
    wins = [normal.cdf((1 + right * x) / wrong) ** (N - 1) for x in grid]
    return sum(m * w for m, w in zip(mass, wins, strict=True)) / sum(mass)


def ignores_position(how: IgnoredPreset, seed: int) -> dict[str, float]:
    """The illustrative example (Birth section 6): y from w_E(y) + p_t after one step, logits in units of eta / N.

    "accuracy" over all (y, t); "positional": mean over (k, t) of w_U(k) . W_1 p_t; "spread": their root mean square;
    "predicted_spread" is what crosstalk alone gives, the root of (1 - 1/N) (1/d + (N + 1)/d^2), which is exact: the
    output k itself has |w_U(k)|^4 in it, on average 1 + 2/d, and the mean embedding is taken out.
    """
    N, T, d = how.N, how.T, how.d
    random = STREAMS.generator("ignored positions", seed)
    W_E, P, W_U = (normal(rows, d, generator=random) for rows in (N, T, N))
    W_1 = lemmas.one_step_with_positions(W_E, P, W_U, lr=float(N))
    inputs, joint = lemmas.with_positions(W_E, P, lemmas.deterministic_joint(torch.arange(N), N))
    positional = lemmas.memory_logits(W_1, P, W_U)
    return {
        "accuracy": float(lemmas.memory_accuracy(W_1, inputs, W_U, joint)),
        "positional": float(positional.mean()),
        "spread": float(positional.square().mean().sqrt()),
        "predicted_spread": math.sqrt((1 - 1 / N) * (1 / d + (N + 1) / d**2)),
    }


def unequal_labels(N: int, T: int, exponent: float) -> tuple[float, float]:
    """Accuracy after one step on y from w_E(y) + p_t, each token counted once, and the share of misses that answer 0.

    Labels have probabilities in proportion to 1, 2^-exponent, 3^-exponent and so on (0: uniform), positions are
    uniform, and all embeddings orthonormal, so that there is no crosstalk. A tie counts as a miss.
    Raises ValueError for N < 2, T < 1 or an exponent that is not finite.
    """
    if N < 2 or T < 1 or not math.isfinite(exponent):
        raise ValueError(f"N is {N}, T is {T} and exponent is {exponent}; they must be N >= 2, T >= 1 and finite.")
    p = torch.arange(1, N + 1, dtype=torch.float64) ** -exponent
    joint, every = torch.diag(p / p.sum()), torch.eye(N + T, dtype=torch.float64)
    W_E, P, W_U = every[:N], every[N:], every[:N]
    inputs, joint = lemmas.with_positions(W_E, P, joint)
    zero = torch.zeros(N + T, N + T, dtype=torch.float64)
    W_1 = -lemmas.association_gradient(zero, inputs, W_U, joint)
    logits = lemmas.memory_logits(W_1, inputs, W_U)
    right = torch.arange(N).repeat_interleave(T)
    ahead = logits.gather(1, right[:, None]) - logits.scatter(1, right[:, None], float("-inf")).amax(1, keepdim=True)
    miss = ahead[:, 0] <= 1e-12
    answers = logits.scatter(1, right[:, None], float("-inf")).argmax(1)[miss]
    return float((~miss).double().mean()), float((answers == 0).double().mean()) if len(answers) else 0.0


def optimum(how: OptimumPreset, seed: int, d: int) -> list[float]:
    """Largest KL(p(. | z) || p_hat(. | z)) over z, in nats, after each number of steps of population descent from 0."""
    N, random = how.N, STREAMS.generator("optimum, distribution", seed)
    joint = (2 * torch.randn(N, N, generator=random, dtype=torch.float64)).softmax(1) / N
    random = STREAMS.generator("optimum, embeddings", seed, d)
    W_E, W_U = normal(N, d, generator=random), normal(N, d, generator=random)
    # a safe step: the loss's curvature is at most half the product of the largest eigenvalues, over N
    largest = float(torch.linalg.matrix_norm(W_E, 2) ** 2 * torch.linalg.matrix_norm(W_U, 2) ** 2)
    W, result = torch.zeros(d, d, dtype=torch.float64), []
    for before, after in zip((0, *how.steps), how.steps, strict=False):
        W = lemmas.descend(
            lambda W: lemmas.association_gradient(W, W_E, W_U, joint), W, steps=after - before, lr=2 * N / largest
        )
        logarithm = lemmas.memory_logits(W, W_E, W_U).log_softmax(1)
        p = joint * N
        result.append(float((p * (p.log() - logarithm)).sum(1).max()))
    return result
