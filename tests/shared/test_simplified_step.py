"""The step for long sequences against the plain forward: same losses, same logits, same gradients."""

import pytest
import torch
from torch.nn import functional as F

from mechbook.induction.presets import LAPTOP, PAPER
from mechbook.noisy.presets import LAPTOP as NOISY_LAPTOP
from mechbook.noisy.presets import PAPER as NOISY_PAPER
from mechbook.shared import simplified_step as step
from mechbook.shared import tabulated
from mechbook.shared.bigrams import sample, shakespeare_task
from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer
from mechbook.shared.simplified_fast import selected_logits
from mechbook.shared.simplified_step import selected_losses

EVERYTHING = ("W_K1", "W_V1", "W_O1", "W_K2", "W_V2", "W_O2")


@pytest.fixture
def always(monkeypatch):
    """Short sequences go through the step for long ones, too, cut into blocks and groups that end anywhere."""
    monkeypatch.setattr(tabulated, "LONG", 1)
    monkeypatch.setattr(tabulated, "QUERY_BLOCK", 5)
    monkeypatch.setattr(step, "GROUP", 3)


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}


def compare(model, z, select, targets, tolerance, weigh=torch.mean):
    """Assert equal losses and logits, and gradients equal relative to the largest entry of each."""
    plain_logits = model.trace(z).logits[select]
    plain = F.cross_entropy(plain_logits, targets[select], reduction="none")
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            losses, logits = selected_losses(model, z, select, targets)
        assert losses.requires_grad == grad and not logits.requires_grad
        torch.testing.assert_close(losses, plain, atol=50 * tolerance, rtol=tolerance)
        torch.testing.assert_close(logits, plain_logits, atol=50 * tolerance, rtol=tolerance)
    expected, found = gradients(model, weigh(plain)), gradients(model, weigh(losses))
    assert found.keys() == expected.keys() == set(model.config.trained)
    for name, gradient in found.items():
        assert expected[name].abs().max() > 0
        error = (gradient - expected[name]).abs().max() / expected[name].abs().max()
        assert error <= tolerance, (name, error.item())


def some_input(N, T, B, generator):
    z, targets = torch.randint(N, (2, B, T), generator=generator)
    select = torch.rand(B, T, generator=generator) < torch.rand(B, 1, generator=generator) ** 2
    select[3], select[5] = False, True
    z[7] = z[7, 0]
    return z, select, targets


@pytest.mark.parametrize("feed_forward", ["none", "after_layer_2", "before_attention"])
@pytest.mark.parametrize(
    "trained",
    [EVERYTHING, ("W_K1",), ("W_K2",), ("W_O2",), ("W_K1", "W_K2", "W_O2"), ("W_V1", "W_V2"), ("W_O1", "W_K2")],
)
@pytest.mark.parametrize("block", [5, 64])
def test_equals_plain_forward_in_float64(always, monkeypatch, feed_forward, trained, block):
    # Oracle: the plain forward, explicit maps, 1e-10, at prime sizes; a sequence of one token, one without a selected
    # position, one with all; query blocks that end anywhere, and one longer than the sequences.
    monkeypatch.setattr(tabulated, "QUERY_BLOCK", block)
    if feed_forward != "none":
        trained = (*trained, "W_F")
    N, T, d, B = 7, 17, 13, 11
    config = SimplifiedConfig(N=N, T=T, d=d, feed_forward=feed_forward, trained=trained)
    generator = torch.Generator().manual_seed(1)
    model = SimplifiedTransformer(config, generator).double()
    compare(model, *some_input(N, T, B, generator), 1e-10)


def test_a_loss_that_weighs_positions_has_its_gradients():
    # Oracle: the plain forward's gradient of the same weighted sum, float64; T as long as it takes without a fixture.
    N, T, d, B = 5, 131, 7, 11
    generator = torch.Generator().manual_seed(2)
    model = SimplifiedTransformer(SimplifiedConfig(N=N, T=T, d=d), generator).double()
    z, select, targets = some_input(N, T, B, generator)
    weights = torch.rand(int(select.sum()), generator=generator, dtype=torch.float64)
    assert tabulated.is_long(z)
    compare(model, z, select, targets, 1e-10, lambda losses: (losses * weights).sum())


