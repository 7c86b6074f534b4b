"""A closer look at the pretrained model, beside chapter 5's study: each part kept on disk under what decides it.

closer = closer_settings(setup, study.chosen).run(model)
closer.directions, closer.curves, closer.noise      # on half B, or some of it
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from jaxtyping import Float
from torch import Tensor

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.core.progress import Line
from mechbook.core.training.loop import use_threads
from mechbook.laser import association, fact_site, quantisation
from mechbook.laser.association import Rewritten
from mechbook.laser.attention_rates import attention_rates
from mechbook.laser.directions import Directions, directions
from mechbook.laser.edits import Edit
from mechbook.laser.fact_site import FactSite
from mechbook.laser.held_out import HeldOut, half_B, held_out, of_task
from mechbook.laser.presets import CloserLook, LaserPreset
from mechbook.laser.quantisation import Noised, StepsOf
from mechbook.laser.rho_curves import RhoCurves, rho_curves
from mechbook.laser.streams import STREAMS
from mechbook.laser.words import Classes, among_answers, articles, classes, continuations
from mechbook.pretrained.load import LanguageModel

TAIL = 3
""""is located in": so many tokens follow the subject in the prompts about cities."""


@dataclass(frozen=True, kw_only=True)
class CloserSettings:
    """What is asked (`mechbook.laser.presets.CloserLook`), IOI sentences of each template, and the edits looked at."""

    per_template: int
    look: CloserLook
    chosen: dict[str, Edit]

    def key(self, model: LanguageModel, part: str) -> dict[str, Any]:
        """All that decides a part besides its code and the machine, as JSON values."""
        return {"closer": part, "model": model.fingerprint, "seed": settings.seed(), **asdict(self)}

    def run(self, model: LanguageModel, *, without: Collection[str] = (), steps_of: StepsOf | None = None) -> "Closer":
        """Everything, from the cache what was measured before.

        without: parts to leave out, by their names in `Closer.stored`; steps_of: as `quantisation.noised`, read from
            the file that `model` comes from
        """
        use_threads()
        held = Shared(model=model, how=self)
        facts, chosen, look = (
            [p for p in half_B(model, self.per_template) if p.group == "facts"],
            self.chosen,
            self.look,
        )
        parts: dict[str, tuple[str, Callable[[], Any]]] = {
            "directions": ("directions", lambda: vars(
                directions(held.few, chosen, look.draws, STREAMS.generator("many random directions")))),
            "curves": ("rho_curves", lambda: vars(
                rho_curves(held.names, held.few_names, chosen["ioi"], look.curve_rhos, look.late_blocks))),
            "noise": ("quantisation", lambda: vars(
                quantisation.noised(
                    held.few, chosen, look.noise_draws, look.noise_everywhere, steps_of=steps_of))),
            "classes": ("words", lambda: {task: vars(found) for task, found in classes(
                held.few, chosen, STREAMS.generator("intervals of the closer look", 5)).items()}),
            "said": ("words", lambda: continuations(model, chosen["facts"], of_task(held.few, "facts").prompts)),
            "article": ("words", lambda: articles(held.few_names, chosen["ioi"])),
            "among": ("words", lambda: among_answers(model, chosen["facts"])),
            "attention": ("attention_rates", lambda: attention_rates(held.few)),
            "site": ("fact_site", lambda: vars(
                fact_site.fact_site(model, facts, look.site_pairs, TAIL, STREAMS.generator("pairs of cities")))),
            "rewritten": ("association", lambda: [asdict(one) for one in rewritten(model, self)]),
        }  # fmt: skip
        of_file = {"noise": {"steps": "of the file"}} if steps_of else {}
        found = {}
        with Line("the closer look", len(parts.keys() - set(without)), "parts") as line:
            for part, (module, compute) in parts.items():
                if part not in without:
                    key = self.key(model, part) | of_file.get(part, {})
                    found[part] = cached(key, _timed(compute), modules=(f"mechbook.laser.{module}",))
                    line.advance()
        return Closer(seconds=sum(part["seconds"] for part in found.values()), stored={
            name: part["found"] for name, part in found.items()
        })  # fmt: skip


@dataclass(kw_only=True, eq=False)
class Shared:
    """The prompts that several parts ask, each with the streams that enter late blocks: made when first needed."""

    model: LanguageModel
    how: CloserSettings

    @cached_property
    def few(self) -> HeldOut:
        """Some prompts of both tasks; the streams of all blocks that any part cuts are there from the start."""
        held = held_out(self.model, self.how.per_template, count=self.how.look.prompts)
        n = self.model.adapter.n_layers
        held.entering([*(edit.layer for edit in self.how.chosen.values()), *range(n - n // 3, n)])
        return held

    @cached_property
    def few_names(self) -> HeldOut:
        """Of these the sentences about names."""
        return of_task(self.few, "ioi")

    @cached_property
    def names(self) -> HeldOut:
        """All sentences about names of half B."""
        return held_out(self.model, self.how.per_template, tasks=("ioi",))


def closer_settings(setup: LaserPreset, chosen: Mapping[str, Edit]) -> CloserSettings:
    """The closer look of the chapter at the edits that its study has chosen."""
    return CloserSettings(per_template=setup.per_template, look=setup.closer, chosen=dict(chosen))


@dataclass(frozen=True, kw_only=True, eq=False)
class Closer:
    """What was measured, each part in the form of the module it comes from."""

    seconds: float
    stored: dict[str, Any]

    @property
    def directions(self) -> Directions:
        """Random tenths, single directions, what the smallest read."""
        return Directions(**self.stored["directions"])

    @property
    def curves(self) -> RhoCurves:
        """Probabilities against rho."""
        return RhoCurves(**self.stored["curves"])

    @property
    def noise(self) -> Noised:
        """Noise of the file's size."""
        return quantisation.unpacked(self.stored["noise"])

    @property
    def classes(self) -> dict[str, Classes]:
        """What is taken from function words and from candidate answers, by task."""
        return {task: Classes(**found) for task, found in self.stored["classes"].items()}

    @property
    def said(self) -> dict[str, tuple[list[float], list[float]]]:
        """P(country) and P("the") after several ways to the country, whole and edited."""
        return dict(self.stored["said"])

    @property
    def article(self) -> dict[str, tuple[float, float]]:
        """Ratios of sentences about names, whole and edited, with "the" and with "a" before the place."""
        return {name: (whole, edited) for name, (whole, edited) in self.stored["article"].items()}

    @property
    def among(self) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
        """log P(right country | countries) of every city, whole and edited."""
        before, after = self.stored["among"]
        return before, after

    @property
    def attention(self) -> dict[str, list[tuple[int, str, float, float]]]:
        """By task block, matrix, rho and the ratio over the whole model's, of attention matrices of the last third."""
        points = self.stored["attention"].items()
        return {task: [(layer, name, rho, factor) for layer, name, rho, factor in rows] for task, rows in points}

    @property
    def site(self) -> FactSite:
        """Where the country is."""
        return fact_site.unpacked(self.stored["site"])

    @property
    def rewritten(self) -> list[Rewritten]:
        """Cities given another country."""
        return [Rewritten(**one) for one in self.stored["rewritten"]]


def _timed(compute: Callable[[], Any]) -> Callable[[], dict[str, Any]]:
    def timed() -> dict[str, Any]:
        began = time.perf_counter()
        return {"found": compute(), "seconds": time.perf_counter() - began}

    return timed


def rewritten(model: LanguageModel, how: CloserSettings) -> list[Rewritten]:
    """Some cities of half B given another country, in the block at a third of the depth."""
    cities = association.half_B_cities(model, how.per_template)
    chosen, layer = association.spread_over(cities, how.look.new_countries), model.adapter.n_layers // 3
    return association.rewrite(model, chosen, layer, STREAMS.generator("new countries"), cities)
