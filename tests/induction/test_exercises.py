"""The exercises' checks: right answers found another way are accepted, likely mistakes are told."""

import math

import torch

from mechbook.induction.exercises import first_position, posterior, probability_of_retrieved, sharpness, smallest_score


def verdict(exercise, answer, capsys):
    exercise.check(answer)
    return capsys.readouterr().out


def test_smallest_score_gives_exactly_the_attention(capsys):
    # Oracle: the softmax itself.
    for t, eps in ((64, 0.01), (7, 0.3)):
        scores = torch.zeros(t, dtype=torch.float64)
        scores[t - 2] = smallest_score(t, eps)
        assert abs(float(scores.softmax(0)[t - 2]) - (1 - eps)) < 1e-12
    assert "right." in verdict(sharpness, lambda t, eps: -math.log(eps / ((1 - eps) * (t - 1))), capsys)
    assert "not right" in verdict(sharpness, lambda t, eps: math.log(t * (1 - eps) / eps), capsys)
    assert "not answered" in verdict(sharpness, None, capsys)


def test_probability_of_the_retrieved_token_is_that_of_the_simulated_task():
    # Oracle: Monte Carlo; i is a trigger or not, is followed twice, and we keep the draws in which r came first.
    rho, p, N, n = 0.2, 0.1, 13, 400_000
    g = torch.Generator().manual_seed(5)
    trigger = torch.rand(n, generator=g) < rho
    output_is_r = torch.rand(n, generator=g) < 1 / N
    bigram = torch.rand(n, 2, generator=g) < p
    first = torch.where(trigger, output_is_r, bigram[:, 0])
    second = torch.where(trigger, output_is_r, bigram[:, 1])[first].double()
    expected = probability_of_retrieved(rho, p, N)
    assert abs(float(second.mean()) - expected) < 4 * float(second.std()) / len(second) ** 0.5


def test_mistakes_are_told(capsys):
    assert "right." in verdict(first_position, 0.75, capsys).replace("not right", "")
    assert "Position 1" in verdict(first_position, 1.0, capsys)
    assert "three earlier" in verdict(first_position, 0.8, capsys)
    assert "not right" in verdict(posterior, lambda rho, p, N: rho / N / (rho / N + (1 - rho) * p), capsys)
