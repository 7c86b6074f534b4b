"""What chapter 2 measures on single memories, at both scales: identities, one step, the optimum, sequential learning.

The three steps of Theorem 3 are in `three_steps`. No number of a paper's is behind the sizes: the lemmas hold at any,
and "paper" is a larger version of "laptop". Everything here takes seconds, so that nothing is kept on disk.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import torch
from jaxtyping import Float
from torch import Tensor

from mechbook.core import settings
from mechbook.core.settings import choose
from mechbook.gradients import attention_lemmas as attention_gradients
from mechbook.gradients import deep_linear
from mechbook.gradients import lemmas as gradients
from mechbook.shared.embeddings import orthonormal_embeddings, random_embeddings

DIMENSIONS = (8, 16, 32, 64, 128, 256, 512, 1024)


def normal(*shape: int, generator: torch.Generator) -> Tensor:
    """Draw float64 numbers from N(0, 1/last size): rows of about unit norm, or a remapping matrix."""
    return random_embeddings(
        math.prod(shape[:-1]), shape[-1], std=shape[-1] ** -0.5, generator=generator, dtype=torch.float64
    ).view(*shape)


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Return |found - expected| / |expected|, Frobenius norms."""
    return float((found - expected).norm() / expected.norm())


def autograd_at(loss: object, W: Tensor) -> Tensor:
    """Return torch's own gradient of a loss at W."""
    W = W.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(W), W)  # type: ignore[operator]
    return gradient


