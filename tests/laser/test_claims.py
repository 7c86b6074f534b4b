"""The criteria of chapter 5: what holds, and for each condition a measurement that fails it alone."""

import pytest

from mechbook.claims.catalogue import load_claims
from mechbook.laser import claims as criteria_laser
from mechbook.laser import values
from tests.claims.tables import applied, failing, uncovered

MADE = {
    values.REAL_LM_FACTS: {"cities": 34, "before": 0.2, "after": 4.0},
    values.REAL_LM_IOI: {
        "sentences": 100, "before": 6.0, "after": 300.0, "accuracy_before": 0.92, "accuracy_after": 0.94
    },
    values.LAYER_MAP: {
        "layers": 30, "facts_layer": 29, "facts_rho": 0.1, "facts_mlp": 30.0, "facts_attention": 2.0,
        "facts_small": 1.0,
        "ioi_layer": 28, "ioi_rho": 0.01, "ioi_mlp": 20.0, "ioi_attention": 3.0, "ioi_small": 1.0
    },
    values.GENERIC_WORDS: {
        **{f"{task}_{name}": number for task in ("facts", "ioi") for name, number in (
            ("share", 0.8), ("words", 0.9), ("answers", 0.1), ("listed", 9), ("function", 5),
            ("share_low95", 0.7), ("words_low95", 0.8), ("answers_high95", 0.2))}
    },
    values.DYNAMICS: {"the": 0.5, "IO": 0.02, "gap": 0.0, "gain_previous": 2.0, "gain_last": 2.4},
    values.PREPOSITIONS: {"words": 32, "sentences": 64, "steps": 1000},
    values.GPT2_FIG1: {f"{word}_{layer}": -0.01 for word in ("the", "them") for layer in (9, 10, 11)},
    values.PYTHIA_TABLE1: {"the_before": 0.49, "answer_before": 0.08, "the_after": 0.03, "answer_after": 0.31},
    values.PYTHIA_FIG2: {"ioi_before": 2.2, "ioi_after": 12.0, "facts_before": 0.17, "facts_after": 11.0},
    values.GSM8K: {"problems": 250, "accuracy_before": 0.1, "gain": 0.03, "gain_low95": 0.01},
    values.CONTROLS: {
        **{f"{task}_{name}": number for task in ("facts", "ioi") for name, number in (
            ("median", 1.2), ("spared", 1.5), ("smallest", 0.5), ("above", 0.2), ("random", 3.0))}
    },
    values.COST: {
        "perplexity": 1.4, "perplexity_low95": 1.2, "candidates": -0.02, "candidates_low90": -0.06,
        "candidates_high90": 0.02, "countries": 50, "between_countries": 0.5, "cities_low90": -0.05,
        "cities_high90": 0.01, "accuracy": -0.1, "accuracy_low95": -0.2
    },
    values.QUANTISATION: {
        "draws": 8, "change": 0.05, "change_mean": 0.02, "everywhere": 0.9, "everywhere_least": 0.8,
        "facts_before": 0.5, "ioi_before": 0.5
    },
    values.RHO_CURVES: {
        "rates": 8, "the": -0.09, "the_high95": -0.08, "pronouns": -0.01, "pronouns_high95": -0.005, "names": 0.3,
        "names_low95": 0.2
    },
    values.RANK_ONE_EDIT: {
        "edits": 24, "before": 0.0, "asked": 0.9, "at_start": 0.7, "kept": 0.95, "neighbours": 0.8,
        "neighbours_tried": 4, "likeliest": 0.8, "likeliest_at_start": 0.1, "likeliest_before": 0.9,
        "asked_apart": 0.9, "kept_apart": 0.97
    },
    values.FACT_SITE: {
        "pairs": 40, "subject_token": 0.6, "subject_early": 0.9, "subject_last": 0.1, "end_early": 0.1,
        "end_last": 0.95,
        "subject_early_low95": 0.8, "subject_last_high95": 0.15, "end_early_high95": 0.15, "end_last_low95": 0.9
    },
    values.IOI_CIRCUIT: {"drop": 0.95, "random": 0.02, "random_worst": 0.09, "copying": 0.4},
    values.IOI_PABC: {"difference": 0.2, "difference_low95": 0.1, "at_END": 0.02, "at_END_low95": -0.01},
}  # fmt: skip
HOLDS = {claim.claim: claim(**numbers) for claim, numbers in MADE.items()}

