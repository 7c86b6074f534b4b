"""Each criterion against measurements that must hold, and one that must fail for each of its conditions.

The oracle is the column `holds_when` of claims.csv, read by hand into the table below.
"""

from typing import Any

import pytest

from mechbook.claims.catalogue import load_claims
from mechbook.claims.criteria import CRITERIA, Check, Measurement
from mechbook.claims.values import Values
from mechbook.induction import claims as claims
from mechbook.induction import values
from mechbook.induction.experiments import FREEZE
from tests.claims.tables import PLAIN, applied, failing, uncovered


def holding(claim: Values, number: float | None = None, **named: float) -> tuple[str, dict[str, Any]]:
    """A claim's id, and one seed's values, by their declared names."""
    return claim.claim, claim(**named) if number is None else {PLAIN: number}


HOLDS: dict[str, dict[str, Any]] = dict(
    (
        holding(values.ONE_LAYER_FAILS, 0.55),
        holding(values.TWO_LAYER_FIXED, 0.98),
        holding(values.TWO_LAYER_RANDOM, 0.92),
        holding(values.ATTENTION_MAPS, previous=0.9, induction=0.85),
        holding(values.FIXED_VS_RANDOM, fixed=0.2, random=0.7),
        holding(values.HEAD_VS_BIGRAM, outside=0.5, inside=0.2, raised_outside=0.4, raised_inside=0.1),
        holding(
            values.CONSTRUCTED,
            accuracy_after_layer_2=0.994,
            accuracy=0.995,
            accuracy_all_sequences=0.97,
            accuracy_before_attention=0.98,
            accuracy_orthonormal=1.0,
            kl_global=3.0,
        ),
        holding(values.UNIFORM_INIT, unit_norm=0.999, standard_normal=0.5),
        holding(
            values.ORDER, W_O2=50, W_K2=80, W_K1=200, W_K2_weighted=70, W_K1_weighted=100, W_K1_seen=190, W_K1_early=75
        ),
        holding(
            values.JOINT_FASTER,
            recall_W_K2=0.69,
            recall_W_K2_weighted=0.3,
            recall_W_K1=0.1,
            steps_joint=150,
            steps_freeze_W_O2=500,
            steps_freeze_W_K1=450,
            steps_freeze_W_K2=480,
            steps_freeze_both=460,
        ),
        holding(
            values.WO2_NEEDED,
            drift_W_K1=0.03,
            drift_W_K2=0.05,
            drift_W_K2_weighted=0.2,
            alone_W_O2=0.94,
            alone_accuracy=0.18,
        ),
        holding(
            values.EARLY_POSITIONS,
            steps_early=80,
            steps_late=300,
            smallest_gap=0.02,
            gap_throughout=-0.03,
            chance=0.02,
            gap_seen=0.1,
            chance_gap_seen=0.14,
        ),
        holding(values.GLOBAL_FIRST, kl_half=40, accuracy_half=200, reached=1.0),
        holding(
            values.TRIGGER_EFFECTS,
            base_accuracy=100,
            few_accuracy=300,
            rare_accuracy=250,
            random_accuracy=200,
            base_W_O2=60,
            few_W_O2=180,
            rare_W_O2=120,
            base_W_K2=70,
            random_W_K2=140,
        ),
        holding(
            values.OUTPUT_DISTRIBUTION,
            uu=0.95,
            ub=0.9,
            bu=0.5,
            bb=0.93,
            W_O2_u=1.0,
            W_O2_b=0.7,
            W_K2_u=0.9,
            W_K2_b=0.6,
        ),
        holding(
            values.WF_COMPETITION,
            accuracy=0.6,
            minimum=0.1,
            late=0.15,
            ratio=1.5,
            bag_ratio=1.2,
            bag_accuracy=0.15,
            W_O2_best=0.8,
            W_O2_end=0.7,
        ),
        holding(
            values.MEMORY_MAPS,
            W_O2_separation=9.0,
            W_K2_separation=4.5,
            W_K1_separation=5.0,
            W_K2_correlation=0.6,
            W_K2_low95=0.4,
            W_K1_correlation=0.7,
            W_K1_low95=0.5,
        ),
        holding(
            values.DIMENSION,
            tuned_32=80,
            tuned_64=60,
            tuned_128=50,
            tuned_256=40,
            fixed_32=400,
            fixed_64=200,
            fixed_128=100,
            fixed_256=50,
            **{f"{rate}_{d}_to_0.9": 500 for rate in ("tuned", "fixed") for d in values.DIMENSIONS},
        ),
        holding(
            values.REALISTIC,
            accuracy=0.95,
            W_O2=50,
            W_K2=80,
            W_K1=200,
            W_K2_weighted=70,
            W_K1_seen=190,
            short_W_O2=50,
            short_W_K2_weighted=90,
            short_W_K1_seen=60,
        ),
        holding(values.MULTI_HEAD, top=0.8, second=0.2, induction_heads=3, second_induction=0.9, uniform_induction=0.2),
    )
)

