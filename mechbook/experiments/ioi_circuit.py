"""The IOI circuit of a pretrained model: heads found on one set of prompts, knocked out on fresh ones.

Roles follow from attention, from what a head's output does to a name's logit, and from knocking it out alone; the rules
are fixed here, before anything is measured. Layers and heads count from 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from mechbook.data.ioi import IOIPrompts
from mechbook.models.adapter import Adapter, BlockRecord
from mechbook.probes.circuit import Head, HeadScores, Observation, ablate, head_scores, mean_outputs, observe

# "Attends to": this much of its attention on average; "previous token": this much over all tokens.
ATTENDS, PREVIOUS = 0.25, 0.4
# "Copies" a name it attends to: raises its logit above the other names' in this part of the prompts, or more. Pushes it
# down: in no more than the rest of them.
COPIES = 0.9
# Knocked out alone, an S-inhibition head lowers the logit difference by this part of it, at least.
MATTERS = 0.05
RANDOM_SETS = 30
RESAMPLES = 2000

Place = Literal["END", "S2"]


@dataclass(frozen=True, kw_only=True)
class Roles:
    """The heads of each role.

    suppressors: attend to S2 and push the name they attend to down, at END, by themselves
    inhibition: attend to S2, are no suppressors, and matter when knocked out alone
    copying: name movers, attend to IO, copy it and raise IO over S themselves
    negative: attend to IO and lower it against S themselves
    duplicate, induction: attend from S2 to S1, or to the token after S1
    previous: attend to the token before
    """

    suppressors: tuple[Head, ...]
    inhibition: tuple[Head, ...]
    copying: tuple[Head, ...]
    negative: tuple[Head, ...]
    duplicate: tuple[Head, ...]
    induction: tuple[Head, ...]
    previous: tuple[Head, ...]

    @property
    def against_S(self) -> tuple[Head, ...]:
        """Suppressors and S-inhibition heads together: what the claim is about."""
        return (*self.suppressors, *self.inhibition)


@dataclass(frozen=True, kw_only=True)
class Knockout:
    """Heads replaced at one place of the prompts. `watch`: a head whose attention from END is kept, too."""

    heads: tuple[Head, ...]
    place: Place = "END"
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


Means = list[Float[Tensor, "layers T heads d_head"]]


def template_means(adapter: Adapter, prompts: Sequence[IOIPrompts], over: Literal["abc", "ioi"]) -> Means:
    """Return every head's mean output at each position, for each template: over pABC, or over the prompts (pIOI)."""
    tokens = [group.abc if over == "abc" else group.tokens for group in prompts]
    return [mean_outputs(observe(adapter, ids)) for ids in tokens]


