"""The linear memory with common noise: gradients against autograd, truncation against the exact probe, the optimum."""

import math

import pytest
import torch

from mechbook.noisy.theory.memory import (
    clean_loss,
    descend,
    gradient,
    log_odds,
    noise_singular_value,
    on_sphere,
    orthonormal,
    scores,
    signal_at,
    symmetric_optimum,
    target,
    truncate,
    truncation_helps,
)
from mechbook.shared.truncation import LowRank


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def memory(runs=3, n=2, d=5):
    g = generator(1)
    return (
        torch.randn(runs, d, d, generator=g, dtype=torch.float64),
        on_sphere(runs, n, d, g),
        on_sphere(runs, n + 1, d, g),
    )


def test_target_by_hand():
    # Oracle: equation 4 written out.
    assert target(2, 0.25).tolist() == [[0.75, 0.0, 0.25], [0.0, 0.75, 0.25]]


def test_gradient_is_autograd_s_of_the_mean_loss():
    # Oracle: autograd of the cross-entropy written with loops over runs and inputs; equation 5's logit by index.
    W, E, U = memory()
    W.requires_grad_()
    targets, total = target(2, 0.3), 0.0
    for r in range(3):
        for i in range(2):
            logit = torch.stack([U[r, j] @ W[r] @ E[r, i] for j in range(3)])
            assert torch.allclose(scores(W, E, U)[r, i], logit, atol=1e-12)
            total = total - (targets[i] * logit.log_softmax(0)).sum() / 2
    expected = torch.autograd.grad(total, W)[0]
    assert torch.allclose(gradient(W.detach(), E, U, targets[None]), expected, atol=1e-12)


def test_descent_takes_these_steps():
    # Oracle: a loop, each run by itself.
    W, E, U = memory()
    targets = torch.stack([target(2, alpha) for alpha in (0.1, 0.3, 0.6)])
    path = descend(W, E, U, targets, lr=0.7, record=[0, 2, 5])
    assert torch.equal(path[0], W)
    for r in range(3):
        w = W[r]
        for step in range(1, 6):
            w = w - 0.7 * gradient(w, E[r], U[r], targets[r])
            if step in (2, 5):
                assert torch.allclose(path[(2, 5).index(step) + 1, r], w, atol=1e-12)


def test_truncation_is_the_exact_probe_s():
    # Oracle: mechbook.shared.truncation, one matrix at a time.
    W, _, _ = memory()
    for rank in range(6):
        cut = truncate(W, rank)
        for r in range(3):
            assert torch.allclose(cut[r], LowRank(W[r]).rank(rank), atol=1e-12)


def test_clean_loss_by_a_loop():
    # Oracle: -log of the softmax's entry for the correct output.
    W, E, U = memory()
    p = scores(W, E, U).softmax(-1)
    expected = [-(math.log(p[r, 0, 0]) + math.log(p[r, 1, 1])) / 2 for r in range(3)]
    assert torch.allclose(clean_loss(W, E, U), torch.tensor(expected, dtype=torch.float64), atol=1e-12)


def test_embeddings_have_the_lengths_and_angles_they_should():
    # Oracle: Gram matrices; on the sphere inner products have mean 0 and variance 1/d, within 4 standard errors.
    Q = orthonormal(4, 3, 7, generator(2))
    assert torch.allclose(Q @ Q.mT, torch.eye(3, dtype=torch.float64).expand(4, 3, 3), atol=1e-12)
    X = on_sphere(20_000, 2, 7, generator(3))
    assert float((X.norm(dim=-1) - 1).abs().max()) < 1e-12
    inner = (X[:, 0] * X[:, 1]).sum(-1)
    assert abs(float(inner.mean())) < 4 / (7 * 20_000) ** 0.5
    assert abs(float((inner**2).mean()) - 1 / 7) < 4 * float((inner**2).std()) / 20_000**0.5


CASES = [(2, 9.0, 0.25), (3, 8.0, 0.03), (5, 6.0, 0.1), (4, 2.0, 0.7)]


