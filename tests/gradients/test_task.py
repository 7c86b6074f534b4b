"""The task of Theorem 3 against the bigram task it is a condition of."""

import pytest
import torch

from mechbook.gradients.task import SingleTriggerTask, sample
from mechbook.shared import bigrams


def draw(N=5, T=7, size=4000, seed=0):
    return sample(SingleTriggerTask(N=N, T=T), size, torch.Generator().manual_seed(seed))


def test_every_sequence_is_one_of_the_task():
    """Oracle: the definition, sequence by sequence."""
    batch = draw(size=500)
    for z, first, y in zip(batch.z.tolist(), batch.first.tolist(), batch.y.tolist(), strict=True):
        places = [t for t, token in enumerate(z) if token == z[-1]]
        assert places == [first, 6] and y == z[first + 1] and set(z) <= set(range(5))
    assert batch.trigger.tolist() == batch.z[:, -1].tolist()


def test_first_occurrence_and_tokens_are_uniform():
    """Oracle: uniform probabilities, 4 standard errors at a fixed seed."""
    batch = draw(size=60_000)
    for values, n in ((batch.first, 6), (batch.trigger, 5), (batch.y, 5)):
        share = torch.bincount(values, minlength=n) / 60_000
        assert bool(((share - 1 / n).abs() < 4 * (1 / n * (1 - 1 / n) / 60_000) ** 0.5).all())
    # at a position that is neither the trigger's nor its output's the other four tokens are equally likely
    free = (batch.first >= 2) & (batch.trigger == 1)
    share = torch.bincount(batch.z[free, 0], minlength=5) / free.sum()
    assert share[1] == 0 and bool(((share[[0, 2, 3, 4]] - 0.25).abs() < 4 * (0.1875 / free.sum()) ** 0.5).all())


def test_it_is_the_bigram_task_given_that_the_last_token_is_the_trigger_s_second():
    """Oracle: the chain of chapter 3 with K = 1 and uniform distributions, kept where z_T is the second occurrence."""
    N, T, n = 5, 5, 400_000
    uniform = torch.full((N, N), 1 / N)
    task = bigrams.BigramTask(pi_u=uniform[0], pi_b=uniform, T=T, K=1)
    chain = bigrams.sample(task, n, torch.Generator().manual_seed(0))
    kept = chain.is_trigger[:, -1] & (chain.occurrence[:, -1] == 2)
    z, y = chain.inputs[kept], chain.targets[kept, -1]
    first = chain.is_trigger[kept].to(torch.int8).argmax(1)
    same = chain.outputs[kept, 0] == chain.triggers[kept, 0]
    ours = draw(N, T, 60_000)
    for theirs, own, size in (
        (first, ours.first, T - 1),
        (z[:, 1] * N + y, ours.z[:, 1] * N + ours.y, N * N),
        (same.long() * T + first, (ours.y == ours.trigger).long() * T + ours.first, 2 * T),
    ):
        p, q = (torch.bincount(v, minlength=size) / len(v) for v in (theirs, own))
        error = (p * (1 - p) * (1 / len(theirs) + 1 / len(own))).sqrt()
        assert bool(((p - q).abs() <= 4 * error + 1e-12).all())


@pytest.mark.parametrize(("sizes", "message"), [((1, 5), "N is 1; it must be"), ((5, 1), "T is 1; it must be")])
def test_impossible_tasks_are_refused(sizes, message):
    """Oracle: the sentences."""
    with pytest.raises(ValueError, match=message):
        SingleTriggerTask(N=sizes[0], T=sizes[1])


def test_an_empty_batch_is_refused():
    """Oracle: the sentence."""
    with pytest.raises(ValueError, match="batch_size is 0"):
        draw(size=0)