def knock_out(
    adapter: Adapter, prompts: Sequence[IOIPrompts], means: Means, sets: Mapping[str, Knockout]
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
    for group, mean in zip(prompts, means, strict=True):
        seen = observe(adapter, group.tokens)
        clean = None if watch is None else _from_END(seen.records[watch[0]].pattern[:, watch[1]], group)
        parts.setdefault("none", []).append(_effect(adapter, group, seen.out[:, -1], clean))
        for name, knockout in sets.items():
            parts.setdefault(name, []).append(_knocked_out(adapter, group, seen, mean, knockout))
    return {name: _joined(effects) for name, effects in parts.items()}


def candidates(scores: HeadScores) -> list[Head]:
    """Return the heads that attend from END to S2: what may be a suppressor or an S-inhibition head."""
    return _heads(scores.S2 >= ATTENDS)


def find_roles(scores: HeadScores, alone: Mapping[Head, float]) -> Roles:
    """Return the heads of each role; `alone` has, for each of `candidates`, the drop when it is knocked out alone."""
    pushes_down, copies = scores.copying <= 1 - COPIES, scores.copying >= COPIES
    suppressors = _heads((scores.S2 >= ATTENDS) & pushes_down & (scores.direct > 0))
    suppressors = [head for head in suppressors if alone[head] >= MATTERS]
    return Roles(
        suppressors=tuple(suppressors),
        inhibition=tuple(head for head, drop in alone.items() if drop >= MATTERS and head not in suppressors),
        copying=tuple(_heads((scores.IO >= ATTENDS) & copies & (scores.direct > 0))),
        negative=tuple(_heads((scores.IO >= ATTENDS) & (scores.direct < 0))),
        duplicate=tuple(_heads(scores.duplicate >= ATTENDS)),
        induction=tuple(_heads(scores.induction >= ATTENDS)),
        previous=tuple(_heads(scores.previous >= PREVIOUS)),
    )


def drop(effect: Effect, none: Effect) -> float:
    """The part of the mean logit difference that a knockout takes away; 1: all of it, below 0: it grows."""
    return 1 - float(effect.difference.double().mean() / none.difference.double().mean())


def most_attentive(scores: HeadScores, count: int) -> tuple[Head, ...]:
    """Return the `count` heads that attend most from END to IO: the trap, a choice by attention alone."""
    order = scores.IO.flatten().argsort(descending=True)[:count].tolist()
    return tuple(divmod(number, scores.IO.shape[1]) for number in order)


def random_sets(
    heads: Sequence[Head], n_heads: int, generator: Generator, *, count: int = RANDOM_SETS
) -> list[tuple[Head, ...]]:
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Circuit:
    """What was found on the choosing prompts (scores, drops of heads alone, roles) and measured on the fresh ones.

    effects: under "none", the roles' names, "against S" (suppressors and S-inhibition heads), "by attention" (as many
    heads, chosen by attention to IO alone), each with pABC means
    random: the drops of random sets; with_ioi: "against S" with pIOI means
    pabc: the drop of "against S" with pABC means minus that with pIOI means, and its 95% interval
    """

    scores: HeadScores
    alone: dict[Head, float]
    roles: Roles
    trap: tuple[Head, ...]
    effects: dict[str, Effect]
    random: list[float]
    with_ioi: Effect
    pabc: tuple[float, float, float]

    def circuit_values(self) -> dict[str, float]:
        """What `laser.ioi_circuit` is reported with."""
        none, size = self.effects["none"], [abs(drop) for drop in self.random]
        copying = self.effects["copying"].P_IO.double().mean() / none.P_IO.double().mean()
        return {
            "drop": drop(self.effects["against S"], none),
            "random": sum(size) / len(size),
            "random_worst": max(size),
            "copying": float(copying),
        }

    def pabc_values(self) -> dict[str, float]:
        """What `laser.ioi_pabc` is reported with."""
        return {"difference": self.pabc[0], "difference_low95": self.pabc[1]}


def measure_circuit(
    adapter: Adapter, chosen_on: Sequence[IOIPrompts], fresh: Sequence[IOIPrompts], generator: Generator
) -> Circuit:
    """Find the roles on `chosen_on`, whose pABC and pIOI means are used throughout, and knock them out on `fresh`.

    Both must be of the same templates, in the same order. Raises ValueError where no head works against S, or none
    copies.
    """
    if [group.template for group in chosen_on] != [group.template for group in fresh]:
        raise ValueError("the fresh prompts are of other templates than those that heads are chosen on.")
    scores = head_scores(adapter, chosen_on)
    abc = template_means(adapter, chosen_on, "abc")
    singles = knock_out(adapter, chosen_on, abc, {f"{h}": Knockout(heads=(h,)) for h in candidates(scores)})
    alone = {head: drop(singles[f"{head}"], singles["none"]) for head in candidates(scores)}
    roles = find_roles(scores, alone)
    if not roles.against_S or not roles.copying:
        raise ValueError("no head of this model suppresses S, or none copies IO: there is no circuit to knock out.")
    trap = most_attentive(scores, len(roles.against_S))
    mover = max(roles.copying, key=lambda head: float(scores.IO[head]))
    sets = {
        field.name: Knockout(heads=heads, place="S2" if field.name in ("duplicate", "induction") else "END")
        for field in fields(roles)
        if field.name != "previous" and (heads := getattr(roles, field.name))
    }
    if roles.inhibition and min(roles.inhibition)[0] <= mover[0]:
        sets["inhibition"] = Knockout(heads=roles.inhibition, watch=mover)
    sets |= {"against S": Knockout(heads=roles.against_S), "by attention": Knockout(heads=trap)}
    drawn = random_sets(roles.against_S, adapter.n_heads, generator)
    controls = {f"random {i}": Knockout(heads=heads) for i, heads in enumerate(drawn)}
    effects = knock_out(adapter, fresh, abc, {**sets, **controls})
    none = effects["none"]
    ioi = template_means(adapter, chosen_on, "ioi")
    with_ioi = knock_out(adapter, fresh, ioi, {"against S": sets["against S"]})["against S"]
    return Circuit(
        scores=scores,
        alone=alone,
        roles=roles,
        trap=trap,
        effects={name: effects[name] for name in ("none", *sets)},
        random=[drop(effects[name], none) for name in controls],
        with_ioi=with_ioi,
        pabc=interval_of_drops(effects["against S"], with_ioi, none, generator),
    )


def _heads(mask: Tensor) -> list[Head]:
    return [(int(layer), int(head)) for layer, head in mask.nonzero().tolist()]


def _knocked_out(adapter: Adapter, group: IOIPrompts, seen: Observation, mean: Tensor, knockout: Knockout) -> Effect:
    at = -1 if knockout.place == "END" else int(group.S2_at[0])
    record: dict[int, BlockRecord] | None = None if knockout.watch is None else {}
    end = ablate(adapter, seen, knockout.heads, mean, at, record=record)
    if record is None or knockout.watch is None:
        return _effect(adapter, group, end, None)
    layer, head = knockout.watch
    return _effect(adapter, group, end, _from_END(record[layer].pattern[:, head], group))


def _from_END(pattern: Float[Tensor, "n T S"], group: IOIPrompts) -> Float[Tensor, "n 3"]:
    rows = torch.arange(len(group.IO))
    return torch.stack([pattern[rows, -1, at] for at in (group.IO_at, group.S1_at, group.S2_at)], 1)


def _effect(adapter: Adapter, group: IOIPrompts, end: Tensor, watched: Tensor | None) -> Effect:
    logits, rows = adapter.logits(end), torch.arange(len(group.IO))
    p = logits.softmax(-1)
    difference = logits[rows, group.IO] - logits[rows, group.S]
    return Effect(difference=difference, P_IO=p[rows, group.IO], P_S=p[rows, group.S], watched=watched)


def _joined(effects: Sequence[Effect]) -> Effect:
    watched = [effect.watched for effect in effects if effect.watched is not None]
    return Effect(
        difference=torch.cat([effect.difference for effect in effects]),
        P_IO=torch.cat([effect.P_IO for effect in effects]),
        P_S=torch.cat([effect.P_S for effect in effects]),
        watched=torch.cat(watched) if watched else None,
    )
