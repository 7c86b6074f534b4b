"""Truncation against Eckart and Young, numpy and scipy, and its restoration bit for bit."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn

from mechbook.shared.truncation import LowRank, named_parameter, rank_of, truncated


def matrix(rows=13, columns=7, dtype=torch.float64, seed=1):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


class Two(nn.Module):
    def __init__(self, dtype=torch.float64):
        super().__init__()
        self.inner = nn.ModuleDict({"W_in": nn.Linear(7, 13, bias=True, dtype=dtype)})
        self.other = nn.Parameter(matrix(5, 5, dtype))


@pytest.mark.parametrize("shape", [(13, 7), (7, 13), (11, 11)])
def test_error_is_that_of_eckart_and_young(shape):
    """Oracle: numpy's singular values: errors s_{k+1} (spectral), root of the rest's squares (Frobenius), to 1e-10."""
    W = matrix(*shape)
    s, low = np.linalg.svd(W.numpy(), compute_uv=False), LowRank(W)
    for rank in range(low.full_rank + 1):
        gap = W - low.rank(rank)
        assert abs(float(torch.linalg.matrix_norm(gap, 2)) - (s[rank] if rank < len(s) else 0.0)) < 1e-10
        assert abs(float(gap.norm()) - float(np.sqrt((s[rank:] ** 2).sum()))) < 1e-10
        assert np.linalg.matrix_rank(low.rank(rank).numpy()) == rank


def test_agrees_with_scipy():
    """Oracle: scipy's svd with LAPACK's other driver, summed term by term; 1e-10."""
    W = matrix(7, 13)
    u, s, vh = scipy.linalg.svd(W.numpy(), lapack_driver="gesvd")
    for rank in (1, 3, 6):
        expected = sum(s[i] * np.outer(u[:, i], vh[i]) for i in range(rank))
        np.testing.assert_allclose(LowRank(W).rank(rank).numpy(), expected, atol=1e-10)


def test_cutting_twice_is_cutting_once_and_full_rank_is_the_matrix():
    """Oracle: idempotence to 1e-10; the whole matrix bit for bit, rank 0 exactly zero, in any type."""
    W = matrix()
    once = LowRank(W).rank(3)
    torch.testing.assert_close(LowRank(once).rank(3), once, atol=1e-10, rtol=0)
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        low = LowRank(matrix(dtype=dtype))
        assert torch.equal(low.rank(7), matrix(dtype=dtype)) and torch.equal(low.fraction(1.0), matrix(dtype=dtype))
        assert not bool(low.rank(0).any()) and low.rank(2).dtype == dtype


def test_half_precision_is_cut_in_single_and_rounded_once():
    """Oracle: numpy's truncation in float64; off by bfloat16's one rounding, 2^-8 of each entry, and by no more."""
    W = matrix(dtype=torch.bfloat16)
    u, s, vh = np.linalg.svd(W.double().numpy(), full_matrices=False)
    exact = torch.from_numpy((u[:, :2] * s[:2]) @ vh[:2])
    assert bool(((LowRank(W).rank(2).double() - exact).abs() <= 2**-8 * exact.abs() + 1e-6).all())


@pytest.mark.parametrize(
    ("rho", "d", "rank"),
    [(0.0, 128, 0), (0.01, 128, 1), (0.05, 128, 6), (0.2, 128, 25), (1.0, 7, 7), (0.29, 100, 29), (0.999, 7, 6)],
)
def test_rank_of_a_fraction_is_the_floor(rho, d, rank):
    """Oracle: floor(rho d) by hand, 0.29 x 100 among them, which floating point puts below 29."""
    assert rank_of(rho, d) == rank


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_bit_comes_back(dtype):
    """Oracle: torch.equal on every parameter, after nested blocks, several ranks, and an error inside."""
    model = Two(dtype)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with truncated(model, "inner.W_in.weight") as weight:
        assert torch.equal(model.inner["W_in"].weight, before["inner.W_in.weight"])
        for rank in (1, 4, 0):
            weight.keep(rank=rank)
            expected = LowRank(before["inner.W_in.weight"]).rank(rank)
            assert torch.equal(model.inner["W_in"].weight, expected)
        with truncated(model, "other", rho=0.4):
            assert torch.equal(model.other, LowRank(before["other"]).rank(2))
            assert torch.equal(model.inner["W_in"].bias, before["inner.W_in.bias"])
        assert torch.equal(model.other, before["other"])
    with pytest.raises(RuntimeError, match="inside"), truncated(model, "other", rank=1):
        raise RuntimeError("inside")
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_parameter_stays_itself_and_a_tied_one_is_cut_too():
    """Oracle: identity of the object, and its twin under another name."""
    model = Two()
    model.twin = model.other
    with truncated(model, "twin", rank=1):
        assert model.twin is model.other and np.linalg.matrix_rank(model.other.detach().numpy()) == 1


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (
            lambda m: truncated(m, "inner.W_in.wieght", rank=1),
            "no weight named 'inner.W_in.wieght'; some .* inner.W_in.weight",
        ),
        (lambda m: truncated(m, "zzz", rank=1), "no weight named 'zzz'; some that it has are "),
        (lambda m: truncated(m, "other", rank=6), "the rank is 6; of this matrix it must be between 0 and 5"),
        (lambda m: truncated(m, "other", rank=-1), "the rank is -1"),
        (
            lambda m: truncated(m, "other", rho=1.01),
            r"rho is 1.01; the fraction of the rank to keep must be in \[0, 1\]",
        ),
        (lambda m: truncated(m, "other", rho=-0.1), "rho is -0.1"),
        (lambda m: truncated(m, "other", rho=float("nan")), "rho is nan"),
        (lambda m: truncated(m, "other", rank=1, rho=0.5), "exactly one of them must be given"),
        (lambda m: truncated(m, "inner.W_in.bias", rank=1), r"a weight of shape \(13,\) is no matrix"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence_and_changes_nothing(use, words):
    """Oracle: the sentence, and every bit of the model."""
    model = Two()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=words), use(model):
        pass
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_entries_that_are_not_finite_are_refused():
    """Oracle: the sentence."""
    W = matrix()
    W[2, 3] = float("inf")
    with pytest.raises(ValueError, match="not finite"):
        LowRank(W)


def test_names_are_those_of_the_model():
    """Oracle: identity."""
    model = Two()
    assert named_parameter(model, "inner.W_in.bias") is model.inner["W_in"].bias
