"""The IOI circuit's rules, controls and intervals, and the whole measurement on a tiny random model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mechbook.data.ioi import IOIPrompts
from mechbook.experiments import ioi_circuit
from mechbook.experiments.ioi_circuit import Effect, Knockout, find_roles, knock_out, random_sets
from mechbook.models.adapter import Adapter
from mechbook.models.adapters import adapt
from mechbook.probes.circuit import HeadScores, ablate, mean_outputs, observe

T = 11


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def adapter(tiny_model: Callable[..., Path]) -> Adapter:
    from transformers import AutoModelForCausalLM

    return adapt(AutoModelForCausalLM.from_pretrained(tiny_model("llama"), dtype=torch.float64))


def prompts(seed: int, sizes: tuple[int, ...] = (7, 5)) -> list[IOIPrompts]:
    """A group of prompts without words for each size: names 3 to 9 at places 2, 4 and 7, other tokens above 9."""
    random = generator(seed)
    groups = []
    for number, n in enumerate(sizes):
        names = torch.stack([torch.randperm(7, generator=random)[:2] + 3 for _ in range(n)])
        rows, IO, S = torch.randint(10, 60, (n, T), generator=random), names[:, 0], names[:, 1]
        ABBA = torch.arange(n) % 2 == 0
        rows[:, 2], rows[:, 4], rows[:, 7] = torch.where(ABBA, IO, S), torch.where(ABBA, S, IO), S
        groups.append(
            IOIPrompts(
                template=f"{number}", texts=("",) * n, tokens=rows, abc=torch.randint(3, 60, (n, T), generator=random),
                IO=IO, S=S, IO_at=torch.where(ABBA, 2, 4), S1_at=torch.where(ABBA, 4, 2),
                S2_at=torch.full((n,), 7), is_ABBA=ABBA,
            )
        )  # fmt: skip
    return groups


def scores(**changes: dict[tuple[int, int], float]) -> HeadScores:
    """All scores 0 but those given, for 3 layers of 5 heads."""
    tables = {name: torch.zeros(3, 5) for name in HeadScores.__dataclass_fields__}
    for name, entries in changes.items():
        for head, value in entries.items():
            tables[name][head] = value
    return HeadScores(**tables)


def effect(difference: Tensor, P_IO: Tensor | None = None) -> Effect:
    return Effect(difference=difference, P_IO=difference if P_IO is None else P_IO, P_S=difference)


def test_roles_follow_from_the_rules() -> None:
    """Oracle: a table by hand in which each head misses a role by one condition."""
    found = find_roles(
        scores(
            S2={(1, 0): 0.25, (1, 1): 0.6, (1, 2): 0.6, (1, 3): 0.6, (2, 0): 0.24},
            IO={(2, 1): 0.25, (2, 2): 0.6, (2, 3): 0.6, (2, 4): 0.24},
            copying={(1, 1): 0.5, (1, 3): 0.1, (2, 1): 0.9, (2, 2): 0.89, (2, 3): 1.0, (2, 4): 1.0, (1, 2): 0.11},
            direct={(1, 0): 0.1, (1, 2): 0.3, (1, 3): 0.2, (2, 1): 0.1, (2, 2): 0.1, (2, 3): -0.1, (2, 4): 0.1},
            duplicate={(0, 0): 0.25, (0, 1): 0.2},
            induction={(0, 2): 0.3},
            previous={(0, 3): 0.4, (0, 4): 0.39},
        ),
        {(1, 0): 0.05, (1, 1): 0.05, (1, 2): 0.3, (1, 3): 0.04},
    )
    assert found.suppressors == ((1, 0),)
    # 1.1 does not push down, 1.2 hardly so; 1.3 pushes down and does not matter
    assert found.inhibition == ((1, 1), (1, 2)) and found.against_S == ((1, 0), (1, 1), (1, 2))
    assert found.copying == ((2, 1),) and found.negative == ((2, 3),)
    assert found.duplicate == ((0, 0),) and found.induction == ((0, 2),) and found.previous == ((0, 3),)


def test_candidates_and_the_trap_go_by_attention_alone() -> None:
    """Oracle: a sort by hand."""
    table = scores(S2={(1, 0): 0.25, (0, 4): 0.3, (2, 2): 0.2}, IO={(0, 1): 0.2, (2, 3): 0.7, (1, 4): 0.5})
    assert ioi_circuit.candidates(table) == [(0, 4), (1, 0)]
    assert ioi_circuit.most_attentive(table, 2) == ((2, 3), (1, 4))


def test_random_sets_have_the_layers_of_the_heads_found_and_none_of_these() -> None:
    """Oracle: counts; each other head drawn as often as any, to 4.5 standard errors."""
    heads = ((1, 0), (1, 3), (2, 2))
    sets = random_sets(heads, 7, generator(1), count=700)
    for drawn in sets:
        assert [layer for layer, _ in drawn] == [1, 1, 2] and len(set(drawn)) == 3 and not set(drawn) & set(heads)
    for h in (1, 2, 4, 5, 6):
        count = sum((1, h) in drawn for drawn in sets)
        assert abs(count - 700 * 2 / 5) < 4.5 * (700 * 0.4 * 0.6) ** 0.5
    with pytest.raises(ValueError, match="layer 0 has 3 heads, too few"):
        random_sets(((0, 0), (0, 1)), 3, generator(1))


def test_the_drop_is_a_part_of_the_mean_difference() -> None:
    """Oracle: arithmetic."""
    none, less = effect(torch.tensor([1.0, 3.0])), effect(torch.tensor([2.0, -1.0]))
    assert ioi_circuit.drop(less, none) == pytest.approx(0.75)
    assert less.accuracy == 0.5


def test_the_interval_covers_as_the_normal_one_does() -> None:
    """Oracle: the delta method's standard error of a ratio of means, within a tenth; pairs that are equal give 0."""
    n = 400
    random = generator(2)
    none = torch.randn(n, generator=random).double() + 4
    first = effect(0.3 * none + 0.5 * torch.randn(n, generator=random).double())
    second = effect(first.difference + 0.4 + 0.7 * torch.randn(n, generator=random).double())
    value, low, high = ioi_circuit.interval_of_drops(first, second, effect(none), generator(3))
    gap = second.difference - first.difference
    ratio = float(gap.mean() / none.mean())
    error = float((gap - ratio * none).std() / none.mean() / n**0.5)
    assert value == pytest.approx(ratio) and value == pytest.approx(
        ioi_circuit.drop(first, effect(none)) - ioi_circuit.drop(second, effect(none))
    )
    assert low == pytest.approx(ratio - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(ratio + 1.96 * error, abs=0.2 * error)
    assert ioi_circuit.interval_of_drops(first, first, effect(none), generator(3)) == (0.0, 0.0, 0.0)


def by_hand(adapter: Adapter, group: IOIPrompts, end: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    logits = adapter.logits(end)
    p = torch.softmax(logits, 1)
    rows = range(len(group.IO))
    IO, S = group.IO.tolist(), group.S.tolist()
    return (
        torch.stack([logits[i, IO[i]] - logits[i, S[i]] for i in rows]),
        torch.stack([p[i, IO[i]] for i in rows]),
        torch.stack([p[i, S[i]] for i in rows]),
    )


@pytest.mark.parametrize("place", ["END", "S2"])
def test_knockouts_are_those_of_each_template_with_its_own_means(adapter: Adapter, place: Any) -> None:
    """Oracle: `ablate` for each template by hand, probabilities and differences prompt by prompt."""
    groups, heads = prompts(1), ((0, 2), (1, 5))
    means = ioi_circuit.template_means(adapter, groups, "abc")
    found = knock_out(adapter, groups, means, {"set": Knockout(heads=heads, place=place)})
    at = {"END": -1, "S2": 7}[place]
    expected, clean = [], []
    for group in groups:
        seen = observe(adapter, group.tokens)
        own = mean_outputs(observe(adapter, group.abc))
        expected.append(by_hand(adapter, group, ablate(adapter, seen, heads, own, at)))
        clean.append(by_hand(adapter, group, seen.out[:, -1]))
    for name, parts in (("set", expected), ("none", clean)):
        for key, columns in zip(("difference", "P_IO", "P_S"), zip(*parts, strict=True), strict=True):
            torch.testing.assert_close(getattr(found[name], key), torch.cat(columns), atol=1e-10, rtol=0)
    assert not torch.allclose(found["set"].difference, found["none"].difference)


def test_a_watched_head_s_attention_is_that_of_the_run_with_the_knockout(adapter: Adapter) -> None:
    """Oracle: the pattern that `ablate` and `observe` record, prompt by prompt."""
    groups = prompts(2)
    means = ioi_circuit.template_means(adapter, groups, "abc")
    found = knock_out(adapter, groups, means, {"set": Knockout(heads=((0, 1),), watch=(2, 3))})
    rows, clean = [], []
    for group, mean in zip(groups, means, strict=True):
        seen, record = observe(adapter, group.tokens), {}
        ablate(adapter, seen, [(0, 1)], mean, record=record)
        for i in range(len(group.IO)):
            at = [int(group.IO_at[i]), int(group.S1_at[i]), int(group.S2_at[i])]
            rows.append(record[2].pattern[i, 3, -1, at])
            clean.append(seen.records[2].pattern[i, 3, -1, at])
    torch.testing.assert_close(found["set"].watched, torch.stack(rows), atol=1e-10, rtol=0)
    torch.testing.assert_close(found["none"].watched, torch.stack(clean), atol=1e-10, rtol=0)
    assert not torch.allclose(torch.stack(rows), torch.stack(clean), atol=1e-6)


def test_means_over_pIOI_are_those_of_the_prompts_themselves(adapter: Adapter) -> None:
    """Oracle: `mean_outputs` of both kinds of tokens."""
    groups = prompts(3)
    for over, attribute in (("ioi", "tokens"), ("abc", "abc")):
        found = ioi_circuit.template_means(adapter, groups, over)  # type: ignore[arg-type]
        for mean, group in zip(found, groups, strict=True):
            torch.testing.assert_close(mean, mean_outputs(observe(adapter, getattr(group, attribute))))


def test_the_whole_measurement_chooses_on_one_set_and_measures_on_another(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the parts, called one by one on the two sets."""
    # a random model's heads attend everywhere: with these bars it has some of each role
    for name, value in {"ATTENDS": 0.05, "COPIES": 0.5, "MATTERS": 1e-4}.items():
        monkeypatch.setattr(ioi_circuit, name, value)
    chosen, fresh = prompts(4, (20, 14)), prompts(5, (12, 10))
    found = ioi_circuit.measure_circuit(adapter, chosen, fresh, generator(6))
    means = ioi_circuit.template_means(adapter, chosen, "abc")
    alone = {}
    for head in ioi_circuit.candidates(found.scores):
        effects = knock_out(adapter, chosen, means, {"h": Knockout(heads=(head,))})
        alone[head] = ioi_circuit.drop(effects["h"], effects["none"])
    assert found.alone == pytest.approx(alone, abs=1e-10) and found.roles == find_roles(found.scores, alone)
    again = knock_out(adapter, fresh, means, {
        "against S": Knockout(heads=found.roles.against_S), "copying": Knockout(heads=found.roles.copying),
        "by attention": Knockout(heads=ioi_circuit.most_attentive(found.scores, len(found.roles.against_S))),
    })  # fmt: skip
    for name, effect_ in again.items():
        torch.testing.assert_close(found.effects[name].difference, effect_.difference, atol=1e-10, rtol=0)
    sets = random_sets(found.roles.against_S, 6, generator(6))
    some = knock_out(adapter, fresh, means, {f"{i}": Knockout(heads=heads) for i, heads in enumerate(sets)})
    drops = [ioi_circuit.drop(some[f"{i}"], some["none"]) for i in range(len(sets))]
    assert found.random == pytest.approx(drops, abs=1e-10) and len(drops) == ioi_circuit.RANDOM_SETS
    with_ioi = knock_out(adapter, fresh, ioi_circuit.template_means(adapter, chosen, "ioi"),
                         {"x": Knockout(heads=found.roles.against_S)})["x"]  # fmt: skip
    torch.testing.assert_close(found.with_ioi.difference, with_ioi.difference, atol=1e-10, rtol=0)
    values = found.circuit_values()
    none = again["none"]
    assert values["drop"] == pytest.approx(ioi_circuit.drop(again["against S"], none))
    assert values["random"] == pytest.approx(np.abs(drops).mean())
    assert values["random_worst"] == pytest.approx(np.abs(drops).max())
    assert values["copying"] == pytest.approx(float(again["copying"].P_IO.mean() / none.P_IO.mean()))
    assert found.pabc_values()["difference"] == pytest.approx(values["drop"] - ioi_circuit.drop(with_ioi, none))
    assert found.pabc_values()["difference_low95"] == found.pabc[1] < found.pabc[0] < found.pabc[2]


def test_what_cannot_be_measured_is_refused(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the sentences."""
    groups = prompts(1)
    means = ioi_circuit.template_means(adapter, groups, "abc")
    with pytest.raises(ValueError, match="a set is named 'none'"):
        knock_out(adapter, groups, means, {"none": Knockout(heads=((0, 0),))})
    with pytest.raises(ValueError, match="watches a head in a layer below its own"):
        knock_out(adapter, groups, means, {"x": Knockout(heads=((1, 0),), watch=(0, 2))})
    other = [replace(group, template="another") for group in groups]
    with pytest.raises(ValueError, match="of other templates"):
        ioi_circuit.measure_circuit(adapter, groups, other, generator(1))
    monkeypatch.setattr(ioi_circuit, "ATTENDS", 1.1)
    with pytest.raises(ValueError, match="there is no circuit to knock out"):
        ioi_circuit.measure_circuit(adapter, groups, groups, generator(1))
