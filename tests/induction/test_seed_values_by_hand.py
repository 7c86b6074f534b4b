"""The values of what is not trained, against loops over positions and what is known of large dimensions."""

import numpy as np
import pytest

from mechbook.core.presets import replace
from mechbook.induction import seed_values_by_hand, values
from mechbook.induction.construction import induction_head
from mechbook.induction.experiments import hand_task
from mechbook.induction.presets import LAPTOP
from mechbook.induction.streams import STREAMS
from mechbook.shared.bigrams import sample


def test_the_model_written_by_hand_against_a_loop() -> None:
    """Oracle: its accuracy position by position, over sequences that do not start with a trigger, and over all."""
    setup = replace(LAPTOP, T=16, hand_d=128)
    found, hand = seed_values_by_hand.constructed(setup, 1), hand_task(setup)
    batch = sample(hand, 512, STREAMS.generator("by hand", 1, 1))
    model = induction_head(
        65, 16, 128, triggers=hand.triggers, feed_forward="none", pi_b=None, generator=STREAMS.generator("by hand", 1)
    )
    right = (model(batch.inputs).argmax(-1) == batch.targets).tolist()
    where = batch.in_context.tolist()
    hits = {"accuracy": [], "accuracy_all_sequences": []}
    for b, first in enumerate(batch.z[:, 0].tolist()):
        row = [right[b][t] for t in range(16) if where[b][t]]
        hits["accuracy_all_sequences"] += row
        hits["accuracy"] += [] if first in hand.triggers else row
    # orthonormal embeddings, in as many dimensions as they need: what (8) writes is not in the way
    assert found["accuracy_orthonormal"] > 0.9 > found["accuracy_after_layer_2"]
    for name, row in hits.items():
        assert found[name] == pytest.approx(np.mean(row), abs=1e-12), name
    assert set(found) == set(values.CONSTRUCTED.names) and found["kl_global"] > 0


def test_entropy_at_the_start_is_near_uniform_with_unit_norms_only() -> None:
    """Oracle: for d -> infinity unit norms give scores of 0; N(0, 1) embeddings give scores of deviation 2."""
    found = seed_values_by_hand.uniform_init(replace(LAPTOP, T=16), 0)
    assert 0.99 < found["unit_norm"] <= 1 and found["standard_normal"] < 0.9
