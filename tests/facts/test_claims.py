"""Chapter 6's criteria against measurements that hold, and one that fails for each condition.

The oracle is the column `holds_when` of claims.csv, read by hand into the table below.
"""

import math

import pytest

from mechbook.claims.catalogue import load_claims
from mechbook.claims.criteria import CRITERIA
from mechbook.claims.values import Values
from mechbook.facts import claims, values
from tests.claims.tables import applied, failing, uncovered

DECLARED = [value for value in vars(values).values() if isinstance(value, Values)]
PEAKS = {"few_1": 0.8, "few_2": 0.7, "few_3": 0.6, "many_1": 1.7, "many_2": 1.6, "many_3": 1.8, "fullest": 0.95}
HOLDS = {
    "fact.capacity": {"pooled": 1.0, "least": 0.9, "most": 1.1},
    "fact.tradeoff": {"attention_only": 1.0, "without": 0.9, "attention_mlp": 0.995, "few_heads": 0.6}
    | {"chosen_without": 0.9, "chosen_mlp": 0.995},
    "fact.constructions": {"attention_only": 1.0, "attention_mlp": 1.0},
    "fact.construction_size": {"attention_only": 0.9, "attention_mlp": 1.2, "mlp_alone": 1.25, "crowded": 0.6}
    | {"border": 0.1, "border_rises": 4.0},
    "fact.plateau_linear": {"start_gap": 0.01, "plateau_steps": 1700, "final_loss": 0.01},
    "fact.plateau_softmax": {
        "plateau_steps": 700,
        "relation_middle": 0.01,
        "relation_only": 0.08,
        "subject_only": 1.95,
        "final_accuracy": 0.95,
    },
    # Of 5 x 3200 sequences: standard error sqrt(7/64 / 16000) = 0.0026146, four of them 0.010458.
    "fact.hallucination": {"valid": 1.0, "correct": 0.13, "D": 8, "sequences": 3200, "preferred": 0.001}
    | {"uneven": 0.01},
    "fact.convergence": {"final": 0.01, "earlier": 0.02},
    "fact.knowledge_capacity": PEAKS,
    "fact.capacity_size": {"small": 1.2, "medium": 1.75, "large": 1.6, "below": 0.01, "slope": -0.1, "span": 4.0},
    "fact.int8": {"largest_gap": 0.01},
}
FAILS: list[tuple[str, dict[str, float], set[int]]] = [
    ("fact.capacity", {"pooled": 0.849}, {0}),
    ("fact.capacity", {"pooled": 1.151}, {1}),
    # two bent lines whose common slope is right
    ("fact.capacity", {"least": 0.849}, {2}),
    ("fact.capacity", {"most": 1.151}, {3}),
    ("fact.tradeoff", {"attention_only": 0.989}, {0}),
    # an MLP that adds nothing
    ("fact.tradeoff", {"without": 0.985}, {1}),
    ("fact.tradeoff", {"attention_mlp": 0.989}, {2}),
    ("fact.tradeoff", {"few_heads": 0.9}, {3}),
    # the earlier reading: the best of many cells, good on the runs it was picked by alone
    ("fact.tradeoff", {"chosen_mlp": 0.996, "attention_mlp": 0.95}, {2}),
    ("fact.tradeoff", {"chosen_without": 0.96}, {4}),
    ("fact.tradeoff", {"chosen_mlp": 0.98}, {5}),
    ("fact.constructions", {"attention_only": 0.9999}, {0}),
    ("fact.constructions", {"attention_mlp": 0.9999}, {1}),
    ("fact.construction_size", {"attention_only": 0.79}, {0}),
    ("fact.construction_size", {"attention_only": 1.31}, {1}),
    ("fact.construction_size", {"attention_mlp": 0.79}, {2}),
    ("fact.construction_size", {"attention_mlp": 1.31}, {3}),
    ("fact.construction_size", {"mlp_alone": 0.79}, {4}),
    # hidden in the whole, half of which grows as S R by design
    ("fact.construction_size", {"mlp_alone": 1.31}, {5}),
    # as many tokens as dimensions, and as many whatever the dimension
    ("fact.construction_size", {"border": 1.0}, {6}),
    ("fact.construction_size", {"border_rises": 1.0}, {7}),
    ("fact.construction_size", {"crowded": 0.99}, {8}),
    ("fact.plateau_linear", {"start_gap": 0.06}, {0}),
    ("fact.plateau_linear", {"plateau_steps": 499}, {1}),
    ("fact.plateau_linear", {"final_loss": 0.02}, {2}),
    ("fact.plateau_softmax", {"plateau_steps": 199}, {0}),
    # what the width of the plateau lets pass by itself
    ("fact.plateau_softmax", {"relation_middle": 0.09}, {1}),
    ("fact.plateau_softmax", {"relation_only": 0.1}, {2}),
    ("fact.plateau_softmax", {"subject_only": 1.5}, {3}),
    ("fact.plateau_softmax", {"final_accuracy": 0.9}, {4}),
    ("fact.hallucination", {"valid": 0.98}, {0}),
    ("fact.hallucination", {"correct": 0.1145}, {1}),
    ("fact.hallucination", {"correct": 0.1355}, {2}),
    # always the same answer for a relation: right once in D, and far from random
    ("fact.hallucination", {"uneven": 2.0, "preferred": 2.0}, {3, 4}),
    # one of eight answers with p = 1/4: 0.049 nats by hand, which the plateau's width allows
    ("fact.hallucination", {"uneven": 0.049, "preferred": 0.049}, {3}),
    # 1.2 times as likely as even: 0.00258 nats by hand
    ("fact.hallucination", {"preferred": 0.0027}, {3}),
    ("fact.hallucination", {"uneven": 0.051}, {4}),
    ("fact.convergence", {"final": 0.02, "earlier": 0.1}, {0}),
    ("fact.convergence", {"final": 0.015, "earlier": 0.0151}, {1}),
    *(("fact.knowledge_capacity", {f"few_{k}": 1.9}, {k - 1}) for k in (1, 2, 3)),
    *(("fact.knowledge_capacity", {f"many_{k}": 1.5}, {k + 2}) for k in (1, 2, 3)),
    # nats taken for bits
    ("fact.knowledge_capacity", {"fullest": 1.07}, {6}),
    ("fact.knowledge_capacity", {"fullest": 0.89}, {7}),
    ("fact.capacity_size", {"large": 1.81}, {0}),
    ("fact.capacity_size", {"small": 1.16}, {0}),
    # a peak at an end of its N is none
    ("fact.capacity_size", {"below": 0.0}, {1}),
    # bits that grow as a power of the size
    ("fact.capacity_size", {"slope": 0.2}, {2}),
    ("fact.capacity_size", {"slope": -0.2}, {2}),
    ("fact.capacity_size", {"span": 3.9}, {3}),
    ("fact.int8", {"largest_gap": 0.051}, {0}),
    # nothing rounded
    ("fact.int8", {"largest_gap": 0.0}, {1}),
]


