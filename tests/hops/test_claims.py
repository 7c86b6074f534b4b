"""Chapter 7's criteria against measurements that must hold, and one that must fail for each of their conditions.

The oracle is the column `holds_when` of claims.csv, read by hand into the tables below.
"""

import numpy as np
import pytest

from mechbook.claims.catalogue import load_claims
from mechbook.claims.criteria import CRITERIA
from mechbook.claims.values import Values
from mechbook.hops import claims  # noqa: F401  (registers the criteria)
from mechbook.hops.values import (
    CONSTRUCTION,
    CURRICULUM_SOLVES,
    DEPTH,
    DIRECT_FAILS,
    EASY_HOPS,
    FOR_THE_RECORD,
    HEAD_HOPS,
    HOP_HEADS,
    LAYERWISE,
    MIXTURE_SOLVES,
    ORDER,
    SCALING,
)
from tests.claims.tables import PLAIN, applied, failing, uncovered

# Errors as those of the published table: smaller with each layer (down), larger with each k (across).
ERRORS = {2: (0.03, 0.14, 0.42, 0.66), 3: (0.01, 0.02, 0.15, 0.46), 4: (0.006, 0.008, 0.015, 0.22)}
DECLARED = {
    values.claim: values
    for values in (
        DIRECT_FAILS,
        MIXTURE_SOLVES,
        CURRICULUM_SOLVES,
        ORDER,
        DEPTH,
        LAYERWISE,
        SCALING,
        CONSTRUCTION,
        HOP_HEADS,
    )
}


def for_the_record(values: Values) -> dict[str, float]:
    """A number for each value that is shown and not judged."""
    return {name: 0.5 for name, words in values.names.items() if words.startswith(FOR_THE_RECORD)}


HOLDS = {
    "khop.direct_fails": DIRECT_FAILS(
        accuracy=0.21, chance=0.2, steps=3000, mixture_steps=600, control_1=1.0, control_2=0.999
    ),
    "khop.mixture_solves": {PLAIN: 0.999},
    "khop.curriculum_solves": {PLAIN: 0.999},
    "khop.order": ORDER(hop_1=200, hop_2=400, hop_3=400, hop_4=500, solved=1),
    "khop.depth": DEPTH(three=0.999, two=0.3, steps=1800, mixture_steps=600),
    "khop.layerwise": LAYERWISE(first_1=1, first_2=2, first_4=3, **for_the_record(LAYERWISE)),
    "khop.scaling": SCALING(
        direct_1=100,
        direct_2=300,
        direct_3=3001,
        # a power, 1.5, and unsolved at eight hops
        **{f"{regime}_{k}": 100 * k**1.5 if k < 8 else 3001 for regime in ("mixture", "curriculum") for k in EASY_HOPS},
        budget=3000,
        **for_the_record(SCALING),
    ),
    "khop.construction": CONSTRUCTION(accuracy_2=1.0, accuracy_4=1.0, accuracy_8=1.0),
    "khop.hop_heads": HOP_HEADS(
        **{f"layers_{L}_hop_{k}": row[HEAD_HOPS.index(k)] for L, row in ERRORS.items() for k in HEAD_HOPS},
        **for_the_record(HOP_HEADS),
    ),
}

