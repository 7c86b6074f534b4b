"""The criteria of chapter 4's theory: what holds, and for each condition a measurement that fails it alone."""

import pytest

from mechbook.claims.criteria import CRITERIA, Check
from mechbook.noisy.theory import claims as criteria_noisy_theory

HOLDS = {
    "noisy.theorem1": {
        "feed_forward_z": 1.0,
        "attention_z": 0.5,
        "feed_forward_exponent": -0.5,
        "attention_exponent": -0.49,
        "samples_more": 10.0,
        "samples_as_many": 1.02,
    },
    "noisy.lemma_moments": {"mean_z": 1.7, "variance_z": 2.1, "printed_wrong": 8},
    "noisy.kq_sign": {
        "noise_largest": -0.04,
        "noise_exponent": -1.85,
        "others_short": -0.02,
        "others_long": 0.01,
        "others_exponent": -2.83,
    },
    "noisy.kq_flip": {"below": -0.04, "above": 0.15, "flip": 1.0},
    "noisy.three_speeds": {"W_F": 0.05, "W_V": -0.93, "W_KQ": -1.85},
    "noisy.linear_memory": {"rank_2": 0.004, "full": 0.031, "spread_12": 0.0013, "spread_8": 0.0022},
    "noisy.alpha_vs_n": {"error": 0.008, "cases": 40, "agree": 40, "helps": 24},
    "noisy.theorem2": {"exponent": -0.49, "error": 0.009, "printed_error": 0.6},
}

# (claim, what is changed in every seed, the checks that then fail, by their place in the list)
FAILS = [
    ("noisy.theorem1", {"feed_forward_z": 4.0}, {0}),
    ("noisy.theorem1", {"attention_z": 4.1}, {1}),
    ("noisy.theorem1", {"feed_forward_exponent": -0.61}, {2}),
    ("noisy.theorem1", {"feed_forward_exponent": -0.39}, {3}),
    ("noisy.theorem1", {"attention_exponent": -0.61}, {4}),
    ("noisy.theorem1", {"attention_exponent": -0.39}, {5}),
    ("noisy.theorem1", {"samples_more": 2.0}, {6}),
    ("noisy.theorem1", {"samples_as_many": 1.5}, {7}),
    ("noisy.lemma_moments", {"mean_z": 4.1}, {0}),
    ("noisy.lemma_moments", {"variance_z": 4.1}, {1}),
    ("noisy.kq_sign", {"noise_largest": 0.0}, {0}),
    ("noisy.kq_sign", {"noise_exponent": -2.31}, {1}),
    ("noisy.kq_sign", {"noise_exponent": -1.69}, {2}),
    ("noisy.kq_sign", {"others_short": 0.01}, {3}),
    ("noisy.kq_sign", {"others_long": -0.01}, {4}),
    ("noisy.kq_sign", {"others_exponent": -3.31}, {5}),
    ("noisy.kq_sign", {"others_exponent": -2.69}, {6}),
    ("noisy.kq_flip", {"below": 0.01}, {0}),
    ("noisy.kq_flip", {"above": -0.01}, {1}),
    ("noisy.kq_flip", {"flip": 0.89}, {2}),
    ("noisy.kq_flip", {"flip": 1.11}, {3}),
    ("noisy.three_speeds", {"W_F": -0.31}, {0}),
    ("noisy.three_speeds", {"W_F": 0.31}, {1}),
    ("noisy.three_speeds", {"W_V": -1.31}, {2}),
    ("noisy.three_speeds", {"W_V": -0.69}, {3}),
    ("noisy.three_speeds", {"W_KQ": -2.31}, {4}),
    ("noisy.three_speeds", {"W_KQ": -1.69}, {5}),
    ("noisy.linear_memory", {"rank_2": 0.016}, {0}),
    ("noisy.linear_memory", {"rank_2": 0.0155}, {0}),
    ("noisy.linear_memory", {"spread_8": 0.0013}, {1}),
    ("noisy.alpha_vs_n", {"error": 0.021}, {0}),
    ("noisy.alpha_vs_n", {"agree": 39}, {1}),
    ("noisy.alpha_vs_n", {"helps": 0}, {2}),
    ("noisy.alpha_vs_n", {"helps": 40}, {2}),
    ("noisy.theorem2", {"exponent": -0.56}, {0}),
    ("noisy.theorem2", {"exponent": -0.44}, {1}),
    ("noisy.theorem2", {"error": 0.021}, {2}),
]
# Conditions on every seed: here one seed of three spoils them.
EACH = [
    ("noisy.theorem1", {"feed_forward_z": 4.1}),
    ("noisy.lemma_moments", {"variance_z": 4.1}),
    ("noisy.kq_sign", {"noise_largest": 0.01}),
    ("noisy.kq_sign", {"others_long": -0.001}),
    ("noisy.kq_flip", {"below": 0.01}),
    ("noisy.alpha_vs_n", {"agree": 39}),
]


