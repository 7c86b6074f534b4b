"""The streams of chapter 4: the numbers that its measurements were made with, and what a run draws from them."""

import torch

from mechbook.core import settings
from mechbook.noisy import experiments
from mechbook.noisy.presets import LAPTOP
from mechbook.noisy.streams import BATCHES, CONTEXTS, FRESH, PANEL, STREAMS, WEIGHTS


def test_the_numbers_are_those_that_were_measured_with() -> None:
    """Oracle: the numbers before they had names."""
    assert {name: STREAMS[name] for name in STREAMS} == {
        "the chapter's first sequence": (4, 0),
        "main": (4, 3),
        "clean": (4, 4),
        "fine_tuned": (4, 5),
        "several": (4, 8),
        "mlp_linear": (4, 10),
        "linear_mlp": (4, 11),
        "no_blocks": (4, 12),
        "margins": (4, 41),
        "needs": (4, 42),
        "needs, test sequences": (4, 43),
        "table_2": (4, 44),
        "key_query, short": (4, 45),
        "key_query, long": (4, 46),
        "key_query, ratio": (4, 47),
        "flip": (4, 48),
        "figure_6": (4, 51),
        "alpha_vs_n": (4, 52),
    }
    assert (WEIGHTS, BATCHES, PANEL, FRESH, CONTEXTS) == (0, 1, 2, 5, 6)


def test_a_run_s_streams_are_its_name_s() -> None:
    """Oracle: `settings.generator` with the numbers, for the weights of a seed."""
    chosen = experiments.several_settings(LAPTOP, 2)
    assert chosen.seed_key == (4, 8, 2)
    drawn, expected = STREAMS.generator("several", 2, WEIGHTS), settings.generator(4, 8, 2, 0)
    assert torch.equal(drawn.get_state(), expected.get_state())
