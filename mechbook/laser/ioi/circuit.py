"""The IOI circuit of a pretrained model: heads found on one set of prompts, knocked out on fresh ones.

Roles follow from attention, from what a head's output does to a name's logit, and from knocking it out alone; the rules
(`mechbook.laser.presets.RoleRules`) are fixed before anything is measured. Layers and heads count from 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Generator, Tensor

from mechbook.laser.data.ioi import IOIPrompts
from mechbook.laser.ioi.knockout import (
    Effect,
    Knockout,
    draw_sets,
    drop,
    interval_of_drops,
    knock_out,
    template_means,
)
from mechbook.laser.ioi.probes import Head, HeadScores, head_scores
from mechbook.laser.presets import RoleRules
from mechbook.pretrained.adapter import Adapter


@dataclass(frozen=True, kw_only=True)
class Roles:
    """The heads of each role.

    suppressors: attend to S2 and push the name they attend to down, at END, by themselves
    inhibition: attend to S2, are no suppressors, and matter when knocked out alone
    copying: name movers, attend to IO, copy it and raise IO over S themselves
    negative: attend to IO, push it down and lower it against S themselves
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


def candidates(scores: HeadScores, rules: RoleRules) -> list[Head]:
    """Return the heads that attend from END to S2: what may be a suppressor or an S-inhibition head."""
    return _heads(scores.S2 >= rules.attends)


def find_roles(scores: HeadScores, alone: Mapping[Head, float], rules: RoleRules) -> Roles:
    """Return the heads of each role; `alone` has, for each of `candidates`, the drop when it is knocked out alone."""
    pushes_down, copies = scores.copying <= 1 - rules.copies, scores.copying >= rules.copies
    suppressors = _heads((scores.S2 >= rules.attends) & pushes_down & (scores.direct > 0))
    suppressors = [head for head in suppressors if alone[head] >= rules.matters]
    return Roles(
        suppressors=tuple(suppressors),
        inhibition=tuple(head for head, drop in alone.items() if drop >= rules.matters and head not in suppressors),
        copying=tuple(_heads((scores.IO >= rules.attends) & copies & (scores.direct > 0))),
        negative=tuple(_heads((scores.IO >= rules.attends) & pushes_down & (scores.direct < 0))),
        duplicate=tuple(_heads(scores.duplicate >= rules.attends)),
        induction=tuple(_heads(scores.induction >= rules.attends)),
        previous=tuple(_heads(scores.previous >= rules.previous)),
    )


def most_attentive(scores: HeadScores, count: int) -> tuple[Head, ...]:
    """Return the `count` heads that attend most from END to IO: the trap, a choice by attention alone."""
    order = scores.IO.flatten().argsort(descending=True)[:count].tolist()
    return tuple(divmod(number, scores.IO.shape[1]) for number in order)


@dataclass(frozen=True, kw_only=True, eq=False)
class Circuit:
    """What was found on the choosing prompts (scores, drops of heads alone, roles) and measured on the fresh ones.

    effects: under "none", the roles' names, "against S" (suppressors and S-inhibition heads, at END), "repetition"
        (duplicate-token and induction heads, at S2) and "by attention" (as many heads as against S, chosen by attention
        to IO alone); "against S, pIOI" and "repetition, pIOI" with means over IOI prompts, all others over pABC
    random: the drops of random sets
    pabc: for "against S" and "repetition", the drop with pABC means minus that with pIOI means, and its 95% interval
    """

    scores: HeadScores
    alone: dict[Head, float]
    roles: Roles
    trap: tuple[Head, ...]
    effects: dict[str, Effect]
    random: list[float]
    pabc: dict[str, tuple[float, float, float]]

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
        (value, low, _), (at_END, END_low, _) = self.pabc["repetition"], self.pabc["against S"]
        return {"difference": value, "difference_low95": low, "at_END": at_END, "at_END_low95": END_low}


def measure_circuit(
    adapter: Adapter,
    chosen_on: Sequence[IOIPrompts],
    fresh: Sequence[IOIPrompts],
    generator: Generator,
    *,
    rules: RoleRules,
    random_sets: int,
) -> Circuit:
    """Find the roles on `chosen_on`, whose pABC and pIOI means are used throughout, and knock them out on `fresh`.

    Both must be of the same templates, in the same order. Raises ValueError where no head works against S, notices the
    repetition, or copies, and for an architecture whose heads do not add up (`Adapter.writes_as_is`).
    """
    if not adapter.writes_as_is:
        raise ValueError("this model normalises the sum of its heads, so that no head's part of a logit is its own.")
    if [group.template for group in chosen_on] != [group.template for group in fresh]:
        raise ValueError("the fresh prompts are of other templates than those that heads are chosen on.")
    scores, means = head_scores(adapter, chosen_on), template_means(adapter, chosen_on)
    singles = knock_out(adapter, chosen_on, means, {f"{h}": Knockout(heads=(h,)) for h in candidates(scores, rules)})
    alone = {head: drop(singles[f"{head}"], singles["none"]) for head in candidates(scores, rules)}
    roles = find_roles(scores, alone, rules)
    repetition = tuple(sorted({*roles.duplicate, *roles.induction}))
    if not (roles.against_S and roles.copying and repetition):
        raise ValueError("no head suppresses S, none copies IO, or none notices S2: there is no circuit to knock out.")
    trap = most_attentive(scores, len(roles.against_S))
    mover = max(roles.copying, key=lambda head: float(scores.IO[head]))
    sets = {name: Knockout(heads=getattr(roles, name)) for name in ("suppressors", "inhibition", "copying", "negative")}
    if roles.inhibition and min(roles.inhibition)[0] <= mover[0]:
        sets["inhibition"] = Knockout(heads=roles.inhibition, watch=mover)
    sets |= {name: Knockout(heads=getattr(roles, name), place="S2") for name in ("duplicate", "induction")}
    sets = {name: knockout for name, knockout in sets.items() if knockout.heads}
    sets["by attention"] = Knockout(heads=trap)
    sets |= {"against S": Knockout(heads=roles.against_S), "repetition": Knockout(heads=repetition, place="S2")}
    sets |= {f"{name}, pIOI": replace(sets[name], over="ioi") for name in ("against S", "repetition")}
    drawn = draw_sets(roles.against_S, adapter.n_heads, generator, count=random_sets)
    controls = {f"random {i}": Knockout(heads=heads) for i, heads in enumerate(drawn)}
    effects = knock_out(adapter, fresh, means, {**sets, **controls})
    none = effects["none"]
    return Circuit(
        scores=scores,
        alone=alone,
        roles=roles,
        trap=trap,
        effects={name: effects[name] for name in ("none", *sets)},
        random=[drop(effects[name], none) for name in controls],
        pabc={
            name: interval_of_drops(effects[name], effects[f"{name}, pIOI"], none, generator)
            for name in ("against S", "repetition")
        },
    )


def _heads(mask: Tensor) -> list[Head]:
    return [(int(layer), int(head)) for layer, head in mask.nonzero().tolist()]
