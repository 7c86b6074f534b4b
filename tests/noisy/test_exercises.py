"""The exercises' checks: right answers found another way are accepted, likely mistakes are told."""

import math

import torch

from mechbook.noisy.exercises import margin, noise_logit, occurrences, pairs


def verdict(exercise, answer, capsys):
    exercise.check(answer)
    return capsys.readouterr().out


def test_the_noise_s_logit_gives_exactly_alpha(capsys):
    """Oracle: the softmax over N + 1 logits itself."""
    for alpha, c, N in ((0.5, 6.0, 65), (0.3, 0.0, 7)):
        logits = torch.zeros(N + 1, dtype=torch.float64)
        logits[2], logits[N] = c, noise_logit(alpha, c, N)
        assert abs(float(logits.softmax(0)[N]) - alpha) < 1e-12
    other_way = lambda a, c, N: math.log(a) - math.log1p(-a) + math.log(math.exp(c) + N - 1)  # noqa: E731
    assert "right." in verdict(margin, other_way, capsys)
    assert "not right" in verdict(margin, lambda a, c, N: math.log(a / (1 - a)) + c, capsys)
    assert "not right" in verdict(margin, lambda a, c, N: math.log(a / (1 - a) * (math.exp(c) + N)), capsys)
    assert "not answered" in verdict(margin, None, capsys)


def test_occurrences_are_those_counted_one_by_one(capsys):
    """Oracle: counting up until alpha^n <= eps."""

    def counted(alpha, eps):
        n = 0
        while alpha**n > eps:
            n += 1
        return n

    for alpha, eps in ((0.5, 0.01), (0.8, 0.01), (0.5, 0.125), (0.9, 0.3)):
        assert occurrences(alpha, eps) == counted(alpha, eps)
    assert "right." in verdict(pairs, counted, capsys)
    assert "not right" in verdict(pairs, lambda alpha, eps: math.log(eps) / math.log(alpha), capsys)
    assert "not right" in verdict(pairs, lambda alpha, eps: math.floor(math.log(eps) / math.log(alpha)), capsys)