# (claim, what is changed in every seed, the checks that then fail, by their place in the list)
FAILS = [
    ("laser.real_lm_facts", {"cities": 23}, {0}),
    ("laser.real_lm_facts", {"after": 2.0}, {1}),
    ("laser.real_lm_ioi", {"sentences": 99}, {0}),
    ("laser.real_lm_ioi", {"after": 30.0}, {1}),
    ("laser.real_lm_ioi", {"accuracy_after": 0.86}, {2}),
    ("laser.real_lm_ioi", {"accuracy_after": 0.98}, {2}),
    ("laser.layer_map", {"facts_layer": 20}, {0}),
    ("laser.layer_map", {"ioi_layer": 20}, {1}),
    # what the first reading let pass: the map's best rates, and an attention matrix as good as the MLP's
    ("laser.layer_map", {"facts_rho": 0.6}, {2}),
    ("laser.layer_map", {"ioi_rho": 0.3}, {3}),
    ("laser.layer_map", {"facts_attention": 30.0}, {4}),
    ("laser.layer_map", {"ioi_attention": 21.0}, {5}),
    ("laser.generic_words", {"facts_share": 0.5}, {0}),
    ("laser.generic_words", {"facts_words": 0.5}, {1}),
    ("laser.generic_words", {"facts_answers": 0.5}, {2}),
    ("laser.generic_words", {"ioi_share": 0.5}, {3}),
    ("laser.generic_words", {"ioi_words": 0.5}, {4}),
    ("laser.generic_words", {"ioi_answers": 0.5}, {5}),
    ("laser.dynamics", {"the": 0.3}, {0}),
    ("laser.dynamics", {"IO": 0.1}, {1}),
    ("laser.dynamics", {"gap": 0.1}, {2}),
    ("laser.dynamics", {"gain_previous": 1.5}, {3}),
    ("laser.dynamics", {"gain_last": 1.5}, {4}),
    ("laser.prepositions", {"words": 101}, {0}),
    ("laser.prepositions", {"sentences": 1001}, {1}),
    *(
        ("laser.gpt2_fig1", {f"{word}_{layer}": 0.0}, {3 * row + column})
        for row, word in enumerate(("the", "them"))
        for column, layer in enumerate((9, 10, 11))
    ),
    ("laser.pythia_table1", {"the_before": 0.468}, {0}),
    ("laser.pythia_table1", {"the_before": 0.530}, {1}),
    ("laser.pythia_table1", {"answer_before": 0.048}, {2}),
    ("laser.pythia_table1", {"answer_before": 0.110}, {3}),
    ("laser.pythia_table1", {"the_after": -0.004}, {4}),
    ("laser.pythia_table1", {"the_after": 0.058}, {5}),
    ("laser.pythia_table1", {"answer_after": 0.269}, {6}),
    ("laser.pythia_table1", {"answer_after": 0.331}, {7}),
    ("laser.pythia_fig2", {"ioi_before": 1.83}, {0}),
    ("laser.pythia_fig2", {"ioi_before": 2.77}, {1}),
    ("laser.pythia_fig2", {"ioi_after": 9.83}, {2}),
    ("laser.pythia_fig2", {"ioi_after": 14.77}, {3}),
    ("laser.pythia_fig2", {"facts_before": 0.127}, {4}),
    ("laser.pythia_fig2", {"facts_before": 0.193}, {5}),
    ("laser.pythia_fig2", {"facts_after": 9.03}, {6}),
    ("laser.pythia_fig2", {"facts_after": 13.57}, {7}),
    ("laser.gsm8k", {"problems": 199}, {0}),
    ("laser.gsm8k", {"accuracy_before": 0.05}, {1}),
    ("laser.gsm8k", {"gain_low95": 0.0}, {2}),
    ("laser.controls", {"facts_median": 2.0}, {0}),
    ("laser.controls", {"ioi_median": 2.0}, {1}),
    ("laser.controls", {"facts_spared": 2.0}, {2}),
    ("laser.controls", {"ioi_spared": 2.0}, {3}),
    ("laser.controls", {"facts_smallest": 0.33}, {4}),
    ("laser.controls", {"ioi_smallest": 0.33}, {5}),
    ("laser.cost", {"perplexity_low95": 1.0}, {0}),
    # what the first reading let pass: an interval that reaches 0 because it is wide
    ("laser.cost", {"candidates": 0.0, "candidates_low90": -0.11, "candidates_high90": 0.05}, {1}),
    ("laser.cost", {"candidates": 0.0, "candidates_high90": 0.11}, {2}),
    # what the second reading let pass: cities drawn as if those of one country said something else each
    ("laser.cost", {"candidates_low90": -0.127, "candidates_high90": 0.111}, {1, 2}),
    ("laser.quantisation", {"draws": 7}, {0}),
    ("laser.quantisation", {"change": 0.25}, {1}),
    ("laser.rho_curves", {"rates": 7}, {0}),
    ("laser.rho_curves", {"the": 0.0}, {1}),
    ("laser.rho_curves", {"pronouns": 0.0}, {2}),
    ("laser.rho_curves", {"names": 0.0}, {3}),
    ("laser.rank_one_edit", {"edits": 19}, {0}),
    ("laser.rank_one_edit", {"asked": 0.79}, {1}),
    ("laser.rank_one_edit", {"kept": 0.89}, {2}),
    ("laser.fact_site", {"subject_early": 0.5, "subject_token": 0.4}, {0}),
    # what the first reading let pass: a name whose last token gives the country away, and no MLP that adds to it
    ("laser.fact_site", {"subject_early": 0.6, "subject_token": 0.63}, {1}),
    ("laser.fact_site", {"subject_last": 0.2}, {2}),
    ("laser.fact_site", {"end_early": 0.2}, {3}),
    ("laser.fact_site", {"end_last": 0.5}, {4}),
    ("laser.ioi_circuit", {"drop": 0.8}, {0}),
    ("laser.ioi_circuit", {"random": 0.05}, {1}),
    ("laser.ioi_circuit", {"copying": 0.51}, {2}),
    ("laser.ioi_pabc", {"difference_low95": 0.0}, {0}),
]


