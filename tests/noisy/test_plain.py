"""The plain definition of the task against a sequence followed by hand."""

import pytest
import torch

from mechbook.noisy.plain import first_above, one_sequence
from mechbook.noisy.task import NoisyTask
from mechbook.shared.bigrams import BigramTask

# After each token comes the next one for certain, and 0 after 3; sequences and what follows the noise begin with 2.
NEXT = torch.eye(4, dtype=torch.float64).roll(1, dims=1)
TASK = NoisyTask(
    bigrams=BigramTask(
        pi_u=torch.tensor([0.0, 0.0, 1.0, 0.0], dtype=torch.float64), pi_b=NEXT, T=9, K=1, triggers=(3,)
    ),
    alpha=0.5,
)


def test_a_sequence_followed_by_hand():
    """Oracle: by hand. 2, 3 the trigger, its output 1, 2, 3, the noise (4), 2, 3, and the forced trigger."""
    noisy = torch.tensor([False, False, False, False, True, False, False, False, True])
    z, answers, in_context = one_sequence(
        TASK, torch.full((9,), 0.5, dtype=torch.float64), noisy, torch.tensor([1]), torch.tensor(0)
    )
    assert z == [2, 3, 1, 2, 3, 4, 2, 3, 3, 4]
    assert answers == [-1, 1, -1, -1, 1, -1, -1, 1, 1]
    assert in_context == [False, False, False, False, True, False, False, True, True]


@pytest.mark.parametrize(("u", "token"), [(0.0, 1), (0.19, 1), (0.21, 2), (0.49, 2), (0.51, 3), (0.999, 3)])
def test_the_first_token_above_is_the_inverse_of_the_cumulative_probability(u, token):
    """Oracle: by hand, cumulative 0, 0.2, 0.5, 1."""
    p = torch.tensor([0.0, 0.2, 0.3, 0.5], dtype=torch.float64)
    assert first_above(p, torch.tensor(u, dtype=torch.float64)) == token
