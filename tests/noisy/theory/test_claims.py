"""The criteria of chapter 4's theory: what holds, and for each condition a measurement that fails it alone."""

import pytest

from mechbook.claims.criteria import CRITERIA
from mechbook.claims.values import Values
from mechbook.noisy import values
from mechbook.noisy.theory import claims
from tests.claims.tables import applied, failing, uncovered

HOLDS = {
    values.THEOREM_1: values.THEOREM_1(
        feed_forward_z=1.0,
        attention_z=0.5,
        feed_forward_exponent=-0.5,
        attention_exponent=-0.49,
        samples_more=10.0,
        samples_as_many=1.02,
        samples_z=2.5,
    ),
    values.LEMMA_MOMENTS: values.LEMMA_MOMENTS(mean_z=1.7, variance_z=2.1, printed_wrong=8),
    values.KQ_SIGN: values.KQ_SIGN(
        noise_largest=-0.04,
        noise_exponent=-1.85,
        others_short=-0.02,
        others_long=0.01,
        others_exponent=-2.83,
        crossing=5.3,
        crossing_exact=5.4,
    ),
    values.KQ_FLIP: values.KQ_FLIP(below=-0.04, above=0.15, flip=1.0),
    values.THREE_SPEEDS: values.THREE_SPEEDS(W_F=0.05, W_V=-0.93, W_KQ=-1.85),
    values.LINEAR_MEMORY: values.LINEAR_MEMORY(
        rank_2=0.004, full=0.031, spread_12=0.0013, spread_8=0.0022, wins_12=20, wins_8=18
    ),
    values.ALPHA_VS_N: values.ALPHA_VS_N(error=0.008, cases=40, agree=40, helps=24, law_error=0.03),
    values.THEOREM_2: values.THEOREM_2(exponent=-0.49, error=0.009, printed_error=0.6),
}

# (claim, what is changed in every seed, the checks that then fail, by their place in the list)
FAILS = [
    (values.THEOREM_1, {"feed_forward_z": 4.0}, {0}),
    (values.THEOREM_1, {"attention_z": 4.1}, {1}),
    (values.THEOREM_1, {"feed_forward_exponent": -0.61}, {2}),
    (values.THEOREM_1, {"feed_forward_exponent": -0.39}, {3}),
    (values.THEOREM_1, {"attention_exponent": -0.61}, {4}),
    (values.THEOREM_1, {"attention_exponent": -0.39}, {5}),
    (values.THEOREM_1, {"samples_more": 2.0}, {6}),
    # the most that any typical context needs is no evidence of "as many"
    (values.THEOREM_1, {"samples_as_many": 1.49}, {7}),
    (values.THEOREM_1, {"samples_as_many": 1.1}, {7}),
    (values.THEOREM_1, {"samples_z": 4.1}, {8}),
    (values.LEMMA_MOMENTS, {"mean_z": 4.1}, {0}),
    (values.LEMMA_MOMENTS, {"variance_z": 4.1}, {1}),
    (values.KQ_SIGN, {"noise_largest": 0.0}, {0}),
    (values.KQ_SIGN, {"noise_exponent": -2.31}, {1}),
    (values.KQ_SIGN, {"noise_exponent": -1.69}, {2}),
    (values.KQ_SIGN, {"others_short": 0.01}, {3}),
    (values.KQ_SIGN, {"others_long": -0.01}, {4}),
    (values.KQ_SIGN, {"others_exponent": -3.31}, {5}),
    (values.KQ_SIGN, {"others_exponent": -2.69}, {6}),
    (values.KQ_FLIP, {"below": 0.01}, {0}),
    (values.KQ_FLIP, {"above": -0.01}, {1}),
    (values.KQ_FLIP, {"flip": 0.89}, {2}),
    (values.KQ_FLIP, {"flip": 1.11}, {3}),
    (values.THREE_SPEEDS, {"W_F": -0.31}, {0}),
    (values.THREE_SPEEDS, {"W_F": 0.31}, {1}),
    (values.THREE_SPEEDS, {"W_V": -1.31}, {2}),
    (values.THREE_SPEEDS, {"W_V": -0.69}, {3}),
    (values.THREE_SPEEDS, {"W_KQ": -2.31}, {4}),
    (values.THREE_SPEEDS, {"W_KQ": -1.69}, {5}),
    (values.LINEAR_MEMORY, {"rank_2": 0.016}, {0}),
    (values.LINEAR_MEMORY, {"rank_2": 0.0155}, {0}),
    (values.LINEAR_MEMORY, {"spread_8": 0.0013}, {1}),
    (values.ALPHA_VS_N, {"error": 0.021}, {0}),
    (values.ALPHA_VS_N, {"agree": 39}, {1}),
    (values.ALPHA_VS_N, {"helps": 0}, {2}),
    (values.ALPHA_VS_N, {"helps": 40}, {2}),
    (values.THEOREM_2, {"exponent": -0.56}, {0}),
    (values.THEOREM_2, {"exponent": -0.44}, {1}),
    (values.THEOREM_2, {"error": 0.021}, {2}),
]
# Conditions on every seed: here one seed of three spoils them.
EACH = [
    (values.THEOREM_1, {"feed_forward_z": 4.1}),
    (values.THEOREM_1, {"samples_z": 4.1}),
    (values.LEMMA_MOMENTS, {"variance_z": 4.1}),
    (values.KQ_SIGN, {"noise_largest": 0.01}),
    (values.KQ_SIGN, {"others_long": -0.001}),
    (values.KQ_FLIP, {"below": 0.01}),
    (values.ALPHA_VS_N, {"agree": 39}),
]


