"""What chapter 5 measures of a pretrained model besides LASER: its IOI circuit, and "the" after prepositions."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.core.settings import choose
from mechbook.core.training.loop import use_threads
from mechbook.laser.data.ioi import IOIPrompts, sample_ioi
from mechbook.laser.data.prepositions import PREPOSITIONS, SENTENCES
from mechbook.laser.ioi.circuit import Circuit, Roles, measure_circuit
from mechbook.laser.ioi.knockout import Effect
from mechbook.laser.ioi.probes import HeadScores
from mechbook.pretrained.load import LanguageModel


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredCircuit:
    """A circuit, the fresh prompts it was measured on, and the seconds that took when it was computed."""

    circuit: Circuit
    fresh: list[IOIPrompts]
    seconds: float


def per_template() -> int:
    """How many prompts of each template are drawn, for choosing and afresh."""
    return choose(laptop=10, paper=50)


def ioi_prompts(model: LanguageModel, which: str) -> list[IOIPrompts]:
    """The prompts "chosen" (to find heads on) or "fresh" (to measure on). KeyError for another set."""
    stream = {"chosen": 0, "fresh": 1}[which]
    return sample_ioi(model.encode, per_template(), settings.generator(5, 5, stream))


def circuit(model: LanguageModel) -> MeasuredCircuit:
    """The model's IOI circuit, from the cache where it was measured before."""
    use_threads()
    key = {"model": model.fingerprint, "seed": settings.seed(), "per_template": per_template()}
    fresh = ioi_prompts(model, "fresh")

    def compute() -> dict[str, Any]:
        began = time.perf_counter()
        found = measure_circuit(model.adapter, ioi_prompts(model, "chosen"), fresh, settings.generator(5, 6))
        return {"circuit": _packed(found), "seconds": time.perf_counter() - began}

    stored = cached(key, compute, modules=(__name__,))
    return MeasuredCircuit(circuit=_unpacked(stored["circuit"]), fresh=fresh, seconds=stored["seconds"])


def by_template(effect: Effect, prompts: Sequence[IOIPrompts]) -> list[dict[str, float]]:
    """For each template the mean P(IO), P(S) and logit difference, and IO over S in each order, "ABBA" and "BABA"."""
    rows, first = [], 0
    for group in prompts:
        part = slice(first, first + len(group.IO))
        first = part.stop
        right = (effect.difference[part] > 0).double()
        rows.append(
            {
                "P_IO": float(effect.P_IO[part].double().mean()),
                "P_S": float(effect.P_S[part].double().mean()),
                "difference": float(effect.difference[part].double().mean()),
                "ABBA": float(right[group.is_ABBA].mean()),
                "BABA": float(right[~group.is_ABBA].mean()),
            }
        )
    return rows


def preposition_ranks(model: LanguageModel, *, prefix: str = "") -> list[int]:
    """The rank of " the" (1: the most likely) after each of the 30 prepositions, `prefix` and a space before them.

    Without a prefix a preposition is a model's first token, which many models treat unlike any other.
    """
    before = f"{prefix} " if prefix else ""
    return _ranks(model, [before + word for word in PREPOSITIONS])


def sentence_ranks(model: LanguageModel) -> list[int]:
    """The rank of " the" after each of the 40 sentences that end in a preposition."""
    return _ranks(model, list(SENTENCES))


def _ranks(model: LanguageModel, texts: list[str]) -> list[int]:
    adapter, the = model.adapter, model.token(" the")
    by_length: dict[int, list[int]] = {}
    for place, text in enumerate(texts):
        by_length.setdefault(len(model.encode(text)), []).append(place)
    ranks = [0] * len(texts)
    for places in by_length.values():
        end = adapter.run(adapter.embed(model.tokens(*(texts[place] for place in places))), last_only=True)
        logits: Tensor = adapter.logits(end[:, -1])
        found = 1 + (logits > logits[:, the : the + 1]).sum(1)
        for place, rank in zip(places, found.tolist(), strict=True):
            ranks[place] = rank
    return ranks


def _packed(circuit: Circuit) -> dict[str, Any]:
    return {
        **vars(circuit),
        "scores": vars(circuit.scores),
        "alone": [(*head, drop) for head, drop in circuit.alone.items()],
        "roles": vars(circuit.roles),
        "effects": {name: vars(effect) for name, effect in circuit.effects.items()},
    }


def _unpacked(stored: Mapping[str, Any]) -> Circuit:
    return Circuit(
        **{
            **stored,
            "scores": HeadScores(**stored["scores"]),
            "alone": {(layer, head): drop for layer, head, drop in stored["alone"]},
            "roles": Roles(**stored["roles"]),
            "effects": {name: Effect(**effect) for name, effect in stored["effects"].items()},
        }
    )


def median(values: Sequence[int | float]) -> float:
    """The middle value, or the mean of the two in the middle."""
    return float(torch.tensor(values, dtype=torch.float64).quantile(0.5))
