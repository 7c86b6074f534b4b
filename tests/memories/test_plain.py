"""The plain definitions of chapter 1 and what the package computes in their place."""

import pytest
import torch

from mechbook.memories import plain
from mechbook.memories.outer_product import predicted_recall


@pytest.mark.parametrize("N, d", [(3, 2), (5, 7), (101, 31), (397, 61)])
def test_the_recall_of_unit_norm_embeddings_is_the_general_one(N, d):
    """Oracle: each other, to 1e-12: nested loops over nodes, and one array over all of them."""
    assert plain.unit_norm_recall(N, d) == pytest.approx(predicted_recall(N, d, unit_norm=True), abs=1e-12)


def test_the_error_of_a_weighted_memory_is_that_of_a_loop_over_inputs():
    """Oracle: W and each input's scores by hand, on the same draw of embeddings."""
    p, f = torch.tensor([0.5, 0.2, 0.2, 0.1], dtype=torch.float64), torch.tensor([0, 1, 2, 0])
    weights = torch.tensor([1.0, 0.5, 0.1, 0.0])
    for seed in range(5):
        g = torch.Generator().manual_seed(seed)
        u, v = (x / x.norm(dim=1, keepdim=True) for x in (torch.randn(n, 3, generator=g) / 3**0.5 for n in (4, 3)))
        W = sum(weights[x] * torch.outer(v[f[x]], u[x]) for x in range(4))
        wanted = sum(float(p[x]) for x in range(4) if int((v @ W @ u[x]).argmax()) != int(f[x]))
        found = plain.weighted_error(p, f, weights, 3, torch.Generator().manual_seed(seed))
        assert found == pytest.approx(wanted, abs=1e-12)
