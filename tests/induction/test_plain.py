"""The plain definition of a sequence against what section 3 of Birth says; `sample` is held to it in test_bigrams."""

import pytest
import torch

from mechbook.induction.plain import draw_sequence, in_context
from mechbook.shared.bigrams import BigramTask, sample, shakespeare_task


@pytest.mark.parametrize("outputs", ["uniform", "bigram"])
@pytest.mark.parametrize("triggers", ["random", "frequent"])
def test_a_trigger_is_followed_by_its_output_and_others_by_what_pi_b_allows(triggers: str, outputs: str) -> None:
    task = shakespeare_task(T=37, K=5, triggers=triggers, outputs=outputs)
    generator = torch.Generator().manual_seed(0)
    drawn = [draw_sequence(task, generator) for _ in range(50)]
    for z, output in drawn:
        assert len(z) == 38 and len(output) == 5 and all(0 <= token < 65 for token in z)
        assert tuple(output) == (task.triggers or tuple(output))
        for now, after in zip(z, z[1:], strict=False):
            assert after == output[now] if now in output else task.pi_b[now, after] > 0
    allowed = [bool(task.pi_b[q, o] > 0) for _, output in drawn for q, o in output.items()]
    assert all(allowed) == (outputs == "bigram")


def test_random_triggers_come_from_pi_q() -> None:
    # Oracle: a pi_q that allows three tokens, all of which are then triggers.
    pi_q = torch.zeros(7, dtype=torch.float64).index_fill_(0, torch.tensor([1, 4, 6]), 1 / 3)
    even = torch.full((7,), 1 / 7, dtype=torch.float64)
    task = BigramTask(pi_u=even, pi_b=even.expand(7, 7), T=5, K=3, pi_q=pi_q)
    _, output = draw_sequence(task, torch.Generator().manual_seed(1))
    assert set(output) == {1, 4, 6}


def test_in_context_is_the_mask_of_a_batch() -> None:
    # Oracle: the batch's own mask.
    batch = sample(shakespeare_task(T=37, K=5), 11, torch.Generator().manual_seed(2))
    for b in range(11):
        output = dict(zip(batch.triggers[b].tolist(), batch.outputs[b].tolist(), strict=True))
        assert in_context(batch.z[b].tolist(), output) == batch.in_context[b].tolist()
    assert 0 < batch.in_context.float().mean() < 1
