"""The probes of noisy recall against loops and numbers by hand."""

import math

import pytest
import torch

from mechbook.noisy.probes import (
    attention_after_trigger,
    diagonal_margins,
    noise_margin,
    pair_positions,
    prediction,
)


def test_prediction_equals_the_loop():
    """Oracle: the definition, prediction by prediction, in float64 to 1e-12."""
    g = torch.Generator().manual_seed(1)
    logits = torch.randn(17, 5, generator=g, dtype=torch.float64) * 3
    answers, noise = torch.randint(4, (17,), generator=g), 4
    totals = dict.fromkeys(("noise", "correct", "clean_loss", "noise_first"), 0.0)
    for row, answer in zip(logits.tolist(), answers.tolist(), strict=True):
        total = sum(math.exp(v) for v in row)
        totals["noise"] += math.exp(row[noise]) / total / 17
        totals["correct"] += math.exp(row[answer]) / total / 17
        totals["clean_loss"] -= math.log(math.exp(row[answer]) / total) / 17
        totals["noise_first"] += (row.index(max(row)) == noise) / 17
    found = prediction(logits, answers, noise)
    assert found.keys() == totals.keys()
    for name, value in totals.items():
        assert abs(found[name] - value) < 1e-12, name


def test_pairs_are_those_of_the_loop():
    """Oracle: the loop; position 0 has no predecessor and is never marked."""
    inputs = torch.randint(3, (13, 11), generator=torch.Generator().manual_seed(2))
    first, second = inputs[:, 5], inputs[:, 7]
    marked = pair_positions(inputs, first, second)
    for b in range(13):
        for t in range(11):
            expected = t > 0 and inputs[b, t - 1] == first[b] and inputs[b, t] == second[b]
            assert bool(marked[b, t]) is bool(expected)
    assert bool(marked.any())


def test_attention_after_the_trigger_equals_the_loop():
    """Oracle: a loop over positions; only the token's places after an earlier occurrence of the last input count."""
    g = torch.Generator().manual_seed(3)
    inputs, token = torch.randint(3, (13, 11), generator=g), torch.randint(3, (13,), generator=g)
    attention = torch.rand(13, 11, generator=g, dtype=torch.float64)
    found = attention_after_trigger(attention, inputs, token)
    for b, z in enumerate(inputs.tolist()):
        places = [t for t in range(1, 11) if z[t - 1] == z[-1] and z[t] == int(token[b])]
        assert float(found[b]) == pytest.approx(sum(float(attention[b, t]) for t in places), abs=1e-12)


def test_noise_margin_by_hand():
    """Oracle: logits (1, 5, 2) and (7, 0, -1) with noise 0 give margins -4 and 7, exactly."""
    W_U = torch.eye(3, dtype=torch.float64)
    added = torch.tensor([[1.0, 5.0, 2.0], [7.0, 0.0, -1.0]], dtype=torch.float64)
    assert noise_margin(added, W_U, 0).tolist() == [-4.0, 7.0]
    assert noise_margin(added, W_U, 2).tolist() == [-3.0, -8.0]


@pytest.mark.parametrize(("triggers", "margins"), [([1], [3.0]), ([1, 2], [5.0, 2.0]), ([0, 1, 2], [-3.0, 5.0, 2.0])])
def test_diagonal_margins_by_hand(triggers, margins):
    """Oracle: the largest of the entries that are not on the triggers' diagonal, by eye."""
    matrix = torch.tensor([[1.0, 2.0, 0.0], [4.0, 9.0, -3.0], [3.0, 1.0, 6.0]])
    assert diagonal_margins(matrix, torch.tensor(triggers)).tolist() == margins
