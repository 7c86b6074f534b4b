"""Accuracy and losses against the same numbers taken position by position."""

import math

import pytest
import torch

from mechbook.induction.metrics import accuracy, cross_entropy, global_loss, in_context_accuracy, in_context_loss
from mechbook.shared.bigrams import sample, shakespeare_task

TASK = shakespeare_task(T=37, K=3)


def draw():
    batch = sample(TASK, 7, torch.Generator().manual_seed(1))
    logits = torch.randn(7, 37, 65, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    # right about half of the time, so that no accuracy is 0 or 1
    logits.scatter_add_(2, batch.targets.unsqueeze(-1), 5 * torch.rand(7, 37, 1, dtype=torch.float64))
    return logits, batch


def by_hand(logits, batch, where):
    losses, hits = [], []
    for b, t in where.nonzero().tolist():
        row, target = logits[b, t], batch.z[b, t + 1].item()
        losses.append(row.exp().sum().log().item() - row[target].item())
        hits.append(row.argmax().item() == target)
    return sum(losses) / len(losses), sum(hits) / len(hits)


def test_numbers_match_a_loop_over_marked_positions():
    # Oracle: the loop, on masks spelled out here: triggers seen before, and tokens that are no triggers.
    logits, batch = draw()
    triggers = [set(row.tolist()) for row in batch.triggers]
    is_trigger = torch.tensor([[z in triggers[b] for z in row] for b, row in enumerate(batch.inputs.tolist())])
    repeated = torch.tensor([[z in row[:t] for t, z in enumerate(row)] for row in batch.inputs.tolist()])
    loss, share = by_hand(logits, batch, is_trigger & repeated)
    assert in_context_loss(logits, batch).item() == pytest.approx(loss, abs=1e-12)
    assert in_context_accuracy(logits, batch).item() == pytest.approx(share, abs=1e-12)
    loss, share = by_hand(logits, batch, ~is_trigger)
    assert global_loss(logits, batch).item() == pytest.approx(loss, abs=1e-12)
    assert accuracy(logits, batch.targets, ~is_trigger).item() == pytest.approx(share, abs=1e-12)
    assert 0.1 < share < 0.9


def test_loss_has_the_gradient_of_the_selected_mean():
    # Oracle: autograd through boolean selection and torch's mean cross-entropy.
    logits, batch = draw()
    logits.requires_grad_(True)
    where = batch.in_context
    (mine,) = torch.autograd.grad(cross_entropy(logits, batch.targets, where), logits)
    (plain,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits[where], batch.targets[where]), logits)
    torch.testing.assert_close(mine, plain, atol=1e-14, rtol=0)


def test_nothing_marked_is_nan():
    # Oracle: the docstring.
    logits, batch = draw()
    nothing = torch.zeros_like(batch.is_trigger)
    assert math.isnan(accuracy(logits, batch.targets, nothing).item())
    assert math.isnan(cross_entropy(logits, batch.targets, nothing).item())