def test_every_claim_of_the_list_has_a_criterion_and_every_condition_a_row() -> None:
    """Oracle: claims.csv."""
    ids = {id for id in load_claims() if id.startswith("fact.")}
    assert {claim.claim for claim in DECLARED} == ids and len(DECLARED) == len(ids)
    assert {CRITERIA[id].function.__module__ for id in ids} == {claims.__name__}
    assert {id for id in CRITERIA if id.startswith("fact.")} == HOLDS.keys() == ids
    assert not uncovered(HOLDS, FAILS, seeds=5)


@pytest.mark.parametrize("id", HOLDS)
def test_what_should_hold_holds(id: str) -> None:
    """Oracle: the table."""
    assert not failing(applied(id, *[HOLDS[id]] * 5))


@pytest.mark.parametrize(("id", "change", "places"), FAILS)
def test_each_condition_can_fail_and_fails_alone(id: str, change: dict[str, float], places: set[int]) -> None:
    """Oracle: the table."""
    assert failing(applied(id, *[{**HOLDS[id], **change}] * 5)) == places


@pytest.mark.parametrize("id", HOLDS)
def test_too_few_seeds_are_a_check_that_fails(id: str) -> None:
    """Oracle: the house's floor, 3 seeds, and the 5 that the row of fact.convergence names."""
    fewest = 5 if id == "fact.convergence" else 3
    assert not failing(applied(id, *[HOLDS[id]] * fewest))
    assert applied(id, *[HOLDS[id]] * (fewest - 1))[0].label == "seeds reported"


def test_one_seed_that_does_not_converge_is_enough_to_fail() -> None:
    """Oracle: "from 5 seeds"; the mean alone would hide it."""
    assert failing(
        applied("fact.convergence", *[{"final": 0.001, "earlier": 1.0}] * 5, {"final": 0.03, "earlier": 1.0})
    )


def test_the_standard_error_is_that_of_all_seeds_together() -> None:
    """Oracle: sqrt(1/D (1 - 1/D) / n) by hand, for 3 seeds of 1000 sequences and D = 5."""
    seed = {"valid": 1.0, "correct": 0.2, "D": 5, "sequences": 1000, "preferred": 0.0, "uneven": 0.0}
    bars = [check.bar for check in applied("fact.hallucination", *[seed] * 3)[1:3]]
    assert bars == pytest.approx([0.2 - 4 * math.sqrt(0.16 / 3000), 0.2 + 4 * math.sqrt(0.16 / 3000)])


def test_the_paper_scale_asks_for_the_quoted_peaks() -> None:
    """Oracle: 1 bit at 100 exposures, 2 at 1000; another scale is refused."""
    bits = {f"few_{k}": 1.0 for k in (1, 2, 3)} | {f"many_{k}": 2.0 for k in (1, 2, 3)}
    quoted = {**bits, "fullest": 1.0}
    assert not failing(applied("fact.knowledge_capacity", *[quoted] * 3, scale="paper"))
    for place, key in enumerate(bits):
        short = {**quoted, key: quoted[key] - 0.01}
        assert failing(applied("fact.knowledge_capacity", *[short] * 3, scale="paper")) == {place}
    with pytest.raises(ValueError, match="'napkin'"):
        applied("fact.knowledge_capacity", *[PEAKS] * 3, scale="napkin")


@pytest.mark.parametrize("claim", [claim for claim in DECLARED if claim.names], ids=lambda claim: claim.claim)
def test_a_criterion_reads_every_value_that_is_declared(claim: Values) -> None:
    """Oracle: without one value it raises; with another one some check changes."""
    seed = HOLDS[claim.claim]
    claim.check(seed)
    for name in claim.names:
        with pytest.raises(ValueError, match=name):
            applied(claim.claim, *[{key: value for key, value in seed.items() if key != name}] * 5)
        other = [{**seed, name: seed[name] + 1}] * 5
        assert applied(claim.claim, *other) != applied(claim.claim, *[seed] * 5), name
