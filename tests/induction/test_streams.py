"""The numbers behind the names of chapter 3's random streams. Oracle: those that its results were measured with."""

import torch

from mechbook.core import settings
from mechbook.induction.experiments import (
    dimension_settings,
    frozen_settings,
    length_settings,
    output_settings,
    realistic_settings,
    trigger_settings,
    vanilla_settings,
)
from mechbook.induction.presets import LAPTOP
from mechbook.induction.streams import STREAMS


def test_runs_draw_from_the_streams_of_their_figure() -> None:
    assert frozen_settings(LAPTOP, 7).seed_key == (3, 3, 7)
    assert trigger_settings(LAPTOP, 7, "few").seed_key == (3, 4, 7)
    assert output_settings(LAPTOP, 7, "bigram").seed_key == (3, 6, 7)
    assert dimension_settings(LAPTOP, 7, 64, 0.2).seed_key == (3, 8, 7)
    assert length_settings(LAPTOP, 7, "few").seed_key == (3, 9, 7)
    assert realistic_settings(LAPTOP, 7).seed_key == (3, 10, 7)
    assert vanilla_settings(LAPTOP, 7, "random").seed_key == (3, 2, 2, 1, 7)
    assert vanilla_settings(LAPTOP, 7, "frequent", n_layers=1).seed_key == (3, 2, 1, 1, 7)
    assert vanilla_settings(LAPTOP, 7, "random", n_heads=4).seed_key == (3, 2, 2, 4, 7)


def test_what_the_chapter_draws_itself() -> None:
    for (name, *more), numbers in {
        ("example",): (3, 0),
        ("positions", 5): (3, 1, 5),
        ("initialisation", 2): (3, 5, 2),
        ("use",): (3, 11),
        ("bags", 32, 5): (3, 12, 32, 5),
        ("by hand", 2): (3, 7, 2),
        ("by hand", 2, 1): (3, 7, 2, 1),
    }.items():
        drawn = torch.rand(3, generator=STREAMS.generator(name, *more))
        assert torch.equal(drawn, torch.rand(3, generator=settings.generator(*numbers)))
