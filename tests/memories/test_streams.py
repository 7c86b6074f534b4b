"""The named streams of chapter 1."""

import pytest
import torch

from mechbook.core import settings
from mechbook.memories.streams import STREAMS

# what has been measured was drawn with these numbers: name, (seed and so on), key
NUMBERS = [
    ("nearly orthogonal", (2, 16), (1, 0, 2, 16)),
    ("remapped", (2, 8), (1, 1, 2, 8)),
    ("crosstalk", (2, 10), (1, 2, 2, 10)),
    ("recall", (2, 0), (1, 3, 2, 0)),
    ("capacity", (2, 8, 32, 0, 3), (1, 4, 2, 8, 32, 0, 3)),
    ("factorised", (2, 64), (1, 5, 2, 64)),
    ("filter", (2, 64), (1, 6, 2, 64)),
    ("sets with values of their own", (2,), (1, 7, 2)),
    ("sets with the value of a sum", (2,), (1, 8, 2)),
    ("Zipf", (2, 1, 16), (1, 9, 2, 1, 16)),
    ("smallest case", (), (1, 10)),
    ("exercise", (24,), (1, 11, 24)),
    ("weighted crosstalk", (2, 10), (1, 12, 2, 10)),
    ("factors' step sizes", (2, 384), (1, 13, 2, 384)),
    ("writers", (2, 32), (1, 14, 2, 32)),
    ("online", (2,), (1, 15, 2)),
    ("least squares by load", (2, 64), (1, 16, 2, 64)),
    ("shares of two factors", (2,), (1, 17, 2)),
]


def test_the_numbers_behind_the_names_stay():
    """Oracle: the table NUMBERS, which has every name; the draws of the generators."""
    assert [name for name, _, _ in NUMBERS] == list(STREAMS)
    for name, more, key in NUMBERS:
        named, numbered = STREAMS.generator(name, *more), settings.generator(*key)
        assert torch.equal(torch.rand(3, generator=named), torch.rand(3, generator=numbered))


def test_a_stream_without_its_numbers_is_refused():
    """Oracle: the sentence."""
    with pytest.raises(ValueError, match="'recall' of memories takes 2 further numbers, not 1"):
        STREAMS.generator("recall", 0)
