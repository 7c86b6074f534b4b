"""The exercises of chapter 5 with their checks, kept out of the chapter so that its cells do not give answers away."""

import math

import torch
from torch import Tensor

from mechbook.reader.exercises import Exercise, function


def lowered(alpha: float, c: float) -> float:
    """P("the") where it was alpha and its logit is lowered by c, all other logits as they were."""
    return alpha * math.exp(-c) / (alpha * math.exp(-c) + 1 - alpha)


def direct(z: Tensor, W_O: Tensor, x: Tensor, gain: Tensor, u_IO: Tensor, u_S: Tensor) -> Tensor:
    """What a head adds to the logit difference: its output through the last RMSNorm, with the scale of all of x."""
    return ((W_O @ z) * gain * torch.rsqrt(x.square().mean())) @ (u_IO - u_S)


def work_saved(T: int, n_layers: int, first: int) -> float:
    """Positions times blocks of a whole run, over those of a knockout at the last position from block `first` on."""
    return T * n_layers / (n_layers - first)


def _case(seed: int) -> tuple[Tensor, ...]:
    draw = torch.Generator().manual_seed(seed)
    shapes = ((3,), (7, 3), (7,), (7,), (7,), (7,))
    return tuple(torch.randn(shape, generator=draw, dtype=torch.float64) for shape in shapes)


logit = Exercise(
    "What does LASER take from a logit?", function(lowered, [(0.5, 1.0), (0.9, 2.5), (0.3, 0.0), (0.2, -1.0)])
)
attribution = Exercise("What does one head say?", function(direct, [_case(1), _case(2)]))
prefix = Exercise("What does a knockout cost?", function(work_saved, [(18, 30, 23), (7, 3, 0), (5, 12, 11)]))
