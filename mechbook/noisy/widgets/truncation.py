"""Widgets 4a and 4b: a trained noisy-recall model in the page, with the rank of F_2 in the reader's hands."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from mechbook.core.training.loop import TrainingResult
from mechbook.noisy.model import NoisyTransformer
from mechbook.noisy.runs import NoisySettings
from mechbook.noisy.task import sample
from mechbook.reader.figures import style_of, token_label, use_style
from mechbook.shared.shakespeare import load_counts
from mechbook.shared.truncation import LowRank, rank_of
from mechbook.widgets.base import BookWidget, Store, store
from mechbook.widgets.weights import round_weights

NOISE = "τ"
RHOS = tuple(k / 100 for k in range(101))
# Bits of fraction: of the model that is cut, of its singular vectors and values, of those that only show attention.
BITS, VECTOR_BITS, EARLY_BITS = 4, 6, 3
# What every checkpoint ships: all that layer 2's attention depends on, and trained.
LOOKS = ("W_KQ1", "W_V1", "F1.W_in", "F1.W_out", "W_KQ2")
FROZEN = ("W_E", "P", "W_U")
OWN = "a big bad bear bit bread by "
PRESET_WORDS = ("The noise is learned", "Attention forms", "After")
RECORDED = (("attention_correct", "on the correct token", "correct"), ("attention_noise", "on the noise", "noise"))


@dataclass(frozen=True, eq=False)
class Shipped:
    """What travels: the run, the steps of the checkpoints, the rounded tensors by the page's names, packed.

    The last step has the whole model, F_2's W_in as U S V^T; the others what layer 2's attention depends on.
    """

    spec: NoisySettings
    run: TrainingResult
    steps: tuple[int, ...]
    tensors: dict[str, Tensor]
    store: Store

    def model(self, step: int, rho: float = 1.0) -> NoisyTransformer:
        """The model of a step as the page holds it, in float64, W_in of F_2 cut to the fraction rho of its rank.

        Of earlier steps only the attention is the page's; the rest is as the run left it.
        """
        state = dict(self.run.checkpoints[step]) | {name: self.tensors[name] for name in FROZEN}
        own = f"{step}/"
        state |= {name.removeprefix(own): t for name, t in self.tensors.items() if name.startswith(own)}
        model = NoisyTransformer(self.spec.model, torch.Generator()).double().requires_grad_(False)
        if step == self.steps[-1]:
            state |= {name: self.tensors[name] for name in ("W_V2", "F2.W_out")}
            U, S, V = (self.tensors[name].double() for name in "USV")
            rank = rank_of(rho, len(S))
            state["F2.W_in"] = (U[:, :rank] * S[:rank]) @ V[:, :rank].T
        model.load_state_dict(state)
        return model

    def encode(self, text: str) -> Tensor:
        """Token numbers (1, T) of a text in which the noise is written τ."""
        return torch.tensor([[self.characters.index(character) for character in text]])

    @property
    def characters(self) -> str:
        """The characters by token number, the noise last."""
        return load_counts().vocabulary + NOISE


def moments(run: TrainingResult, steps: Sequence[int]) -> tuple[int, ...]:
    """Return up to four of the steps: three moments of layer 2's attention on the correct token, and the last step.

    It is nearest to 0.5 and to 0.8, and, before that, attention on the noise is largest.
    """
    correct, noise = (
        dict(zip(run.steps, run.values[name], strict=True)) for name in ("attention_correct", "attention_noise")
    )
    *before, last = sorted(steps)
    half = min(before, key=lambda step: abs(correct[step] - 0.5))
    most = min((s for s in before if s >= half), key=lambda step: abs(correct[step] - 0.8))
    early = max((s for s in before if s < half), key=lambda step: noise[step], default=half)
    return tuple(sorted({early, half, most, last}))


def shipped(spec: NoisySettings) -> Shipped:
    """Return what the page holds of a run; asked again, the same object, so that the widgets share their store.

    Raises ValueError for other feed-forward blocks than MLPs, and for fewer than two checkpoints, or checkpoints that
    were not measured or leave out the end.
    """
    return _shipped(spec)


@functools.cache
def _shipped(spec: NoisySettings) -> Shipped:
    if (spec.model.F1, spec.model.F2, spec.model.output_matrix) != ("mlp", "mlp", False):
        raise ValueError("These widgets show the model with two MLPs and no W_O1; the run's model is another.")
    kept = spec.checkpoint_steps
    if len(kept) < 2 or spec.steps not in kept:
        raise ValueError(f"The run keeps checkpoints at {list(kept)}; it must keep two at least, the end among them.")
    if missing := sorted(set(kept) - set(spec.probe_steps)):
        raise ValueError(f"The run is not measured at its checkpoint {missing[0]}; name it in probe_steps too.")
    run = spec.run()
    steps = moments(run, kept)
    final = run.checkpoints[steps[-1]]
    tensors = _rounded({name: final[name] for name in FROZEN}, BITS)
    for step in steps:
        looks = {f"{step}/{name}": run.checkpoints[step][name] for name in LOOKS}
        tensors |= _rounded(looks, BITS if step == steps[-1] else EARLY_BITS)
    tensors |= _rounded({name: final[name] for name in ("W_V2", "F2.W_out")}, BITS)
    U, S, Vh = torch.linalg.svd(final["F2.W_in"].cpu(), full_matrices=False)
    tensors |= _rounded({"U": U, "V": Vh.T.contiguous()}, VECTOR_BITS) | _rounded({"S": S}, 8)
    # Rounded to 8 bits at most, which packing by 8 leaves as they are, without a byte for the lowest two.
    return Shipped(spec, run, steps, tensors, store(tensors, bits=8))


def _rounded(tensors: dict[str, Tensor], bits: int) -> dict[str, Tensor]:
    return round_weights(tensors, dtype="float16", bits=bits)


def truncation_widget(spec: NoisySettings, *, name: str = "widget-4a") -> BookWidget:
    """Return widget 4a: the rank that is kept of F_2's W_in, against what the model predicts on any sequence."""
    sent = shipped(spec)
    words = (
        "Probability of the correct token and of the noise after a clean sequence, against the fraction of the rank of "
        "F_2's input weight that is kept, and the weight's singular values: with little of the weight the noise goes."
    )
    return BookWidget(
        kind="truncation",
        name=name,
        settings=_settings(sent),
        store=sent.store,
        picture=_cut_picture(sent),
        words=words,
    )


