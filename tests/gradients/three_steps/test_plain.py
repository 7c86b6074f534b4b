"""The three steps as defined, against autograd through the model with each vector formed by a loop."""

import pytest
import torch

from mechbook.gradients.three_steps import plain
from mechbook.gradients.three_steps.probes import diagonal_gap, previous_gap
from tests.gradients.three_steps.small import B, N, T, batch, d, model, relative


def minus_gradient(logits, data):
    W = torch.zeros(d, d, dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(torch.stack([logits(W, z) for z in data.z]), data.y)
    return torch.autograd.grad(-loss, W)[0]


def means(x):
    """(1/t) sum_{s <= t} x_s, position by position."""
    return torch.stack([x[: t + 1].mean(0) for t in range(T)])


def test_step_on_W_O2_is_the_gradient_with_both_attentions_uniform():
    """Oracle: autograd; the logits are W_U W_O2 of the mean over the context (B.3.1)."""
    zero, data = model(), batch()

    def logits(W, z):
        x = zero.W_E[z] + zero.P
        layer_1 = torch.stack([zero.W_O1 @ zero.W_V1 @ v for v in means(x)])
        return zero.W_U @ W @ zero.W_V2 @ (x + layer_1).mean(0)

    assert relative(plain.W_O2_step(zero, data), minus_gradient(logits, data)) < 1e-12


def test_step_on_W_K2_is_the_gradient_with_layer_1_uniform():
    """Oracle: autograd through layer 2's softmax, keys of layer 1's output alone (B.3.2)."""
    first, data = model(W_O2=1.0), batch()

    def logits(W, z):
        x = first.W_E[z] + first.P
        keys = torch.stack([first.W_O1 @ first.W_V1 @ v for v in means(x)])
        attention = torch.stack([x[-1] @ W @ key for key in keys]).softmax(0)
        return first.W_U @ first.W_O2 @ first.W_V2 @ sum(a * v for a, v in zip(attention, x, strict=True))

    assert relative(plain.W_K2_step(first, data), minus_gradient(logits, data)) < 1e-12


def test_step_on_W_K1_is_the_gradient_with_layer_2_linearised():
    """Oracle: autograd through layer 1's softmax over positions and a_t = (1 + u_t - mean of u) / T (eq. 14, B.3.3)."""
    second, data = model(W_O2=1.0, W_K2=1.0), batch(size=29)

    def logits(W, z):
        x, keys = second.W_E[z], []
        for t in range(T):
            scores = torch.stack([second.P[t] @ W @ second.P[s] for s in range(t + 1)]).softmax(0)
            keys.append(sum(scores[s] * (second.W_O1 @ second.W_V1 @ x[s]) for s in range(t + 1)))
        u = torch.stack([x[-1] @ second.W_K2 @ key for key in keys])
        attention = (1 + u - u.mean()) / T
        return second.W_U @ second.W_O2 @ second.W_V2 @ sum(a * v for a, v in zip(attention, x, strict=True))

    assert relative(plain.W_K1_step(second, data), minus_gradient(logits, data)) < 1e-12


def test_three_steps_go_on_from_each_other_and_hit_their_targets():
    """Oracle: each step alone, from the model before it; the target sizes; what a step does not learn stays."""
    batches = [batch(size=300, seed=seed) for seed in range(3)]
    left = list(batches)
    models = plain.three_steps(model(), lambda: left.pop(0), 0.2, 20.0, 80.0)
    assert not left and len(models) == 4
    assert float(models[1].value_table.diagonal().mean()) == pytest.approx(0.2)
    assert diagonal_gap(models[2].score_table) == pytest.approx(20.0)
    assert float(previous_gap(models[3].position_scores).median()) == pytest.approx(80.0)
    steps = {"W_O2": plain.W_O2_step, "W_K2": plain.W_K2_step, "W_K1": plain.W_K1_step}
    for place, (name, step) in enumerate(steps.items()):
        before, after = models[place : place + 2]
        direction, learned = step(before, batches[place]), getattr(after, name)
        assert relative(learned / learned.norm(), direction / direction.norm()) < 1e-12
        for other in {*steps} - {name}:
            assert torch.equal(getattr(before, other), getattr(after, other))


def test_a_running_mean_is_the_mean_so_far():
    """Oracle: a loop."""
    x = torch.randn(B, T, N, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain.running_mean(x), torch.stack([means(one) for one in x]))
