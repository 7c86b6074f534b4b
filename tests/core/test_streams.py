"""Named random streams: the numbers behind the names, and the check that no two coincide, in the whole book."""

import importlib

import pytest
import torch

from mechbook.core import settings
from mechbook.core.streams import Streams, coincidences
from mechbook.site.layers import THEMES

TWO = Streams("toy", ("data", (4, 1), 1), ("weights", (4, 2), (1, 2)))


def test_a_name_stands_for_its_numbers() -> None:
    assert TWO["data"] == (4, 1) and dict(TWO) == {"data": (4, 1), "weights": (4, 2)}
    for stream, expected in (
        (TWO.generator("data", 7), settings.generator(4, 1, 7)),
        (TWO.generator("weights", 7, 0), settings.generator(4, 2, 7, 0)),
    ):
        assert torch.equal(torch.rand(5, generator=stream), torch.rand(5, generator=expected))


def test_two_streams_with_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^Two random streams of toy are named 'data': give one of them"):
        Streams("toy", ("data", (4, 1), 1), ("data", (4, 3), 1))


@pytest.mark.parametrize(
    ("other", "coincide"),
    [
        (("b", (4, 1), 1), True),
        (("b", (4,), 2), True),
        (("b", (4, 1, 5), 0), True),
        (("b", (4, 1), 2), False),
        (("b", (4, 1), (0, 2)), False),
        (("b", (4, 2), 1), False),
        (("b", (4,), 1), False),
        (("b", (5, 1), 1), False),
    ],
)
def test_streams_that_can_draw_the_same_numbers_are_refused(other: tuple, coincide: bool) -> None:
    """Of equal length, and equal as far as both are fixed; longer and shorter keys are other streams."""
    if coincide:
        with pytest.raises(ValueError, match=r"^The random streams 'a' of toy and 'b' of toy can draw the same"):
            Streams("toy", ("a", (4, 1), 1), other)
    else:
        assert len(Streams("toy", ("a", (4, 1), 1), other)) == 2
    assert bool(coincidences(Streams("x", ("a", (4, 1), 1)), Streams("y", other))) is coincide


def test_what_there_is_not_is_refused() -> None:
    with pytest.raises(KeyError, match=r"toy has no random stream 'dat': it has data, weights\."):
        TWO.generator("dat", 0)
    with pytest.raises(ValueError, match=r"^The stream 'weights' of toy takes 1 or 2 further numbers, not 0\.$"):
        TWO.generator("weights")


def test_no_two_streams_of_the_book_coincide() -> None:
    themes = [importlib.import_module(f"mechbook.{theme}.streams").STREAMS for theme in THEMES]
    assert [streams.theme for streams in themes] == list(THEMES)
    assert coincidences(*themes) == []