@pytest.mark.parametrize(("n", "a", "alpha"), CASES)
def test_spectrum_of_the_optimum(n, a, alpha):
    # Oracle: torch's singular values of the logit matrix, which sums to zero and gives noise its odds.
    logits = symmetric_optimum(n, a, alpha)
    assert float(logits.sum(0).abs().max()) < 1e-12
    assert torch.allclose(logits[0, 0] - logits[n, 0], torch.tensor(log_odds(alpha), dtype=torch.float64), atol=1e-12)
    assert abs(float(logits[0, 0] - logits[1, 0]) - a) < 1e-12
    expected = sorted([*[a] * (n - 1), noise_singular_value(n, a, alpha)], reverse=True)
    found = torch.linalg.svdvals(logits)
    assert torch.allclose(found, torch.tensor(expected, dtype=torch.float64), atol=1e-10)


@pytest.mark.parametrize("n", [2, 3, 4, 6])
@pytest.mark.parametrize("a", [1.0, 5.0, 9.0])
@pytest.mark.parametrize("alpha", [0.003, 0.02, 0.1, 0.45, 0.6])
def test_truncation_helps_exactly_where_it_is_said_to(n, a, alpha):
    # Oracle: the truncated optimum's clean loss with one-hot embeddings.
    logits = symmetric_optimum(n, a, alpha)
    W = torch.zeros(n + 1, n + 1, dtype=torch.float64)
    W[:, :n] = logits
    U = torch.eye(n + 1, dtype=torch.float64)
    helps = bool(clean_loss(truncate(W, n - 1), U[:n], U) < clean_loss(W, U[:n], U) - 1e-12)
    assert helps is truncation_helps(n, a, alpha)


def test_the_signal_grows_as_the_logarithm_of_time():
    # Oracle: gradient descent with n = 4 from zero; the law is asymptotic, so within 0.02 at t = 6000.
    U = torch.eye(5, dtype=torch.float64)[None]
    E = U[:, :4]
    W = descend(torch.zeros(1, 5, 5, dtype=torch.float64), E, U, target(4, 0.3)[None], lr=4.0, record=[1500])[0]
    logits = scores(W, E, U)[0]
    assert abs(float(logits[0, 0] - logits[0, 1]) - signal_at(4, 0.3, 6000)) < 0.02


def test_what_cannot_be_is_refused():
    W, E, U = memory()
    targets = target(2, 0.3)[None]
    refused = [
        (lambda: target(0, 0.5), "n is 0; a memory needs at least one input."),
        (lambda: target(2, 1.5), r"alpha is 1.5; it is a probability and must lie in \[0, 1\]."),
        (lambda: target(2, float("nan")), "alpha is nan"),
        (lambda: truncate(W, 6), "rank is 6; a 5 by 5 matrix is cut to a rank between 0 and 5."),
        (lambda: truncate(W, -1), "rank is -1"),
        (lambda: descend(W, E, U, targets, lr=float("inf"), record=[1]), "lr is inf; the step size must be a positive"),
        (lambda: descend(W, E, U, targets, lr=float("nan"), record=[1]), "lr is nan"),
        (lambda: descend(W, E, U, targets, lr=0.0, record=[1]), "lr is 0.0"),
        (
            lambda: descend(W, E, U, targets, lr=1.0, record=[3, 1]),
            r"record is \[3, 1\]; it must name increasing steps",
        ),
        (lambda: descend(W, E, U, targets, lr=1.0, record=[]), "record is"),
        (lambda: orthonormal(1, 4, 3, generator()), "4 vectors cannot be orthonormal in dimension 3"),
        (lambda: log_odds(0.0), "alpha is 0.0; .* strictly between 0 and 1."),
        (lambda: symmetric_optimum(0, 1.0, 0.5), "n is 0"),
    ]
    for call, words in refused:
        with pytest.raises(ValueError, match=words):
            call()