# (claim, what is changed in every seed, the checks that then fail, by their place in the list)
FAILS = [
    ("ih.one_layer_fails", {PLAIN: 0.39}, {0}),
    ("ih.one_layer_fails", {PLAIN: 0.71}, {1}),
    ("ih.two_layer_fixed", {PLAIN: 0.969}, {0}),
    ("ih.two_layer_random", {PLAIN: 0.899}, {0}),
    ("ih.attention_maps", {"previous": 0.8}, {0}),
    ("ih.attention_maps", {"induction": 0.8}, {1}),
    ("ih.fixed_vs_random", {"fixed": 0.3}, {0}),
    ("ih.fixed_vs_random", {"random": 0.6}, {1}),
    ("ih.head_vs_bigram", {"outside": 0.1}, {0}),
    ("ih.head_vs_bigram", {"outside": 0.2}, {0}),
    ("ih.constructed", {"accuracy_after_layer_2": 0.18}, {0}),
    ("ih.constructed", {"accuracy": 0.989}, {1}),
    ("ih.uniform_init", {"unit_norm": 0.98}, {0}),
    ("ih.order", {"W_O2": 90}, {0}),
    ("ih.order", {"W_O2": 80}, {0}),
    ("ih.order", {"W_K1": 70}, {0}),
    ("ih.order", {"W_K2": 901, "W_K1": 901}, {0}),
    ("ih.joint_faster", {"recall_W_K1": 0.69}, {0}),
    ("ih.joint_faster", {"steps_freeze_W_O2": 140}, {1}),
    ("ih.joint_faster", {"steps_freeze_W_K1": 140}, {1}),
    ("ih.joint_faster", {"steps_freeze_W_K2": 140}, {1}),
    ("ih.joint_faster", {"steps_freeze_both": 150}, {1}),
    ("ih.joint_faster", {f"steps_{name}": 481 for name in FREEZE if name != "joint"}, {2}),
    ("ih.wo2_needed", {"drift_W_K1": 0.151}, {0}),
    ("ih.wo2_needed", {"drift_W_K2": 0.151}, {1}),
    ("ih.wo2_needed", {"alone_W_O2": 0.9}, {2}),
    ("ih.wo2_needed", {"alone_accuracy": 0.5}, {3}),
    ("ih.early_positions", {"steps_early": 321, "steps_late": 321}, {0}),
    ("ih.early_positions", {"smallest_gap": 0.0}, {1}),
    ("ih.global_first", {"kl_half": 200}, {0}),
    # a model that never learns the head
    ("ih.global_first", {"accuracy_half": 401, "reached": 0.0}, {1}),
    ("ih.trigger_effects", {"few_accuracy": 100}, {0}),
    ("ih.trigger_effects", {"rare_accuracy": 90}, {1}),
    ("ih.trigger_effects", {"random_accuracy": 100}, {2}),
    ("ih.trigger_effects", {"few_W_O2": 60}, {3}),
    ("ih.trigger_effects", {"rare_W_O2": 50}, {4}),
    ("ih.trigger_effects", {"random_W_K2": 70}, {5}),
    ("ih.output_distribution", {"uu": 0.99, "ub": 0.6, "bb": 0.88}, {0}),
    ("ih.output_distribution", {"uu": 0.55, "ub": 0.5}, {1}),
    ("ih.output_distribution", {"W_O2_b": 1.0}, {2}),
    ("ih.output_distribution", {"W_K2_b": 0.95}, {3}),
    # a bag of words, no induction head
    ("ih.output_distribution", {"uu": 0.44, "ub": 0.44, "bu": 0.2, "bb": 0.6}, {4}),
    ("ih.output_distribution", {"bb": 0.5, "bu": 0.0}, {5}),
    ("ih.wf_competition", {"late": 0.109}, {0}),
    # no competition: W_F drifts as it does without a head, and W_O2 keeps what it has
    ("ih.wf_competition", {"ratio": 1.2}, {1}),
    ("ih.wf_competition", {"W_O2_end": 0.8}, {2}),
    ("ih.wf_competition", {"accuracy": 0.44}, {3}),
    ("ih.memory_maps", {"W_O2_separation": 5.0}, {0}),
    ("ih.memory_maps", {"W_K2_low95": -0.01}, {1}),
    ("ih.memory_maps", {"W_K1_low95": 0.0}, {2}),
    ("ih.dimension", {"tuned_64": 80}, {0}),
    ("ih.dimension", {"tuned_128": 70}, {1}),
    ("ih.dimension", {"tuned_256": 50}, {2}),
    ("ih.dimension", {"fixed_64": 400}, {3}),
    ("ih.dimension", {"fixed_128": 200}, {4}),
    ("ih.dimension", {"fixed_256": 100}, {5}),
    ("ih.dimension", {"tuned_32": 320}, {6}),
    ("ih.realistic", {"accuracy": 0.89}, {0}),
    ("ih.realistic", {"W_O2": 80}, {1}),
    ("ih.realistic", {"W_K1": 80}, {2}),
    ("ih.multi_head", {"top": 0.6}, {0}),
    ("ih.multi_head", {"second": 0.4}, {1}),
    ("ih.multi_head", {"induction_heads": 1}, {2}),
    # four heads that attend evenly
    ("ih.multi_head", {"induction_heads": 4, "second_induction": 0.2}, {3}),
]