def applied(id: str, *seeds: dict[str, float]) -> list[Check]:
    return CRITERIA[id](id, seeds, "laptop")


def failing(checks: list[Check]) -> set[int]:
    return {place for place, check in enumerate(checks) if not check.ok}


def test_the_tables_cover_every_condition() -> None:
    """Oracle: every check of every claim fails in some row."""
    for id, seed in HOLDS.items():
        covered = {place for claim, _, places in FAILS if claim == id for place in places}
        assert covered == set(range(len(applied(id, *[seed] * 3)))), id


@pytest.mark.parametrize("id", HOLDS)
def test_what_should_hold_holds(id: str) -> None:
    """Oracle: `holds_when`, by eye."""
    checks = applied(id, *[HOLDS[id]] * 3)
    assert checks and not failing(checks)


@pytest.mark.parametrize(("id", "change", "places"), FAILS)
def test_each_condition_can_fail_and_fails_alone(id: str, change: dict[str, float], places: set[int]) -> None:
    """Oracle: `holds_when`, by eye."""
    assert failing(applied(id, *[{**HOLDS[id], **change}] * 3)) == places


@pytest.mark.parametrize(
    ("id", "change"),
    [
        ("noisy.three_speeds", {"W_F": -0.3}),
        ("noisy.three_speeds", {"W_F": 0.3}),
        ("noisy.alpha_vs_n", {"error": 0.02}),
        ("noisy.theorem2", {"error": 0.02}),
    ],
)
def test_a_bar_that_includes_its_value_holds_there(id: str, change: dict[str, float]) -> None:
    """Oracle: "within" includes its ends."""
    assert not failing(applied(id, *[{**HOLDS[id], **change}] * 3))


@pytest.mark.parametrize(("id", "change"), EACH)
def test_one_seed_spoils_what_every_seed_must_show(id: str, change: dict[str, float]) -> None:
    """Oracle: `holds_when`; means over seeds would forgive it."""
    good = HOLDS[id]
    assert failing(applied(id, good, good, {**good, **change}))


@pytest.mark.parametrize("id", HOLDS)
def test_too_few_seeds_fail_where_sampling_decides(id: str) -> None:
    """Oracle: the module's own words; the flow of Theorem 2 has no randomness."""
    few = applied(id, *[HOLDS[id]] * (1 if id == "noisy.theorem2" else 2))
    assert bool(failing(few)) is (id != "noisy.theorem2")


@pytest.mark.parametrize("id", HOLDS)
def test_every_name_is_wanted_and_is_in_the_module_s_table(id: str) -> None:
    """Oracle: a measurement with one name left out, for each name."""
    assert CRITERIA[id].keys == tuple(HOLDS[id])
    for name in HOLDS[id]:
        assert name in str(criteria_noisy_theory.__doc__)
        seed = {key: value for key, value in HOLDS[id].items() if key != name}
        with pytest.raises(ValueError, match=f"{id} is to be reported with a value named '{name}'"):
            applied(id, *[seed] * 3)
