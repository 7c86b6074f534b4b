"""What the theory says of the start of training (Nichani et al. section 5): rates, and when a token is learned."""

import math


def growth_rates(S: int, R: int, D: int) -> tuple[float, float]:
    """Return |g_r| and |g_s|, the rates at which linear attention learns relations and subjects from a small start.

    g_z(a) = E[1{z occurs} (1{a = a*} - 1/|A|)] is minus the loss's gradient by the logit, summed over sequences with z:
    |g_r|^2 = (1 - 1/R) / (R^2 D), |g_s|^2 = (1 - 1/D) / (S^2 R). Raises ValueError for S, R or D < 1.
    """
    if min(S, R, D) < 1:
        raise ValueError(f"S is {S}, R is {R} and D is {D}; there must be one of each at least.")
    return math.sqrt((1 - 1 / R) / D) / R, math.sqrt((1 - 1 / D) / R) / S


def escape_steps(rate: float, lr: float, init: float) -> float:
    """Return when w_z(t) W_z(t), both growing as (init / 2) e^(rate lr t), is 1: log(2 / init) / (rate lr) steps.

    Raises ValueError for a rate, a step size or a start that is not positive and finite.
    """
    _check_positive(rate, lr, init)
    return math.log(2 / init) / (rate * lr)


def _check_positive(rate: float, lr: float, init: float) -> None:
    if not all(0 < value < math.inf for value in (rate, lr, init, rate * lr, 2 / init if init else 0)):
        raise ValueError(f"rate is {rate}, lr is {lr} and init is {init}; they must be positive and finite.")
