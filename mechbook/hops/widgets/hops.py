"""Widgets 7a and 7b: a trained hop transformer in the page, and accuracy by hops along the training of each regime."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from mechbook.hops.model import HopTransformer
from mechbook.hops.runs import CompositionSettings, fresh
from mechbook.hops.task import Composition
from mechbook.hops.training import HopTrainingResult
from mechbook.reader.figures import heat_map, style_of, use_style
from mechbook.widgets.base import BookWidget, Store, store
from mechbook.widgets.weights import round_weights


@dataclass(frozen=True, eq=False)
class ShippedHops:
    """What travels: the runs and the seed whose model it is, the weights as the page has them, and the packed store."""

    spec: CompositionSettings
    seed: int
    state: dict[str, Tensor]
    store: Store

    def model(self) -> HopTransformer:
        """The model, holding the weights as the page does."""
        model = HopTransformer(self.spec.config(), torch.Generator().manual_seed(0))
        model.load_state_dict(self.state)
        return model.requires_grad_(False)

    def task(self) -> Composition:
        """The hidden permutations of the seed."""
        return self.spec.task(self.seed)


@functools.cache
def shipped_hops(spec: CompositionSettings, seed: int) -> ShippedHops:
    """Return the trained model of a seed for the page, as float16. Raises ValueError for a seed that is not there."""
    if seed not in spec.seeds:
        raise ValueError(f"There is no seed {seed} among these runs; they are {list(spec.seeds)}.")
    if spec.n > 10:
        raise ValueError(f"n is {spec.n}; the widget writes values as digits, so it can be 10 at most.")
    final = spec.run()[spec.seeds.index(seed)].final
    return ShippedHops(spec, seed, round_weights(final, dtype="float16"), store(final))


def contexts(sent: ShippedHops) -> list[tuple[str, list[list[int]]]]:
    """The contexts on offer, in words, with their permutations: two at random and two that are special."""
    spec, pi = sent.spec, sent.task().pi
    drawn = fresh(spec, sent.seed, 2)[0].cpu().view(2, spec.k, spec.n)
    identity = torch.arange(spec.n).expand(spec.k, spec.n)
    named = (
        ("A context at random", drawn[0]),
        ("Another", drawn[1]),
        ("σ changes nothing", identity),
        ("σ undoes π", pi.argsort(1)),
    )
    return [(words, sigma.tolist()) for words, sigma in named]


def path_widget(spec: CompositionSettings, *, seed: int = 0, name: str = "widget-7a") -> BookWidget:
    """Return widget 7a: edit the permutations in context and the start; see the path, and where each layer looks."""
    sent = shipped_hops(spec, seed)
    offered = contexts(sent)
    settings = {
        "title": "Follow the hops, and the layers",
        "n": spec.n,
        "k": spec.k,
        "pi": sent.task().pi.tolist(),
        "n_layers": spec.n_layers,
        "n_heads": spec.n_heads,
        "contexts": [[words, sigma] for words, sigma in offered],
    }
    words = (
        "Where value 0 of position 1 looks, in a context drawn at random: the strongest head's attention at each "
        f"token, layers 1 to {spec.n_layers} from left to right, positions across and values down."
    )
    picture = _attention_picture(sent, torch.tensor(offered[0][1]))
    return BookWidget(kind="hops", name=name, settings=settings, store=sent.store, picture=picture, words=words)


def regimes_widget(specs: Mapping[str, CompositionSettings], *, name: str = "widget-7b") -> BookWidget:
    """Return widget 7b: each regime's accuracy by number of hops, every seed, with a slider over the steps.

    Raises ValueError where the regimes' tasks, batches or records differ, and without a regime named "mixture".
    """
    if "mixture" not in specs:
        raise ValueError('There is no regime named "mixture"; the moments on offer are its.')
    kinds = {(s.n, s.k, s.training.batch_size, s.training.record_every) for s in specs.values()}
    if len(kinds) > 1:
        raise ValueError("The regimes' tasks, batches or records differ; a slider over steps needs equal ones.")
    ((n, k, batch, every),) = kinds
    results = {title: spec.run() for title, spec in specs.items()}
    curves = {title: accuracy_curves(runs) for title, runs in results.items()}
    longest = max(curve.shape[1] for curve in curves.values()) * every
    settings = {
        "title": "What each regime has learned by when",
        "regimes": list(specs),
        "hops": k,
        "chance": 1 / n,
        "every": every,
        "batch": batch,
        "steps": list(range(every, longest + 1, every)),
        "presets": [[step, words] for words, step in _moments(curves["mixture"], every, longest)],
    }
    words = "Accuracy by number of hops along training, one line for each seed: " + ", ".join(specs) + "."
    return BookWidget(
        kind="hop_regimes",
        name=name,
        settings=settings,
        # float32: the numbers shown are the run's own
        store=store(curves, dtype="float32"),
        picture=_regimes_picture(curves, every, 1 / n),
        words=words,
    )


def accuracy_curves(results: list[HopTrainingResult]) -> Tensor:
    """Return accuracies (seeds, records, hops); a run that ended early keeps its last record."""
    longest = max(len(run.accuracy) for run in results)
    return torch.tensor([run.accuracy + run.accuracy[-1:] * (longest - len(run.accuracy)) for run in results])


def _moments(mixture: Tensor, every: int, longest: int) -> list[tuple[str, int]]:
    """The first records at which the mixture's mean accuracy on 1, 2, 4, ... hops is above 0.9, and the end."""
    found, hop = [], 1
    while hop <= mixture.shape[2]:
        above = (mixture.mean(0)[:, hop - 1] > 0.9).nonzero()
        if len(above):
            found.append((f"The mixture has {hop} hop{'s' if hop > 1 else ''}", (int(above[0]) + 1) * every))
        hop *= 2
    moments = [("Start", every), *found, ("End", longest)]
    return [pair for place, pair in enumerate(moments) if pair[1] not in {step for _, step in moments[:place]}]


def _attention_picture(sent: ShippedHops, sigma: Tensor) -> Figure:
    use_style()
    spec = sent.spec
    attention = sent.model().trace(sigma.reshape(1, -1)).attention
    figure = Figure(figsize=(7.5, 2.8))
    for layer, (axes, maps) in enumerate(zip(np.atleast_1d(figure.subplots(1, spec.n_layers)), attention, strict=True)):
        strongest = maps[0, :, 0].amax(0).view(spec.k, spec.n).T
        positions, values = [str(i + 1) for i in range(spec.k)], [str(y) for y in range(spec.n)]
        heat_map(axes, strongest, positions, values, x_name="position", y_name="value", limits=(0, 1), colours="Greys")
        axes.set_title(f"layer {layer + 1}", fontsize=9)
    return figure


def _regimes_picture(curves: Mapping[str, Tensor], every: int, chance: float) -> Figure:
    use_style()
    figure = Figure(figsize=(7.5, 2.8))
    panels = np.atleast_1d(figure.subplots(1, len(curves), sharey=True))
    for axes, (title, values) in zip(panels, curves.items(), strict=True):
        steps = every * np.arange(1, values.shape[1] + 1)
        for hop in range(values.shape[2]):
            style = style_of(series=hop % 6)
            lines = axes.plot(steps, values[:, :, hop].T, color=style.colour, linestyle=style.line, linewidth=0.9)
            lines[0].set_label(f"{hop + 1}")
        axes.axhline(chance, color="black", linewidth=0.8, linestyle=(0, (1.5, 2)))
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("training step")
    axes.legend(title="hops", fontsize=7, loc="lower right")
    return figure
