"""Each criterion against measurements that must hold, and one that must fail for each of its conditions.

The oracle is the column `holds_when` of claims.csv, read by hand into the tables below.
"""

import pytest

from mechbook.claims.catalogue import load_claims
from mechbook.claims.criteria import CRITERIA, Measurement
from mechbook.claims.values import Values
from mechbook.memories import claims as criteria_memories
from mechbook.memories import values as declared

PLAIN = "plain"
REMAP = {
    f"{name}_{d}": value
    for d in (8, 16, 32, 64)
    for name, value in {
        "variance": (d + 2) / d**2,
        "error": 0.01 * (d + 2) / d**2,
        "derived": (d + 2) / d**2,
        "printed": (d + 5) / (2 * d**2),
    }.items()
}
DECLARED = {each.claim: each for each in vars(declared).values() if isinstance(each, Values)}

HOLDS = {
    "am.near_orthogonal": declared.NEAR_ORTHOGONAL(**{f"d{d}": 1.02 for d in (16, 32, 64, 128, 256, 512, 1024)}),
    "am.remap": declared.REMAP(**REMAP),
    "am.recall_outer_product": declared.RECALL_OUTER_PRODUCT(
        variance_injective=0.163,
        error_injective=0.001,
        derived_injective=0.162,
        variance_many=0.4,
        error_many=0.01,
        derived_many=0.41,
    ),
    "am.capacity_outer": {PLAIN: 2.1},
    "am.capacity_outer_shared": {PLAIN: 1.0},
    "am.capacity_trained": {PLAIN: 1.9},
    "am.capacity_mlp": {PLAIN: 1.05},
    "am.factorised": declared.FACTORISED(recall=1.0, full=1.0),
    "am.mlp_filter": declared.MLP_FILTER(mlp=1.0, linear=0.1, sets=1.0),
    "am.sets": declared.SETS(linear=0.04, mlp=1.0),
    "am.scaling_law": declared.SCALING_LAW(
        fitted_p=0.2, derived_p=0.17, fitted_root=0.4, derived_root=0.33, fitted_top=0.45, derived_top=0.5
    ),
}

# (claim, what is changed in every seed, the checks that then fail, by their place in the list)
FAILS = [
    *(("am.near_orthogonal", {f"d{d}": 0.949}, {2 * i}) for i, d in enumerate((16, 32, 64, 128, 256, 512, 1024))),
    *(("am.near_orthogonal", {f"d{d}": 1.051}, {2 * i + 1}) for i, d in enumerate((16, 32, 64, 128, 256, 512, 1024))),
    # three seeds with errors of 1%: the mean's is 0.58%, and 4 of them are 2.3%
    *(("am.remap", {f"variance_{d}": 1.03 * (d + 2) / d**2}, {2 * i}) for i, d in enumerate((8, 16, 32, 64))),
    *(("am.remap", {f"printed_{d}": 1.02 * (d + 2) / d**2}, {2 * i + 1}) for i, d in enumerate((8, 16, 32, 64))),
    ("am.recall_outer_product", {"variance_injective": 0.1644}, {0}),
    ("am.recall_outer_product", {"variance_many": 0.386}, {1}),
    ("am.capacity_outer", {PLAIN: 1.79}, {0}),
    ("am.capacity_outer", {PLAIN: 2.31}, {1}),
    ("am.capacity_outer_shared", {PLAIN: 0.79}, {0}),
    ("am.capacity_outer_shared", {PLAIN: 1.21}, {1}),
    ("am.capacity_trained", {PLAIN: 1.79}, {0}),
    ("am.capacity_trained", {PLAIN: 2.21}, {1}),
    ("am.capacity_mlp", {PLAIN: 0.89}, {0}),
    ("am.capacity_mlp", {PLAIN: 1.11}, {1}),
    ("am.factorised", {"recall": 0.999}, {0}),
    ("am.factorised", {"full": 0.999}, {1}),
    ("am.mlp_filter", {"linear": 0.81}, {0}),
    ("am.mlp_filter", {"sets": 0.999}, {1}),
    ("am.sets", {"linear": 0.5}, {0}),
    ("am.sets", {"mlp": 0.999}, {1}),
    ("am.scaling_law", {"fitted_p": 0.33}, {0}),
    ("am.scaling_law", {"fitted_root": 0.17}, {1}),
    ("am.scaling_law", {"fitted_top": 0.66}, {2}),
]


def seeds_of(values, n=3):
    """The same values for each seed, as the chapter reports them."""
    return [values[PLAIN] if PLAIN in values else dict(values)] * n


def checks(id, values, n=3):
    return CRITERIA[id](id, seeds_of(values, n), "laptop")


def test_there_is_a_criterion_for_each_claim_of_the_chapter_and_a_case_for_each():
    """Oracle: the list of claims."""
    of_chapter = {claim.id for claim in load_claims().values() if claim.chapter == 1}
    assert set(HOLDS) == set(DECLARED) == of_chapter == {id for id in CRITERIA if id.startswith("am.")}


@pytest.mark.parametrize("id", HOLDS)
def test_what_should_hold_holds(id):
    """Oracle: the table HOLDS; with one seed less than three it does not."""
    assert all(check.ok for check in checks(id, HOLDS[id]))
    assert not all(check.ok for check in checks(id, HOLDS[id], n=2))


@pytest.mark.parametrize("id, change, failing", FAILS)
def test_what_should_fail_fails_in_its_own_check(id, change, failing):
    """Oracle: the table FAILS."""
    found = checks(id, {**HOLDS[id], **change})
    assert {place for place, check in enumerate(found) if not check.ok} == failing


def test_every_check_of_every_criterion_can_fail():
    """Oracle: counting the checks that FAILS names."""
    for id in HOLDS:
        named = set().union(*(failing for other, _, failing in FAILS if other == id))
        assert named == set(range(len(checks(id, HOLDS[id])))), id


@pytest.mark.parametrize("id, name", [(id, name) for id, each in DECLARED.items() for name in each.names or (PLAIN,)])
def test_each_declared_value_is_read(id, name):
    """Oracle: with another number some check is another; without the number there is none."""
    assert checks(id, {**HOLDS[id], name: 1.5 * HOLDS[id][name]}) != checks(id, HOLDS[id])
    if name != PLAIN:
        with pytest.raises(ValueError, match=f"a value named '{name}'"):
            checks(id, {key: value for key, value in HOLDS[id].items() if key != name})


def test_the_error_of_a_mean_is_that_of_independent_seeds():
    """Oracle: the mean of n equal errors e is off by gap / (e / sqrt n)."""
    for n in (3, 5):
        values = [{"variance_x": 2.0, "error_x": 0.5, "derived_x": 1.0}] * n
        found, _ = criteria_memories.errors_off(Measurement(id="am.x", values=values, scale="laptop"), "x", "derived")
        assert found == pytest.approx(1 / (0.5 / n**0.5), rel=1e-12)


def test_an_error_that_is_not_positive_is_refused():
    """Oracle: the sentence."""
    with pytest.raises(ValueError, match="standard error that is not positive"):
        checks("am.recall_outer_product", {**HOLDS["am.recall_outer_product"], "error_many": 0.0})
