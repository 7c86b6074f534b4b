"""The theory's rates against the exact gradient, and its time against the flow."""

import pytest
import torch

from mechbook.facts.task import structured_answers
from mechbook.facts.theory import escape_steps, growth_rates


@pytest.mark.parametrize("relation_known", [False, True])
@pytest.mark.parametrize(("S", "R", "D"), [(6, 5, 3), (16, 4, 8), (3, 7, 3)])
def test_rates_are_norms_of_the_exact_gradient(S: int, R: int, D: int, relation_known: bool) -> None:
    """Oracle: g_z by a loop over all facts, at the uniform prediction; for subjects also where relations are known."""
    answers, A = structured_answers(S, R, D), R * D
    g = torch.zeros(S + R, A, dtype=torch.float64)
    for s in range(S):
        for r in range(R):
            error = torch.full((A,), -1 / A, dtype=torch.float64)
            if relation_known:
                error.zero_()
                error[r * D : (r + 1) * D] = -1 / D
            error[answers[s, r]] += 1
            g[s] += error / (S * R)
            g[S + r] += error / (S * R)
    relation, subject = growth_rates(S, R, D)
    assert float((g[:S].norm(dim=1) - subject).abs().max()) < 1e-12
    expected = 0.0 if relation_known else relation
    assert float((g[S:].norm(dim=1) - expected).abs().max()) < 1e-12
    assert float(g.sum(1).abs().max()) < 1e-12


def test_the_time_of_escape_is_that_of_the_flow() -> None:
    """Oracle: Euler steps of w' = lr |g| W, W' = lr |g| w from (init, 0), until w W = 1."""
    rate, lr, init = 0.0765, 0.1, 1e-5
    w, W, step = init, 0.0, 0
    while w * W < 1:
        w, W, step = w + lr * rate * W, W + lr * rate * w, step + 1
    assert escape_steps(rate, lr, init) == pytest.approx(step, rel=0.01)
