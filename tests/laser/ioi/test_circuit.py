"""The IOI circuit's rules, and the whole measurement on a tiny random model."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from mechbook.laser.data.ioi import IOIPrompts
from mechbook.laser.ioi import circuit as ioi_circuit
from mechbook.laser.ioi.circuit import find_roles
from mechbook.laser.ioi.knockout import Knockout, draw_sets, drop, interval_of_drops, knock_out, template_means
from mechbook.laser.ioi.probes import HeadScores
from mechbook.laser.presets import LAPTOP, RoleRules
from mechbook.pretrained.adapter import Adapter

T = 11
Prompts = Callable[..., list[IOIPrompts]]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scores(**changes: dict[tuple[int, int], float]) -> HeadScores:
    """All scores 0 but those given, for 3 layers of 5 heads."""
    tables = {name: torch.zeros(3, 5) for name in HeadScores.__dataclass_fields__}
    for name, entries in changes.items():
        for head, value in entries.items():
            tables[name][head] = value
    return HeadScores(**tables)


def test_roles_follow_from_the_rules() -> None:
    """Oracle: a table by hand in which each head misses a role by one condition."""
    found = find_roles(
        scores(
            S2={(1, 0): 0.25, (1, 1): 0.6, (1, 2): 0.6, (1, 3): 0.6, (2, 0): 0.24},
            IO={(2, 1): 0.25, (2, 2): 0.6, (2, 3): 0.6, (2, 4): 0.24, (0, 0): 0.7},
            copying={
                (1, 1): 0.5,
                (1, 3): 0.1,
                (2, 1): 0.9,
                (2, 2): 0.89,
                (2, 3): 0.1,
                (2, 4): 1.0,
                (1, 2): 0.11,
                (0, 0): 0.2,
            },
            direct={
                (1, 0): 0.1,
                (1, 2): 0.3,
                (1, 3): 0.2,
                (2, 1): 0.1,
                (2, 2): 0.1,
                (2, 3): -0.1,
                (2, 4): 0.1,
                (0, 0): -0.2,
            },
            duplicate={(0, 0): 0.25, (0, 1): 0.2},
            induction={(0, 2): 0.3},
            previous={(0, 3): 0.4, (0, 4): 0.39},
        ),
        {(1, 0): 0.05, (1, 1): 0.05, (1, 2): 0.3, (1, 3): 0.04},
        LAPTOP.roles,
    )
    assert found.suppressors == ((1, 0),)
    # 1.1 does not push down, 1.2 hardly so; 1.3 pushes down and does not matter
    assert found.inhibition == ((1, 1), (1, 2)) and found.against_S == ((1, 0), (1, 1), (1, 2))
    assert found.copying == ((2, 1),) and found.negative == ((2, 3),)
    assert found.duplicate == ((0, 0),) and found.induction == ((0, 2),) and found.previous == ((0, 3),)


def test_candidates_and_the_trap_go_by_attention_alone() -> None:
    """Oracle: a sort by hand."""
    table = scores(S2={(1, 0): 0.25, (0, 4): 0.3, (2, 2): 0.2}, IO={(0, 1): 0.2, (2, 3): 0.7, (1, 4): 0.5})
    assert ioi_circuit.candidates(table, LAPTOP.roles) == [(0, 4), (1, 0)]
    assert ioi_circuit.most_attentive(table, 2) == ((2, 3), (1, 4))


def test_the_whole_measurement_chooses_on_one_set_and_measures_on_another(adapter: Adapter, prompts: Prompts) -> None:
    """Oracle: the parts, called one by one on the two sets."""
    # a random model's heads attend everywhere: with these bars it has some of each role
    rules = RoleRules(attends=0.1, previous=0.4, copies=0.5, matters=0.01)
    chosen, fresh = prompts(4, (20, 14)), prompts(5, (12, 10))
    found = ioi_circuit.measure_circuit(adapter, chosen, fresh, generator(6), rules=rules, random_sets=30)
    means, roles = template_means(adapter, chosen), found.roles
    alone = {}
    for head in ioi_circuit.candidates(found.scores, rules):
        effects = knock_out(adapter, chosen, means, {"h": Knockout(heads=(head,))})
        alone[head] = drop(effects["h"], effects["none"])
    assert found.alone == pytest.approx(alone, abs=1e-10) and roles == find_roles(found.scores, alone, rules)
    repetition = tuple(sorted(set(roles.duplicate) | set(roles.induction)))
    trap = ioi_circuit.most_attentive(found.scores, len(roles.against_S))
    assert found.trap == trap
    sets = {
        "suppressors": (roles.suppressors, "END", "abc"), "inhibition": (roles.inhibition, "END", "abc"),
        "copying": (roles.copying, "END", "abc"), "negative": (roles.negative, "END", "abc"),
        "duplicate": (roles.duplicate, "S2", "abc"), "induction": (roles.induction, "S2", "abc"),
        "by attention": (trap, "END", "abc"),
        "against S": (roles.suppressors + roles.inhibition, "END", "abc"),
        "against S, pIOI": (roles.suppressors + roles.inhibition, "END", "ioi"),
        "repetition": (repetition, "S2", "abc"), "repetition, pIOI": (repetition, "S2", "ioi"),
    }  # fmt: skip
    sets = {name: parts for name, parts in sets.items() if parts[0]}
    knockouts = {n: Knockout(heads=heads, place=place, over=over) for n, (heads, place, over) in sets.items()}
    again = knock_out(adapter, fresh, means, knockouts)
    assert found.effects.keys() == again.keys() and len(again) >= 10
    for name, effect in again.items():
        torch.testing.assert_close(found.effects[name].difference, effect.difference, atol=1e-10, rtol=0)
        torch.testing.assert_close(found.effects[name].P_IO, effect.P_IO, atol=1e-10, rtol=0)
    random = generator(6)
    drawn = draw_sets(roles.against_S, 6, random, count=30)
    some = knock_out(adapter, fresh, means, {f"{i}": Knockout(heads=heads) for i, heads in enumerate(drawn)})
    drops = [drop(some[f"{i}"], some["none"]) for i in range(len(drawn))]
    assert found.random == pytest.approx(drops, abs=1e-10) and len(drops) == 30
    values, none = found.circuit_values(), again["none"]
    assert values["drop"] == pytest.approx(drop(again["against S"], none))
    assert values["random"] == pytest.approx(np.abs(drops).mean())
    assert values["random_worst"] == pytest.approx(np.abs(drops).max())
    assert values["copying"] == pytest.approx(float(again["copying"].P_IO.mean() / none.P_IO.mean()))
    for name, key in {"against S": "at_END", "repetition": "difference"}.items():
        expected = interval_of_drops(again[name], again[f"{name}, pIOI"], none, random)
        assert found.pabc[name] == pytest.approx(expected, abs=1e-10)
        assert [found.pabc_values()[key], found.pabc_values()[f"{key}_low95"]] == list(found.pabc[name][:2])


def test_what_cannot_be_measured_is_refused(adapter: Adapter, prompts: Prompts) -> None:
    """Oracle: the sentences."""
    groups = prompts(1)
    other = [replace(group, template="another") for group in groups]
    with pytest.raises(ValueError, match="of other templates"):
        ioi_circuit.measure_circuit(adapter, groups, other, generator(1), rules=LAPTOP.roles, random_sets=3)
    nobody = replace(LAPTOP.roles, attends=1.0)
    with pytest.raises(ValueError, match="there is no circuit to knock out"):
        ioi_circuit.measure_circuit(adapter, groups, groups, generator(1), rules=nobody, random_sets=3)