def test_the_tables_cover_every_claim_and_every_condition() -> None:
    """Oracle: the list of claims; every check of every claim fails in some row."""
    assert {id for id in load_claims() if id.startswith("laser.")} == HOLDS.keys()
    assert not uncovered(HOLDS, FAILS, seeds=3)


@pytest.mark.parametrize("id", HOLDS)
def test_what_should_hold_holds(id: str) -> None:
    """Oracle: `holds_when`, by eye."""
    checks = applied(id, *[HOLDS[id]] * 3)
    assert checks and not failing(checks)


@pytest.mark.parametrize(("id", "name"), [(claim.claim, name) for claim in MADE for name in claim.names])
def test_a_criterion_wants_each_value_that_is_declared(id: str, name: str) -> None:
    """Oracle: the value taken away."""
    rest = {key: number for key, number in HOLDS[id].items() if key != name}
    with pytest.raises(ValueError, match=f"{id} is to be reported with a value named '{name}'"):
        applied(id, *[rest] * 3)


@pytest.mark.parametrize(("id", "change", "places"), FAILS)
def test_each_condition_can_fail_and_fails_alone(id: str, change: dict[str, float], places: set[int]) -> None:
    """Oracle: `holds_when`, by eye."""
    assert failing(applied(id, *[{**HOLDS[id], **change}] * 3)) == places


@pytest.mark.parametrize(
    ("id", "change"),
    [
        ("laser.real_lm_ioi", {"accuracy_before": 0.93, "accuracy_after": 0.88}),
        ("laser.layer_map", {"facts_layer": 21, "ioi_layer": 21}),
        ("laser.prepositions", {"words": 100}),
        ("laser.pythia_table1", {"the_after": 0.057, "answer_after": 0.270}),
        ("laser.pythia_fig2", {"facts_before": 0.192, "facts_after": 9.04}),
        ("laser.rank_one_edit", {"edits": 20, "asked": 0.8, "kept": 0.9}),
        ("laser.ioi_circuit", {"copying": 0.5}),
    ],
)
def test_a_bar_that_includes_its_value_holds_there(id: str, change: dict[str, float]) -> None:
    """Oracle: 'within' and 'at most' include their ends; layer 21 of 30 is the first of the last third."""
    assert not failing(applied(id, *[{**HOLDS[id], **change}] * 3))


def test_a_trained_model_needs_three_seeds_and_a_given_one_does_not() -> None:
    """Oracle: '>= 3 seeds' of laser.dynamics; the seeds' check comes first."""
    for id in ("laser.dynamics", "laser.prepositions"):
        assert failing(applied(id, *[HOLDS[id]] * 2)) == {0}
    assert not failing(applied("laser.ioi_circuit", HOLDS["laser.ioi_circuit"]))


def test_the_paper_s_numbers_are_those_of_the_list_of_claims() -> None:
    """Oracle: the column paper_value of claims.csv."""
    table = load_claims()["laser.pythia_table1"].paper
    assert table == ".499/.079 -> .027/.300"
    assert list(criteria_laser.TABLE_1.values()) == [0.499, 0.079, 0.027, 0.300]
    assert load_claims()["laser.pythia_fig2"].paper.startswith("2.3x -> 12.3x and 0.16x -> 11.3x")
    assert list(criteria_laser.FIGURE_2.values()) == [2.3, 12.3, 0.16, 11.3]
