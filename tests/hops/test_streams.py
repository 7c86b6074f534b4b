"""Chapter 7's random streams. Oracle: the numbers that they had before they had names."""

import torch

from mechbook.core import settings
from mechbook.hops.streams import PURPOSES, STREAMS


def test_the_numbers_behind_the_names_stay() -> None:
    assert [STREAMS[name] for name in STREAMS] == [(7, 0), (7, 1), (7, 2), (7, 3), (7, 4), (7, 5)]
    assert PURPOSES == {"task": 0, "weights": 1, "batches": 2, "fresh": 3}
    found = STREAMS.generator("composition", 5, 4, 2, PURPOSES["batches"])
    assert torch.equal(found.get_state(), settings.generator(7, 1, 5, 4, 2, 2).get_state())