def identities(seed: int) -> dict[str, float]:
    """Relative error of each closed form against autograd, float64, on random data of this seed.

    "lemma4_printed" takes Lemma 4 as printed, keys on the left, for the gradient of scores with queries on the left.
    """
    random = settings.generator(2, 1, seed)
    n, N, d, T, B = 23, 17, 29, 13, 101
    W, W_E, W_U = normal(d, d, generator=random), normal(n, d, generator=random), normal(N, d, generator=random)
    joint = torch.rand(n, N, generator=random, dtype=torch.float64)
    joint /= joint.sum()
    x, y = normal(B * N, d, generator=random), torch.arange(B * N) % N
    X, P = normal(B, T, d, generator=random), normal(T, d, generator=random)
    label = torch.randint(N, (B,), generator=random)
    Phi_1, Phi_2, W_2 = (normal(d, d, generator=random) for _ in range(3))
    zero = torch.zeros(d, d, dtype=torch.float64)

    def cross_entropy(logits: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(logits, label)

    rms = d**0.5
    second = autograd_at(
        lambda W: cross_entropy(attention_gradients.second_layer_logits(W, X, X, X[:, -1], W_U, Phi_2)), zero
    )
    first = autograd_at(
        lambda W: cross_entropy(attention_gradients.first_layer_logits(W, X, P, W_U, Phi_1, Phi_2, W_2)), zero
    )
    lemma4 = attention_gradients.second_layer_gradient(X, X, X[:, -1], label, W_U, Phi_2)
    return {
        "lemma1": relative_error(
            gradients.association_gradient(W, W_E, W_U, joint),
            autograd_at(lambda W: gradients.association_loss(W, W_E, W_U, joint), W),
        ),
        "lemma2": relative_error(
            gradients.noisy_input_gradient(W, x, y, W_U),
            autograd_at(lambda W: gradients.noisy_input_loss(W, x, y, W_U), W),
        ),
        "layer_norm": relative_error(
            gradients.layer_norm_gradient(W, W_E, W_U, joint),
            autograd_at(lambda W: gradients.layer_norm_loss(W, W_E, W_U, joint), W),
        ),
        "rms_norm": relative_error(
            gradients.layer_norm_gradient(W, W_E, W_U, joint, rms),
            autograd_at(lambda W: gradients.layer_norm_loss(W, W_E, W_U, joint, rms), W),
        ),
        "lemma4": relative_error(lemma4, second),
        "lemma4_printed": relative_error(lemma4.T, second),
        "lemma5": relative_error(attention_gradients.first_layer_gradient(X, P, label, W_U, Phi_1, Phi_2, W_2), first),
    }


def span_residuals(seed: int, steps: int = 100) -> dict[str, float]:
    """How far W - alpha_0 W_0 is outside the span of eq. (6) after descent, "plain" and "decayed" (weight decay 0.1).

    "W_0" is the same measure of W_0 itself, for comparison.
    """
    random = settings.generator(2, 2, seed)
    n, d, lr = 31, 64, 5.0
    W_E, W_U, W_0 = (normal(rows, d, generator=random) for rows in (n, n, d))
    joint = torch.rand(n, n, generator=random, dtype=torch.float64)
    joint /= joint.sum()
    result = {"W_0": float(gradients.outside_span(W_0, W_E, W_U))}
    for name, weight_decay in (("plain", 0.0), ("decayed", 0.01)):
        W = gradients.descend(
            lambda W: gradients.association_gradient(W, W_E, W_U, joint),
            W_0,
            steps=steps,
            lr=lr,
            weight_decay=weight_decay,
        )
        alpha_0 = (1 - lr * weight_decay) ** steps
        result[name] = float(gradients.outside_span(W - alpha_0 * W_0, W_E, W_U))
    return result


@dataclass(frozen=True, kw_only=True)
class OneStep:
    """A step from zero on y = f(z), f a permutation: logits in units of eta / N, [z, k], the map, the accuracy."""

    logits: Float[Tensor, "N N"]
    f: Tensor
    accuracy: float

    @property
    def right(self) -> Float[Tensor, "N"]:
        """Logits of the right outputs."""
        return self.logits.gather(1, self.f[:, None])[:, 0]

    @property
    def wrong(self) -> Float[Tensor, "m"]:
        """Logits of all others."""
        mask = torch.ones_like(self.logits, dtype=torch.bool).scatter_(1, self.f[:, None], False)
        return self.logits[mask]


def n_tokens() -> int:
    """Size of the vocabulary in the one-step experiments."""
    return choose(laptop=100, paper=1000)


def one_step(d: int, seed: int) -> OneStep:
    """One population step (Lemma 1) from W = 0 in dimension d."""
    N, random = n_tokens(), settings.generator(2, 3, seed, d)
    W_E, W_U = normal(N, d, generator=random), normal(N, d, generator=random)
    f = torch.randperm(N, generator=random)
    joint = gradients.deterministic_joint(f, N)
    zero = torch.zeros(d, d, dtype=torch.float64)
    W = gradients.descend(lambda W: gradients.association_gradient(W, W_E, W_U, joint), zero, steps=1, lr=float(N))
    logits = gradients.memory_logits(W, W_E, W_U)
    return OneStep(logits=logits, f=f, accuracy=float(gradients.memory_accuracy(W, W_E, W_U, joint)))


def crosstalk(N: int, d: int) -> tuple[float, float]:
    """Predicted standard deviations of a wrong and of a right logit after one step, in units of eta / N.

    Wrong: 2/d from the pairs that share the key or the output, (N - 2)/d^2 from the others. Right: 4/d from the norms
    of the key and of the output, (N - 1)/d^2 from the others.
    """
    return math.sqrt(2 / d + (N - 2) / d**2), math.sqrt(4 / d + (N - 1) / d**2)


def predicted_accuracy(N: int, d: int) -> float:
    """P(right logit beats N - 1 independent wrong ones), all normal with the standard deviations of `crosstalk`."""
    wrong, right = crosstalk(N, d)
    normal = NormalDist()
    grid = [-6 + 12 * i / 600 for i in range(601)]
    mass = [normal.pdf(x) for x in grid]
    wins = [normal.cdf((1 + right * x) / wrong) ** (N - 1) for x in grid]
    return sum(m * w for m, w in zip(mass, wins, strict=True)) / sum(mass)


def ignores_position(seed: int) -> dict[str, float]:
    """The illustrative example (Birth section 6): y from w_E(y) + p_t after one step, logits in units of eta / N.

    "accuracy" over all (y, t); "positional": mean over (k, t) of w_U(k) . W_1 p_t; "spread": their root mean square;
    "predicted_spread" is sqrt(1/d + (N - 1)/d^2).
    """
    N, T, d = n_tokens(), choose(laptop=64, paper=256), choose(laptop=1024, paper=4096)
    random = settings.generator(2, 4, seed)
    W_E, P, W_U = (normal(rows, d, generator=random) for rows in (N, T, N))
    W_1 = gradients.one_step_with_positions(W_E, P, W_U, lr=float(N))
    inputs, joint = gradients.with_positions(W_E, P, gradients.deterministic_joint(torch.arange(N), N))
    positional = gradients.memory_logits(W_1, P, W_U)
    return {
        "accuracy": float(gradients.memory_accuracy(W_1, inputs, W_U, joint)),
        "positional": float(positional.mean()),
        "spread": float(positional.square().mean().sqrt()),
        "predicted_spread": math.sqrt(1 / d + (N - 1) / d**2),
    }


def optimum(d: int, seed: int, steps: tuple[int, ...]) -> list[float]:
    """Largest KL(p(. | z) || p_hat(. | z)) over z, in nats, after each number of steps of population descent from 0."""
    N, random = 16, settings.generator(2, 5, seed)
    joint = (2 * torch.randn(N, N, generator=random, dtype=torch.float64)).softmax(1) / N
    random = settings.generator(2, 5, seed, d)
    W_E, W_U = normal(N, d, generator=random), normal(N, d, generator=random)
    # a safe step: the loss's curvature is at most half the product of the largest eigenvalues, over N
    largest = float(torch.linalg.matrix_norm(W_E, 2) ** 2 * torch.linalg.matrix_norm(W_U, 2) ** 2)
    W, result = torch.zeros(d, d, dtype=torch.float64), []
    for before, after in zip((0, *steps), steps, strict=False):
        W = gradients.descend(
            lambda W: gradients.association_gradient(W, W_E, W_U, joint), W, steps=after - before, lr=2 * N / largest
        )
        logarithm = gradients.memory_logits(W, W_E, W_U).log_softmax(1)
        p = joint * N
        result.append(float((p * (p.log() - logarithm)).sum(1).max()))
    return result


@dataclass(frozen=True, kw_only=True)
class Sequential:
    """A deep linear memory's course: times, strengths s, curves a_i(t), the exact curves, half times and predicted."""

    t: Float[Tensor, "times"]
    s: Float[Tensor, "modes"]
    curves: Float[Tensor, "times modes"]
    exact: Float[Tensor, "times modes"]
    half: Float[Tensor, "modes"]
    predicted: Float[Tensor, "modes"]

    @property
    def slope(self) -> float:
        """Slope of log half time against log strength, least squares."""
        x, y = self.s.log(), self.half.log()
        x = x - x.mean()
        return float((x * y).sum() / x.square().sum())


def sequential(seed: int) -> Sequential:
    """Train W_2 W_1 from small random weights on eight associations of strengths 1 to 8; width and dimensions 32."""
    random = settings.generator(2, 6, seed)
    modes, d, std, lr, steps = 8, 32, 1e-5, 2e-3, 9000
    s = torch.logspace(0, 3, modes, base=2, dtype=torch.float64)
    keys, values = (orthonormal_embeddings([modes], d, generator=random, dtype=torch.float64)[0] for _ in range(2))
    W_1, W_2 = (random_embeddings(d, d, std=std, generator=random, dtype=torch.float64) for _ in range(2))
    a_0 = deep_linear.effective_start(W_1, W_2, keys, values)
    target = (values.T * s) @ keys
    curves = deep_linear.train_deep_linear(target, W_1, W_2, keys, values, lr=lr, steps=steps)
    t = torch.arange(steps + 1, dtype=torch.float64) * lr
    half = deep_linear.first_crossing(t, curves, s / 2)
    return Sequential(
        t=t,
        s=s,
        curves=curves,
        exact=deep_linear.mode_strength(t, s, a_0),
        half=half,
        predicted=deep_linear.half_time(s, a_0),
    )
