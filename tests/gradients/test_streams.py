"""The random streams of chapter 2 are those that its numbers were measured with."""

import pytest
import torch

from mechbook.core import settings
from mechbook.gradients.streams import STREAMS

# What the streams were before they had names, with a seed and what follows it.
NUMBERS = {
    ("a few sequences",): (2, 0),
    ("smallest case",): (2, 1),
    ("identities", 3): (2, 1, 3),
    ("span", 3): (2, 2, 3),
    ("one step", 3, 64): (2, 3, 3, 64),
    ("ignored positions", 3): (2, 4, 3),
    ("optimum, distribution", 3): (2, 5, 3),
    ("optimum, embeddings", 3, 64): (2, 5, 3, 64),
    ("deep linear", 3): (2, 6, 3),
    ("Figure 9, sequences", 3): (2, 7, 3),
    ("Figure 9, embeddings", 3, 64): (2, 8, 3, 64),
    ("three steps", 3, 64, 1): (2, 9, 3, 64, 1),
    ("first step's counts", 3): (2, 10, 3),
    ("third step's factor", 3, 64): (2, 11, 3, 64),
    ("rivals", 3): (2, 12, 3),
    ("orders, weights", 3): (2, 13, 3),
    ("orders, sequences", 3): (2, 14, 3),
    ("second step's gap", 3, 64): (2, 15, 3, 64),
    ("first step's counts, more of them", 3): (2, 16, 3),
    ("backward vectors", 3): (2, 17, 3),
}


@pytest.mark.parametrize("named", NUMBERS)
def test_a_name_stands_for_its_numbers(named):
    """Oracle: the generator of the numbers."""
    expected = torch.randn(7, generator=settings.generator(*NUMBERS[named]))
    assert torch.equal(torch.randn(7, generator=STREAMS.generator(*named)), expected)


def test_every_stream_is_in_the_table():
    """Oracle: the names."""
    assert {name for name, *_ in NUMBERS} == set(STREAMS)
