"""Embeddings: scale, orthonormality across sets, refusals."""

import math

import pytest
import torch

from mechbook.shared.embeddings import orthonormal_embeddings, random_embeddings


def test_random_embeddings_have_the_scale_asked_for():
    # Oracle: mean 0 and variance std^2, within five standard errors of n d normal numbers.
    n, d, std = 211, 307, 0.3
    x = random_embeddings(n, d, std=std, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert x.shape == (n, d) and x.dtype == torch.float64
    assert abs(x.mean().item()) < 5 * std / math.sqrt(n * d)
    assert abs(x.var().item() - std**2) < 5 * std**2 * math.sqrt(2 / (n * d))


def test_generator_decides():
    # Oracle: equality.
    draws = [random_embeddings(3, 5, std=1.0, generator=torch.Generator().manual_seed(s)) for s in (4, 4, 5)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


def test_orthonormal_embeddings_are_orthonormal_across_sets():
    # Oracle: the Gram matrix of all sets together is the identity.
    sets = orthonormal_embeddings([3, 5, 7], 17, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert [tuple(each.shape) for each in sets] == [(3, 17), (5, 17), (7, 17)]
    rows = torch.cat(sets)
    torch.testing.assert_close(rows @ rows.T, torch.eye(15, dtype=torch.float64), atol=1e-12, rtol=0)


def test_as_many_as_dimensions_fit_and_no_more():
    # Oracle: d orthonormal vectors exist, d + 1 do not.
    generator = torch.Generator()
    assert len(orthonormal_embeddings([4, 7], 11, generator=generator)) == 2
    with pytest.raises(ValueError, match="12 orthonormal embeddings are asked for; in d = 11 dimensions .* at most 11"):
        orthonormal_embeddings([5, 7], 11, generator=generator)
    with pytest.raises(ValueError, match=r"counts is \[3, 0\]; it must hold numbers >= 1"):
        orthonormal_embeddings([3, 0], 11, generator=generator)


def test_orthonormal_frames_have_no_preferred_sign():
    # Oracle: each entry of a uniform frame is positive half of the time; five standard errors of 400 draws.
    generator = torch.Generator().manual_seed(3)
    positive = torch.stack([orthonormal_embeddings([2], 3, generator=generator)[0] > 0 for _ in range(400)])
    assert bool(((positive.double().mean(0) - 0.5).abs() < 5 * 0.5 / 20).all())


def test_impossible_random_embeddings_are_refused():
    # Oracle: the sentences.
    with pytest.raises(ValueError, match="n is 0 and d is 5; both must be at least 1"):
        random_embeddings(0, 5, std=1.0, generator=torch.Generator())
    with pytest.raises(ValueError, match=r"std is -1.0; it must be > 0"):
        random_embeddings(2, 5, std=-1.0, generator=torch.Generator())
