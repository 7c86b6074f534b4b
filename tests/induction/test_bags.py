"""What a bag of words tells, against loops over positions."""

import pytest
from torch import Generator

from mechbook.induction.bags import bags
from mechbook.shared.bigrams import sample, shakespeare_task


@pytest.mark.parametrize("K", [1, 3])
def test_bags_against_a_loop(K: int) -> None:
    """Oracle: every bag counted token by token, less the mean over sequences of the same count."""
    T, B, task = 17, 31, shakespeare_task(T=17, K=K, triggers="frequent")
    found = bags(task, B, Generator().manual_seed(1))
    batch = sample(task, B, Generator().manual_seed(1))
    rows = batch.inputs.tolist()
    counted, right = 0, 0
    for t in range(T):
        mean = [sum(row[: t + 1].count(k) for row in rows) / B for k in range(task.N)]
        for b, row in enumerate(rows):
            if not batch.in_context[b, t]:
                continue
            counted += 1
            raised = [row[: t + 1].count(k) - mean[k] for k in range(task.N)]
            right += max(range(task.N), key=raised.__getitem__) == int(batch.targets[b, t])
    assert float(found.in_context) == pytest.approx(counted / (B * T), abs=1e-6)
    assert float(found.readable) == pytest.approx(right / counted, abs=1e-6) and 0.1 < right / counted < 1