def test_the_tables_cover_every_condition() -> None:
    """Oracle: every check of every claim fails in some row."""
    assert not uncovered(HOLDS, FAILS, seeds=3)


@pytest.mark.parametrize("claim", HOLDS)
def test_what_should_hold_holds(claim: Values) -> None:
    """Oracle: `holds_when`, by eye."""
    checks = applied(claim, *[HOLDS[claim]] * 3)
    assert checks and not failing(checks)


@pytest.mark.parametrize(("claim", "change", "places"), FAILS)
def test_each_condition_can_fail_and_fails_alone(claim: Values, change: dict[str, float], places: set[int]) -> None:
    """Oracle: `holds_when`, by eye."""
    assert failing(applied(claim, *[{**HOLDS[claim], **change}] * 3)) == places


@pytest.mark.parametrize(
    ("claim", "change"),
    [
        (values.THREE_SPEEDS, {"W_F": -0.3}),
        (values.THREE_SPEEDS, {"W_F": 0.3}),
        (values.ALPHA_VS_N, {"error": 0.02}),
        (values.THEOREM_2, {"error": 0.02}),
    ],
)
def test_a_bar_that_includes_its_value_holds_there(claim: Values, change: dict[str, float]) -> None:
    """Oracle: "within" includes its ends."""
    assert not failing(applied(claim, *[{**HOLDS[claim], **change}] * 3))


@pytest.mark.parametrize(("claim", "change"), EACH)
def test_one_seed_spoils_what_every_seed_must_show(claim: Values, change: dict[str, float]) -> None:
    """Oracle: `holds_when`; means over seeds would forgive it."""
    good = HOLDS[claim]
    assert failing(applied(claim, good, good, {**good, **change}))


@pytest.mark.parametrize("claim", HOLDS)
def test_too_few_seeds_fail_where_sampling_decides(claim: Values) -> None:
    """Oracle: the module's own words; the flow of Theorem 2 has no randomness."""
    few = applied(claim, *[HOLDS[claim]] * (1 if claim is values.THEOREM_2 else 2))
    assert bool(failing(few)) is (claim is not values.THEOREM_2)


# Shown beside what is judged.
SHOWN = {"printed_wrong", "crossing", "crossing_exact", "wins_12", "wins_8", "law_error", "printed_error"}


@pytest.mark.parametrize("claim", HOLDS, ids=lambda c: c.claim)
def test_every_declared_value_is_wanted_and_decides_or_is_shown(claim: Values) -> None:
    """Oracle: a measurement with one value left out, and one with it far off, either way."""
    good = HOLDS[claim]
    for name in claim.names:
        with pytest.raises(ValueError, match=f"{claim.claim} is to be reported with a value named '{name}'"):
            applied(claim, *[{key: value for key, value in good.items() if key != name}] * 3)
        far = [applied(claim, *[{**good, name: value}] * 3) for value in (-1000.0, 1000.0)]
        assert any(failing(checks) for checks in far) is (name not in SHOWN), name


def test_each_criterion_of_the_module_is_one_of_these() -> None:
    """Oracle: the module's functions."""
    made = {
        criterion.function.__name__
        for criterion in CRITERIA.values()
        if criterion.function.__module__ == claims.__name__
    }
    assert len(made) == len(HOLDS)
