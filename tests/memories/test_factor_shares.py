"""What each factor's step alone stores. Oracles: the mean's closed form, a loop over pairs, a wrong implementation."""

import pytest
import torch

from mechbook.claims.criteria import CRITERIA
from mechbook.memories import claims as claims
from mechbook.memories import factor_shares as shares
from mechbook.memories.outer_product import draw_embeddings
from mechbook.memories.presets import LAPTOP
from mechbook.memories.streams import STREAMS


def test_each_factor_has_half_and_both_have_all() -> None:
    """Oracle: E[V_0^T V_0] = (d'/d) I, so that each step stores W / 2; and a loop over pairs for the first memory."""
    one, two = shares.factor_shares(LAPTOP, 0)
    assert one == pytest.approx(0.5, abs=0.05) and two == pytest.approx(0.5, abs=0.05)
    how, N, d = LAPTOP.factors, LAPTOP.factors.N[0], LAPTOP.factors.d
    generator, found = STREAMS.generator("shares of two factors", 0), []
    for _ in range(how.memories):
        u, v = (draw_embeddings(N, d, generator=generator, unit_norm=True) for _ in range(2))
        U_0, V_0 = (torch.randn(d, d, generator=generator) / d**0.5 for _ in range(2))
        A = sum(torch.outer(v[i], V_0 @ u[i]) for i in range(N))
        B = sum(torch.outer(U_0.T @ v[i], u[i]) for i in range(N))
        W = sum(torch.outer(v[i], u[i]) for i in range(N))
        right = [sum(float(v[i] @ M @ u[i]) for i in range(N)) for M in (A @ V_0 / 2, U_0 @ B / 2, W)]
        found.append([right[0] / right[2], right[1] / right[2]])
    expected = torch.tensor(found).mean(0)
    torch.testing.assert_close(torch.tensor([one, two]), expected, atol=1e-4, rtol=1e-4)


def test_one_factor_stepped_twice_as_far_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the wrong implementation, whose right scores are as high as the full matrix'; the two checks fail."""

    def only_U(keys, values, d_prime, *, generator, step=1.0):
        d = keys.shape[1]
        U_0 = torch.randn(d, d_prime, generator=generator) / d**0.5
        V_0 = torch.randn(d_prime, d, generator=generator) / d**0.5
        return U_0 + 2 * step * values.T @ (keys @ V_0.T), V_0

    monkeypatch.setattr(shares, "factorised_memory", only_U)
    found = []
    for seed in range(3):
        by_U, by_V = shares.factor_shares(LAPTOP, seed)
        assert by_U == pytest.approx(1, abs=0.1) and by_V == 0
        found.append({"recall": 1.0, "full": 1.0, "strength": by_U + by_V, "by_U": by_U, "by_V": by_V})
    checks = CRITERIA["am.factorised"]("am.factorised", found, "laptop")
    assert {"by_U", "by_V"} == {check.label for check in checks if not check.ok}
