"""Parts and their intervals. Oracles: closed forms, the coverage of intervals, edits by hand."""

import pytest
import torch
from scipy import stats

from mechbook.laser.association import Rewritten
from mechbook.laser.rates import of_parts, of_tries, rewritten_rates


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("successes", "n"), [(0, 7), (3, 7), (7, 7), (19, 53)])
def test_the_interval_of_tries_is_wilson_s(successes: int, n: int) -> None:
    """Oracle: SciPy's."""
    expected = stats.binomtest(successes, n).proportion_ci(0.95, "wilson")
    found = of_tries([i < successes for i in range(n)])
    assert found == pytest.approx((successes / n, expected.low, expected.high), abs=1e-6)


def test_the_interval_of_parts_is_near_the_normal_one() -> None:
    """Oracle: the mean and 1.96 standard errors, within a tenth of these."""
    parts = torch.rand(300, generator=generator(1)).double()
    mean, low, high = of_parts(parts.tolist(), generator(2))
    error = float(parts.std(correction=0)) / 300**0.5
    assert mean == pytest.approx(float(parts.mean()))
    assert low == pytest.approx(mean - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(mean + 1.96 * error, abs=0.2 * error)
    assert of_parts([0.5, 0.5], generator(3)) == (0.5, 0.5, 0.5)
    for nothing in (lambda: of_tries([]), lambda: of_parts([], generator(1))):
        with pytest.raises(ValueError, match="was asked for"):
            nothing()


def test_the_edits_rates_are_those_of_their_columns() -> None:
    """Oracle: three edits by hand."""
    outcomes = [(True, False, 0.5, False, 1.0), (True, True, 1.0, True, 1.0), (False, True, 0.75, True, 0.7)]
    edits = [
        Rewritten(
            city="c", old="o", new="n", before=False, asked=asked, at_start=start, kept=kept, neighbours=[True],
            asked_apart=asked_apart, kept_apart=kept_apart, likeliest=asked, likeliest_at_start=start,
            likeliest_before=True,
        )
        for asked, start, kept, asked_apart, kept_apart in outcomes
    ]  # fmt: skip
    found = rewritten_rates(edits, generator(4))
    assert [found["asked"][0][0], found["asked"][1][0], found["at_start"][0][0]] == pytest.approx([2 / 3] * 3)
    assert [found["kept"][0][0], found["kept"][1][0]] == pytest.approx([0.75, 0.9])
    assert found["kept"][0][1] < 0.75 < found["kept"][0][2]