# (claim, what is changed in every seed, the checks that then fail, by their place in the list)
FAILS = [
    ("khop.direct_fails", {"accuracy": 0.26}, {0}),
    ("khop.direct_fails", {"accuracy": 0.14}, {0}),
    ("khop.direct_fails", {"steps": 2999}, {1}),
    ("khop.direct_fails", {"control_1": 0.99}, {2}),
    ("khop.direct_fails", {"control_2": 0.99}, {3}),
    ("khop.mixture_solves", {PLAIN: 0.99}, {0}),
    ("khop.curriculum_solves", {PLAIN: 0.99}, {0}),
    ("khop.order", {"hop_2": 199}, {0}),
    ("khop.order", {"hop_3": 399}, {0}),
    ("khop.order", {"hop_4": 399}, {0}),
    ("khop.depth", {"three": 0.99}, {0}),
    ("khop.depth", {"two": 0.5}, {1}),
    ("khop.depth", {"steps": 1799}, {2}),
    ("khop.layerwise", {"first_1": 0}, {0}),
    ("khop.layerwise", {"first_2": 1}, {1}),
    ("khop.layerwise", {"first_4": 2}, {2}),
    ("khop.layerwise", {"first_4": 4}, {2}),
    # what was cut off is no measurement of a denominator
    ("khop.scaling", {"direct_2": 3001, "direct_3": 10**6}, {0}),
    ("khop.scaling", {"direct_1": 300}, {1}),
    ("khop.scaling", {"direct_3": 900}, {2}),
    # what was not solved counts as one step more than the budget, and its slope goes as far as the other's
    ("khop.scaling", {"mixture_4": 3001}, {3}),
    ("khop.scaling", {f"mixture_{k}": 10 * k**2.01 for k in (2, 3, 4, 5, 6)}, {4}),
    ("khop.scaling", {"curriculum_4": 3001}, {5}),
    ("khop.scaling", {"curriculum_5": 3001, "curriculum_6": 3001}, {6}),
    ("khop.scaling", {f"curriculum_{k}": 10 * k**2.01 for k in (2, 3, 4, 5, 6)}, {6}),
    ("khop.construction", {"accuracy_2": 0.999}, {0}),
    ("khop.construction", {"accuracy_4": 0.999}, {1}),
    ("khop.construction", {"accuracy_8": 0.999}, {2}),
    # Eight comparisons down, each broken by a tie or a rise; then nine across.
    ("khop.hop_heads", {"layers_3_hop_1": 0.03, "layers_3_hop_2": 0.04}, {0}),
    ("khop.hop_heads", {"layers_4_hop_1": 0.01, "layers_4_hop_2": 0.011}, {1}),
    ("khop.hop_heads", {"layers_3_hop_2": 0.1, "layers_2_hop_2": 0.1}, {2}),
    ("khop.hop_heads", {"layers_4_hop_2": 0.02, "layers_4_hop_4": 0.03}, {3}),
    ("khop.hop_heads", {"layers_3_hop_4": 0.43}, {4}),
    ("khop.hop_heads", {"layers_4_hop_4": 0.15}, {5}),
    ("khop.hop_heads", {"layers_3_hop_8": 0.66}, {6}),
    ("khop.hop_heads", {"layers_4_hop_8": 0.46}, {7}),
    ("khop.hop_heads", {"layers_2_hop_1": 0.14}, {8}),
    ("khop.hop_heads", {"layers_2_hop_2": 0.42}, {9}),
    ("khop.hop_heads", {"layers_2_hop_8": 0.47, "layers_2_hop_4": 0.47}, {10}),
    ("khop.hop_heads", {"layers_3_hop_1": 0.02}, {11}),
    ("khop.hop_heads", {"layers_3_hop_2": 0.1, "layers_3_hop_4": 0.1}, {12}),
    ("khop.hop_heads", {"layers_3_hop_4": 0.3, "layers_3_hop_8": 0.3}, {13}),
    ("khop.hop_heads", {"layers_4_hop_1": 0.008}, {14}),
    ("khop.hop_heads", {"layers_4_hop_2": 0.014, "layers_4_hop_4": 0.014}, {15}),
    ("khop.hop_heads", {"layers_4_hop_4": 0.1, "layers_4_hop_8": 0.1}, {16}),
]
COUNTED = ("khop.mixture_solves", "khop.curriculum_solves", "khop.order")


def test_chapter_7_has_a_criterion_for_every_claim_of_the_list() -> None:
    """Oracle: claims.csv."""
    wanted = {id for id in load_claims() if id.startswith("khop.")}
    assert {id for id in CRITERIA if id.startswith("khop.")} == wanted == HOLDS.keys() == DECLARED.keys()


def test_every_condition_is_made_to_fail_alone() -> None:
    assert not uncovered(HOLDS, FAILS, seeds=5)


