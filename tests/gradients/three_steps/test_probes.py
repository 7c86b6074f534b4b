"""What is asked of the three-step model, against loops and by hand."""

import pytest
import torch

from mechbook.gradients.task import SingleTriggerBatch
from mechbook.gradients.three_steps.probes import bag_of_words_accuracy, diagonal_gap, in_full_model, previous_gap
from mechbook.gradients.three_steps.runs import probe_batch, sharpened, take_steps
from tests.gradients.three_steps.small import generator
from tests.gradients.three_steps.test_runs import SMALL


def test_gaps_are_those_of_loops():
    """Oracle: plain means."""
    table = torch.randn(7, 7, generator=generator(), dtype=torch.float64)
    off = [float(table[i, j]) for i in range(7) for j in range(7) if i != j]
    assert diagonal_gap(table) == pytest.approx(float(table.diagonal().mean()) - sum(off) / len(off))
    expected = [float(table[t, t - 1] - table[t, : t + 1].mean()) for t in range(1, 7)]
    assert previous_gap(table).tolist() == pytest.approx(expected)


def test_bag_of_words_guesses_the_most_frequent_other_token():
    """Oracle: three sequences by hand: right, wrong, and a tie that goes to the lower number."""
    z = torch.tensor([[1, 2, 2, 0, 1], [3, 0, 0, 4, 3], [4, 2, 1, 0, 4]])
    batch = SingleTriggerBatch(z=z, first=torch.tensor([0, 0, 0]), y=torch.tensor([2, 4, 0]))
    assert bag_of_words_accuracy(batch, 5) == pytest.approx(2 / 3)


def test_the_full_model_has_the_same_matrices_and_fails():
    """Oracle: with the first layer's output and positions in every vector the accuracy is far from the proof's 0.8."""
    third = sharpened(take_steps(SMALL)[0], SMALL)[3]
    assert in_full_model(third, probe_batch(SMALL, 300)) < 0.5
