"""Chapter 5's random streams: the numbers that everything measured was drawn with."""

import torch

from mechbook.core import settings
from mechbook.laser.english_runs import english_settings
from mechbook.laser.presets import LAPTOP
from mechbook.laser.streams import STREAMS


def test_the_numbers_behind_the_names_stay() -> None:
    """Oracle: the numbers in a list; all are chapter 5's."""
    assert [*STREAMS.values()] == [(5, n) for n in (*range(7), *range(10, 23))]
    assert english_settings(LAPTOP, 2).seed_key == (5, 1, 2)
    drawn = torch.rand(3, generator=STREAMS.generator("name prompts", 2))
    assert torch.equal(drawn, torch.rand(3, generator=settings.generator(5, 2, 2)))
