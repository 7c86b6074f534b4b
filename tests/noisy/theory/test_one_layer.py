"""The one-layer model's gradients at zero and after one step, against autograd on the model itself."""

import pytest
import torch

from mechbook.noisy.theory.one_layer import first_gradients, key_query_gradient, logits, noise_margin, one_step_logits
from mechbook.noisy.theory.uniform_task import UniformNoisyTask, counts_of, sample_sequences

TASK = UniformNoisyTask(N=5, T=11, alpha=0.4)
V = TASK.N + 1


def drawn(m, seed=0):
    sequences = sample_sequences(TASK, m, torch.Generator().manual_seed(seed))
    return sequences, counts_of(TASK, sequences)


def orthonormal(seed):
    """Embeddings in seven dimensions, rows orthonormal: W_E and W_U must not be confused, nor rows with columns."""
    g = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(7, 7, generator=g, dtype=torch.float64))[0][:V]


def gradients(sequences, W_KQ, W_V, W_F, W_E, W_U):
    matrices = [W.clone().requires_grad_() for W in (W_KQ, W_V, W_F)]
    loss = torch.nn.functional.cross_entropy(logits(sequences.inputs, *matrices, W_E, W_U), sequences.targets)
    return torch.autograd.grad(loss, matrices)


def test_first_gradients_are_autograd_s():
    # Oracle: autograd through equation 1 with random orthonormal embeddings, float64.
    sequences, counts = drawn(13)
    W_E, W_U, zero = orthonormal(1), orthonormal(2), torch.zeros(7, 7, dtype=torch.float64)
    g_KQ, g_V, g_F = gradients(sequences, zero, zero, zero, W_E, W_U)
    column, values = first_gradients(counts.frequencies, counts.targets)
    assert float(g_KQ.abs().max()) == 0
    assert torch.allclose(W_U @ g_V @ W_E.T, values.mean(0), atol=1e-12)
    expected = torch.zeros(V, V, dtype=torch.float64)
    expected[:, 0] = column.mean(0)
    assert torch.allclose(W_U @ g_F @ W_E.T, expected, atol=1e-12)


def test_one_step_logits_are_the_model_s_after_that_step():
    # Oracle: the gradients summed into matrices, a step of size 1, and the product with the test frequencies.
    _, counts = drawn(17)
    _, test = drawn(3, seed=5)
    feed_forward, attention = one_step_logits(counts.frequencies, counts.targets, test.frequencies, 5)
    assert feed_forward.shape == (3, V) and attention.shape == (3, 3, V)
    for i in range(3):
        part = slice(5 * i, 5 * i + 5)
        column, values = first_gradients(counts.frequencies[part], counts.targets[part])
        assert torch.allclose(feed_forward[i], -column.mean(0), atol=1e-12)
        assert torch.allclose(attention[i], -test.frequencies @ values.mean(0).T, atol=1e-12)


def test_key_query_gradient_is_autograd_s_after_a_step():
    # Oracle: autograd at W_KQ = 0 with arbitrary W_V and W_F; predictions are the model's own.
    sequences, counts = drawn(13)
    W_E, W_U = orthonormal(1), orthonormal(2)
    g = torch.Generator().manual_seed(3)
    values, forward = torch.randn(2, V, V, generator=g, dtype=torch.float64)
    W_V, W_F, zero = W_U.T @ values @ W_E, W_U.T @ forward @ W_E, torch.zeros(7, 7, dtype=torch.float64)
    g_KQ = gradients(sequences, zero, W_V, W_F, W_E, W_U)[0]
    p = logits(sequences.inputs, zero, W_V, W_F, W_E, W_U).softmax(-1)
    found = key_query_gradient(counts.frequencies, counts.targets, values, p).mean(0)
    along = W_E @ g_KQ @ W_E.T
    assert torch.allclose(-along[0], found, atol=1e-12)
    assert float(along[1:].abs().max()) < 1e-12


def test_margin_is_noise_less_the_largest_other():
    # Oracle: by hand.
    x = torch.tensor([[1.0, 4.0, 2.0, 3.5], [0.0, -1.0, -2.0, 3.0]])
    assert noise_margin(x).tolist() == [-0.5, 3.0]


def test_a_step_on_no_or_too_many_sequences_is_refused():
    _, counts = drawn(4)
    for m in (0, 5):
        with pytest.raises(ValueError, match=f"m is {m}; an update takes between 1 and all 4 sequences."):
            one_step_logits(counts.frequencies, counts.targets, counts.frequencies, m)