def noise_attention_widget(spec: NoisySettings, *, name: str = "widget-4b") -> BookWidget:
    """Return widget 4b: layer 2's attention on the correct token and on the noise, along training."""
    sent = shipped(spec)
    shown = ", ".join(map(str, (sent.steps[0], sent.steps[-1])))
    words = (
        "Attention of layer 2 from the last character: along training on the correct token and on the noise, as a mean "
        f"over noisy sequences, and on one of them at steps {shown}, where bars mark what follows earlier spaces."
    )
    return BookWidget(
        kind="noise_attention",
        name=name,
        settings=_settings(sent),
        store=sent.store,
        picture=_attention_picture(sent),
        words=words,
    )


def _settings(sent: Shipped) -> dict[str, Any]:
    run, steps = sent.run, sent.steps
    chosen = (*steps[:-1][:2], steps[-1])
    named = zip(chosen, PRESET_WORDS[-len(chosen) :], strict=True)
    return {
        "titles": {
            "truncation": "Cut the second feed-forward block",
            "attention": "What the second layer looks at",
        },
        "vocabulary": sent.characters,
        "also": ", and τ for the noise",
        "T": sent.spec.T,
        "trained": [],
        "steps": list(steps),
        "rhos": list(RHOS),
        "presets": [[step, words] for step, words in named],
        "sequences": [[words, text] for words, text in sequences(sent)],
        "recorded": {
            "x": run.steps,
            "series": [{"name": words, "role": role, "values": run.values[probe]} for probe, words, role in RECORDED],
        },
    }


@functools.cache
def sequences(sent: Shipped) -> list[tuple[str, str]]:
    """A clean and a noisy beginning of the task that end in a trigger seen before, and one that is no draw."""
    clean, noisy = _from_task(sent.spec, 0.0)[0], _from_task(sent.spec, 0.5)[:24]
    models = {step: sent.model(step) for step in sent.steps}
    usual = min(noisy, key=partial(_unusual, sent, models))
    return [
        ("From the task, clean", clean),
        ("From the task, noisy", usual),
        ("All words begin with b", OWN[-sent.spec.T :]),
    ]


