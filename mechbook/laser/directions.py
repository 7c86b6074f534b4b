"""Which singular directions of the chosen matrix matter: many random tenths, single ones, and what the smallest see."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from mechbook.laser import intervals
from mechbook.laser.edits import Edit, batches_of, without_random
from mechbook.laser.held_out import HeldOut, of_task
from mechbook.laser.quantisation import by_place
from mechbook.laser.reads import reading

ENDS = 16
"""Of the single directions that are dropped, so many are the smallest, so many the largest, and so many lie between."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Directions:
    """By task, what dropping directions of its chosen matrix does to the ratio: factors, after over before.

    full: how many directions the matrix has; few: a hundredth of them, rounded
    draws, random: the directions of each random tenth, and its factor
    singles, single: single directions, and the factor without each
    whole, alone: P(answer) and P("the") of each prompt that this is of, whole and without each of `singles`
    energy: of what the matrix reads at END, the part of the squared length along each of the `few` smallest
    constant: the part of that which is the same in all prompts, |mean|^2 over the mean square, of the `few` together
    """

    full: int
    few: int
    draws: dict[str, list[list[int]]]
    random: dict[str, list[float]]
    singles: list[int]
    single: dict[str, list[float]]
    whole: dict[str, Float[Tensor, "n 2"]]
    alone: dict[str, Float[Tensor, "s n 2"]]
    energy: dict[str, list[float]]
    constant: dict[str, float]

    def sizes(self, task: str, *, spared: bool = False) -> list[float]:
        """By what factor >= 1 each draw changes the ratio; with `spared` only draws without any of the smallest few."""
        smallest = set(range(self.full - self.few, self.full))
        return [
            max(factor, 1 / factor)
            for drawn, factor in zip(self.draws[task], self.random[task], strict=True)
            if not (spared and smallest & set(drawn))
        ]

    def single_intervals(self, task: str, generator: Generator) -> Float[Tensor, "s 2"]:
        """The 95% interval of each factor of `single`."""
        return torch.tensor([intervals.factor(p, self.whole[task], generator) for p in self.alone[task]])


def quantile(values: list[float], part: float) -> float:
    """The value below which `part` of the values lie, interpolated. ValueError for none, and a part outside [0, 1]."""
    if not 0 <= part <= 1:
        raise ValueError(f"part is {part}; it must be between 0 and 1.")
    if not values:
        raise ValueError("there is no draw of this kind; take more draws.")
    return float(torch.tensor(values, dtype=torch.float64).quantile(part))


def directions(held: HeldOut, chosen: Mapping[str, Edit], draws: int, generator: Generator) -> Directions:
    """Measure; tasks whose edits are of one matrix share its random draws."""
    adapter = held.model.adapter
    edits = [*chosen.values()]
    full = min(adapter.matrix(edits[0].layer, edits[0].matrix).shape)
    few, tenth = max(1, round(full / 100)), round(full / 10)
    singles = singled_out(full)
    held.entering([edit.layer for edit in edits])
    p_whole = held.whole()
    whole = held.ratios(p_whole)
    drawn: dict[str, list[list[int]]] = {}
    random: dict[str, list[float]] = {}
    single: dict[str, list[float]] = {}
    alone: dict[str, Tensor] = {}
    for (layer, name), tasks in by_place(chosen).items():
        asked = held if len(tasks) == len(held.tasks) else of_task(held, tasks[0])
        tried = [without_random(held.model, layer, name, tenth, generator) for _ in range(draws)]
        one = [Edit(layer=layer, matrix=name, dropped=(i,), kind=f"without {i}") for i in singles]
        p = asked.after([*tried, *one])
        found = [asked.ratios(rows) for rows in p]
        for task in tasks:
            factors = [ratios[task] / whole[task] for ratios in found]
            drawn[task] = [list(edit.dropped) for edit in tried]
            random[task], single[task] = factors[:draws], factors[draws:]
            alone[task] = p[draws:, asked.of(task), :2]
    energy, constant = {}, {}
    for task, edit in chosen.items():
        along = smallest_inputs(of_task(held, task), edit, few)
        energy[task], constant[task] = along.square().mean(0).tolist(), constancy(along)
    return Directions(
        full=full,
        few=few,
        draws=drawn,
        random=random,
        singles=singles,
        single=single,
        whole={task: p_whole[held.of(task), :2] for task in chosen},
        alone=alone,
        energy=energy,
        constant=constant,
    )


def singled_out(full: int) -> list[int]:
    """The largest and the smallest directions, `ENDS` each, and as many evenly spread between; all where it has few."""
    if full <= 3 * ENDS:
        return list(range(full))
    between = [ENDS + (2 * i + 1) * (full - 2 * ENDS) // (2 * ENDS) for i in range(ENDS)]
    return [*range(ENDS), *between, *range(full - ENDS, full)]


def smallest_inputs(held: HeldOut, edit: Edit, few: int) -> Float[Tensor, "n few"]:
    """What the edited matrix reads at END, of length 1, prompt by prompt along its `few` smallest input directions, the
    smallest last."""
    adapter, layer = held.model.adapter, edit.layer
    streams = held.entering([layer])
    with reading(adapter, layer, edit.matrix) as inputs:
        adapter.run_many(streams.entering[layer], streams.shapes, start=layer, stop=layer + 1, last_only=True)
    order = torch.cat([which for which, _ in batches_of(held.prompts)]).argsort()
    h = inputs[0].flatten(0, -2).double().cpu()[order]
    Vh = torch.linalg.svd(adapter.matrix(layer, edit.matrix).read().double().cpu(), full_matrices=False).Vh
    return (h / h.norm(dim=1, keepdim=True)) @ Vh[-few:].T


def constancy(along: Float[Tensor, "n few"]) -> float:
    """The squared length of the mean vector over the mean squared length: 1 where all are the same, 0 for mean 0.

    ValueError where all vectors are 0.
    """
    if not bool(along.any()):
        raise ValueError("all vectors are 0; nothing of them is constant or not.")
    return float(along.mean(0).square().sum() / along.square().sum(1).mean())


def largest_single(found: Directions, task: str) -> tuple[int, float]:
    """The single direction whose loss raises the ratio most, and by what factor."""
    return max(zip(found.singles, found.single[task], strict=True), key=lambda pair: math.log(pair[1]))
