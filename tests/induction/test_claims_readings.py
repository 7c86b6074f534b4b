"""Readings under which a wrong implementation would hold: each criterion refuses what a weaker one would let pass."""

from mechbook.induction import values
from tests.claims.tables import applied, failing
from tests.induction.test_claims import HOLDS


def test_a_model_that_ignores_the_bigrams_is_no_preference() -> None:
    """It gives every retrieved token 0.45: what pi_b expects of those outside its top 3 is 0.11 and inside 0.37."""
    null = {"outside": 0.45, "inside": 0.45, "raised_outside": 0.45 - 0.11, "raised_inside": 0.45 - 0.37}
    assert null["raised_outside"] > null["raised_inside"]
    assert failing(applied("ih.head_vs_bigram", *[null] * 5)) == {0}


def test_one_memory_weighted_by_use_and_the_other_not_is_no_order() -> None:
    """Equation (9) has W_K1 first; with W_K2 weighted and W_K1 not, the order would be there in every seed."""
    mixed = {**HOLDS["ih.order"], "W_K2": 180, "W_K1": 140, "W_K2_weighted": 80, "W_K1_seen": 140}
    assert failing(applied("ih.order", *[mixed] * 5)) == {0}


def test_chance_alone_is_no_early_position() -> None:
    """A random W_K1 of T = 64: over the keys that attention sees it has a gap, over all keys none, and no step."""
    null = values.EARLY_POSITIONS(
        steps_early=321, steps_late=321, smallest_gap=0.0, gap_throughout=0.0, chance=1 / 64, gap_seen=0.14,
        chance_gap_seen=0.14,
    )  # fmt: skip
    assert failing(applied("ih.early_positions", *[null] * 5)) == {0, 1}


def test_what_no_dimension_reaches_does_not_count() -> None:
    """Steps to 0.9, as runs without end would have them, change nothing."""
    never = {f"{rate}_32_to_0.9": 10_001 for rate in ("tuned", "fixed")}
    assert not failing(applied("ih.dimension", *[{**HOLDS["ih.dimension"], **never}] * 3))
