"""Chapter 1's trained memories on a stand-in for an accelerator: read at checks of the recall alone."""

import pytest
import torch

from mechbook.memories.trained import MemoryTrainingSettings, Task, Weights, initial_weights, train_memories
from tests.devices import DEVICE, standing_in


@pytest.mark.parametrize("width", [None, 7])
def test_memories_are_read_once_a_check(monkeypatch: pytest.MonkeyPatch, width: int | None) -> None:
    with standing_in(monkeypatch) as seen:
        tasks = [
            Task(
                torch.ones(N, 5, device=DEVICE), torch.ones(N, 5, device=DEVICE), torch.arange(N, device=DEVICE), width
            )
            for N in (11, 13)
        ]
        starts = [
            Weights(*(None if w is None else w.to(DEVICE) for w in initial_weights(5, width, torch.Generator())))
            for _ in tasks
        ]
        seen.clear()
        # what is read is 1: every recall is 1, never above it, and no memory leaves before the last check's reading
        found = train_memories(tasks, starts, MemoryTrainingSettings(lr=0.1, steps=6, check_every=6))
    assert found == [(1.0, 6)] * 2
    # one reading; then the empty list of those that go on goes to the device
    seen.nothing_wrong(waits=1 + 1)
