"""The values of chapter 5's closer look, worked out by hand from results made up."""

import math
from dataclasses import replace

import pytest
import torch

from mechbook.laser import closer_values
from mechbook.laser.association import Rewritten
from mechbook.laser.directions import Directions
from mechbook.laser.fact_site import FactSite
from mechbook.laser.quantisation import Noised
from mechbook.laser.rho_curves import RhoCurves
from mechbook.laser.study import TASKS
from mechbook.laser.study_values import share_of_gain
from mechbook.laser.words import Classes
from tests.laser.made_up import made_up


def test_the_map_s_values_are_the_best_of_mlp_and_of_attention() -> None:
    """Oracle: the made-up rows by eye. The wrong reading, the best of all rows, would name attention's layer."""
    made = made_up()
    attention = [replace(made.map_rows[0], matrix="q", layer_from_1=7, ratio=9.0), *made.map_rows]
    found = closer_values.map_values(replace(made, map_rows=attention), {"facts": [], "ioi": [(29, "k", 0.3, 1.25)]})
    by_hand = {
        "layers": 30, "facts_layer": 28, "facts_rho": 0.3, "facts_mlp": 6.0, "facts_attention": 18.0,
        "facts_small": math.log(4) / math.log(6), "ioi_layer": 5, "ioi_rho": 0.01, "ioi_mlp": 10.0,
        "ioi_attention": 1.25, "ioi_small": 1.0,
    }  # fmt: skip
    assert found == pytest.approx(by_hand)


def test_the_values_of_words_controls_and_cost_are_worked_out_by_hand() -> None:
    made = made_up()
    words, answers = torch.tensor([[0.4], [0.1], [0.2]]).repeat(1, 6), torch.tensor([[0.2], [0.22], [0.1]]).repeat(1, 6)
    own = Classes(words=words, answers=answers, share=[0.7, 0.6], share_interval=[0.6, 0.9])
    generic = closer_values.generic_values(made, {task: own for task in TASKS}, torch.Generator().manual_seed(0))
    assert generic["facts_words"] == pytest.approx(0.75) and generic["ioi_answers"] == pytest.approx(-0.1)
    assert (generic["facts_share"], generic["facts_listed"], generic["facts_function"]) == (0.7, 2, 1)
    assert (generic["ioi_listed"], generic["ioi_function"]) == (2, 2)
    # all prompts are the same: the ends are the values
    assert generic["facts_words_low95"] == pytest.approx(0.75) and generic["ioi_answers_high95"] == pytest.approx(-0.1)
    assert generic["ioi_share_low95"] == 0.6
    draws = [[1, 2], [3, 9], [4, 5], [6, 7]]
    random = Directions(
        full=10, few=1, draws={t: draws for t in TASKS}, random={t: [2.0, 8.0, 0.25, 1.0] for t in TASKS}, singles=[],
        single={}, whole={}, alone={}, energy={}, constant={},
    )  # fmt: skip
    controls = closer_values.controls_values(made, random)
    # factors 2, 8, 4, 1; without the direction 9: 2, 4, 1, of which 90% stay below 2 + 0.8 x 2
    assert controls["facts_median"] == pytest.approx(3) and controls["ioi_spared"] == pytest.approx(3.6)
    assert controls["facts_above"] == 0.5
    assert math.isclose(controls["facts_random"], 2.5) and math.isclose(controls["ioi_smallest"], 0.5)
    among = (torch.zeros(50), torch.tensor([0.05, -0.01]).repeat(25))
    countries = [f"country {i // 2}" for i in range(50)]
    cost = closer_values.cost_values(made, among, countries, torch.Generator().manual_seed(0))
    # all losses differ by the same: the interval is a point, and the smaller of the two rises counts
    assert math.isclose(cost["perplexity"], math.exp(0.5)) and math.isclose(cost["perplexity_low95"], math.exp(0.5))
    assert math.isclose(cost["accuracy"], -0.2) and -0.4 < cost["accuracy_low95"] < -0.05
    # 90% of a mean of 50 values of spread 0.03 lie within 1.645 of its standard error
    assert cost["candidates"] == pytest.approx(0.02)
    reach = 1.645 * 0.03 / math.sqrt(50)
    assert cost["cities_low90"] == pytest.approx(0.02 - reach, abs=0.2 * reach)
    assert cost["cities_high90"] == pytest.approx(0.02 + reach, abs=0.2 * reach)
    # each country has a city that rises and one that falls: whatever countries are drawn, the mean is the same
    assert cost["candidates_low90"] == pytest.approx(0.02) and cost["candidates_high90"] == pytest.approx(0.02)
    assert cost["countries"] == 25 and cost["between_countries"] == pytest.approx(-1)
    # both cities of a country alike: 25 values, not 50
    alike = (torch.zeros(50), torch.tensor([0.05, 0.05, -0.01, -0.01]).repeat(13)[:50])
    cost = closer_values.cost_values(made, alike, countries, torch.Generator().manual_seed(0))
    reach, middle = 1.645 * 0.03 / math.sqrt(25), float(alike[1].mean())
    assert cost["candidates_low90"] == pytest.approx(middle - reach, abs=0.2 * reach)
    assert cost["candidates_high90"] == pytest.approx(middle + reach, abs=0.2 * reach)
    assert cost["between_countries"] == pytest.approx(1)


