"""Weights written by hand: what they recall, and that they are the equations'."""

import math

import pytest
import torch

from mechbook.facts import construction as hand
from mechbook.facts.model import FactWeights, attention_output, count_logits
from mechbook.facts.task import FactTask, every_fact, random_answers


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small_task(S: int = 7, R: int = 5, D: int = 3, seed: int = 1) -> FactTask:
    return FactTask(S=S, R=R, D=D, T=11, n_noise=13, answers=random_answers(S, R, D, generator(seed)))


def recall(weights: FactWeights, t: FactTask, seed: int = 9) -> float:
    batch = every_fact(t, 3, generator(seed))
    return float((count_logits(weights, batch.counts.double()).argmax(-1) == batch.targets).double().mean())


def test_attention_only_recalls_every_fact() -> None:
    """Oracle: the task's answers; and answers of another task, which it must not know."""
    t = small_task(S=7, R=5, D=3)
    weights = hand.attention_only(t, d=512, d_h=128, H=4, generator=generator(2))
    assert recall(weights, t) == 1.0
    assert recall(weights, small_task(seed=8)) < 0.6


def test_attention_and_mlp_recall_every_fact() -> None:
    """Oracle: the task's answers; without the MLP's second layer it knows nothing."""
    t = small_task(S=7, R=5, D=3)
    weights = hand.attention_and_mlp(t, d=64, m=128, generator=generator(2))
    assert recall(weights, t) == 1.0
    weights.W_out.zero_()
    assert recall(weights, t) < 0.5


def test_heads_find_their_tokens() -> None:
    """Oracle: with d above the vocabulary a head of the MLP construction copies e_s or e_r, to e^-12 a noise token."""
    t = small_task()
    weights = hand.attention_and_mlp(t, d=64, m=4, generator=generator(2))
    batch = every_fact(t, 1, generator(3))
    x = attention_output(weights, batch.counts.double())
    expected = weights.E[batch.s] + weights.E[t.S + batch.r]
    assert float((x - expected).norm(dim=1).max()) < 2 * 10 * 2 * math.exp(-hand.SHARPNESS)


def test_the_value_circuit_is_equation_12() -> None:
    """Oracle: loops over the tokens of each set and the answers they can have."""
    t = small_task()
    weights = hand.attention_only(t, d=32, d_h=8, H=5, generator=generator(2))
    for h, tokens in enumerate(hand.head_sets(t.S, t.R, 5)):
        P = weights.W_V[h]
        torch.testing.assert_close(P @ P.T, torch.eye(8, dtype=torch.float64) * 32 / 8, rtol=0, atol=1e-10)
        expected = torch.zeros(32, 32, dtype=torch.float64)
        for token in tokens.tolist():
            facts = t.answers[token] if token < t.S else torch.arange(3) + 3 * (token - t.S)
            for a in set(facts.tolist()):
                expected += torch.outer(weights.U[a], weights.E[token]) @ P.T @ P
        torch.testing.assert_close(weights.W_O[h] @ P, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("S", "R"), [(7, 5), (11, 1), (1, 11), (2, 9)])
def test_sets_cut_subjects_and_relations(S: int, R: int) -> None:
    """Oracle: every token once, no set with both kinds, none empty; for every H."""
    for H in range(2, S + R + 1):
        sets = [tokens.tolist() for tokens in hand.head_sets(S, R, H)]
        assert len(sets) == H and sorted(sum(sets, [])) == list(range(S + R)) and all(sets)
        assert all(max(tokens) < S or min(tokens) >= S for tokens in sets)


def test_constructions_count_and_refuse() -> None:
    """Oracle: 2 H d_h d + 2 m d by hand, and the sentences."""
    t = small_task()
    assert hand.stored_parameters(hand.attention_only(t, d=32, d_h=8, H=5, generator=generator(0))) == 2 * 5 * 8 * 32
    with_mlp = hand.attention_and_mlp(t, d=32, m=11, generator=generator(0))
    assert hand.stored_parameters(with_mlp) == 2 * 2 * 32 * 32 + 2 * 11 * 32
    for H in (1, 13):
        with pytest.raises(ValueError, match=f"H is {H}; it must be between 2"):
            hand.head_sets(7, 5, H)
    with pytest.raises(ValueError, match="d_h is 33 and d is 32"):
        hand.attention_only(t, d=32, d_h=33, H=2, generator=generator(0))
    with pytest.raises(ValueError, match="m is 0"):
        hand.attention_and_mlp(t, d=32, m=0, generator=generator(0))
