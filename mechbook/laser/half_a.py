"""The map's best block on all of half A: how good each matrix of its MLP is at each rate, and which rate is best.

The map has a dozen prompts of a task; what is best on so few says little about what would be on others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.core.training.loop import use_threads
from mechbook.laser.edits import laser, measure
from mechbook.laser.prompts import fact_prompts, ioi_prompts, split_halves
from mechbook.laser.streams import STREAMS
from mechbook.pretrained.load import LanguageModel

MATRICES = ("mlp_in", "mlp_gate", "mlp_out")


@dataclass(frozen=True, kw_only=True, eq=False)
class HalfA:
    """By task P(answer) and P("the") of its n prompts: whole (n, 2), and cut (matrices, rates, n, 2)."""

    rhos: list[float]
    whole: dict[str, Float[Tensor, "n 2"]]
    cut: dict[str, Float[Tensor, "matrices rates n 2"]]

    def factors(self, task: str) -> Float[Tensor, "matrices rates"]:
        """By what factor each edit raises the ratio of the means."""
        means, whole = self.cut[task].double().mean(2), self.whole[task].double().mean(0)
        return (means[..., 0] / means[..., 1]) / (whole[0] / whole[1])

    def small_is_best(self, task: str, below: float, generator: Generator, draws: int = 2000) -> float:
        """In what part of `draws` resamples of the prompts the best of all edits has a rate below `below`."""
        rows = self.cut[task].double().flatten(0, 1)
        small = torch.tensor([rho < below for rho in self.rhos]).repeat(len(rows) // len(self.rhos))
        n, hits = rows.shape[1], 0
        for index in torch.randint(n, (draws, n), generator=generator):
            means = rows[:, index].mean(1)
            hits += int(small[(means[:, 0] / means[:, 1]).argmax()])
        return hits / draws


def half_a(model: LanguageModel, per_template: int, layer: int, rhos: Sequence[float]) -> HalfA:
    """Measure block `layer` at each of `rhos`, from the cache where that was done; `per_template` IOI sentences."""
    use_threads()
    key = {"half A": model.fingerprint, "seed": settings.seed(), "per_template": per_template, "layer": layer}
    stored = cached(
        {**key, "rhos": list(rhos)}, lambda: vars(_measured(model, per_template, layer, rhos)), modules=(__name__,)
    )
    return HalfA(**stored)


def _measured(model: LanguageModel, per_template: int, layer: int, rhos: Sequence[float]) -> HalfA:
    prompts = fact_prompts(model) + ioi_prompts(model, per_template, STREAMS.generator("IOI sentences"))
    in_A = split_halves(prompts, STREAMS.generator("halves")).tolist()
    own = [p for p, chosen in zip(prompts, in_A, strict=True) if chosen]
    result = measure(model, own, [laser(model, layer, name, rho=rho) for name in MATRICES for rho in rhos])
    after = result.after[..., :2].unflatten(0, (len(MATRICES), len(rhos)))
    of = {task: [i for i, p in enumerate(own) if p.group == task] for task in ("facts", "ioi")}
    return HalfA(
        rhos=list(rhos),
        whole={task: result.before[rows, :2].clone() for task, rows in of.items()},
        cut={task: after[:, :, rows].clone() for task, rows in of.items()},
    )
