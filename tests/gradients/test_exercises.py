"""The exercises' checks: right answers found another way are accepted, likely mistakes are told."""

import torch

from mechbook.gradients.exercises import growing, norm_after_a_step, spurious, spurious_share
from mechbook.gradients.lemmas import layer_norm_gradient
from mechbook.gradients.three_steps.factors import tau


def verdict(exercise, answer, capsys):
    exercise.check(answer)
    return capsys.readouterr().out


def test_spurious_share_is_tau(capsys):
    """Oracle: the package's tau, from harmonic tails; a sum that starts at t_o + 1 is wrong."""
    for T in (2, 13, 64):
        assert abs(spurious_share(T) - tau(T)) < 1e-12
    assert ": right." in verdict(spurious, tau, capsys)
    assert "not right" in verdict(spurious, lambda T: tau(T) - 1 / T, capsys)
    assert "not answered" in verdict(spurious, None, capsys)


def test_norm_after_a_step_is_that_of_a_step(capsys):
    """Oracle: a descent step under LayerNorm on random data."""
    random = torch.Generator().manual_seed(0)
    W, inputs, W_U = (torch.randn(n, 7, generator=random, dtype=torch.float64) for n in (7, 5, 3))
    joint = torch.rand(5, 3, generator=random, dtype=torch.float64)
    G = layer_norm_gradient(W, inputs, W_U, joint / joint.sum())
    expected = float((W - 3.0 * G).norm())
    assert abs(norm_after_a_step(float(W.norm()), float(G.norm()), 3.0) - expected) < 1e-12
    assert ": right." in verdict(growing, lambda w, g, lr: (w * w + (lr * g) ** 2) ** 0.5, capsys)
    assert "not right" in verdict(growing, lambda w, g, lr: w + lr * g, capsys)
