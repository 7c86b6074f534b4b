"""A small three-step model and its sequences, for the tests of this folder."""

from dataclasses import replace

import torch

from mechbook.gradients.task import SingleTriggerTask, sample
from mechbook.gradients.three_steps.model import initial

# Prime sizes, all different.
N, T, d, B = 5, 7, 11, 101


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(size=B, seed=0):
    return sample(SingleTriggerTask(N=N, T=T), size, generator(seed))


def model(**random_matrices):
    """A model in float64 whose named matrices are random, with entries of the given standard deviation."""
    zero = initial(N, T, d, generator(1), dtype=torch.float64)
    return replace(
        zero,
        **{
            name: std * torch.randn(d, d, generator=generator(place), dtype=torch.float64)
            for place, (name, std) in enumerate(random_matrices.items())
        },
    )


def relative(a, b):
    return float((a - b).norm() / b.norm())