@pytest.mark.parametrize("id", HOLDS)
def test_what_should_hold_holds(id: str) -> None:
    checks = applied(id, *[HOLDS[id]] * 5)
    assert checks and not failing(checks)


@pytest.mark.parametrize(("id", "change", "places"), FAILS)
def test_each_condition_can_fail_and_fails_alone(id: str, change: dict[str, float], places: set[int]) -> None:
    assert failing(applied(id, *[{**HOLDS[id], **change}] * 5)) == places


@pytest.mark.parametrize(
    ("id", "change"),
    [
        ("khop.direct_fails", {"accuracy": 0.25}),
        ("khop.direct_fails", {"accuracy": 0.151}),
        ("khop.order", {"hop_1": 500, "hop_2": 500, "hop_3": 500}),
        ("khop.scaling", {f"{regime}_{k}": 3000 for regime in ("mixture", "curriculum") for k in EASY_HOPS}),
    ],
)
def test_a_bar_that_includes_its_value_holds_there(id: str, change: dict[str, float]) -> None:
    assert not failing(applied(id, *[{**HOLDS[id], **change}] * 5))


@pytest.mark.parametrize("id", ["khop.mixture_solves", "khop.curriculum_solves"])
def test_four_of_five_seeds_suffice_and_three_do_not(id: str) -> None:
    good, bad = HOLDS[id], {PLAIN: 0.5}
    assert not failing(applied(id, *[good] * 4, bad))
    assert failing(applied(id, *[good] * 3, bad, bad))


def test_the_distance_from_chance_does_not_cancel_over_seeds() -> None:
    """One seed above chance and one below are both away from it."""
    good = HOLDS["khop.direct_fails"]
    far = [{**good, "accuracy": accuracy} for accuracy in (0.1, 0.3, 0.2)]
    assert failing(applied("khop.direct_fails", *far)) == {0}


def test_only_solved_seeds_must_be_in_order_and_all_of_them() -> None:
    good = HOLDS["khop.order"]
    wrong = {**good, "hop_2": 100}
    assert not failing(applied("khop.order", *[good] * 4, {**wrong, "solved": 0}))
    assert failing(applied("khop.order", *[good] * 4, wrong)) == {0}
    assert failing(applied("khop.order", *[{**good, "solved": 0}] * 5)) == {0}


def test_a_direct_run_that_never_solves_makes_the_ratio_larger_and_not_smaller() -> None:
    """Oracle: by hand, 3001 / 300 against 300 / 100."""
    check = applied("khop.scaling", *[HOLDS["khop.scaling"]] * 3)[2]
    assert (check.value, check.bar) == (pytest.approx(3001 / 300), 3.0)


def test_both_slopes_go_as_far_as_every_seed_of_either_solved_and_no_farther() -> None:
    """Oracle: numpy's fit, six hops at the bound of 3001; eight, which neither solved, do not count."""
    good = HOLDS["khop.scaling"]
    stuck = {**good, "curriculum_6": 3001}
    checks = applied("khop.scaling", *[good] * 2, stuck)
    assert [checks[place].value for place in (3, 5)] == [6, 5]
    assert [checks[place].label for place in (4, 6)] == [f"{r}: slope up to k = 6" for r in ("mixture", "curriculum")]
    ks = [2, 3, 4, 5, 6]
    bound = np.polyfit(np.log(ks), np.log([100 * k**1.5 for k in ks[:-1]] + [3001]), 1)[0]
    assert checks[4].value == pytest.approx(1.5) and checks[6].value == pytest.approx((1.5 + 1.5 + bound) / 3)
    # eight hops that one regime solves in every seed are asked of both
    farther = {**good, "mixture_8": 2500}
    assert {applied("khop.scaling", *[farther] * 3)[place].label.split()[-1] for place in (4, 6)} == {"8"}
    # where neither solves anything there is no slope
    never = {**good, **{f"{regime}_{k}": 3001 for regime in ("mixture", "curriculum") for k in EASY_HOPS}}
    assert [check.value for check in applied("khop.scaling", *[never] * 3)][3:] == [0, 0]