COUNTED = ["ih.head_vs_bigram", "ih.order", "ih.joint_faster", "ih.trigger_effects"]


def test_chapter_3_has_a_criterion_for_every_claim_of_the_list() -> None:
    assert {id for id in CRITERIA if id.startswith("ih.")} == {id for id in load_claims() if id.startswith("ih.")}


def test_the_tables_cover_every_claim_and_every_condition() -> None:
    assert HOLDS.keys() == {id for id in CRITERIA if id.startswith("ih.")}
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
        ("ih.one_layer_fails", {PLAIN: 0.40}),
        ("ih.one_layer_fails", {PLAIN: 0.70}),
        ("ih.two_layer_fixed", {PLAIN: 0.97}),
        ("ih.two_layer_random", {PLAIN: 0.90}),
        ("ih.constructed", {"accuracy": 0.99, "accuracy_after_layer_2": 0.99}),
        ("ih.wo2_needed", {"drift_W_K1": 0.15, "drift_W_K2": 0.15}),
        ("ih.realistic", {"accuracy": 0.9}),
        ("ih.multi_head", {"induction_heads": 2}),
        ("ih.order", {"W_K1": 901}),
    ],
)
def test_a_bar_that_includes_its_value_holds_there(id: str, change: dict[str, float]) -> None:
    assert not failing(applied(id, *[{**HOLDS[id], **change}] * 5))


@pytest.mark.parametrize(
    ("id", "value", "laptop", "paper"),
    [
        ("ih.two_layer_fixed", 0.98, True, False),
        ("ih.two_layer_fixed", 0.99, True, True),
        ("ih.two_layer_random", 0.94, True, False),
        ("ih.two_layer_random", 0.95, True, True),
    ],
)
def test_the_paper_scale_has_the_higher_bar(id: str, value: float, laptop: bool, paper: bool) -> None:
    for scale, holds in (("laptop", laptop), ("paper", paper)):
        assert (not failing(applied(id, *[{PLAIN: value}] * 3, scale=scale))) is holds


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="'napkin'"):
        applied("ih.two_layer_fixed", *[{PLAIN: 0.98}] * 3, scale="napkin")


def test_the_mean_decides_where_seeds_are_not_counted() -> None:
    assert not failing(applied("ih.two_layer_random", {PLAIN: 0.80}, {PLAIN: 0.95}, {PLAIN: 0.96}))
    assert failing(applied("ih.two_layer_random", {PLAIN: 0.70}, {PLAIN: 0.96}, {PLAIN: 0.97}))


def bad_seed(id: str) -> list[dict[str, float]]:
    """One seed's values for each condition of a counted claim, failing that condition."""
    return [{**HOLDS[id], **change} for claim, change, _ in FAILS if claim == id]


