"""Half B of chapter 5's prompts, or some of it, and what edits and other changes of late matrices do to them.

held = held_out(model, per_template=20, count=30)      # at most 30 prompts of each task
held.ratios(p)                                         # of probabilities n k: by task
held.after([laser(model, 28, "mlp_in", rho=0.1)])      # probabilities m n k
with held.written(28, "mlp_in", W): ...                # another matrix in its place, then as it was
What enters a block is computed once, whatever is asked later.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mechbook.laser.edits import (
    Edit,
    Prompt,
    ResidualStreams,
    batches_of,
    restored,
    streams_entering,
    visit_edits,
    visit_whole,
    watched_probabilities,
)
from mechbook.laser.prompts import fact_prompts, ioi_prompts, split_halves
from mechbook.laser.streams import STREAMS
from mechbook.pretrained.load import LanguageModel

TASKS = ("facts", "ioi")


@dataclass(kw_only=True, eq=False)
class HeldOut:
    """n prompts and the model that is asked; `streams` fills up with what enters blocks, as it is needed."""

    model: LanguageModel
    prompts: list[Prompt]
    streams: ResidualStreams | None = field(default=None, repr=False)

    @property
    def tasks(self) -> list[str]:
        """The tasks that there are prompts of, in order."""
        return list(dict.fromkeys(p.group for p in self.prompts))

    def of(self, task: str) -> list[int]:
        """The numbers of a task's prompts."""
        return [i for i, p in enumerate(self.prompts) if p.group == task]

    def ratios(self, p: Float[Tensor, "n k"]) -> dict[str, float]:
        """Mean P(answer) over mean P("the"), by task."""
        means = {task: p[self.of(task), :2].double().mean(0) for task in self.tasks}
        return {task: float(mean[0] / mean[1]) for task, mean in means.items()}

    def entering(self, layers: Sequence[int]) -> ResidualStreams:
        """What enters each of `layers` and leaves the last block, in the model as it is when first asked."""
        have = self.streams
        if have is None or not set(layers) <= have.entering.keys():
            wanted = {*layers, *(() if have is None else have.entering)} - {self.model.adapter.n_layers}
            batches = [tokens for _, tokens in batches_of(self.prompts)]
            self.streams = have = streams_entering(self.model.adapter, batches, wanted)
        return have

    def whole(self) -> Float[Tensor, "n k"]:
        """The watched probabilities of the whole model."""
        found: list[Tensor] = []
        visit_whole(self.model.adapter, self.entering(()), self._watched(found), last_only=True)
        return found[0]

    def after(self, edits: Sequence[Edit]) -> Float[Tensor, "m n k"]:
        """The watched probabilities after each edit."""
        found: list[Tensor] = []
        streams = self.entering([edit.layer for edit in edits])
        visit_edits(self.model.adapter, streams, edits, self._watched(found), last_only=True)
        return torch.stack(found)

    def distributions(self, edits: Sequence[Edit]) -> Float[Tensor, "m_and_1 n N"]:
        """Each prompt's next token's distribution: of the whole model, then after each edit."""
        order = torch.cat([which for which, _ in batches_of(self.prompts)]).argsort()
        found: list[Tensor] = []

        def visit(ends: Tensor) -> None:
            found.append(self.model.adapter.logits(ends).float().softmax(-1).cpu()[order])

        streams = self.entering([edit.layer for edit in edits])
        visit_whole(self.model.adapter, streams, visit, last_only=True)
        visit_edits(self.model.adapter, streams, edits, visit, last_only=True)
        return torch.stack(found)

    def now(self, layer: int) -> Float[Tensor, "n k"]:
        """The watched probabilities of the model as it is at this moment, nothing below `layer` being changed."""
        found: list[Tensor] = []
        streams = self.entering([layer])
        ends = self.model.adapter.run_many(streams.entering[layer], streams.shapes, start=layer, last_only=True)
        self._watched(found)(ends)
        return found[0]

    @contextmanager
    def written(self, layer: int, matrix: str, W: Float[Tensor, "d_out d_in"]) -> Iterator[None]:
        """`W` in a matrix's place while the block runs; then every bit as before."""
        with restored(place := self.model.adapter.matrix(layer, matrix)):
            place.write(W)
            yield

    def _watched(self, found: list[Tensor]) -> Callable[[Tensor], None]:
        batches = batches_of(self.prompts)
        return lambda ends: found.append(watched_probabilities(self.model.adapter, self.prompts, batches, ends)[0])


def half_B(model: LanguageModel, per_template: int) -> list[Prompt]:
    """The prompts that the study of the chapter reports on, in its order."""
    prompts = fact_prompts(model) + ioi_prompts(model, per_template, STREAMS.generator("IOI sentences"))
    in_A = split_halves(prompts, STREAMS.generator("halves"))
    return [p for p, chosen in zip(prompts, in_A.tolist(), strict=True) if not chosen]


def held_out(
    model: LanguageModel, per_template: int, *, count: int | None = None, tasks: Sequence[str] = TASKS
) -> HeldOut:
    """Half B, or `count` prompts of each task, spread evenly over it (all templates then have as many)."""
    chosen = []
    for task in tasks:
        own = [p for p in half_B(model, per_template) if p.group == task]
        chosen += own if count is None else some(own, count)
    return HeldOut(model=model, prompts=chosen)


def some(prompts: Sequence[Prompt], count: int) -> list[Prompt]:
    """At most `count` of the prompts, evenly spread."""
    if count >= len(prompts):
        return list(prompts)
    return [prompts[i * len(prompts) // count] for i in range(count)]


def of_task(held: HeldOut, task: str) -> HeldOut:
    """The same for one task's prompts alone."""
    return replace(held, prompts=[held.prompts[i] for i in held.of(task)], streams=None)