def test_sequences_shorter_than_the_model(always):
    # Oracle: the plain forward, float64.
    generator = torch.Generator().manual_seed(3)
    model = SimplifiedTransformer(SimplifiedConfig(N=5, T=19, d=7), generator).double()
    compare(model, *some_input(5, 11, 8, generator), 1e-10)


def test_nothing_selected(always):
    # Oracle: an empty result and a gradient of 0.
    generator = torch.Generator().manual_seed(4)
    model = SimplifiedTransformer(SimplifiedConfig(N=5, T=11, d=7), generator)
    z = torch.randint(5, (3, 11), generator=generator)
    losses, logits = selected_losses(model, z, torch.zeros(3, 11, dtype=torch.bool), z)
    assert losses.shape == (0,) and logits.shape == (0, 5)
    losses.sum().backward()
    assert bool((model.W_K1.grad == 0).all())


def test_equals_plain_forward_in_float32_on_the_task():
    # Oracle: the plain forward on Shakespeare at the paper's d and initial scale, 1e-4.
    task = shakespeare_task(T=tabulated.LONG, K=5)
    generator = torch.Generator().manual_seed(5)
    batch = sample(task, 13, generator)
    config = SimplifiedConfig(N=65, T=task.T, d=PAPER.d, matrix_init=PAPER.matrix_init)
    compare(SimplifiedTransformer(config, generator), batch.inputs, batch.in_context, batch.targets, 1e-4)


def test_the_laptop_s_sizes_keep_their_bits(monkeypatch):
    # Oracle: the loss by `selected_logits` and its gradients, bit for bit; the table is not even made.
    monkeypatch.setattr(step, "ScoreTable", None)
    task = shakespeare_task(T=LAPTOP.T, K=5)
    generator = torch.Generator().manual_seed(6)
    batch = sample(task, 7, generator)
    model = SimplifiedTransformer(SimplifiedConfig(N=65, T=task.T, d=LAPTOP.d), generator)
    losses, logits = selected_losses(model, batch.inputs, batch.in_context, batch.targets)
    expected = selected_logits(model, batch.inputs, batch.in_context)
    plain = F.cross_entropy(expected, batch.targets[batch.in_context], reduction="none")
    assert torch.equal(logits, expected) and torch.equal(losses, plain)
    before, after = gradients(model, plain.mean()), gradients(model, losses.mean())
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_papers_sizes_and_no_others_are_long():
    # Oracle: the presets.
    for small in (LAPTOP.T, LAPTOP.short_T, NOISY_LAPTOP.T):
        assert not tabulated.is_long(torch.zeros(2, small, dtype=torch.int64))
    for large in (PAPER.T, PAPER.short_T, NOISY_PAPER.T):
        assert tabulated.is_long(torch.zeros(2, large, dtype=torch.int64))
        assert not tabulated.is_long(torch.zeros(2, large, dtype=torch.int64, device="meta"))


def test_groups_cover_everything_once_and_waste_little():
    # Oracle: the mask itself.
    generator = torch.Generator().manual_seed(7)
    T = 67
    select = torch.rand(101, T, generator=generator) < torch.rand(101, 1, generator=generator) ** 4
    z = torch.arange(101 * T).view(101, T)
    chosen = tabulated.Selection(z, select)
    seen = torch.zeros(len(chosen), dtype=torch.int64)
    for group in chosen.groups(6):
        here = chosen.z[group.sequences]
        counts = select[here[:, 0] // T].sum(1)
        width = group.at.shape[1]
        assert 1 <= len(here) <= 6 and width == counts.max() <= 1.5 * counts.min() + 4
        # row by row: padding, then the selected positions in order
        for at, n, i in zip(group.at, counts.tolist(), here[:, 0] // T, strict=True):
            assert torch.equal(at[width - n :], select[i].nonzero().flatten())
        assert torch.equal(here.gather(1, group.at).flatten()[group.cells], z[select][chosen.place[group.chosen]])
        seen[chosen.place[group.chosen]] += 1
    assert bool((seen == 1).all()) and len(seen) == int(select.sum())


def test_models_it_is_not_for_are_refused(always):
    # Oracle: the sentence.
    model = SimplifiedTransformer(SimplifiedConfig(N=3, T=4, d=7), torch.Generator())
    z = torch.zeros(2, 5, dtype=torch.int64)
    with pytest.raises(ValueError, match="the sequences have 5 positions; this model has 4"):
        selected_losses(model, z, z == 0, z)
