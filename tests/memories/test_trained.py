"""Training of memories: the step written out by hand, and many side by side against one at a time."""

import dataclasses
import math

import pytest
import torch

from mechbook.memories import outer_product
from mechbook.memories.trained import (
    MemoryTrainingSettings,
    Task,
    Weights,
    _Program,
    initial_weights,
    output,
    programs,
    train_memories,
    train_memory,
)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def draw(N, d, seed, M=None, width=None, dtype=torch.float64):
    """A task of N pairs and the weights its training starts from."""
    g = torch.Generator().manual_seed(seed)
    keys = outer_product.draw_embeddings(N, d, generator=g, unit_norm=True, dtype=dtype)
    values = outer_product.draw_embeddings(M or N, d, generator=g, unit_norm=True, dtype=dtype)
    return Task(keys, values, torch.arange(N) % (M or N), width), initial_weights(d, width, g, dtype)


LINEAR = [draw(37, 11, 0), draw(13, 7, 1), draw(23, 5, 2, M=3), draw(61, 11, 3)]
MLP = [draw(37, 5, 0, width=13), draw(29, 7, 1, width=5), draw(53, 3, 2, M=5, width=7)]


@pytest.mark.parametrize("cases", [LINEAR, MLP], ids=["linear", "mlp"])
def test_gradients_written_out_are_autograds(cases):
    """Oracle: Adam's first steps by torch on each memory alone, in float64, to 1e-10, padding included."""
    how = MemoryTrainingSettings(lr=0.07, steps=5)
    tasks, starts = zip(*cases, strict=True)
    program = _Program(tasks, starts, how)
    for step in range(1, 6):
        program.update(step)
    for b, (task, start) in enumerate(cases):
        alone = [w.clone().requires_grad_() for w in start if w is not None]
        of = Weights(W=alone[0]) if len(alone) == 1 else Weights(None, *alone)
        optimizer = torch.optim.Adam(alone, lr=0.07)
        for _ in range(5):
            optimizer.zero_grad()
            scores = output(of, task.keys) @ task.values.T
            loss = -sum(scores[i].log_softmax(0)[task.targets[i]] for i in range(len(scores))) / len(scores)
            loss.backward()
            optimizer.step()
        for padded, w in zip(program.weights, alone, strict=True):
            cut = padded[b][tuple(slice(size) for size in w.shape)]
            torch.testing.assert_close(cut, w.detach(), atol=1e-10, rtol=0)
            # what is padding has stayed zero
            assert float(padded[b].abs().sum() - cut.abs().sum()) == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("cases", [LINEAR, MLP], ids=["linear", "mlp"])
def test_side_by_side_finds_what_one_at_a_time_does(cases):
    """Oracle: `train_memory`, recall and number of updates, for memories that finish at different steps and never."""
    how = MemoryTrainingSettings(lr=0.3, steps=43, check_every=5, enough=0.6)
    alone = [train_memory(task, start, how) for task, start in cases]
    assert train_memories(*zip(*cases, strict=True), how) == alone
    assert len({step for _, step in alone}) > 1 and {recall >= 0.6 for recall, _ in alone} == {True, False}


def test_training_stops_at_the_first_check_that_finds_enough():
    """Oracle: the recall at each check, from trainings of exactly so many steps."""
    task, start = LINEAR[0]
    recalls = {}
    for steps in range(5, 45, 5):
        recalls[steps] = train_memory(
            task, start, MemoryTrainingSettings(lr=0.3, steps=steps, check_every=steps, enough=1.0)
        )[0]
    how = MemoryTrainingSettings(lr=0.3, steps=40, check_every=5, enough=0.5)
    recall, step = train_memory(task, start, how)
    first = min(s for s, value in recalls.items() if value >= 0.5)
    assert step == first and recall == recalls[first] and first > 5


def test_training_does_not_change_its_start():
    """Oracle: equality with a copy."""
    task, start = draw(11, 5, 4, width=7)
    copies = [w.clone() for w in start if w is not None]
    how = MemoryTrainingSettings(lr=0.1, steps=3)
    train_memory(task, start, how)
    train_memories([task], [start], how)
    assert all(torch.equal(w, copy) for w, copy in zip([w for w in start if w is not None], copies, strict=True))


def test_initial_weights_keep_the_scale_of_unit_norm_keys():
    """Oracle: hidden units before the threshold have variance 1, outputs norm^2 about half of d; 5 standard errors."""
    g = torch.Generator().manual_seed(5)
    keys = outer_product.draw_embeddings(101, 17, generator=g, unit_norm=True, dtype=torch.float64)
    _, W_1, b_1, W_2 = initial_weights(17, 4001, g, torch.float64)
    assert float((keys @ W_1.T).var()) == pytest.approx(1, abs=0.05) and float(b_1.abs().max()) == 0
    assert float(W_2.var()) * 4001 == pytest.approx(1, abs=5 * math.sqrt(2 / (17 * 4001)))
    assert float(initial_weights(17, None, g).W.abs().max()) == 0


def test_tasks_are_grouped_where_padding_is_cheap():
    """Oracle: by hand; small tasks share a program, equal large ones too, a large and a small one do not."""
    small, middle, large = draw(5, 3, 0)[0], draw(40, 7, 0)[0], draw(400, 64, 0)[0]
    groups = programs([large, small, middle, large, small])
    assert sorted(place for group in groups for place in group) == [0, 1, 2, 3, 4]
    assert [0, 3] in [sorted(group) for group in groups]
    assert any({1, 4} <= set(group) for group in groups)


def test_bad_input_is_refused_in_one_sentence():
    """Oracle: the sentences."""
    for lr in (math.nan, math.inf, 0.0, -1.0):
        with pytest.raises(ValueError, match=rf"lr is {lr}; it must be a finite number > 0"):
            MemoryTrainingSettings(lr=lr, steps=3)
    with pytest.raises(ValueError, match="steps is 0 and check_every 10; both must be at least 1"):
        MemoryTrainingSettings(lr=1.0, steps=0)
    with pytest.raises(ValueError, match="enough is 1.5; a recall is in"):
        MemoryTrainingSettings(lr=1.0, steps=1, enough=1.5)
    with pytest.raises(ValueError, match="d is 3 and the width 0; both must be at least 1"):
        initial_weights(3, 0, torch.Generator())
    how = MemoryTrainingSettings(lr=1.0, steps=1)
    with pytest.raises(ValueError, match="There are 2 tasks and 1 starts; each task has one"):
        train_memories([LINEAR[0][0], LINEAR[1][0]], [LINEAR[0][1]], how)
    with pytest.raises(ValueError, match="Linear and MLP memories are mixed"):
        train_memories([LINEAR[0][0], MLP[0][0]], [LINEAR[0][1], MLP[0][1]], how)
    assert train_memories([], [], how) == []
    assert dataclasses.asdict(how)["check_every"] == 10
