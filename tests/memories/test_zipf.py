"""Errors with inputs without end: against sums over many inputs, and against the derived power laws."""

import pytest

from mechbook.core.presets import replace
from mechbook.memories import zipf
from mechbook.memories.presets import LAPTOP
from mechbook.memories.values import SCHEMES


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_end_is_the_limit_of_ever_more_inputs(scheme):
    """Oracle: `predicted_zipf_error` of a steep law, a = 2.5, whose inputs beyond 3000 have a probability of 3e-6."""
    setup = replace(LAPTOP, a=2.5, zipf=replace(LAPTOP.zipf, N=3000))
    assert zipf.endless_error(setup, scheme, 64) == pytest.approx(
        zipf.predicted_zipf_error(setup, scheme, 64), rel=2e-3
    )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_without_end_the_exponents_are_the_derived_ones(scheme):
    """Oracle: the derivation, exact in many dimensions but for the few errors among the inputs that "top" stores."""
    errors = [zipf.endless_error(LAPTOP, scheme, d) for d in (2048, 8192)]
    found = zipf.fitted_exponent([2048, 8192], errors)
    assert found == pytest.approx(zipf.derived_exponent(LAPTOP, scheme), abs=0.005)


def test_an_unknown_scheme_is_refused():
    """Oracle: the sentence."""
    with pytest.raises(ValueError, match="There is no scheme 'q'; they are p, root, top"):
        zipf.endless_error(LAPTOP, "q", 16)
