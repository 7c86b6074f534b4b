"""Edges of a found IOI circuit and the circuit by itself, as chapter 5 measures them, kept on disk when done."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from mechbook.core.cache.entries import cached
from mechbook.core.training.loop import use_threads
from mechbook.laser.ioi.circuit import Roles
from mechbook.laser.ioi.circuit_runs import CircuitResult, CircuitSettings
from mechbook.laser.ioi.knockout import Effect, draw_sets, interval_of_drops, template_means
from mechbook.laser.ioi.paths import Edge, Place, keep_only, patch_paths
from mechbook.laser.ioi.probes import Head
from mechbook.laser.streams import STREAMS
from mechbook.pretrained.load import LanguageModel

RANDOM_SETS = 3
Kept = Mapping[Place, tuple[Head, ...]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Paths:
    """What patching each edge does on the fresh prompts, and what sets of heads alone do; "none" is the whole model.

    edges: by the names of `edges_of`, beside "none"
    alone: under "circuit", "no heads", and "random 0" and so on: as many others at each place
    n_heads: how many heads the circuit keeps, each at one place
    """

    edges: dict[str, Effect]
    alone: dict[str, Effect]
    n_heads: int
    seconds: float

    def lost(self, name: str, generator: Generator) -> tuple[float, float, float]:
        """The part of the logit difference that patching an edge takes away, and its 95% interval over prompts."""
        none = self.edges["none"]
        return interval_of_drops(self.edges[name], none, none, generator)

    def kept(self, name: str, generator: Generator) -> tuple[float, float, float]:
        """The part of the whole model's logit difference that heads alone give, and its 95% interval over prompts."""
        none = self.edges["none"]
        lost, low, high = interval_of_drops(self.alone[name], none, none, generator)
        return 1 - lost, 1 - high, 1 - low


def edges_of(roles: Roles, n_heads: int, generator: Generator) -> dict[str, Edge]:
    """The edges of Wang et al.'s account between the roles found, and what stands beside them for comparison.

    Random senders are as many others of the S-inhibition heads' layers. An edge that needs a role without heads, or
    whose senders all stand behind its receivers, is left out.
    """
    repetition = tuple(sorted({*roles.duplicate, *roles.induction}))
    found: list[tuple[str, tuple[Head, ...], Place, Any, tuple[Head, ...], Place]] = [
        ("previous to induction, k", roles.previous, "S1+1", "k", roles.induction, "S2"),
        ("previous to induction, v", roles.previous, "S1+1", "v", roles.induction, "S2"),
        ("repetition to inhibition, k", repetition, "S2", "k", roles.inhibition, "END"),
        ("repetition to inhibition, v", repetition, "S2", "v", roles.inhibition, "END"),
        ("repetition to suppressors, k", repetition, "S2", "k", roles.suppressors, "END"),
        ("repetition to suppressors, v", repetition, "S2", "v", roles.suppressors, "END"),
        ("inhibition to movers, q", roles.inhibition, "END", "q", roles.copying, "END"),
        ("inhibition to suppressors, q", roles.inhibition, "END", "q", roles.suppressors, "END"),
        ("inhibition to negative, q", roles.inhibition, "END", "q", roles.negative, "END"),
        (
            "inhibition to movers and negative, q",
            roles.inhibition,
            "END",
            "q",
            (*roles.copying, *roles.negative),
            "END",
        ),
    ]
    if roles.inhibition:
        drawn = draw_sets(roles.inhibition, n_heads, generator, count=RANDOM_SETS)
        found += [
            (f"random {i} to movers, q", heads, "END", "q", roles.copying, "END") for i, heads in enumerate(drawn)
        ]
    return {
        name: Edge(senders=senders, at=at, reads=reads, receivers=receivers, to=to)
        for name, senders, at, reads, receivers, to in found
        if senders and receivers and min(senders)[0] < max(receivers)[0]
    }


def circuit_heads(roles: Roles) -> Kept:
    """The heads of every role, at the place where the role works."""
    END = (*roles.against_S, *roles.copying, *roles.negative)
    return {"S1+1": roles.previous, "S2": tuple(sorted({*roles.duplicate, *roles.induction})), "END": END}


def random_heads(kept: Kept, n_layers: int, n_heads: int, generator: Generator) -> Kept:
    """As many heads at each place, drawn from all that are kept at no place. ValueError where there are too few."""
    taken = {head for heads in kept.values() for head in heads}
    others = [(layer, head) for layer in range(n_layers) for head in range(n_heads) if (layer, head) not in taken]
    found = {}
    for at, heads in kept.items():
        if len(heads) > len(others):
            raise ValueError(f"{len(heads)} heads are kept at {at}, and only {len(others)} others are there to draw.")
        order = torch.randperm(len(others), generator=generator)[: len(heads)].tolist()
        found[at] = tuple(others[i] for i in order)
    return found


def measure_paths(model: LanguageModel, measured: CircuitResult, chosen: CircuitSettings) -> Paths:
    """The edges of the circuit `measured` with the settings `chosen`, from the cache where they were measured before.

    Prompts and roles are the circuit's; means are over pABC of the prompts that heads were chosen on.
    """
    use_threads()
    adapter, roles = model.adapter, measured.circuit.roles

    def compute() -> dict[str, Any]:
        began = time.perf_counter()
        # one after the other from the stream of random heads
        generator = STREAMS.generator("random heads")
        edges = patch_paths(adapter, measured.fresh, edges_of(roles, adapter.n_heads, generator))
        kept = circuit_heads(roles)
        sets: dict[str, Kept] = {"circuit": kept, "no heads": {}}
        for i in range(RANDOM_SETS):
            sets[f"random {i}"] = random_heads(kept, adapter.n_layers, adapter.n_heads, generator)
        means = template_means(adapter, chosen.prompts(model, "chosen"))
        alone = keep_only(adapter, measured.fresh, means, sets)
        return {
            "edges": _packed(edges),
            "alone": _packed(alone),
            "n_heads": sum(len(heads) for heads in kept.values()),
            "seconds": time.perf_counter() - began,
        }

    stored = cached({"paths": chosen.key(model)}, compute, modules=(__name__,))
    return Paths(**{**stored, **{name: _unpacked(stored[name]) for name in ("edges", "alone")}})


def _packed(effects: Mapping[str, Effect]) -> dict[str, dict[str, Tensor]]:
    return {
        name: {key: getattr(effect, key) for key in ("difference", "P_IO", "P_S")} for name, effect in effects.items()
    }


def _unpacked(stored: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Effect]:
    return {name: Effect(**effect) for name, effect in stored.items()}
