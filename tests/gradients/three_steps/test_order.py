"""The three steps in other orders."""

import pytest
import torch

from mechbook.core.presets import replace
from mechbook.gradients import presets
from mechbook.gradients.three_steps import order, plain
from tests.gradients.three_steps.small import B, T, batch, generator, model, relative


def test_a_step_is_down_the_loss_of_the_plain_model():
    """Oracle: differences of the plain model's loss along the step and along a random direction."""
    start, sequences, small = model(W_O2=1.0, W_K2=1.0, W_K1=1.0), batch(), 1e-6

    def loss(name, W):
        return float(
            torch.nn.functional.cross_entropy(
                plain.predict(order.replace(start, **{name: W}), sequences)[0], sequences.y
            )
        )

    for name in order.RIGHT:
        W, step = getattr(start, name), order.step_on(start, name, sequences)
        other = torch.randn(*W.shape, generator=generator(5), dtype=W.dtype)
        for direction in (step / step.norm(), other / other.norm()):
            slope = (loss(name, W + small * direction) - loss(name, W - small * direction)) / (2 * small)
            assert slope == pytest.approx(-float((step * direction).sum()), rel=1e-4, abs=1e-9)


def test_steps_have_the_lengths_they_are_given_and_leave_all_else():
    """Oracle: the norms of what was added; matrices that are not stepped on stay."""
    start, norms = model(W_O2=0.1, W_K2=0.1, W_K1=0.1), {"W_O2": 3.0, "W_K2": 0.5}
    after = order.in_order(start, ("W_K2", "W_O2"), [batch(seed=1), batch(seed=2)], norms)
    for name, norm in norms.items():
        assert float((getattr(after, name) - getattr(start, name)).norm()) == pytest.approx(norm, rel=1e-10)
    assert after.W_K1 is start.W_K1 and after.W_E is start.W_E


def test_norms_give_the_memories_their_sizes():
    """Oracle: the sizes of what was added, read off the tables: mean logit, score gap, median gap of positions."""
    start, batches = model(W_O2=0.05, W_K2=0.05, W_K1=0.05), [batch(5 * B, seed) for seed in (1, 2, 3)]
    norms = order.step_norms(start, batches, logit=0.3, gap_W_K2=0.7, gap_W_K1=11.0)
    after = order.in_order(start, order.RIGHT, batches, norms)
    added = order.replace(after, **{name: getattr(after, name) - getattr(start, name) for name in order.RIGHT})
    assert float(added.value_table.diagonal().mean()) == pytest.approx(0.3, rel=1e-9)
    assert order.diagonal_gap(added.score_table) == pytest.approx(0.7, rel=1e-9)
    assert float(order.previous_gap(added.position_scores).median()) == pytest.approx(11.0, rel=1e-9)
    assert len(added.position_scores) == T


def test_the_first_step_from_zero_is_the_theorem_s():
    """Oracle: Lemma 2 for B.3.3's input, the mean of the tokens, W_O2 being the only matrix that is not zero."""
    start, sequences = model(), batch()
    expected = -plain.noisy_input_gradient(
        start.W_O2, start.W_E[sequences.z].mean(1) @ start.W_V2.T, sequences.y, start.W_U
    )
    assert relative(order.step_on(start, "W_O2", sequences), expected) < 1e-12


def test_from_zero_no_other_order_moves_at_all_and_a_small_head_is_built_from_random():
    """Oracle: at W_O2 = 0 the loss does not depend on W_K2 and W_K1; with 16 tokens the right order solves the task."""
    zero = model()
    assert float(order.step_on(zero, "W_K2", batch()).norm()) == 0 == float(order.step_on(zero, "W_K1", batch()).norm())
    small = replace(
        presets.LAPTOP, N=16, T=16, test_sequences=2000, order=replace(presets.LAPTOP.order, d=512, sequences=5000)
    )
    found = order.orders(small, 0, "random")
    assert list(found) == [" ".join(each) for each in order.ORDERS]
    right, *others = found.values()
    assert max(others) < 0.7 < 0.85 < right
    with pytest.raises(ValueError, match="start is 'one'; it must be 'random' or 'zero'"):
        order.orders(small, 0, "one")
