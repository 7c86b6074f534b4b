"""The exercises' checks: right answers found another way are accepted, likely mistakes are told."""

import math

import torch

from mechbook.facts.construction import attention_only
from mechbook.facts.exercises import bits, first, rate_ratio, rivals
from mechbook.facts.model import count_logits
from mechbook.facts.task import FactTask, count_tokens, random_answers
from mechbook.facts.theory import growth_rates


def verdict(exercise, answer, capsys):
    exercise.check(answer)
    return capsys.readouterr().out


def test_answers_right_wrong_and_missing(capsys):
    """Oracle: the answers worked out by hand, and the mistakes that the checkers name."""
    assert "right." in verdict(rivals, 22, capsys).replace("not right", "")
    assert "in neither" in verdict(rivals, 24, capsys) and "still counted once" in verdict(rivals, 23, capsys)
    assert "right." in verdict(bits, 2048, capsys).replace("not right", "")
    assert "takes log2(8)" in verdict(bits, 6144, capsys)
    mine = lambda S, R, D: math.sqrt(S**2 * (R - 1) / (R**2 * (D - 1)))  # noqa: E731
    assert "right." in verdict(first, mine, capsys).replace("not right", "")
    assert "not right" in verdict(first, lambda S, R, D: S / R, capsys)
    for exercise in (rivals, first, bits):
        assert "not answered" in verdict(exercise, None, capsys)


def test_the_order_turns_where_the_solution_says():
    """Oracle: S^2 (R - 1) against R^2 (D - 1), for many sizes."""
    for S in range(2, 20):
        for R in range(2, 20):
            for D in range(2, 9):
                assert (rate_ratio(S, R, D) > 1) == (S**2 * (R - 1) > R**2 * (D - 1)), (S, R, D)
                relation, subject = growth_rates(S, R, D)
                assert rate_ratio(S, R, D) == relation / subject


def test_the_number_of_rivals_is_that_of_the_construction():
    """Oracle: the constructed weights themselves, wide enough that votes are read off."""
    g = torch.Generator().manual_seed(1)
    task = FactTask(S=5, R=7, D=3, T=3, n_noise=0, answers=random_answers(5, 7, 3, g))
    weights = attention_only(task, d=4096, d_h=2048, H=2, generator=g)
    logits = count_logits(weights, count_tokens(torch.tensor([[2, 5 + 4, task.eos]]), task.V).double())[0]
    assert int(((logits > 0.5) & (logits < 1.5)).sum()) == 7 + 3 - 2
    assert int((logits > 1.5).sum()) == 1 and int(logits.argmax()) == int(task.answers[2, 4])
