"""The noisy-recall step for long sequences against the plain forward: same losses, same logits, same gradients."""

import itertools

import pytest
import torch
from torch.nn import functional as F

from mechbook.noisy import step
from mechbook.noisy.fast import selected_logits
from mechbook.noisy.model import NoisyConfig, NoisyTransformer
from mechbook.noisy.presets import LAPTOP, PAPER
from mechbook.noisy.step import selected_losses
from mechbook.noisy.task import sample, shakespeare_noisy_task
from mechbook.shared import tabulated

V, T, D, B = 7, 17, 13, 11
KINDS = ("mlp", "linear", "none")


@pytest.fixture
def always(monkeypatch):
    """Short sequences go through the step for long ones, too, cut into blocks and groups that end anywhere."""
    monkeypatch.setattr(tabulated, "LONG", 1)
    monkeypatch.setattr(tabulated, "QUERY_BLOCK", 5)
    monkeypatch.setattr(step, "GROUP", 3)


def model_of(F1="mlp", F2="mlp", output_matrix=False, **sizes):
    sizes = {"V": V, "T": T, "d": D} | sizes
    return NoisyTransformer(NoisyConfig(F1=F1, F2=F2, output_matrix=output_matrix, **sizes), generator(1)).double()


def generator(seed):
    return torch.Generator().manual_seed(seed)


def some_input(T=T, g=None):
    g = g or generator(2)
    z, targets = torch.randint(V, (2, B, T), generator=g)
    select = torch.rand(B, T, generator=g) < torch.rand(B, 1, generator=g) ** 2
    select[3], select[5] = False, True
    z[7] = z[7, 0]
    return z, select, targets


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}


def compare(model, z, select, targets, tolerance, weigh=torch.mean):
    """Assert equal losses and logits, and gradients equal relative to the largest entry of each."""
    plain_logits = model(z)[select]
    plain = F.cross_entropy(plain_logits, targets[select], reduction="none")
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            losses, logits = selected_losses(model, z, select, targets)
        assert losses.requires_grad == grad and not logits.requires_grad
        torch.testing.assert_close(losses, plain, atol=50 * tolerance, rtol=tolerance)
        torch.testing.assert_close(logits, plain_logits, atol=50 * tolerance, rtol=tolerance)
    expected, found = gradients(model, weigh(plain)), gradients(model, weigh(losses))
    assert found.keys() == expected.keys() and len(found) >= 1
    for name, gradient in found.items():
        assert expected[name].abs().max() > 0
        error = (gradient - expected[name]).abs().max() / expected[name].abs().max()
        assert error <= tolerance, (name, error.item())


@pytest.mark.parametrize(("F1", "F2"), list(itertools.product(KINDS, KINDS)))
@pytest.mark.parametrize("output_matrix", [False, True])
def test_equals_plain_forward_in_float64(always, F1, F2, output_matrix):
    # Oracle: the plain forward, explicit maps, 1e-10, at prime sizes; a sequence of one token, one without a selected
    # position, one with all.
    compare(model_of(F1, F2, output_matrix), *some_input(), 1e-10)


@pytest.mark.parametrize("trained", ["W_KQ1", "W_V1", "W_KQ2", "W_V2", "F1.W_in", "F1.W_out", "F2.W_in", "F2.W_out"])
def test_one_matrix_trained_alone(always, trained):
    # Oracle: the plain forward, float64.
    model = model_of()
    for name, p in model.named_parameters():
        p.requires_grad_(name == trained)
    compare(model, *some_input(), 1e-10)


def test_a_loss_that_weighs_positions_has_its_gradients():
    # Oracle: the plain forward's gradient of the same weighted sum, float64; T as long as it takes without a fixture.
    model = model_of(T=131)
    g = generator(3)
    z, select, targets = some_input(131, g)
    weights = torch.rand(int(select.sum()), generator=g, dtype=torch.float64)
    assert tabulated.is_long(z)
    compare(model, z, select, targets, 1e-10, lambda losses: (losses * weights).sum())


def test_sequences_shorter_than_the_model_and_than_a_block(always, monkeypatch):
    # Oracle: the plain forward, float64.
    monkeypatch.setattr(tabulated, "QUERY_BLOCK", 64)
    compare(model_of(T=19), *some_input(11), 1e-10)


def test_nothing_selected(always):
    # Oracle: an empty result and gradients of 0.
    model, (z, select, targets) = model_of(), some_input()
    losses, logits = selected_losses(model, z, torch.zeros_like(select), targets)
    assert losses.shape == (0,) and logits.shape == (0, V)
    assert all(bool((gradient == 0).all()) for gradient in gradients(model, losses.sum()).values())


def test_equals_plain_forward_in_float32_on_the_task():
    # Oracle: the plain forward on Shakespeare, half as long and wide as in the paper, 1e-4.
    task = shakespeare_noisy_task(T=tabulated.LONG, alpha=PAPER.alpha)
    batch = sample(task, 11, generator(4))
    model = model_of(V=task.N + 1, T=task.T, d=PAPER.d // 2).float()
    compare(model, batch.inputs, batch.in_context, batch.targets, 1e-4)


def test_the_laptop_s_sizes_keep_their_bits(monkeypatch):
    # Oracle: the loss by `selected_logits` and its gradients, bit for bit; the table is not even made.
    monkeypatch.setattr(step, "ScoreTable", None)
    task = shakespeare_noisy_task(T=LAPTOP.T, alpha=LAPTOP.alpha)
    batch = sample(task, 7, generator(5))
    model = model_of(V=task.N + 1, T=task.T, d=LAPTOP.d).float()
    losses, logits = selected_losses(model, batch.inputs, batch.in_context, batch.targets)
    expected = selected_logits(model, batch.inputs, batch.in_context)
    plain = F.cross_entropy(expected, batch.targets[batch.in_context], reduction="none")
    assert torch.equal(logits, expected) and torch.equal(losses, plain)
    before, after = gradients(model, plain.mean()), gradients(model, losses.mean())
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_too_many_positions_are_refused(always):
    # Oracle: the sentence.
    z = torch.zeros(2, T + 1, dtype=torch.int64)
    with pytest.raises(ValueError, match="18 positions; this model has 17"):
        selected_losses(model_of(), z, z == 0, z)
