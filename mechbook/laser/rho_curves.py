"""Probabilities of names, "the" and pronouns against rho in late blocks, as Chen et al.'s Figure 1 has for GPT-2."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechbook.laser.edits import Edit, laser
from mechbook.laser.held_out import HeldOut

WATCHED = ("IO", "the", "S", "them", "her")
"""What prompts about two names watch, in this order."""


@dataclass(frozen=True, kw_only=True)
class RhoCurves:
    """Mean probabilities of `WATCHED` over prompts: one list a rate, in the order of `rhos`.

    place: block (from 0) and matrix of the chosen edit, whose `chosen` are means over all of half B; n: of how many
    blocks: the same matrix of other late blocks, on fewer prompts; whole, whole_few: of the whole model, on both
    """

    place: tuple[int, str]
    rhos: list[float]
    n: int
    whole: list[float]
    chosen: list[list[float]]
    whole_few: list[float]
    blocks: dict[int, list[list[float]]]


def rho_curves(half: HeldOut, few: HeldOut, edit: Edit, rhos: Sequence[float], late_blocks: int) -> RhoCurves:
    """Measure on prompts about two names: `half` at the edit's matrix, `few` at that of each of the last blocks."""
    model, name = half.model, edit.matrix
    layers = range(max(0, model.adapter.n_layers - late_blocks), model.adapter.n_layers)
    half.entering([edit.layer])
    few.entering([*layers])
    return RhoCurves(
        place=(edit.layer, name),
        rhos=list(rhos),
        n=len(half.prompts),
        whole=_means(half.whole()),
        chosen=[_means(p) for p in half.after([laser(model, edit.layer, name, rho=rho) for rho in rhos])],
        whole_few=_means(few.whole()),
        blocks={
            layer: [_means(p) for p in few.after([laser(model, layer, name, rho=rho) for rho in rhos])]
            for layer in layers
        },
    )


def _means(p: Float[Tensor, "n k"]) -> list[float]:
    means: list[float] = torch.as_tensor(p).double().mean(0).tolist()
    return means
