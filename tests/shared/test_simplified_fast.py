"""The fast step against the plain forward: same logits, same loss, same gradients."""

import pytest
import torch
from torch.nn import functional as F

from mechbook.shared import simplified_fast as fast
from mechbook.shared.bigrams import sample, shakespeare_task
from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer
from mechbook.shared.simplified_fast import selected_logits

EVERYTHING = ("W_K1", "W_V1", "W_O1", "W_K2", "W_V2", "W_O2")


def compare(model, z, select, targets, atol):
    """Assert equal logits, and gradients of the loss equal relative to the largest entry of each."""

    def run(logits):
        model.zero_grad()
        loss = F.cross_entropy(logits, targets[select])
        loss.backward()
        return loss.detach(), {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}

    with torch.no_grad():
        torch.testing.assert_close(selected_logits(model, z, select), model(z)[select], atol=50 * atol, rtol=atol)
    loss, gradients = run(selected_logits(model, z, select))
    plain_loss, plain = run(model.trace(z).logits[select])
    torch.testing.assert_close(loss, plain_loss, atol=0, rtol=atol)
    assert gradients.keys() == plain.keys() == set(model.config.trained)
    for name, gradient in gradients.items():
        assert plain[name].abs().max() > 0
        error = (gradient - plain[name]).abs().max() / plain[name].abs().max()
        assert error <= atol, (name, error.item())


@pytest.mark.parametrize("feed_forward", ["none", "after_layer_2", "before_attention"])
@pytest.mark.parametrize(
    "trained",
    [EVERYTHING, ("W_K1",), ("W_K2",), ("W_O2",), ("W_K1", "W_K2", "W_O2"), ("W_V1", "W_V2"), ("W_O1", "W_K2")],
)
@pytest.mark.parametrize("sizes", ["one group and block", "many groups and blocks"])
def test_equals_plain_forward_in_float64(monkeypatch, feed_forward, trained, sizes):
    # Oracle: the plain forward, explicit maps, 1e-10; sizes that cut groups and query blocks anywhere and nowhere.
    if sizes == "many groups and blocks":
        monkeypatch.setattr(fast, "GROUP_SCORES", 3 * 17 * 17)
        monkeypatch.setattr(fast, "QUERY_BLOCK", 5)
    if feed_forward != "none":
        trained = (*trained, "W_F")
    N, T, d, B = 7, 17, 13, 11
    config = SimplifiedConfig(N=N, T=T, d=d, feed_forward=feed_forward, trained=trained)
    generator = torch.Generator().manual_seed(1)
    model = SimplifiedTransformer(config, generator).double()
    z, targets = torch.randint(N, (2, B, T), generator=generator)
    select = torch.rand(B, T, generator=generator) < torch.rand(B, 1, generator=generator) ** 2
    select[3] = False
    select[5] = True
    compare(model, z, select, targets, 1e-10)


def test_equals_plain_forward_in_float32_on_the_task():
    # Oracle: the plain forward on Shakespeare at the laptop's shape, 1e-4.
    task = shakespeare_task(T=64, K=5)
    generator = torch.Generator().manual_seed(2)
    batch = sample(task, 64, generator)
    model = SimplifiedTransformer(SimplifiedConfig(N=65, T=64, d=128), generator)
    counts = batch.in_context.sum(1)
    assert counts.min() < 5 and counts.max() > 40  # the shape that plain padding is bad at
    compare(model, batch.inputs, batch.in_context, batch.targets, 1e-4)


def test_sequences_shorter_than_the_model():
    # Oracle: the plain forward, float64.
    generator = torch.Generator().manual_seed(3)
    model = SimplifiedTransformer(SimplifiedConfig(N=5, T=19, d=7), generator).double()
    z, targets = torch.randint(5, (2, 3, 11), generator=generator)
    compare(model, z, torch.rand(3, 11, generator=generator) < 0.5, targets, 1e-10)


def test_all_and_nothing_selected():
    # Oracle: the plain forward's logits, all of them in order; an empty result.
    generator = torch.Generator().manual_seed(4)
    model = SimplifiedTransformer(SimplifiedConfig(N=5, T=11, d=7), generator).double()
    z = torch.randint(5, (3, 11), generator=generator)
    everything = torch.ones(3, 11, dtype=torch.bool)
    torch.testing.assert_close(selected_logits(model, z, everything), model(z).flatten(0, 1), atol=1e-12, rtol=1e-12)
    nothing = selected_logits(model, z, ~everything)
    assert nothing.shape == (0, 5)
    nothing.sum().backward()
    assert bool((model.W_K1.grad == 0).all())


def test_groups_cover_everything_once_and_waste_little():
    # Oracle: the counts themselves: consecutive slices, right widths, padding below what the rule allows.
    generator = torch.Generator().manual_seed(5)
    counts = sorted((torch.rand(101, generator=generator) ** 3 * 60 + 1).long().tolist())
    groups = fast._groups(counts, 64)
    assert [i for some, _, _ in groups for i in range(some.start, some.stop)] == list(range(101))
    assert [i for _, chosen, _ in groups for i in range(chosen.start, chosen.stop)] == list(range(sum(counts)))
    for some, chosen, width in groups:
        assert width == max(counts[some]) and chosen.stop - chosen.start == sum(counts[some])
        assert width <= 1.5 * counts[some.start] + 4 and some.stop - some.start <= fast.GROUP_SCORES // 64**2
    assert fast._groups([], 64) == []


def test_models_it_is_not_for_are_refused():
    # Oracle: the sentences.
    generator = torch.Generator()
    z, select = torch.zeros(2, 5, dtype=torch.int64), torch.ones(2, 5, dtype=torch.bool)
    one = SimplifiedTransformer(SimplifiedConfig(N=3, T=5, d=7, n_layers=1, trained=("W_K1",)), generator)
    with pytest.raises(ValueError, match="n_layers is 1; selected_logits is for two layers"):
        selected_logits(one, z, select)
    model = SimplifiedTransformer(SimplifiedConfig(N=3, T=4, d=7), generator)
    with pytest.raises(ValueError, match="the sequences have 5 positions; this model has 4"):
        selected_logits(model, z, select)
    model.W_E.requires_grad_(True)
    with pytest.raises(ValueError, match="W_E is trained"):
        selected_logits(model, z[:, :4], select[:, :4])
