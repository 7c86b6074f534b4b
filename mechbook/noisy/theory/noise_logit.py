"""The noise's own logit while W_F learns it: the recursion of Chen et al., appendix A.2, and its bound on the step.

With all other logits at zero the noise is predicted with p(xi) = e^xi / (N + e^xi), and a step of size eta gives

    xi  ->  xi + eta (alpha - p(xi)),

at rest at xi* = log N + log(alpha / (1 - alpha)). Measured from there, x = xi - xi*, the prediction is
e^x / ((1 - alpha) / alpha + e^x) whatever N is.
"""

import math
import sys

from scipy.optimize import minimize_scalar


def resting(alpha: float, N: int) -> float:
    """xi*, the logit at which the noise is predicted with probability alpha.

    ValueError for alpha outside (0, 1), or N < 1.
    """
    _check(alpha)
    if N < 1:
        raise ValueError(f"N is {N}; there must be one character at least.")
    return math.log(N) + math.log(alpha / (1 - alpha))


def predicted(x: float, alpha: float) -> float:
    """P(noise) where the noise's logit is x above xi*. ValueError for alpha outside (0, 1)."""
    _check(alpha)
    return 1 / (1 + (1 - alpha) / alpha * math.exp(min(-x, 700)))


def stepped(x: float, alpha: float, eta: float) -> float:
    """The noise's logit, from xi*, after one more step of size eta. ValueError for alpha outside (0, 1)."""
    return x + eta * (alpha - predicted(x, alpha))


def printed_bound(alpha: float) -> float:
    """A.2's largest eta with which the logit does not pass xi*: 1 / (alpha (1 - alpha)), the value at x = 0."""
    _check(alpha)
    return 1 / (alpha * (1 - alpha))


def largest_step(alpha: float) -> float:
    """The largest eta with which no logit below xi* passes it: the least x / (p(x) - alpha) over all x < 0.

    For alpha <= 1/2 that is the value at x = 0. Above, p bends the other way between there and xi*, and a lower x
    decides. ValueError for alpha outside (0, 1).
    """
    bound = printed_bound(alpha)
    if alpha <= 0.5:
        return bound
    found = minimize_scalar(
        lambda x: x / (predicted(x, alpha) - alpha), bounds=(-20, -1e-3), method="bounded", options={"xatol": 1e-10}
    )
    return min(bound, float(found.fun))


def highest_after(alpha: float, eta: float, points: int = 4000) -> float:
    """The highest x that one step of size eta reaches from any x in [-20, 0]; above 0 where it overshoots.

    ValueError for alpha outside (0, 1) or fewer than 1 point.
    """
    if points < 1:
        raise ValueError(f"points is {points}; it must be at least 1.")
    return max(stepped(-20 * i / points, alpha, eta) for i in range(points + 1))


def _check(alpha: float) -> None:
    # below the least normal number 1 / alpha is none
    if not sys.float_info.min <= alpha < 1:
        raise ValueError(f"alpha is {alpha}; the noise's logit has a resting place for 0 < alpha < 1 only.")