def test_the_values_of_the_new_claims_are_worked_out_by_hand() -> None:
    e = math.e
    noise = Noised(
        whole={t: (1.0, e**2) for t in TASKS}, one={"facts": [(2.0, 2 * e**2), (1.0, e)], "ioi": [(1.0, e**2)] * 3},
        everywhere={"facts": [(0.5, 0.5 * e**2)], "ioi": [(0.25, 0.25 * e)]}, relative=0.1, tail=[],
    )  # fmt: skip
    assert closer_values.noise_values(noise) == pytest.approx(
        {"draws": 2, "change": 0.5, "change_mean": 0.1, "everywhere": 0.75, "everywhere_least": 0.5,
         "facts_before": 0.5, "ioi_before": 0.25}
    )  # fmt: skip
    rows = [
        [0.1, 0.9, 0.6, 0.5, 0.5],
        [0.4, 0.02, 0.1, 0.01, 0.02],
        [0.5, 0.05, 0.1, 0.0, 0.01],
        [0.1, 0.9, 0.9, 0.9, 0.9],
    ]
    # three sentences: the middle one as in `rows`, the others 0.01 of "the" and of IO beside it
    beside = torch.tensor([-1.0, 0.0, 1.0])[:, None] * torch.tensor([0.01, 0.01, 0.0, 0.0, 0.0])
    whole = torch.tensor([0.5, 0.1, 0.1, 0.05, 0.05]).expand(3, 5)
    curves = RhoCurves(
        place=(1, "mlp_in"), rhos=[0.05, 0.1, 0.8, 0.9], whole=whole, chosen=torch.tensor(rows)[:, None] + beside,
        whole_few=[], blocks={},
    )  # fmt: skip
    curve_values = closer_values.curve_values(curves, torch.Generator().manual_seed(0))
    by_hand = {"rates": 2, "the": -0.05, "pronouns": -0.07, "pronouns_high95": -0.07, "names": 0.3}
    # of means of three, the 2.5% at either end are those of three times the same sentence (one in 27 each)
    by_hand |= {"the_high95": -0.04, "names_low95": 0.29}
    assert curve_values == pytest.approx(by_hand, abs=1e-6)
    patched = torch.tensor([[0.5, 0.1], [0.8, 0.2], [0.9, 0.9], [0.0, 1.0]])[..., None].expand(4, 2, 7) - 1
    site = FactSite(
        n_layers=7, blocks=[0, 2, 4, 6], words=["subject", "in"], base=-torch.ones(7), own=torch.zeros(7),
        patched=patched, lens=torch.zeros(8, 2),
    )  # fmt: skip
    by_hand = {"pairs": 7, "subject_token": 0.5, "subject_early": 0.8, "subject_last": 0.0, "end_early": 0.2}
    by_hand |= {"end_last": 1.0}
    ends = {"subject_early_low95": 0.8, "subject_last_high95": 0.0, "end_early_high95": 0.2, "end_last_low95": 1.0}
    site_values = closer_values.site_values(site, torch.Generator().manual_seed(0))
    assert site_values == pytest.approx(by_hand | ends, abs=1e-6)
    # the token alone gives more than any block after it: it is not counted as early
    token = replace(site, patched=patched.clone().index_fill_(0, torch.tensor([0]), -0.05))
    again = closer_values.site_values(token, torch.Generator().manual_seed(0))
    assert again["subject_token"] == pytest.approx(0.95) and again["subject_early"] == pytest.approx(0.8)
    low, high = site.interval(1, 0, torch.Generator().manual_seed(0))
    assert low == pytest.approx(0.8, abs=1e-6) and high == pytest.approx(0.8, abs=1e-6)
    one = Rewritten(
        city="Rome", old="Italy", new="Japan", before=False, asked=True, at_start=False, kept=0.5, neighbours=[True],
        asked_apart=True, kept_apart=0.25, likeliest=False, likeliest_at_start=False, likeliest_before=True,
    )  # fmt: skip
    other = replace(one, asked=False, likeliest_at_start=True, kept=1.0, neighbours=[False, False], kept_apart=0.75)
    by_hand = {"edits": 2, "before": 0, "asked": 0.5, "at_start": 0, "kept": 0.75, "neighbours": 1 / 3}
    assert closer_values.rewritten_values([one, other]) == pytest.approx(
        {**by_hand, "asked_apart": 1, "kept_apart": 0.5, "neighbours_tried": 3, "likeliest": 0}
        | {"likeliest_at_start": 0.5, "likeliest_before": 1}
    )


