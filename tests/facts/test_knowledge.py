"""Bits that small GPTs learn of people. The training has its oracle in test_plain.py."""

import dataclasses
from typing import Any

import pytest

from mechbook.facts import knowledge


def test_a_knowledge_run_learns_bits_and_int8_keeps_them(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: nothing learned without training, much with it, never more than R_max."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    spec = knowledge.KnowledgeSettings(shape=(1, 12, 2), N=37, exposures=60, batch_size=13, lr=2e-2, seeds=2)
    found = spec.run()
    assert all(0.3 * found.most < ratio <= found.most + 1e-9 for ratio in found.ratio)
    assert all(abs(b / a - 1) < 0.1 for a, b in zip(found.ratio, found.ratio_int8, strict=True))
    assert found.ratio_int8 != found.ratio
    assert max(dataclasses.replace(spec, exposures=1).run().ratio) < 0.1 * found.most
