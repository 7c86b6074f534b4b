"""Knockouts of heads on a tiny random model, random sets, drops and their intervals."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from mechbook.laser.data.ioi import IOIPrompts
from mechbook.laser.ioi import knockout as ioi_knockout
from mechbook.laser.ioi.knockout import Effect, Knockout, draw_sets, knock_out, template_means
from mechbook.laser.ioi.probes import ablate, mean_outputs, observe
from mechbook.pretrained.adapter import Adapter

T = 11
Prompts = Callable[..., list[IOIPrompts]]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def effect(difference: Tensor, P_IO: Tensor | None = None) -> Effect:
    return Effect(difference=difference, P_IO=difference if P_IO is None else P_IO, P_S=difference)


def test_random_sets_have_the_layers_of_the_heads_found_and_none_of_these() -> None:
    """Oracle: counts; each other head drawn as often as any, to 4.5 standard errors."""
    heads = ((1, 0), (1, 3), (2, 2))
    sets = draw_sets(heads, 7, generator(1), count=700)
    for drawn in sets:
        assert [layer for layer, _ in drawn] == [1, 1, 2] and len(set(drawn)) == 3 and not set(drawn) & set(heads)
    for h in (1, 2, 4, 5, 6):
        count = sum((1, h) in drawn for drawn in sets)
        assert abs(count - 700 * 2 / 5) < 4.5 * (700 * 0.4 * 0.6) ** 0.5
    with pytest.raises(ValueError, match="layer 0 has 3 heads, too few"):
        draw_sets(((0, 0), (0, 1)), 3, generator(1), count=1)


def test_the_drop_is_a_part_of_the_mean_difference() -> None:
    """Oracle: arithmetic."""
    none, less = effect(torch.tensor([1.0, 3.0])), effect(torch.tensor([2.0, -1.0]))
    assert ioi_knockout.drop(less, none) == pytest.approx(0.75)
    assert less.accuracy == 0.5


def test_the_interval_covers_as_the_normal_one_does() -> None:
    """Oracle: the delta method's standard error of a ratio of means, within a tenth; pairs that are equal give 0."""
    n = 400
    random = generator(2)
    none = torch.randn(n, generator=random).double() + 4
    first = effect(0.3 * none + 0.5 * torch.randn(n, generator=random).double())
    second = effect(first.difference + 0.4 + 0.7 * torch.randn(n, generator=random).double())
    value, low, high = ioi_knockout.interval_of_drops(first, second, effect(none), generator(3))
    gap = second.difference - first.difference
    ratio = float(gap.mean() / none.mean())
    error = float((gap - ratio * none).std() / none.mean() / n**0.5)
    assert value == pytest.approx(ratio) and value == pytest.approx(
        ioi_knockout.drop(first, effect(none)) - ioi_knockout.drop(second, effect(none))
    )
    assert low == pytest.approx(ratio - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(ratio + 1.96 * error, abs=0.2 * error)
    assert ioi_knockout.interval_of_drops(first, first, effect(none), generator(3)) == (0.0, 0.0, 0.0)


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


@pytest.mark.parametrize(("place", "over"), [("END", "abc"), ("S2", "abc"), ("S2", "ioi")])
def test_knockouts_are_those_of_each_template_with_its_own_means(
    adapter: Adapter, place: Any, over: Any, prompts: Prompts
) -> None:
    """Oracle: `ablate` for each template by hand, probabilities and differences prompt by prompt."""
    groups, heads = prompts(1), ((0, 2), (1, 5))
    means = template_means(adapter, groups)
    found = knock_out(adapter, groups, means, {"set": Knockout(heads=heads, place=place, over=over)})
    at = {"END": -1, "S2": 7}[place]
    expected, clean = [], []
    for group in groups:
        seen = observe(adapter, group.tokens)
        own = mean_outputs(observe(adapter, group.abc if over == "abc" else group.tokens))
        expected.append(by_hand(adapter, group, ablate(adapter, seen, heads, own, at)))
        clean.append(by_hand(adapter, group, seen.out[:, -1]))
    for name, parts in (("set", expected), ("none", clean)):
        for key, columns in zip(("difference", "P_IO", "P_S"), zip(*parts, strict=True), strict=True):
            torch.testing.assert_close(getattr(found[name], key), torch.cat(columns), atol=1e-10, rtol=0)
    assert not torch.allclose(found["set"].difference, found["none"].difference)


def test_a_watched_head_s_attention_is_that_of_the_run_with_the_knockout(adapter: Adapter, prompts: Prompts) -> None:
    """Oracle: the pattern that `ablate` and `observe` record, prompt by prompt."""
    groups = prompts(2)
    means = template_means(adapter, groups)
    found = knock_out(adapter, groups, means, {"set": Knockout(heads=((0, 1),), watch=(2, 3))})
    rows, clean = [], []
    for group, mean in zip(groups, means, strict=True):
        seen, record = observe(adapter, group.tokens), {}
        ablate(adapter, seen, [(0, 1)], mean.abc, record=record)
        for i in range(len(group.IO)):
            at = [int(group.IO_at[i]), int(group.S1_at[i]), int(group.S2_at[i])]
            rows.append(record[2].pattern[i, 3, -1, at])
            clean.append(seen.records[2].pattern[i, 3, -1, at])
    torch.testing.assert_close(found["set"].watched, torch.stack(rows), atol=1e-10, rtol=0)
    torch.testing.assert_close(found["none"].watched, torch.stack(clean), atol=1e-10, rtol=0)
    assert not torch.allclose(torch.stack(rows), torch.stack(clean), atol=1e-6)


def test_means_are_those_of_the_prompts_and_of_their_counterparts(adapter: Adapter, prompts: Prompts) -> None:
    """Oracle: `mean_outputs` of both kinds of tokens."""
    groups = prompts(3)
    for means, group in zip(template_means(adapter, groups), groups, strict=True):
        torch.testing.assert_close(means.abc, mean_outputs(observe(adapter, group.abc)))
        torch.testing.assert_close(means.ioi, mean_outputs(observe(adapter, group.tokens)))


def test_sets_that_make_no_sense_are_refused(adapter: Adapter, prompts: Prompts) -> None:
    """Oracle: the sentences."""
    groups = prompts(1)
    means = template_means(adapter, groups)
    with pytest.raises(ValueError, match="a set is named 'none'"):
        knock_out(adapter, groups, means, {"none": Knockout(heads=((0, 0),))})
    with pytest.raises(ValueError, match="watches a head in a layer below its own"):
        knock_out(adapter, groups, means, {"x": Knockout(heads=((1, 0),), watch=(0, 2))})