def test_a_share_of_the_gain_is_that_of_the_logarithms_of_the_mean_ratios() -> None:
    """Oracle: by hand where all prompts are alike, the delta method where they differ; the edit itself has it all."""
    made = made_up()
    whole, chosen, other = (torch.tensor(row) for row in ([0.1, 0.4], [0.4, 0.1], [0.2, 0.2]))
    alike = torch.stack([chosen, other, whole, chosen]).log()[:, None].expand(4, 30, 2)
    shift = torch.zeros(4, 30, 2)
    # one answer's log probability under the second edit differs from prompt to prompt
    shift[1, :, 0] = 0.1 * torch.randn(30, generator=torch.Generator().manual_seed(3))
    found = {}
    for name, p in (("alike", alike.exp()), ("spread", (alike + shift).exp())):
        made.p["facts"], made.p_whole["facts"] = p, whole.expand(30, 2)
        found[name] = share_of_gain(made, "facts", "without the 6 smallest", torch.Generator().manual_seed(0))
    # 1/4 to 4 by the chosen edit, to 1 by the other: half of the logarithm
    assert found["alike"] == pytest.approx((0.5, 0.5, 0.5))
    p_other = made.p["facts"][1, :, 0].double()
    error = float(p_other.std() / p_other.mean() / math.sqrt(30)) / math.log(16)
    share, low, high = found["spread"]
    assert share == pytest.approx(math.log(float(p_other.mean()) / 0.2 / 0.25) / math.log(16))
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.15)
    assert share_of_gain(made, "facts", "rho 0.1", torch.Generator())[0] == pytest.approx(1)
    with pytest.raises(ValueError, match="no control of 'facts' is called 'dropped'"):
        share_of_gain(made, "facts", "dropped", torch.Generator())
