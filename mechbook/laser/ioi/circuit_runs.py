"""The IOI circuit of a pretrained model as chapter 5 measures it, kept on disk when done."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.core.training.loop import use_threads
from mechbook.laser.data.ioi import IOIPrompts, sample_ioi
from mechbook.laser.ioi.circuit import Circuit, Roles, measure_circuit
from mechbook.laser.ioi.knockout import Effect
from mechbook.laser.ioi.probes import HeadScores
from mechbook.laser.presets import LaserPreset, RoleRules
from mechbook.laser.streams import STREAMS
from mechbook.pretrained.load import LanguageModel


@dataclass(frozen=True, kw_only=True)
class CircuitSettings:
    """How the circuit is found: prompts of each template, for choosing and afresh, the roles' rules, random sets."""

    per_template: int
    random_sets: int
    roles: RoleRules

    def key(self, model: LanguageModel) -> dict[str, Any]:
        """All that decides the circuit besides its code and the machine, as JSON values."""
        return {"circuit": model.fingerprint, "seed": settings.seed(), **asdict(self)}

    def prompts(self, model: LanguageModel, which: str) -> list[IOIPrompts]:
        """The prompts "chosen" (to find heads on) or "fresh" (to measure on). KeyError for another set."""
        part = {"chosen": 0, "fresh": 1}[which]
        generator = STREAMS.generator("circuit prompts", part)
        return sample_ioi(model.encode, self.per_template, generator, start=model.start, encode_next=model.encode_next)

    def run(self, model: LanguageModel) -> "CircuitResult":
        """The model's IOI circuit, from the cache where it was measured before."""
        use_threads()
        fresh = self.prompts(model, "fresh")

        def compute() -> dict[str, Any]:
            began = time.perf_counter()
            found = measure_circuit(
                model.adapter,
                self.prompts(model, "chosen"),
                fresh,
                STREAMS.generator("random heads"),
                rules=self.roles,
                random_sets=self.random_sets,
            )
            return {"circuit": _packed(found), "seconds": time.perf_counter() - began}

        stored = cached(self.key(model), compute, modules=(__name__,))
        return CircuitResult(circuit=_unpacked(stored["circuit"]), fresh=fresh, seconds=stored["seconds"])


@dataclass(frozen=True, kw_only=True, eq=False)
class CircuitResult:
    """A circuit, the fresh prompts it was measured on, and the seconds that took when it was computed."""

    circuit: Circuit
    fresh: list[IOIPrompts]
    seconds: float


def circuit_settings(setup: LaserPreset) -> CircuitSettings:
    """The circuit of the chapter."""
    return CircuitSettings(per_template=setup.circuit_per_template, random_sets=setup.random_sets, roles=setup.roles)


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
