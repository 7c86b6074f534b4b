"""Theorem 2 in its own coordinates: n = 2 inputs, c = 3 outputs, gradient flow from zero (Chen et al., equations 6-9).

By symmetry W, here (output, input), stays in the span of two matrices,

    W = beta_1 (1, -1, 0)^T (1, -1) + beta_2 (1, 1, -2)^T (1, 1),

and a = -2 beta_1, b = -beta_1 - 3 beta_2 are the wrong output's and the noise's logits less the correct one's. Time is
that of the printed equations: 1 there is 4 for the loss that is a mean over the two inputs.
"""

import math

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp

TIME_OF_MEAN_LOSS = 4.0


def _check(form: str) -> None:
    if form not in ("right", "printed"):
        raise ValueError(f"form is {form!r}; it must be 'right' or 'printed'.")


def velocity(a: float, b: float, alpha: float | int, form: str = "right") -> tuple[float, float]:
    """The time derivatives of a and b: (9) as printed in the text we had, or with a third of its beta_2'.

    Raises ValueError for another form, or for alpha outside [0, 1].
    """
    _check(form)
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}; it is a probability and must lie in [0, 1].")
    A, B = math.exp(a), math.exp(b)
    S = A + B + 1
    if form == "printed":
        return (2 - 2 * A) / S - 2 + 2 * alpha, (2 - 8 * B) / S - 2 + 10 * alpha
    return (2 - 2 * A) / S - 2 + 2 * alpha, (2 - 2 * B) / S - 2 + 4 * alpha


def flow(
    alpha: float | int, times: Float[np.ndarray, " t"], form: str = "right"
) -> tuple[Float[np.ndarray, " t"], Float[np.ndarray, " t"]]:
    """a(t) and b(t) from a = b = 0, integrated over s = log(1 + t). Raises ValueError for alpha outside (0, 1)."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; the flow needs it strictly between 0 and 1.")
    _check(form)
    s = np.log1p(times)

    def slope(now: float, state: np.ndarray) -> np.ndarray:
        return np.exp(now) * np.array(velocity(float(state[0]), float(state[1]), alpha, form))

    solution = solve_ivp(slope, (0.0, float(s[-1])), [0.0, 0.0], method="LSODA", rtol=1e-10, atol=1e-12, t_eval=s)
    return solution.y[0], solution.y[1]


def coordinates(W: Float[np.ndarray, "*t 3 2"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """a and b of matrices W (output, input), and the largest entry of what is outside the two-dimensional span."""
    one, two = np.outer([1, -1, 0], [1, -1]), np.outer([1, 1, -2], [1, 1])
    beta_1, beta_2 = (W * one).sum((-2, -1)) / 4, (W * two).sum((-2, -1)) / 12
    rest = W - beta_1[..., None, None] * one - beta_2[..., None, None] * two
    return np.asarray(-2 * beta_1), np.asarray(-beta_1 - 3 * beta_2), np.asarray(np.abs(rest).max((-2, -1)))


def late(alpha: float | int, t: Float[np.ndarray, " t"], form: str = "right") -> np.ndarray:
    """The limit law of e^a: 1 / (3 (1 - alpha) t), or as printed 1 / ((1 - alpha)(4 - 2 alpha) t).

    Raises ValueError for alpha outside [0, 1), a time that is not positive, or another form.
    """
    _check(form)
    if not 0 <= alpha < 1 or not bool(np.all(t > 0)):
        raise ValueError(f"alpha is {alpha} and times begin at {t.min()}; late times are positive, and alpha below 1.")
    factor = 3 if form == "right" else 4 - 2 * alpha
    return 1 / ((1 - alpha) * factor * t)


def rank_one_noise(a: Float[np.ndarray, "*t"]) -> np.ndarray:
    """P(noise) of the rank-1 model, which keeps beta_1 alone: margins 2 beta_1 = -a and beta_1 = -a / 2."""
    # e^(a/2) / (1 + e^a + e^(a/2)), with |a|: the same at a and -a, and nothing overflows
    size = np.abs(a)
    return np.exp(-size / 2) / (1 + np.exp(-size) + np.exp(-size / 2))
