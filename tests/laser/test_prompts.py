"""Chapter 5's tables, choice and intervals against loops over prompts and closed forms."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mechbook.laser.edits import Edit, Measured, Prompt
from mechbook.laser.prompts import (
    best,
    edit_rows,
    fact_prompts,
    log_ratio_gain,
    ratio_interval,
    split_halves,
    whole_rows,
)
from mechbook.pretrained.load import load


def made(n: int = 7, m: int = 3) -> tuple[Measured, list[Prompt]]:
    g = torch.Generator().manual_seed(0)
    prompts = [Prompt(tokens=(i,), watch=(i, 90, 91), group="facts" if i % 3 else "ioi") for i in range(n)]
    edits = tuple(
        Edit(layer=i, matrix="mlp_in", dropped=tuple(range(i, 5)), kind=f"rho {i}", rho=float(i)) for i in range(m)
    )
    top = torch.randint(2, (m, n), generator=g) * torch.arange(n)
    p = torch.rand(m, n, 3, generator=g)
    result = Measured(
        edits=edits,
        before=p[0] / 2,
        after=p,
        top_before=top[0, :, None],
        top_after=top[..., None],
        p_top_before=p[0, :, :1],
        p_top_after=p[..., :1],
    )
    return result, prompts


def test_the_table_is_the_loop_over_prompts() -> None:
    """Oracle: sums over the prompts of a group, one at a time."""
    result, prompts = made()
    keep = torch.tensor([True, True, False, True, True, True, False])
    rows = edit_rows(result, prompts, keep)
    assert [(row.layer, row.group) for row in rows] == [(i, g) for i in range(3) for g in ("ioi", "facts")]
    for row in rows:
        answer = generic = right = above = n = 0.0
        for i, prompt in enumerate(prompts):
            if prompt.group == row.group and keep[i]:
                p = result.after[row.layer, i].tolist()
                answer, generic, n = answer + p[0], generic + p[1], n + 1
                right += result.top_after[row.layer, i, 0] == prompt.watch[0]
                above += p[0] > p[2]
        assert row.n == n and row.layer_from_1 == row.layer + 1 and row.dropped == 5 - row.layer
        for found, expected in (
            (row.answer, answer / n),
            (row.generic, generic / n),
            (row.ratio, answer / generic),
            (row.top1, right / n),
            (row.second, above / n),
        ):
            assert math.isclose(found, float(expected), rel_tol=1e-6)
    whole = whole_rows(result, prompts, keep)
    assert [row.kind for row in whole] == ["none", "none"]
    assert math.isclose(whole[1].answer, float(result.before[[1, 4, 5], 0].mean()), rel_tol=1e-6)


def test_the_choice_is_the_largest_ratio_of_its_group() -> None:
    result, prompts = made()
    rows = edit_rows(result, prompts)
    for group in ("facts", "ioi"):
        chosen = best(rows, group)
        assert chosen.group == group and chosen.ratio == max(row.ratio for row in rows if row.group == group)
    with pytest.raises(ValueError, match=r"no row belongs to 'gsm8k'; the groups are \['facts', 'ioi'\]"):
        best(rows, "gsm8k")


def test_halves_are_halves_of_each_group_and_depend_on_the_generator() -> None:
    _, prompts = made(n=23)
    one, other = (split_halves(prompts, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    for half in (one, other):
        for group in ("facts", "ioi"):
            member = torch.tensor([p.group == group for p in prompts])
            assert int((half & member).sum()) == int(member.sum()) // 2
    assert not torch.equal(one, other)


def test_the_ratio_s_interval_is_that_of_the_delta_method() -> None:
    """Oracle: the ratio of means with its first-order standard error, at 4000 prompts; k = 0.15 of a half width."""
    g = torch.Generator().manual_seed(1)
    # the two go together, so that an interval of either mean alone would be far wider
    u, v = torch.rand(2, 4000, generator=g)
    p = torch.stack([u, u + 0.3 * v], 1)
    low, high = ratio_interval(p, torch.Generator().manual_seed(2))
    a, b = p.double().unbind(1)
    ratio = a.mean() / b.mean()
    error = float(((a - ratio * b).var() / len(a)).sqrt() / b.mean())
    assert abs(low - float(ratio - 1.96 * error)) < 0.15 * 1.96 * error
    assert abs(high - float(ratio + 1.96 * error)) < 0.15 * 1.96 * error


def test_the_paired_gain_is_the_mean_difference_of_log_ratios() -> None:
    """Oracle: a loop; where every prompt gains the same the interval is that point."""
    g = torch.Generator().manual_seed(3)
    p = torch.rand(31, 2, generator=g) + 0.1
    other = torch.rand(31, 2, generator=g) + 0.1
    gain, low, high = log_ratio_gain(p, other, g)
    rows = zip(p.tolist(), other.tolist(), strict=True)
    expected = sum(math.log(a[0] / a[1]) - math.log(b[0] / b[1]) for a, b in rows) / 31
    assert math.isclose(gain, expected, rel_tol=1e-5) and low < gain < high
    scaled = p * torch.tensor([math.e, 1.0])
    for value in log_ratio_gain(scaled, p, g):
        assert math.isclose(value, 1.0, abs_tol=1e-5)


def test_fact_prompts_watch_the_country_and_table_1_s_words(
    tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the tokens looked up one by one; a tokenizer with too few words refuses."""
    model = load(str(tiny_model("llama")))
    with pytest.raises(ValueError, match="' southern' is"):
        fact_prompts(model)
    words = {" the": " the", " a": " a", " southern": " to", " northern": " north"}
    monkeypatch.setattr(type(model), "token", lambda self, word: self.encode(words.get(word, word))[0])
    prompts = fact_prompts(model)
    texts = [model.tokenizer.decode(list(p.tokens)) for p in prompts]
    assert "Madrid is located in" in texts and all(text.endswith(" is located in") for text in texts)
    p = prompts[texts.index("Madrid is located in")]
    assert [model.text(i) for i in p.watch] == [" Spain", " the", " a", " to", " north"]
