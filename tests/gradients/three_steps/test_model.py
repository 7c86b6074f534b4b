"""The three-step model position by position, and its tables entry by entry."""

import pytest
import torch

from mechbook.gradients.three_steps import plain
from mechbook.gradients.three_steps.model import initial, predict
from tests.gradients.three_steps.small import N, T, batch, generator, model


@pytest.mark.parametrize("form", ["tables", "tables, position in query", "plain"])
def test_prediction_is_two_layers_of_attention(form):
    """Oracle: both layers position by position, from the vectors."""
    third, data = model(W_O2=1.0, W_K2=1.0, W_K1=1.0), batch(size=13)
    in_query = form == "tables, position in query"
    found = plain.predict(third, data) if form == "plain" else predict(third, data, position_in_query=in_query)
    for b, z in enumerate(data.z):
        x, keys = third.W_E[z], []
        for t in range(T):
            scores = torch.stack([third.P[t] @ third.W_K1 @ third.P[s] for s in range(t + 1)]).softmax(0)
            keys.append(sum(scores[s] * (third.W_O1 @ third.W_V1 @ x[s]) for s in range(t + 1)))
        query = x[-1] + (third.P[-1] if in_query else 0)
        weights = torch.stack([query @ third.W_K2 @ key for key in keys]).softmax(0)
        mixed = sum(weights[t] * (third.W_V2 @ x[t]) for t in range(T))
        torch.testing.assert_close(found[1][b], weights, atol=1e-12, rtol=1e-10)
        torch.testing.assert_close(found[0][b], third.W_U @ third.W_O2 @ mixed, atol=1e-12, rtol=1e-10)


def test_spurious_table_is_what_W_O2_says_of_marks():
    """Oracle: one entry at a time."""
    first = model(W_O2=1.0)
    for k in range(N):
        for j in range(N):
            expected = first.W_U[k] @ first.W_O2 @ first.W_V2 @ first.W_O1 @ first.W_V1 @ first.W_E[j]
            assert float(first.spurious_table[k, j]) == pytest.approx(float(expected), rel=1e-10)


def test_a_model_without_dimensions_is_refused():
    """Oracle: the sentence."""
    with pytest.raises(ValueError, match="d is 0; both must be at least 1"):
        initial(5, 7, 0, generator(), dtype=torch.float64)