def test_a_regime_that_gets_stuck_early_is_not_judged_by_less() -> None:
    """A curriculum of which no seed solves five hops passed by its slope up to four."""
    stuck = {**HOLDS["khop.scaling"], "curriculum_5": 3001, "curriculum_6": 3001}
    assert failing(applied("khop.scaling", *[stuck] * 3)) == {6}


def test_an_untrained_model_and_a_probe_off_by_one_layer_do_not_pass() -> None:
    """Untrained models are at chance everywhere; a probe that reads one layer late still has the order of the hops."""
    chance = {**HOLDS["khop.direct_fails"], "accuracy": 0.2, "control_1": 0.2, "control_2": 0.2}
    assert failing(applied("khop.direct_fails", *[chance] * 3)) == {2, 3}
    late = {**HOLDS["khop.layerwise"], "first_1": 2, "first_2": 3, "first_4": 4}
    assert failing(applied("khop.layerwise", *[late] * 3)) == {0, 1, 2}


def test_one_seed_of_another_layer_is_enough_against_the_claim() -> None:
    """Oracle: the claim names the layers; a mean would hide a seed one early and another one late."""
    good = HOLDS["khop.layerwise"]
    assert failing(applied("khop.layerwise", *[good] * 4, {**good, "first_4": 2})) == {2}


def test_one_seed_above_a_half_is_enough_against_the_claim_of_depth() -> None:
    """A mean of 0.36 hid that one seed of five reached 0.62."""
    good = HOLDS["khop.depth"]
    assert failing(applied("khop.depth", *[good] * 4, {**good, "two": 0.62})) == {1}


def test_two_solved_neighbours_need_no_order_and_one_does() -> None:
    """Oracle: by hand; 0.004 above 0.003 is no matter, 0.006 above 0.003 is."""
    for errors, failed in (((0.003, 0.004), set()), ((0.003, 0.006), {1}), ((0.005, 0.005), {1})):
        change = {"layers_3_hop_1": errors[0], "layers_4_hop_1": errors[1]}
        assert failing(applied("khop.hop_heads", *[{**HOLDS["khop.hop_heads"], **change}] * 3)) == failed


def test_steps_that_are_not_positive_are_refused() -> None:
    with pytest.raises(ValueError, match="not positive"):
        applied("khop.scaling", *[{**HOLDS["khop.scaling"], "direct_1": 0}] * 3)


@pytest.mark.parametrize("id", HOLDS)
def test_too_few_seeds_are_a_check_that_fails(id: str) -> None:
    fewest = 5 if id in COUNTED else 3
    assert not failing(applied(id, *[HOLDS[id]] * fewest))
    few = applied(id, *[HOLDS[id]] * (fewest - 1))
    assert few[0].label == "seeds reported" and 0 in failing(few)


@pytest.mark.parametrize("id", [id for id in HOLDS if PLAIN not in HOLDS[id]])
def test_every_name_is_wanted_and_a_missing_one_is_named(id: str) -> None:
    for name in HOLDS[id]:
        seed = {key: value for key, value in HOLDS[id].items() if key != name}
        with pytest.raises(ValueError, match=f"{id} is to be reported with a value named '{name}'"):
            applied(id, *[seed] * 5)


@pytest.mark.parametrize("id", [id for id in HOLDS if PLAIN not in HOLDS[id]])
def test_every_value_is_judged_or_declared_as_shown_only(id: str) -> None:
    """Oracle: another number in the place of each value changes some check, unless it is declared for the record."""
    before = applied(id, *[HOLDS[id]] * 5)
    shown = for_the_record(DECLARED[id])
    for name, number in HOLDS[id].items():
        others = (0,) if name == "solved" else (number / 10, number * 10)
        changed = [applied(id, *[{**HOLDS[id], name: other}] * 5) != before for other in others]
        assert any(changed) == (name not in shown), name