@pytest.mark.parametrize(("id", "bad"), [(id, bad) for id in COUNTED for bad in bad_seed(id)])
def test_four_of_five_seeds_suffice_and_three_do_not(id: str, bad: dict[str, float]) -> None:
    good = HOLDS[id]
    assert not failing(applied(id, *[good] * 4, bad))
    assert failing(applied(id, *[good] * 3, bad, bad))
    assert not failing(applied(id, *[good] * 8, bad, bad))
    assert failing(applied(id, *[good] * 7, bad, bad, bad))
    assert failing(applied(id, *[good] * 5, bad, bad))


def test_order_must_be_whole_within_a_seed() -> None:
    """Three seeds in order, one W_O2 late, one W_K1 early: each pair is in order in 4 of 5, the chain in 3."""
    good = HOLDS["ih.order"]
    assert failing(applied("ih.order", good, good, good, {**good, "W_O2": 90}, {**good, "W_K1": 60}))


def test_one_seed_out_of_order_breaks_what_every_seed_must_show() -> None:
    good = HOLDS["ih.global_first"]
    assert failing(applied("ih.global_first", good, good, good, good, {**good, "kl_half": 300, "accuracy_half": 299}))


@pytest.mark.parametrize("id", HOLDS)
def test_too_few_seeds_are_a_check_that_fails(id: str) -> None:
    fewest = 5 if id in (*COUNTED, "ih.early_positions") else 3
    assert not failing(applied(id, *[HOLDS[id]] * fewest))
    few = applied(id, *[HOLDS[id]] * (fewest - 1))
    assert few[0].label == "seeds reported" and 0 in failing(few)


@pytest.mark.parametrize("id", [id for id in HOLDS if PLAIN not in HOLDS[id]])
def test_every_name_is_wanted_and_a_missing_one_is_named(id: str) -> None:
    for name in HOLDS[id]:
        seed = {key: value for key, value in HOLDS[id].items() if key != name}
        with pytest.raises(ValueError, match=f"{id} is to be reported with a value named '{name}'"):
            applied(id, *[seed] * 5)


def test_a_number_for_a_dict_and_a_dict_for_a_number_are_refused() -> None:
    with pytest.raises(ValueError, match="a value named 'previous'"):
        applied("ih.attention_maps", *[{PLAIN: 0.9}] * 3)
    with pytest.raises(ValueError, match="with a number for each seed"):
        applied("ih.two_layer_fixed", *[{"accuracy": 0.99}] * 3)


def test_a_number_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        applied("ih.constructed", *[{**HOLDS["ih.constructed"], "kl_global": float("inf")}] * 3)


def test_steps_that_are_not_positive_are_refused() -> None:
    with pytest.raises(ValueError, match="not positive"):
        applied("ih.dimension", *[{**HOLDS["ih.dimension"], "fixed_256": 0}] * 3)


# Reported to be shown on the card, and not judged.
SHOWN = {
    "ih.head_vs_bigram": {"raised_outside", "raised_inside"},
    "ih.constructed": {"accuracy_all_sequences", "accuracy_before_attention", "accuracy_orthonormal", "kl_global"},
    "ih.uniform_init": {"standard_normal"},
    "ih.order": {"W_K2_weighted", "W_K1_weighted", "W_K1_seen", "W_K1_early"},
    "ih.joint_faster": {"recall_W_K2_weighted"},
    "ih.wo2_needed": {"drift_W_K2_weighted"},
    "ih.early_positions": {"gap_throughout", "chance", "gap_seen", "chance_gap_seen"},
    "ih.wf_competition": {"bag_accuracy"},
    "ih.memory_maps": {"W_K2_correlation", "W_K1_correlation", "W_K2_separation", "W_K1_separation"},
    "ih.dimension": {name for name in values.DIMENSION.names if name.endswith("_to_0.9")},
    "ih.realistic": {"W_K2_weighted", "W_K1_seen", "short_W_O2", "short_W_K2_weighted", "short_W_K1_seen"},
}


@pytest.mark.parametrize("id", [id for id in HOLDS if PLAIN not in HOLDS[id]])
def test_every_name_is_judged_but_those_that_are_shown(id: str) -> None:
    before = applied(id, *[HOLDS[id]] * 5)
    judged = {
        name for name in HOLDS[id] for other in (1, 1000) if applied(id, *[{**HOLDS[id], name: other}] * 5) != before
    }
    assert HOLDS[id].keys() - judged == SHOWN.get(id, set())


