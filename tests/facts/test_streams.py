"""The streams' numbers, which results were drawn with. Oracle: the numbers, written out."""

import pytest
import torch

from mechbook.core import settings
from mechbook.facts.streams import STREAMS

NUMBERS = {
    "example answers": (6, 0),
    "example sequences": (6, 0, 1),
    "example weights": (6, 0, 2),
    "recall": (6, 1),
    "votes": (6, 1, 9),
    "fewest parameters": (6, 2),
    "capacity": (6, 3),
    "tradeoff tasks": (6, 4, 0),
    "tradeoff training": (6, 4, 1),
    "linear": (6, 5),
    "softmax": (6, 6),
    "head load": (6, 7),
    "knowledge": (6, 8),
    "questions": (6, 9),
}


def test_the_numbers_stay() -> None:
    assert dict(STREAMS) == NUMBERS


def test_a_stream_is_that_of_its_numbers() -> None:
    found = torch.rand(5, generator=STREAMS.generator("tradeoff training", 2, 1))
    assert torch.equal(found, torch.rand(5, generator=settings.generator(6, 4, 1, 2, 1)))
    with pytest.raises(ValueError, match="takes 6 or 7 further numbers, not 1"):
        STREAMS.generator("knowledge", 1)
