"""The slope of steps against hops. Oracles: powers; numpy's least squares."""

import numpy as np
import pytest

from mechbook.hops.slopes import log_log_slope


def test_the_slope_of_a_power_is_its_exponent() -> None:
    """Oracle: steps = 3 k^1.7."""
    assert log_log_slope((2, 3, 5, 7), [3 * k**1.7 for k in (2, 3, 5, 7)]) == pytest.approx(1.7, abs=1e-10)


def test_it_is_the_least_squares_slope() -> None:
    """Oracle: numpy's fit of a line."""
    ks, steps = (1, 2, 3, 5), (90, 410, 300, 1700)
    expected = np.polyfit(np.log(ks), np.log(steps), 1)[0]
    assert log_log_slope(ks, steps) == pytest.approx(float(expected), abs=1e-10)


@pytest.mark.parametrize(
    ("ks", "steps"), [((2,), (3,)), ((2, 3), (5, 0)), ((0, 3), (5, 7)), ((2, 3), (5,)), ((2, 2), (5, 7))]
)
def test_what_has_no_slope_is_refused(ks: tuple[int, ...], steps: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a slope needs two k or more, as many steps, and positive numbers;"):
        log_log_slope(ks, steps)
