"""Sizes of GPTs: the recorded runs and what the claim takes from them. Oracles: counts by hand, made-up records."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mechbook.facts import knowledge, sizes
from mechbook.facts.gpt import initial_gpt, parameter_count
from mechbook.records.kept import RunRecord
from mechbook.records.machine import here
from tests.claims.tables import applied, failing


def record(*ratios: float) -> RunRecord:
    final = {f"seed {seed}, bits a parameter": ratio for seed, ratio in enumerate(map(float, ratios))}
    return RunRecord(
        name="facts/size/1x8x2/7/1", settings={}, modules=(knowledge.__name__,), code="", steps=[], values={},
        final=final, seconds=1.0, machine=here(),
    )  # fmt: skip


@pytest.mark.parametrize("size", sizes.SHAPES)
def test_each_size_has_the_parameters_it_is_named_by(size: int) -> None:
    """Oracle: the weights counted."""
    config = sizes.equally_long(size)[0].config()
    assert parameter_count(initial_gpt(config, 1, torch.Generator().manual_seed(3))) == size


@pytest.mark.parametrize("size", sizes.SHAPES)
def test_the_part_of_a_size_in_its_embeddings(size: int) -> None:
    """Oracle: the weights counted."""
    weights = initial_gpt(sizes.equally_long(size)[0].config(), 1, torch.Generator().manual_seed(3))
    own = sum(weights[name].numel() for name in ("W_E", "P", "W_U"))
    assert sizes.embedding_share(size) == pytest.approx(own / parameter_count(weights), rel=1e-12)


def test_the_first_series_shows_as_many_people_per_parameter_whatever_n() -> None:
    """Oracle: N times exposures, within half an exposure of each person."""
    for size in sizes.SHAPES:
        for spec in sizes.equally_long(size):
            assert abs(spec.N * spec.exposures / size - sizes.PRESENTATIONS) <= spec.N / size / 2
    # the last N is far beyond what R_max allows, the first below it
    assert all(sizes.equally_long(size)[0].people().most_bits() / size < 2 for size in sizes.SHAPES)
    assert all(sizes.equally_long(size)[-1].people().most_bits() / size > 20 for size in sizes.SHAPES)


def test_the_claim_s_values_are_the_peaks_and_the_closest_end() -> None:
    """Oracle: by hand, for seed 1."""
    small, medium, large = sizes.SHAPES
    series = {
        small: [record(9, 0.5, 9), record(9, 1.9, 9), record(9, 1.0, 9)],
        medium: [record(9, 0.5, 9), record(9, 1.5, 9), record(9, 1.25, 9)],
        large: [record(9, 1.0, 9), record(9, 2.0, 9), record(9, 0.25, 9)],
    }
    found = sizes.of_one_seed(series, 1)
    slope = found.pop("slope")
    assert found == {"small": 1.9, "medium": 1.5, "large": 2.0, "below": 0.25, "span": pytest.approx(6520 / 1456)}
    x, y = np.log(list(sizes.SHAPES)), np.log([1.9, 1.5, 2.0])
    assert slope == pytest.approx(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())


def test_a_series_that_still_rises_has_no_peak() -> None:
    """Oracle: the claim's words; the wrong implementation would take the largest value at an end for a peak."""
    small, medium, large = sizes.SHAPES
    peaked = [record(0.5, 0.5, 0.5), record(1.5, 1.5, 1.5), record(1.0, 1.0, 1.0)]
    series = {small: peaked, medium: peaked, large: [peaked[0], peaked[2], peaked[1]]}
    values = [sizes.of_one_seed(series, seed) for seed in range(3)]
    assert failing(applied("fact.capacity_size", *values)) == {1}
    assert not failing(applied("fact.capacity_size", *[sizes.of_one_seed(dict.fromkeys(series, peaked), 0)] * 3))


def test_half_a_series_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    specs = sizes.equally_often(min(sizes.SHAPES))
    monkeypatch.setattr(sizes, "recorded", lambda name: None if name == sizes.name(specs[2]) else record(1, 1, 1))
    assert sizes.records(specs) == []
    assert len(sizes.records(specs[:2])) == 2


def test_where_the_peaks_are_and_which_results_lose_in_8_bits() -> None:
    """Oracle: by hand, of two made-up records: seed 1 loses a tenth in the first, seed 2 a quarter in the second."""
    found = []
    made_up = ((7, 50, (1.0, 2.0, 1.0), (0.97, 1.8, 1.0)), (9, 30, (2.0, 1.0, 1.0), (2.0, 1.0, 0.75)))
    for N, exposures, ratios, rounded in made_up:
        made = record(*ratios)
        final = made.final | {f"seed {seed}, in 8 bits": float(value) for seed, value in enumerate(rounded)}
        own = {"knowledge": {"N": N, "exposures": exposures, "shape": [1, 8, 2]}}
        found.append(replace(made, final=final, settings=own))
    assert sizes.peak_exposures({1456: found}) == [30, 50, 50]
    by_hand = ["10%, with 7 people and $d$ = 8, seed 1", "25%, with 9 people and $d$ = 8, seed 2"]
    assert sizes.losers(found, 0.05) == by_hand
    assert sizes.losers(found, 0.2) == by_hand[1:]
