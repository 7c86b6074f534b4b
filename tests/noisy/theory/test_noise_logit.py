"""A.2's recursion for the noise's logit, against the softmax itself, calculus and a scan."""

import math

import pytest

from mechbook.noisy.theory import noise_logit


@pytest.mark.parametrize(("alpha", "N"), [(0.2, 7), (0.5, 64), (0.8, 101)])
def test_the_resting_place_predicts_alpha(alpha, N):
    """Oracle: a softmax over N zeros and one logit; a step there changes nothing."""
    xi = noise_logit.resting(alpha, N)
    assert math.exp(xi) / (N + math.exp(xi)) == pytest.approx(alpha, rel=1e-12)
    assert noise_logit.stepped(0.0, alpha, 3.0) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("x", [-3.0, -0.5, 2.0])
def test_a_step_is_one_of_the_softmax(x):
    """Oracle: xi + eta (alpha - softmax), with N = 31 zeros beside it."""
    alpha, N, eta = 0.3, 31, 1.7
    xi = x + noise_logit.resting(alpha, N)
    by_hand = xi + eta * (alpha - math.exp(xi) / (N + math.exp(xi)))
    assert noise_logit.stepped(x, alpha, eta) + noise_logit.resting(alpha, N) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.5, 0.65, 0.8, 0.95])
def test_the_largest_step_is_where_overshooting_begins(alpha):
    """Oracle: a scan over logits, just below and just above the bound."""
    eta = noise_logit.largest_step(alpha)
    assert noise_logit.highest_after(alpha, 0.999 * eta) <= 1e-9
    assert noise_logit.highest_after(alpha, 1.02 * eta) > 1e-6


def test_the_printed_bound_is_right_up_to_one_half_and_too_large_above():
    """Oracle: the scan."""
    for alpha in (0.1, 0.3, 0.5):
        assert noise_logit.largest_step(alpha) == noise_logit.printed_bound(alpha) == 1 / (alpha * (1 - alpha))
        assert noise_logit.highest_after(alpha, noise_logit.printed_bound(alpha)) <= 1e-9
    assert noise_logit.largest_step(0.8) < 0.95 * noise_logit.printed_bound(0.8)
    assert noise_logit.highest_after(0.8, noise_logit.printed_bound(0.8)) > 0.05


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1])
def test_a_noise_level_without_a_resting_place_is_refused(alpha):
    for function in (lambda a: noise_logit.resting(a, 5), noise_logit.printed_bound, noise_logit.largest_step):
        with pytest.raises(ValueError, match="0 < alpha < 1"):
            function(alpha)
