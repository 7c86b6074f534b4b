"""Theorem 1 and the need of samples, at sizes that take no time, against exact moments."""

import math

import pytest
import torch

from mechbook.core.presets import replace
from mechbook.noisy.presets import LAPTOP, Margins, Needs
from mechbook.noisy.theory import one_step


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))


def test_margins_at_a_small_size():
    # Oracle: exact margins within 4.5 standard errors; the spread of one-step margins is exact moments' within 10%.
    small = Margins(N=7, T=40, sizes=(1000, 3000), updates=400, sequences=131_072)
    found = one_step.margins(replace(LAPTOP, margins=small), 0)
    assert found["feed_forward"]["population"] == pytest.approx(0.5 - 0.5 / 7)
    for block in ("feed_forward", "attention"):
        row = found[block]
        assert abs(row["pooled"] - row["population"]) < 4.5 * row["error"]
        assert row["spread"][0] * 1000**0.5 == pytest.approx(row["predicted_spread"], rel=0.2)


def test_needs_at_a_small_size():
    # Oracle: exact moments within 25% (the spread of 200 updates); in typical contexts attention needs hardly more.
    found = one_step.needs(replace(LAPTOP, needs=Needs(N=(16,), T=(2, 16), batch=50, updates=1000)), 0)
    for kind in ("typical", "repeated"):
        assert found[kind]["measured"].shape == (1, 2)
        assert float(found[kind]["measured"][0, 1]) == pytest.approx(float(found[kind]["exact"][0, 1]), rel=0.25)
    assert float(found["typical"]["exact"][0, 1]) < 1.5 < float(found["repeated"]["exact"][0, 1])


def test_the_error_of_a_ratio_is_its_spread_over_repetitions():
    # Oracle: the spread of log ratios over 400 repetitions, within four standard errors of a spread (4 / sqrt(800)).
    random = torch.Generator().manual_seed(5)
    common = torch.randn(400, 300, generator=random, dtype=torch.float64)
    below = common**2
    above = (0.8 * common + 0.6 * torch.randn(400, 300, generator=random, dtype=torch.float64)) ** 2
    spread = float((above.mean(1) / below.mean(1)).log().std())
    errors = [one_step.log_ratio_error(a, b) for a, b in zip(above, below, strict=True)]
    assert sum(errors) / 400 == pytest.approx(spread, rel=4 / 800**0.5)


def test_the_distance_of_the_samples_needed_is_the_largest_at_the_largest_N():
    # Oracle: logarithms by hand; the first row, a smaller N, is far off and does not count.
    row = {"exact": torch.tensor([[1.0, 1.0], [2.0, 4.0]]), "measured": torch.tensor([[9.0, 9.0], [2.2, 3.0]])}
    exact = {"exact": row["exact"], "measured": row["exact"], "error": torch.ones(2, 2)}
    need = {"typical": {**exact, "margin": torch.ones(2, 2)}, "repeated": {**row, "error": torch.full((2, 2), 0.1)}}
    assert one_step.samples_z(need) == pytest.approx(math.log(4 / 3) / 0.1, rel=1e-5)