def _unusual(sent: Shipped, models: dict[int, NoisyTransformer], text: str) -> float:
    """How far the attention on a sequence is from what it is on average, over the steps."""
    z = sent.encode(text)
    answer = next(b for a, b in zip(text, text[1:], strict=False) if a == text[-1] and b != NOISE)
    apart = 0.0
    for step, model in models.items():
        mass = model.trace(z).attention[1][0, -1]
        for (probe, *_), token in zip(RECORDED, (answer, NOISE), strict=True):
            there = [t for t in range(1, len(text)) if text[t - 1 : t + 1] == text[-1] + token]
            mean = sent.run.values[probe][sent.run.steps.index(step)]
            apart += (float(mass[there].sum()) - mean) ** 2
    return apart


@functools.cache
def _from_task(spec: NoisySettings, alpha: float) -> list[str]:
    task = spec.task(alpha)
    letters = load_counts().vocabulary + NOISE
    batch = sample(task, 256, torch.Generator().manual_seed(3))
    found = []
    for z, answer in zip(batch.inputs.tolist(), batch.answer.tolist(), strict=True):
        # A letter is a plainer answer than a space or a sign.
        if not letters[answer].isalpha():
            continue
        for end in range(spec.T // 3, spec.T):
            after = [z[t + 1] for t in range(end) if z[t] == z[end] and z[end] in task.triggers]
            noise = after.count(task.noise_token)
            if after.count(answer) >= 2 and noise >= (2 if alpha else 0) and len(after) <= 6:
                found.append("".join(letters[k] for k in z[: end + 1]))
                break
    return found


def _style(role: str) -> dict[str, Any]:
    style = style_of(role)
    return {"color": style.colour, "linestyle": style.line}


def _cut_picture(sent: Shipped) -> Figure:
    use_style()
    (title, text), *_ = sequences(sent)
    z, step = sent.encode(text), sent.steps[-1]
    answer = next((b for a, b in zip(text, text[1:], strict=False) if a == text[-1] and b != NOISE), text[-1])
    rhos = RHOS[::4]
    probabilities = torch.stack([sent.model(step, rho)(z)[0, -1].softmax(0) for rho in rhos])
    figure = Figure(figsize=(7.5, 2.8))
    left, right = figure.subplots(1, 2)
    for role, label, token in (("correct", "P(correct)", answer), ("noise", "P(noise)", NOISE)):
        left.plot(rhos, probabilities[:, sent.characters.index(token)], label=label, **_style(role))
    left.set(xlabel="ρ, fraction of the rank that is kept", title=title)
    left.legend(fontsize=8)
    values = LowRank(sent.run.checkpoints[step]["F2.W_in"]).singular_values
    right.plot(range(1, len(values) + 1), values, color=style_of("W_F").colour)
    right.set(xlabel="number of the singular value", title="singular values of F₂'s W_in", ylim=(0, None))
    return figure


def _attention_picture(sent: Shipped) -> Figure:
    use_style()
    figure = Figure(figsize=(7.5, 4.6))
    top, *below = figure.subplots(3, 1)
    for probe, words, role in RECORDED:
        top.plot([step + 1 for step in sent.run.steps], sent.run.values[probe], label=words, **_style(role))
    top.set(xscale="log", xlabel="training step + 1", ylabel="attention")
    top.legend(fontsize=8)
    _, text = sequences(sent)[1]
    for axes, step in zip(below, (sent.steps[0], sent.steps[-1]), strict=True):
        _columns(axes, text, sent.model(step).trace(sent.encode(text)).attention[1][0, -1])
        axes.set_title(f"step {step}", fontsize=9)
    return figure


def _columns(axes: Axes, text: str, mass: Tensor) -> None:
    after = [t > 0 and text[t - 1] == text[-1] for t in range(len(text))]
    roles = ["noise" if text[t] == NOISE else "correct" for t in range(len(text))]
    colours = [style_of(role).colour if there else "#767676" for role, there in zip(roles, after, strict=True)]
    axes.bar(range(len(text)), mass.tolist(), color=colours)
    axes.set_xticks(range(len(text)), [token_label(character) for character in text], fontsize=7)
    axes.set_ylim(0, 1)
