"""The criteria of chapter 4's experiments: what holds, and for each condition a measurement that fails it alone."""

import pytest

from mechbook.claims.catalogue import load_claims
from mechbook.claims.criteria import CRITERIA
from mechbook.claims.values import Values
from mechbook.noisy import claims, values
from tests.claims.tables import PLAIN, applied, failing, uncovered

THEORY = {
    "theorem1", "lemma_moments", "kq_sign", "kq_flip", "three_speeds", "linear_memory", "alpha_vs_n", "theorem2"
}  # fmt: skip
MINE = {id for id in load_claims() if id.startswith("noisy.") and id.removeprefix("noisy.") not in THEORY}

HOLDS = {
    values.FULL_PREDICTS_NOISE: {PLAIN: 0.5},
    values.DROP_F2: values.DROP_F2(correct=0.97, noise=0.03),
    values.RANK_SWEEP: values.RANK_SWEEP(
        noise_0=0.02, noise_1=0.03, noise_5=0.1, noise_20=0.3, noise_100=0.5, loss_0=0.1, loss_100=0.7
    ),
    values.NOISE_FIRST: values.NOISE_FIRST(early=1.0, final=0.5, settled=0.5),
    values.FINETUNE: values.FINETUNE(early=0.95, before=0.4, after=0.05),
    values.ATTENTION_AVOIDS_NOISE: values.ATTENTION_AVOIDS_NOISE(correct=0.9, noise=0.02),
    values.F2_MARGIN: values.F2_MARGIN(margin=1, attention=150),
    values.ALPHA_SWEEP: values.ALPHA_SWEEP(
        noise_20=0.2,
        noise_50=0.5,
        noise_80=0.8,
        gain_20=0.15,
        gain_50=0.4,
        gain_80=0.6,
        dropped_20=0.02,
        dropped_50=0.04,
        dropped_80=0.08,
    ),
    values.COMPONENT_ROLES: values.COMPONENT_ROLES(previous=0.95, used=0.97, noise=1.0, value=1.0, noise_rank=60.0),
    values.KQ_NOISE_SCORE: values.KQ_NOISE_SCORE(noise=-5.0, lowest=-3.0),
    values.MULTIPLE_TRIGGERS: {PLAIN: 12.0},
    values.DROP_F1: values.DROP_F1(full=0.5, dropped=0.85),
    values.ARCH_MLP_LINEAR: values.ARCH_MLP_LINEAR(
        correct_full=0.5, correct_F1=0.9, correct_F2=0.8, loss_F1=0.1, loss_F2=0.3
    ),
    values.ARCH_LINEAR_MLP: values.ARCH_LINEAR_MLP(correct_full=0.5, correct_F2=0.9, noise_full=0.5, noise_F1=0.7),
    values.ARCH_NONE: values.ARCH_NONE(gain=0.1, mlp_gain=0.4, correct_5=0.55, correct_1=0.1, correct_full=0.5),
}

# (claim, what is changed in every seed, the checks that then fail, by their place in the list)
FAILS = [
    (values.FULL_PREDICTS_NOISE, {PLAIN: 0.429}, {0}),
    (values.FULL_PREDICTS_NOISE, {PLAIN: 0.571}, {1}),
    (values.DROP_F2, {"correct": 0.899}, {0}),
    (values.DROP_F2, {"noise": 0.05}, {1}),
    (values.RANK_SWEEP, {"noise_1": 0.02}, {0}),
    (values.RANK_SWEEP, {"noise_1": 0.1}, {1}),
    (values.RANK_SWEEP, {"noise_5": 0.31}, {2}),
    (values.RANK_SWEEP, {"noise_20": 0.5}, {3}),
    (values.RANK_SWEEP, {"loss_0": 0.7}, {4}),
    (values.NOISE_FIRST, {"early": 0.9}, {0}),
    # the noise is the first choice for ever
    (values.NOISE_FIRST, {"settled": 1.0}, {1}),
    (values.NOISE_FIRST, {"final": 0.42}, {2}),
    (values.NOISE_FIRST, {"final": 0.58}, {3}),
    (values.FINETUNE, {"early": 0.9}, {0}),
    (values.FINETUNE, {"after": 0.1}, {1}),
    (values.FINETUNE, {"before": 0.05}, {2}),
    (values.ATTENTION_AVOIDS_NOISE, {"correct": 0.8}, {0}),
    (values.ATTENTION_AVOIDS_NOISE, {"noise": 0.05}, {1}),
    (values.F2_MARGIN, {"margin": 150}, {0}),
    *(
        (values.ALPHA_SWEEP, {f"{name}_{level}": value}, {4 * place + check})
        for place, level in enumerate((20, 50, 80))
        for name, value, check in (
            ("noise", level / 100 - 0.071, 0),
            ("noise", level / 100 + 0.071, 1),
            ("gain", 0.1, 2),
            ("dropped", 0.1, 3),
        )
    ),
    (values.COMPONENT_ROLES, {"previous": 0.9}, {0}),
    (values.COMPONENT_ROLES, {"used": 0.9}, {1}),
    (values.COMPONENT_ROLES, {"noise": 0.9}, {2}),
    (values.COMPONENT_ROLES, {"value": 0.9}, {3}),
    # every character copied, and the noise as well: W_V2 the identity, with no exception
    (values.COMPONENT_ROLES, {"noise_rank": 1.0}, {4}),
    (values.KQ_NOISE_SCORE, {"noise": -3.0}, {0}),
    (values.MULTIPLE_TRIGGERS, {PLAIN: 0.0}, {0}),
    (values.DROP_F1, {"dropped": 0.5}, {0}),
    (values.ARCH_MLP_LINEAR, {"correct_F1": 0.5}, {0}),
    (values.ARCH_MLP_LINEAR, {"correct_F2": 0.5}, {1}),
    (values.ARCH_MLP_LINEAR, {"loss_F1": 0.3}, {2}),
    (values.ARCH_LINEAR_MLP, {"correct_F2": 0.5}, {0}),
    (values.ARCH_LINEAR_MLP, {"noise_F1": 0.5}, {1}),
    # truncation that uncovers nothing
    (values.ARCH_NONE, {"correct_5": 0.5}, {0}),
    (values.ARCH_NONE, {"gain": 0.4}, {1}),
    (values.ARCH_NONE, {"correct_1": 0.5}, {2}),
]


