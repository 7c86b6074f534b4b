"""What the theory says of the start of training (Nichani et al. section 5): rates, and when a token is learned."""

import math


def growth_rates(S: int, R: int, D: int) -> tuple[float, float]:
    """Return |g_r| and |g_s|, the rates at which linear attention learns relations and subjects from a small start.

    g_z(a) = E[1{z occurs} (1{a = a*} - 1/|A|)] is minus the loss's gradient by the logit, summed over sequences with z:
    |g_r|^2 = (1 - 1/R) / (R^2 D), |g_s|^2 = (1 - 1/D) / (S^2 R).
    """
    return math.sqrt((1 - 1 / R) / D) / R, math.sqrt((1 - 1 / D) / R) / S


def escape_steps(rate: float, lr: float, init: float) -> float:
    """Return when w_z(t) W_z(t), both growing as (init / 2) e^(rate lr t), is 1: log(2 / init) / (rate lr) steps."""
    return math.log(2 / init) / (rate * lr)
