"""Widgets 3a and 3b: a run in the page, at some of its checkpoints, with the matrices as they were then."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from mechbook.core.training.loop import TrainingResult
from mechbook.induction.runs import InductionSettings
from mechbook.reader.figures import attention_map, heat_map, use_style
from mechbook.shared.bigrams import sample
from mechbook.shared.recall import induction_memory_maps
from mechbook.shared.shakespeare import decode, encode, load_counts
from mechbook.shared.simplified import SimplifiedConfig, SimplifiedTransformer
from mechbook.widgets.base import BookWidget, Store, store
from mechbook.widgets.weights import round_weights

# Of ten bits of fraction: a weight's error is at most 1.6%, which changes no recall, and the page is a third lighter.
BITS = 5
CHECKPOINTS = 12
QUOTATION = "To be, or not to b"
# Probe, its words, the colour it has everywhere.
PROBES = (
    ("W_O2", "W_O2", "W_O2"),
    ("W_K2_weighted", "W_K2, by trigger", "W_K2"),
    ("W_K1", "W_K1", "W_K1"),
    ("accuracy", "accuracy", "correct"),
)


@dataclass(frozen=True, eq=False)
class Shipped:
    """What travels: the run, the steps whose checkpoints do, their rounded states, and the packed store."""

    spec: InductionSettings
    run: TrainingResult
    steps: tuple[int, ...]
    states: dict[int, dict[str, Tensor]]
    store: Store

    def model(self, step: int) -> SimplifiedTransformer:
        """The model of a step, holding the weights as the page does."""
        model = self.spec.build()
        assert isinstance(model, SimplifiedTransformer)
        model.load_state_dict(self.states[step])
        return model


def kept_steps(steps: Sequence[int], count: int = CHECKPOINTS) -> tuple[int, ...]:
    """Return at most `count` of the steps, first and last among them, denser at the start, where more happens."""
    ordered = sorted(steps)
    last = len(ordered) - 1
    places = {round(last * (index / (count - 1)) ** 1.5) for index in range(count)}
    return tuple(ordered[place] for place in sorted(places))


def shipped(spec: InductionSettings, steps: tuple[int, ...] | None = None) -> Shipped:
    """Return the checkpoints of a run for the page; asked again, the same ones, so that widgets share their store.

    Raises ValueError for a model that is not the simplified one with two layers, and for steps without a checkpoint.
    """
    return _shipped(spec, steps)


@functools.cache
def _shipped(spec: InductionSettings, steps: tuple[int, ...] | None) -> Shipped:
    config = spec.model
    if not (isinstance(config, SimplifiedConfig) and config.n_layers == 2):
        raise ValueError("This widget shows the simplified transformer with two layers; the run's model is another.")
    if not spec.checkpoint_steps:
        raise ValueError("The run keeps no checkpoint; a widget needs some, named in checkpoint_steps.")
    chosen = kept_steps(spec.checkpoint_steps) if steps is None else steps
    if missing := [step for step in chosen if step not in spec.checkpoint_steps]:
        raise ValueError(f"The run has no checkpoint of step {missing[0]}; it has {list(spec.checkpoint_steps)}.")
    run = spec.run()
    states = {step: round_weights(run.checkpoints[step], dtype="float16", bits=BITS) for step in chosen}
    tensors = {name: values for name, values in states[chosen[0]].items() if name not in config.trained}
    tensors |= {f"{step}/{name}": states[step][name] for step in chosen for name in config.trained}
    return Shipped(spec, run, chosen, states, store(tensors, bits=BITS))


def induction_widget(
    spec: InductionSettings, *, name: str = "widget-3a", steps: tuple[int, ...] | None = None
) -> BookWidget:
    """Return widget 3a: training time against both attention maps, the probes and the prediction, on any sequence."""
    sent = shipped(spec, steps)
    words = (
        "Attention of layer 1 (top) and layer 2 (bottom) on the quotation, at three steps of training: "
        f"{_presets_in_words(sent)}."
    )
    settings = _settings(sent) | {"title": "Watch an induction head form"}
    return BookWidget(
        kind="induction", name=name, settings=settings, store=sent.store, picture=_maps_picture(sent, 2), words=words
    )


def small_induction_widget(
    spec: InductionSettings, *, name: str = "widget-start", steps: tuple[int, ...] | None = None
) -> BookWidget:
    """Return the small version of 3a: what the last character attends to in layer 2, and what is predicted."""
    sent = shipped(spec, small_steps(spec) if steps is None else steps)
    words = f"Attention of layer 2 on the quotation at three steps of training: {_presets_in_words(sent)}."
    settings = _settings(sent) | {"title": "A small transformer learns to repeat what it has seen"}
    return BookWidget(
        kind="induction_small",
        name=name,
        settings=settings,
        store=sent.store,
        picture=_maps_picture(sent, 1),
        words=words,
    )


def memory_widget(
    spec: InductionSettings, *, name: str = "widget-3b", steps: tuple[int, ...] | None = None
) -> BookWidget:
    """Return widget 3b: W_K1, W_K2 and W_O2 in the memory basis at a checkpoint (Birth Figure 7)."""
    sent = shipped(spec, steps)
    words = f"The matrices in the memory basis after step {sent.steps[-1]}: W_K1, W_K2 and W_O2."
    settings = _settings(sent) | {"title": "What the matrices have stored"}
    return BookWidget(
        kind="memory_maps", name=name, settings=settings, store=sent.store, picture=_memory_picture(sent), words=words
    )


def _accuracy(run: TrainingResult) -> Callable[[int], float]:
    def at(step: int) -> float:
        nearest = min(range(len(run.steps)), key=lambda i: abs(run.steps[i] - step))
        return run.values["accuracy"][nearest]

    return at


def preset_steps(run: TrainingResult, steps: Sequence[int]) -> tuple[int, int, int]:
    """Return three of the steps: the last with accuracy below a tenth, after it the one nearest to a half, and the end.

    Raises ValueError for fewer than three steps.
    """
    if len(steps) < 3:
        raise ValueError(f"The steps are {list(steps)}; a widget needs at least three.")
    accuracy = _accuracy(run)
    before = max((step for step in steps[:-2] if accuracy(step) < 0.1), default=steps[0])
    between = [step for step in steps[:-1] if step > before]
    return before, min(between, key=lambda step: abs(accuracy(step) - 0.5)), steps[-1]


def small_steps(spec: InductionSettings) -> tuple[int, ...]:
    """The three checkpoints that the small version keeps."""
    return preset_steps(spec.run(), sorted(spec.checkpoint_steps))


def _settings(sent: Shipped) -> dict[str, Any]:
    config, counts = sent.spec.model, load_counts()
    assert isinstance(config, SimplifiedConfig)
    task = sent.spec.task()
    often = task.trigger_distribution
    if task.triggers is not None:
        often = torch.zeros(task.N).index_fill_(0, torch.tensor(task.triggers), 1.0)
    return {
        "vocabulary": counts.vocabulary,
        "T": config.T,
        "steps": list(sent.steps),
        "trained": list(config.trained),
        "feedForward": config.feed_forward,
        "presets": [
            [step, words] for step, words in zip(preset_steps(sent.run, sent.steps), PRESET_WORDS, strict=True)
        ],
        "sequences": [[words, text[: config.T]] for words, text in _sequences(sent)],
        "probes": {
            "x": sent.run.steps,
            "series": [
                {"name": words, "role": role, "values": sent.run.values[probe]}
                for probe, words, role in PROBES
                if probe in sent.run.values
            ],
        },
        "triggerWeights": [float(weight) for weight in often],
    }


PRESET_WORDS = ("Before the induction head", "While it forms", "After")


def _presets_in_words(sent: Shipped) -> str:
    steps = preset_steps(sent.run, sent.steps)
    return ", ".join(f"{words.lower()} (step {step})" for step, words in zip(steps, PRESET_WORDS, strict=True))


def _sequences(sent: Shipped) -> list[tuple[str, str]]:
    """A quotation, and a sequence of the task that ends in a trigger which was seen before."""
    counts = load_counts()
    batch = sample(sent.spec.task(), 64, torch.Generator().manual_seed(3))
    # Once seen before, and with an output to tell from it: the plainest case.
    clear = batch.in_context & (batch.occurrence == 2) & (batch.targets != batch.inputs)
    found = [("A quotation", QUOTATION)]
    for row, column in clear.nonzero().tolist():
        if 14 <= column < 32:
            found.append(("From the task, up to a trigger", decode(counts, batch.z[row, : column + 1])))
            break
    found.append(("A repeated word", "Romeo, Romeo, wherefore art thou R"))
    return found


def _maps_picture(sent: Shipped, layers: int) -> Figure:
    use_style()
    text = QUOTATION[: sent.spec.T]
    z = encode(load_counts(), text).unsqueeze(0)
    figure = Figure(figsize=(7.5, 2.6 * layers))
    axes = figure.subplots(layers, 3, squeeze=False)
    for column, step in enumerate(preset_steps(sent.run, sent.steps)):
        with torch.no_grad():
            maps = sent.model(step).trace(z).attention[-layers:]
        for row, values in enumerate(maps):
            attention_map(axes[row][column], values[0].numpy(), list(text))
            axes[row][column].tick_params(labelsize=6)
            axes[row][column].set_title(f"layer {2 - layers + row + 1}, step {step}", fontsize=9)
    return figure


def _memory_picture(sent: Shipped) -> Figure:
    use_style()
    figure = Figure(figsize=(7.5, 2.8))
    with torch.no_grad():
        maps = induction_memory_maps(sent.model(sent.steps[-1]))
    for axes, (matrix, values) in zip(figure.subplots(1, 3), maps.items(), strict=True):
        heat_map(axes, values.numpy(), diverging=True)
        axes.set_aspect("equal")
        axes.set_title(matrix, fontsize=9)
    return figure
