"""The exercises of chapter 2 with their checks, kept out of the chapter so that its cells do not give answers away."""

import math

from mechbook.reader.exercises import Exercise, function


def spurious_share(T: int) -> float:
    """E[sum_{t = t_o}^T 1/t] for t_o uniform on 2..T: position t is counted by the t - 1 places of t_o up to it."""
    return sum((t - 1) / t for t in range(2, T + 1)) / (T - 1)


def norm_after_a_step(norm_W: float, norm_G: float, lr: float) -> float:
    """Return |W - lr G| for G orthogonal to W, as under LayerNorm: Pythagoras."""
    return math.hypot(norm_W, lr * norm_G)


spurious = Exercise("How strong is the spurious association?", function(spurious_share, [(2,), (7,), (64,)]))

growing = Exercise(
    "What LayerNorm does to the norm of W",
    function(norm_after_a_step, [(3.0, 2.0, 2.0), (1.0, 0.5, 0.1), (5.0, 0.0, 1.0)]),
)
