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


@dataclass(frozen=True, kw_only=True, eq=False)
class RhoCurves:
    """Probabilities of `WATCHED`, in its order.

    place: block (from 0) and matrix of the chosen edit
    whole, chosen: of every sentence of half B, in the whole model and with that matrix cut at each of `rhos`
    whole_few, blocks: means over fewer sentences, whole and with the same matrix of the last blocks cut: a list a rate
    """

    place: tuple[int, str]
    rhos: list[float]
    whole: Float[Tensor, "n k"]
    chosen: Float[Tensor, "r n k"]
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
        whole=half.whole(),
        chosen=half.after([laser(model, edit.layer, name, rho=rho) for rho in rhos]),
        whole_few=_means(few.whole()),
        blocks={
            layer: [_means(p) for p in few.after([laser(model, layer, name, rho=rho) for rho in rhos])]
            for layer in layers
        },
    )


def _means(p: Float[Tensor, "n k"]) -> list[float]:
    means: list[float] = torch.as_tensor(p).double().mean(0).tolist()
    return means
