"""The gradients from counts against their definitions, on the dense streams."""

from dataclasses import replace

import pytest
import torch

from mechbook.gradients.three_steps import plain
from mechbook.gradients.three_steps.counts import (
    W_K1_counts,
    W_K1_step,
    W_K2_counts,
    W_K2_step,
    W_O2_counts,
    W_O2_step,
    harmonic_tails,
)
from mechbook.gradients.three_steps.model import predict
from tests.gradients.three_steps.small import N, batch, d, model, relative


def test_step_on_W_O2_is_that_of_its_definition():
    """Oracle: the definition, Lemma 2 on x of B.3.1."""
    zero, data = model(), batch()
    assert relative(W_O2_step(zero, W_O2_counts(data, N)), plain.W_O2_step(zero, data)) < 1e-12


def test_step_on_W_K2_is_that_of_its_definition():
    """Oracle: the definition, Lemma 4 on B.3.2's vectors; W_O2 large enough that p_hat is not 1/N."""
    first, data = model(W_O2=1.0), batch()
    counts = W_K2_counts(data, first.value_table, first.position_value_table)
    assert relative(W_K2_step(first, counts), plain.W_K2_step(first, data)) < 1e-12


def test_step_on_W_K1_is_that_of_its_definition():
    """Oracle: the definition, Lemma 5 on tokens and positions (B.3.3)."""
    second, data = model(W_O2=1.0, W_K2=1.0), batch()
    counts = W_K1_counts(data, second.value_table, second.score_table)
    assert relative(W_K1_step(second, counts), plain.W_K1_step(second, data)) < 1e-12


def test_step_on_W_K1_with_the_exact_softmax_is_the_gradient_of_what_predicts():
    """Oracle: autograd through `predict`, both softmaxes exact, at W_K1 = 0."""
    second, data = model(W_O2=1.0, W_K2=1.0), batch()
    W = torch.zeros(d, d, dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(predict(replace(second, W_K1=W), data)[0], data.y)
    (expected,) = torch.autograd.grad(-loss, W)
    counts = W_K1_counts(data, second.value_table, second.score_table, "softmax")
    assert relative(W_K1_step(second, counts), expected) < 1e-12


def test_harmonic_tails_are_double_sums():
    """Oracle: the sums."""
    for size in (2, 7, 64):
        expected = [sum(1 / t for t in range(s, size + 1)) for s in range(1, size + 1)]
        assert harmonic_tails(size).tolist() == pytest.approx(expected)


def test_an_unknown_second_layer_is_refused():
    """Oracle: the sentence."""
    table = torch.eye(5, dtype=torch.float64)
    with pytest.raises(ValueError, match="second_layer is 'hard'"):
        W_K1_counts(batch(), table, table, "hard")
