"""Knockouts: heads of a pretrained model replaced by their means over a template, and what is left of IOI then.

The mean keeps what all prompts of the template share. Over pABC, prompts with three unrelated names, that a name is
repeated is no part of it; over the IOI prompts themselves (pIOI) it is. Layers and heads count from 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from mechbook.core.progress import Line
from mechbook.laser.data.ioi import IOIPrompts
from mechbook.laser.ioi.probes import Head, Observation, ablate, mean_outputs, observe
from mechbook.pretrained.adapter import Adapter, BlockRecord

RESAMPLES = 2000

Place = Literal["END", "S2"]
Over = Literal["abc", "ioi"]


@dataclass(frozen=True, kw_only=True)
class Knockout:
    """Heads replaced at one place of the prompts, by means over pABC or over IOI prompts (pIOI).

    watch: a head whose attention from END is kept, too
    """

    heads: tuple[Head, ...]
    place: Place = "END"
    over: Over = "abc"
    watch: Head | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Effect:
    """What n prompts give under a knockout, prompt by prompt.

    difference: logit of IO minus logit of S
    P_IO, P_S: probabilities
    watched: attention of the watched head from END to IO, S1 and S2; None where none is watched
    """

    difference: Float[Tensor, "n"]
    P_IO: Float[Tensor, "n"]
    P_S: Float[Tensor, "n"]
    watched: Float[Tensor, "n 3"] | None = None

    @property
    def accuracy(self) -> float:
        """The part of the prompts where IO is above S."""
        return float((self.difference > 0).double().mean())


@dataclass(frozen=True, kw_only=True, eq=False)
class TemplateMeans:
    """Every head's mean output at each position of one template, over pABC and over IOI prompts."""

    abc: Float[Tensor, "layers T heads d_head"]
    ioi: Float[Tensor, "layers T heads d_head"]


def template_means(adapter: Adapter, prompts: Sequence[IOIPrompts]) -> list[TemplateMeans]:
    """Return the means of each template, over its prompts and their counterparts."""
    return [
        TemplateMeans(abc=mean_outputs(observe(adapter, group.abc)), ioi=mean_outputs(observe(adapter, group.tokens)))
        for group in prompts
    ]


def knock_out(
    adapter: Adapter, prompts: Sequence[IOIPrompts], means: Sequence[TemplateMeans], sets: Mapping[str, Knockout]
) -> dict[str, Effect]:
    """Return the effect of each knockout on all prompts, and of none under the name "none".

    Where heads are watched, "none" has the attention of the first of them. The prompts of a template are run once, and
    what does not depend on a knockout is taken from there.
    Raises ValueError for a set that is named "none", or one that watches a head below all of its own.
    """
    if "none" in sets:
        raise ValueError("a set is named 'none', which is the name of the run without a knockout.")
    for name, knockout in sets.items():
        if knockout.watch is not None and knockout.watch[0] < min(layer for layer, _ in knockout.heads):
            raise ValueError(f"{name!r} watches a head in a layer below its own, where nothing changes.")
    watch = next((knockout.watch for knockout in sets.values() if knockout.watch is not None), None)
    parts: dict[str, list[Effect]] = {}
    with Line("heads knocked out", len(prompts) * len(sets), "sets of heads and templates") as line:
        for group, mean in zip(prompts, means, strict=True):
            seen = observe(adapter, group.tokens)
            clean = None if watch is None else _from_END(seen.records[watch[0]].pattern[:, watch[1]], group)
            parts.setdefault("none", []).append(effect_of(adapter, group, seen.out[:, -1], clean))
            for name, knockout in sets.items():
                parts.setdefault(name, []).append(_knocked_out(adapter, group, seen, mean, knockout))
                line.advance()
    return {name: joined(effects) for name, effects in parts.items()}


def drop(effect: Effect, none: Effect) -> float:
    """The part of the mean logit difference that a knockout takes away; 1: all of it, below 0: it grows."""
    return 1 - float(effect.difference.double().mean() / none.difference.double().mean())


def draw_sets(heads: Sequence[Head], n_heads: int, generator: Generator, *, count: int) -> list[tuple[Head, ...]]:
    """Draw sets with as many heads of each layer as `heads` has, none of them in `heads`, distinct within a set.

    Raises ValueError where a layer has too few others.
    """
    layers = sorted({layer for layer, _ in heads})
    others = {layer: [h for h in range(n_heads) if (layer, h) not in heads] for layer in layers}
    wanted = {layer: sum(layer == other for other, _ in heads) for layer in layers}
    if short := [layer for layer in layers if len(others[layer]) < wanted[layer]]:
        raise ValueError(
            f"layer {short[0]} has {n_heads} heads, too few for a set without the {wanted[short[0]]} found."
        )
    sets = []
    for _ in range(count):
        drawn: list[Head] = []
        for layer in layers:
            order = torch.randperm(len(others[layer]), generator=generator)[: wanted[layer]].tolist()
            drawn += [(layer, others[layer][i]) for i in order]
        sets.append(tuple(drawn))
    return sets


def interval_of_drops(first: Effect, second: Effect, none: Effect, generator: Generator) -> tuple[float, float, float]:
    """Return drop(first) - drop(second) and the ends of its 95% interval, prompts resampled in pairs."""
    columns = torch.stack([second.difference - first.difference, none.difference]).double()
    n = columns.shape[1]
    rows = torch.randint(n, (RESAMPLES, n), generator=generator)
    numerator, denominator = columns[:, rows].mean(-1)
    low, high = torch.quantile(numerator / denominator, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return float(columns[0].mean() / columns[1].mean()), low, high


def _knocked_out(
    adapter: Adapter, group: IOIPrompts, seen: Observation, means: TemplateMeans, knockout: Knockout
) -> Effect:
    mean: Tensor = getattr(means, knockout.over)
    at = -1 if knockout.place == "END" else int(group.S2_at[0])
    record: dict[int, BlockRecord] | None = None if knockout.watch is None else {}
    end = ablate(adapter, seen, knockout.heads, mean, at, record=record)
    if record is None or knockout.watch is None:
        return effect_of(adapter, group, end)
    layer, head = knockout.watch
    return effect_of(adapter, group, end, _from_END(record[layer].pattern[:, head], group))


def _from_END(pattern: Float[Tensor, "n T S"], group: IOIPrompts) -> Float[Tensor, "n 3"]:
    rows = torch.arange(len(group.IO))
    return torch.stack([pattern[rows, -1, at] for at in (group.IO_at, group.S1_at, group.S2_at)], 1)


def effect_of(adapter: Adapter, group: IOIPrompts, end: Tensor, watched: Tensor | None = None) -> Effect:
    """What the prompts of one template give where the last residual stream is `end`, n d."""
    logits, rows = adapter.logits(end), torch.arange(len(group.IO))
    p = logits.softmax(-1)
    difference = logits[rows, group.IO] - logits[rows, group.S]
    return Effect(difference=difference, P_IO=p[rows, group.IO], P_S=p[rows, group.S], watched=watched)


def joined(effects: Sequence[Effect]) -> Effect:
    """The effects on the prompts of several templates as one, in their order."""
    watched = [effect.watched for effect in effects if effect.watched is not None]
    return Effect(
        difference=torch.cat([effect.difference for effect in effects]),
        P_IO=torch.cat([effect.P_IO for effect in effects]),
        P_S=torch.cat([effect.P_S for effect in effects]),
        watched=torch.cat(watched) if watched else None,
    )
