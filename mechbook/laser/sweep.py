"""LASER's sweep over matrices, blocks and rates: each matrix is a point for any machine, kept on disk when done."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial

import torch
from torch import Tensor

from mechbook.core.cache.entries import cached
from mechbook.core.sweeps import spread
from mechbook.laser.edits import (
    Edit,
    Measured,
    Prompt,
    ResidualStreams,
    batches_of,
    laser,
    measured,
    streams_entering,
    visit_edits,
    visit_whole,
    watched_probabilities,
)
from mechbook.pretrained.load import LanguageModel, load

# models of this process by fingerprint: those that were never on disk, and those not to be read twice
_PRESENT: dict[str, LanguageModel] = {}


@dataclass(frozen=True, kw_only=True)
class _Task:
    name: str
    revision: str | None
    fingerprint: str
    prompts: tuple[Prompt, ...]
    top: int
    layers: tuple[int, ...] = field(repr=False)


def sweep(
    model: LanguageModel,
    prompts: Sequence[Prompt],
    *,
    matrices: Sequence[str],
    layers: Iterable[int],
    rhos: Sequence[float],
    jobs: int | None = None,
    cluster: str | None = None,
    top: int = 1,
) -> Measured:
    """`measure` of LASER at every (layer, matrix, rho), one decomposition a matrix; in that order, rho fastest.

    Each matrix's results are kept in the cache under the model, the prompts, the rates and the code, so that a sweep
    that was interrupted goes on where it stopped. jobs, cluster: as `mechbook.core.sweeps.spread`; workers read the
    model by its name, so one that is only in memory (`from_parts`) is swept in this process. ValueError for what
    `laser` and `measure` refuse.
    """
    edits = [laser(model, layer, name, rho=rho) for layer in layers for name in matrices for rho in rhos]
    batches_of(prompts, model.adapter.n_vocab)
    points: list[tuple[Edit, ...]] = [()]
    points += [tuple(edits[first : first + len(rhos)]) for first in range(0, len(edits), len(rhos))]
    task = _Task(
        name=model.name,
        revision=model.revision,
        fingerprint=model.fingerprint,
        prompts=tuple(prompts),
        top=top,
        layers=tuple(sorted({edit.layer for edit in edits})),
    )
    _PRESENT[model.fingerprint] = model
    try:
        parts = spread(partial(_point, task), points, jobs=jobs, cluster=cluster, what="a sweep of LASER")
    finally:
        del _PRESENT[model.fingerprint]
        _streams.cache_clear()
    # the whole model first, then the edits of one matrix after the other
    p, top_tokens, p_top = (torch.cat([part[name] for part in parts]) for name in ("p", "top", "p_top"))
    return measured(edits, list(zip(p, top_tokens, p_top, strict=True)))


def _point(task: _Task, edits: tuple[Edit, ...]) -> dict[str, Tensor]:
    """The results of one matrix's edits, or of the whole model where there are none."""
    key = {
        "sweep": task.fingerprint,
        "prompts": [asdict(prompt) for prompt in task.prompts],
        "edits": [asdict(edit) for edit in edits],
        "top": task.top,
    }
    found: dict[str, Tensor] = cached(key, lambda: _compute(task, edits), modules=(__name__,))
    return found


def _compute(task: _Task, edits: tuple[Edit, ...]) -> dict[str, Tensor]:
    model, streams = _model(task), _streams(task)
    batches = batches_of(task.prompts)
    found: list[tuple[Tensor, Tensor, Tensor]] = []

    def visit(ends: Tensor) -> None:
        found.append(watched_probabilities(model.adapter, task.prompts, batches, ends, top=task.top))

    if edits:
        visit_edits(model.adapter, streams, edits, visit, last_only=True)
    else:
        visit_whole(model.adapter, streams, visit, last_only=True)
    p, top, p_top = (torch.stack(part) for part in zip(*found, strict=True))
    return {"p": p, "top": top, "p_top": p_top}


def _model(task: _Task) -> LanguageModel:
    if (present := _PRESENT.get(task.fingerprint)) is not None:
        return present
    return _loaded(task.name, task.revision, task.fingerprint)


@lru_cache(maxsize=1)
def _loaded(name: str, revision: str | None, fingerprint: str) -> LanguageModel:
    model = load(name, revision=revision)
    if model.fingerprint != fingerprint:
        raise ValueError(f"{name} on this worker is not the model of the sweep: its files differ.")
    return model


@lru_cache(maxsize=1)
def _streams(task: _Task) -> ResidualStreams:
    """What enters each block of the sweep, computed once in every process."""
    adapter = _model(task).adapter
    batches = [tokens for _, tokens in batches_of(task.prompts)]
    return streams_entering(adapter, batches, task.layers)
