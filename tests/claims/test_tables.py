"""The tables' own check: a condition that no row makes fail is named."""

from mechbook.claims.criteria import CRITERIA
from mechbook.claims.values import Values
from mechbook.induction import claims as claims
from tests.claims.tables import PLAIN, applied, failing, uncovered

TWO = Values("ih.wo2_needed", drift_W_K1="", drift_W_K2="", drift_W_K2_weighted="", alone_W_O2="", alone_accuracy="")
HOLDS = {TWO: TWO(drift_W_K1=0.03, drift_W_K2=0.05, drift_W_K2_weighted=0.1, alone_W_O2=0.94, alone_accuracy=0.18)}


def test_a_condition_that_no_row_covers_is_named() -> None:
    """Oracle: the places that are left out, one after the other."""
    places = set(range(len(applied(TWO, *[HOLDS[TWO]] * 5))))
    assert len(places) > 2 and "ih.wo2_needed" in CRITERIA
    assert uncovered(HOLDS, [(TWO, {}, places)], seeds=5) == {}
    for place in places:
        assert uncovered(HOLDS, [(TWO, {}, places - {place})], seeds=5) == {"ih.wo2_needed": {place}}
    assert uncovered(HOLDS, [("ih.order", {}, places)], seeds=5) == {"ih.wo2_needed": places}


def test_a_plain_number_is_judged_as_one() -> None:
    assert not failing(applied("ih.two_layer_random", *[{PLAIN: 0.95}] * 5))
    assert failing(applied("ih.two_layer_random", *[{PLAIN: 0.5}] * 5))