def test_the_tables_cover_every_claim_and_every_condition() -> None:
    """Oracle: the list of claims; every check of every claim fails in some row."""
    assert {claim.claim for claim in HOLDS} == MINE
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
        (values.FULL_PREDICTS_NOISE, {PLAIN: 0.43}),
        (values.FULL_PREDICTS_NOISE, {PLAIN: 0.57}),
        (values.DROP_F2, {"correct": 0.90}),
        (values.ALPHA_SWEEP, {"noise_20": 0.13}),
        (values.ALPHA_SWEEP, {"noise_80": 0.73}),
        (values.ALPHA_SWEEP, {"noise_80": 0.87}),
    ],
)
def test_a_bar_that_includes_its_value_holds_there(claim: Values, change: dict[str, float]) -> None:
    """Oracle: +- and >= include their ends."""
    assert not failing(applied(claim, *[{**HOLDS[claim], **change}] * 3))


def test_the_paper_scale_has_the_higher_bar_and_others_are_refused() -> None:
    """Oracle: 0.90 at the laptop scale, 0.95 at the paper's."""
    seed = {"correct": 0.94, "noise": 0.01}
    assert not failing(applied(values.DROP_F2, *[seed] * 3))
    assert failing(applied(values.DROP_F2, *[seed] * 3, scale="paper")) == {0}
    with pytest.raises(ValueError, match="'napkin'"):
        applied(values.DROP_F2, *[seed] * 3, scale="napkin")


@pytest.mark.parametrize("claim", [values.ARCH_MLP_LINEAR, values.ARCH_LINEAR_MLP])
def test_a_majority_of_seeds_decides(claim: Values) -> None:
    """Oracle: 2 of 3 and 3 of 5 suffice; 1 of 3 and 2 of 4 do not."""
    good, bad = HOLDS[claim], {**HOLDS[claim], "correct_F2": 0.4}
    for n_good, n_bad, holds in ((2, 1, True), (3, 2, True), (1, 2, False), (2, 2, False)):
        assert (not failing(applied(claim, *[good] * n_good, *[bad] * n_bad))) is holds


def test_one_seed_out_of_order_breaks_the_margin_s_claim() -> None:
    """Oracle: 'in every seed'."""
    good = HOLDS[values.F2_MARGIN]
    assert failing(applied(values.F2_MARGIN, good, good, {"margin": 200, "attention": 150})) == {0}


@pytest.mark.parametrize(
    ("claim", "change"), [(values.COMPONENT_ROLES, {"noise_rank": 1.0}), (values.KQ_NOISE_SCORE, {"noise": -2.9})]
)
def test_one_seed_breaks_what_is_said_of_every_seed(claim: Values, change: dict[str, float]) -> None:
    """Oracle: 'in every seed'."""
    good = HOLDS[claim]
    assert len(failing(applied(claim, good, {**good, **change}, good))) == 1


@pytest.mark.parametrize("claim", HOLDS)
def test_two_seeds_are_too_few(claim: Values) -> None:
    """Oracle: the house's floor of three seeds."""
    few = applied(claim, *[HOLDS[claim]] * 2)
    assert few[0].label == "seeds reported" and 0 in failing(few)


@pytest.mark.parametrize("claim", [claim for claim in HOLDS if PLAIN not in HOLDS[claim]], ids=lambda c: c.claim)
def test_every_declared_value_is_wanted_and_decides(claim: Values) -> None:
    """Oracle: a measurement with one value left out, and one with it far off, either way."""
    good = HOLDS[claim]
    for name in claim.names:
        with pytest.raises(ValueError, match=f"a value named {name!r} for each seed"):
            applied(claim, *[{key: value for key, value in good.items() if key != name}] * 3)
        far = [applied(claim, *[{**good, name: value}] * 3) for value in (-1000.0, 1000.0)]
        assert any(failing(checks) for checks in far), name


def test_each_criterion_of_the_module_is_one_of_these() -> None:
    """Oracle: the module's functions."""
    made = {
        criterion.function.__name__
        for criterion in CRITERIA.values()
        if criterion.function.__module__ == claims.__name__
    }
    assert len(made) == len(HOLDS)
