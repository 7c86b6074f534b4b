"""Relation-only and subject-only losses. Oracle: sums of probabilities by loops, in float64."""

import math

import pytest
import torch

from mechbook.facts.probes import fact_scores


def test_losses_are_sums_over_the_answers_that_count() -> None:
    """Oracle: loops over the answers, for a stack of two models."""
    g = torch.Generator().manual_seed(1)
    logits, targets = torch.randn(2, 13, 15, generator=g).double(), torch.randint(15, (2, 13), generator=g)
    found = fact_scores(logits, targets, 5)
    for k in range(2):
        rows = list(zip(logits[k].softmax(-1).tolist(), targets[k].tolist(), strict=True))
        total = {name: 0.0 for name in ("loss", "relation_only", "subject_only", "accuracy", "valid")}
        for p, a in rows:
            total["loss"] -= math.log(p[a]) / 13
            total["relation_only"] -= math.log(sum(p[b] for b in range(15) if b // 5 == a // 5)) / 13
            total["subject_only"] -= math.log(sum(p[b] for b in range(15) if b % 5 == a % 5)) / 13
            best = p.index(max(p))
            total["accuracy"] += (best == a) / 13
            total["valid"] += (best // 5 == a // 5) / 13
        for name, value in total.items():
            assert float(getattr(found, name)[k]) == pytest.approx(value, abs=1e-10), name


def test_a_hallucinating_model_has_log_d_and_zero_and_log_d() -> None:
    """Oracle: uniform over A_r: loss log D, relation-only 0, subject-only log D."""
    logits = torch.full((7, 15), -1e9, dtype=torch.float64)
    targets = torch.arange(7) * 2
    for b, a in enumerate(targets.tolist()):
        logits[b, a // 5 * 5 : a // 5 * 5 + 5] = 0.0
    found = fact_scores(logits, targets, 5)
    assert float(found.loss) == pytest.approx(math.log(5))
    assert float(found.relation_only) == pytest.approx(0.0, abs=1e-12)
    assert float(found.subject_only) == pytest.approx(math.log(5))
    assert float(found.valid) == 1.0


def test_answers_that_d_does_not_divide_are_refused() -> None:
    """Oracle: the sentence."""
    with pytest.raises(ValueError, match="D is 4 and there are 15 answers"):
        fact_scores(torch.zeros(1, 15), torch.zeros(1, dtype=torch.int64), 4)
