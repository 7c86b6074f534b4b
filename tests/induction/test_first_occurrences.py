"""Where first occurrences stand, against a loop over queries."""

import pytest
from torch import Generator

from mechbook.induction.first_occurrences import first_use
from mechbook.shared.bigrams import sample, shakespeare_task


def test_first_occurrences_against_a_loop() -> None:
    """Oracle: list.index of each in-context query's token; the position after it counts."""
    task = shakespeare_task(T=17, K=5)
    batch = sample(task, 23, Generator().manual_seed(3))
    counted = [0] * 17
    for z, there in zip(batch.inputs.tolist(), batch.in_context.tolist(), strict=True):
        for t in range(17):
            if there[t]:
                counted[z.index(z[t]) + 1] += 1
    found = first_use(task, 23, Generator().manual_seed(3))
    assert found.tolist() == pytest.approx([n / sum(counted) for n in counted], abs=1e-6)


def test_no_query_that_looks_back_is_refused() -> None:
    with pytest.raises(ValueError, match="None of 1 sequences of T = 2"):
        first_use(shakespeare_task(T=2, K=1, triggers="rare"), 1, Generator().manual_seed(0))
