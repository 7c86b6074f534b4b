"""The theory's exercises: right answers found another way are accepted, likely mistakes are told."""

import math

import torch

from mechbook.noisy.theory.exercises import largest_alpha, noise_direction, too_noisy
from mechbook.noisy.theory.memory import noise_singular_value, symmetric_optimum


def verdict(exercise, answer, capsys):
    exercise.check(answer)
    return capsys.readouterr().out


def by_svd(n, a, alpha):
    """The length of the logit matrix's image of (1, ..., 1)/sqrt(n)."""
    return float((symmetric_optimum(n, a, alpha) @ torch.full((n,), n**-0.5, dtype=torch.float64)).norm())


def test_the_noise_s_direction(capsys):
    # Oracle: the matrix itself.
    assert "right." in verdict(noise_direction, by_svd, capsys).replace("not right", "")
    assert "not answered" in verdict(noise_direction, None, capsys)
    assert "A function is wanted" in verdict(noise_direction, 3.0, capsys)
    assert "not right" in verdict(noise_direction, lambda n, a, alpha: a * alpha, capsys)


def test_slips_are_told(capsys):
    # Oracle: the parts of the image that a reader may forget.
    def upper(n, a, alpha):
        return by_svd(n, a, alpha) / math.sqrt(n + 1)

    def lower(n, a, alpha):
        return by_svd(n, a, alpha) * math.sqrt(n / (n + 1))

    assert "n times its square" in verdict(noise_direction, upper, capsys)
    assert "once more" in verdict(noise_direction, lower, capsys)
    assert "the signal's" in verdict(noise_direction, lambda n, a, alpha: a, capsys)


def test_the_largest_noise_that_can_be_cut(capsys):
    # Oracle: just below it the noise is the smallest singular value, just above it is not.
    alpha = largest_alpha(5, 6.0)
    assert noise_singular_value(5, 6.0, 0.99 * alpha) < 6 < noise_singular_value(5, 6.0, 1.01 * alpha)
    assert "right." in verdict(too_noisy, alpha, capsys).replace("not right", "")
    assert "zero" in verdict(too_noisy, 1 / (1 + math.exp(4.8)), capsys)
    assert "not right" in verdict(too_noisy, 0.5, capsys)
