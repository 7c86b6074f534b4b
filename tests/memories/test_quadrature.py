"""Quadrature rules against scipy's distributions."""

import numpy as np
import pytest
from scipy import stats

from mechbook.memories import quadrature


@pytest.mark.parametrize(
    "rule, law",
    [
        (quadrature.normal(9), stats.norm()),
        (quadrature.mean_square(7, 9), stats.chi2(7, scale=1 / 7)),
        (quadrature.mean_square(4001, 9), stats.chi2(4001, scale=1 / 4001)),
    ],
)
def test_moments_of_the_unbounded_distributions_are_exact(rule, law):
    """Oracle: scipy's moments of the same distribution, about its mean in its standard deviations."""
    nodes, weights = rule
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert (weights * nodes).sum() == pytest.approx(law.mean(), abs=1e-10)
    assert (weights * (nodes - law.mean()) ** 2).sum() == pytest.approx(law.var(), rel=1e-9)
    for power in (3, 4, 6):
        assert (weights * nodes**power).sum() == pytest.approx(law.moment(power), rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("d", [2, 3, 11, 3001])
def test_moments_on_the_sphere_are_exact(d):
    """Oracle: 1/d, 3/(d(d + 2)) and 15/(d(d + 2)(d + 4)); odd ones are 0."""
    nodes, weights = quadrature.sphere(d, 7)
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    for power, moment in ((2, 1 / d), (4, 3 / (d * (d + 2))), (6, 15 / (d * (d + 2) * (d + 4)))):
        assert (weights * nodes**power).sum() == pytest.approx(moment, rel=1e-10)
    assert (weights * nodes**5).sum() == pytest.approx(0, abs=1e-14)


def test_a_smooth_function_of_a_norm_is_integrated():
    """Oracle: scipy's adaptive quadrature."""
    nodes, weights = quadrature.mean_square(13, 12)
    wanted = stats.chi2(13, scale=1 / 13).expect(lambda t: np.tanh(2 * t))
    assert (weights * np.tanh(2 * nodes)).sum() == pytest.approx(wanted, abs=1e-6)


def test_the_sphere_of_one_dimension_has_two_points():
    """Oracle: +1 and -1, half each; further nodes have no weight."""
    nodes, weights = quadrature.sphere(1, 4)
    assert (weights * (nodes**2 - 1) ** 2).sum() == pytest.approx(0, abs=1e-12)
    assert weights[nodes > 0.5].sum() == pytest.approx(0.5, abs=1e-12)


def test_bad_input_is_refused():
    """Oracle: the sentences."""
    with pytest.raises(ValueError, match="n is 0; a rule has at least 1 node"):
        quadrature.normal(0)
    with pytest.raises(ValueError, match="dof is 0; it must be > 0"):
        quadrature.mean_square(0, 3)
    with pytest.raises(ValueError, match="d is 0; it must be at least 1"):
        quadrature.sphere(0, 3)