@pytest.mark.parametrize(
    ("reported", "marginal"),
    [
        # Means 0.92; bar 0.90; sample standard deviations 0.01 and 0.009, hence two spreads 0.02 and 0.018.
        ([0.91, 0.92, 0.93], True),
        ([0.911, 0.92, 0.929], False),
        ([0.92], False),
    ],
)
def test_marginal_is_within_two_spreads_of_the_bar(reported: list[float], marginal: bool) -> None:
    check = Measurement(id="ih.two_layer_random", values=reported, scale="laptop").bar(None, ">=", 0.90)
    # Rounding may put 0.02 on either side of 2 x 0.01: widen by a part in a billion.
    widened = Check("", check.value, check.op, check.bar, check.spread and check.spread * (1 + 1e-9))
    assert widened.marginal is marginal


def test_a_failing_check_is_marginal_too() -> None:
    assert Check("accuracy", 0.89, ">=", 0.90, spread=0.01).marginal
    assert not Check("accuracy", 0.87, ">=", 0.90, spread=0.01).marginal


def test_a_count_is_marginal_where_the_gaps_mean_is_near_zero() -> None:
    good = HOLDS["ih.head_vs_bigram"]
    sure = applied("ih.head_vs_bigram", *({**good, "outside": 0.5 + 0.01 * k} for k in range(5)))
    # Gaps 0.1, 0.1, 0.1, 0.1, -0.1: mean 0.06, sample standard deviation 0.0894.
    near = applied("ih.head_vs_bigram", *({**good, "outside": x, "inside": 0.2} for x in (0.3, 0.3, 0.3, 0.3, 0.1)))
    assert not failing(near) and near[0].marginal and not sure[0].marginal


def test_two_means_are_compared_by_the_spread_of_their_difference() -> None:
    """The two vary much and their difference not at all: gaps of exactly 0.25 in every seed, so nothing marginal."""
    seeds = [{**HOLDS["ih.output_distribution"], "ub": x, "bu": x - 0.25} for x in (0.5, 0.75, 1.0)]
    assert applied("ih.output_distribution", *seeds)[1].spread == 0.0


def test_output_distribution_spread_is_that_of_the_two_losses_difference() -> None:
    base = HOLDS["ih.output_distribution"]
    shifts = (-0.25, 0.0, 0.25)
    seeds = [{**base, "uu": 0.875, "ub": 0.75 - x / 2, "bb": 1.0, "bu": 0.5 + x} for x in shifts]
    check = applied("ih.output_distribution", *seeds)[0]
    # (bb - bu) - (uu - ub) is 0.75, 0.375, 0.0: sample standard deviation 0.375.
    assert (check.value, check.bar, check.spread) == (0.125, 0.5, 0.375)


def test_dimension_compares_ratios_of_means() -> None:
    check = applied("ih.dimension", *[HOLDS["ih.dimension"]] * 3)[-1]
    assert (check.value, check.bar, check.spread) == (8.0, 2.0, 0.0)


def test_dimension_spread_is_that_of_each_seed_s_ratios() -> None:
    seeds = [{**HOLDS["ih.dimension"], "fixed_32": steps} for steps in (300, 400, 500)]
    check = applied("ih.dimension", *seeds)[-1]
    # Ratios 6, 8, 10 against 2 in each seed: differences 4, 6, 8.
    assert (check.value, check.bar, check.spread) == (8.0, 2.0, 2.0)


def test_four_seeds_are_needed_however_few_there_are() -> None:
    m = Measurement(id="ih.order", values=[0, 0, 0], scale="laptop")
    assert m.in_most_seeds("anything", [1, 1, 1]).bar == 4


def test_factors_are_applied_to_the_right_hand_side() -> None:
    late = applied("ih.wf_competition", *[{**HOLDS["ih.wf_competition"], "minimum": 0.5, "late": 0.6}] * 3)[0]
    assert late.value == pytest.approx(0.6) and late.bar == pytest.approx(0.55)
    top = applied("ih.multi_head", *[HOLDS["ih.multi_head"]] * 3)[1]
    assert top.value == pytest.approx(0.8) and top.bar == pytest.approx(0.4)
