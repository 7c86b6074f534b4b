"""Widget 3c: the reader trains the two-layer model in the page, on sixteen letters or on Shakespeare's characters."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.figure import Figure

from mechbook.core.training.loop import TrainingResult
from mechbook.induction.presets import PROBE_EVERY
from mechbook.induction.runs import InductionSettings
from mechbook.induction.widgets.handing import TrainerWidget
from mechbook.reader.figures import curve, use_style
from mechbook.shared.shakespeare import load_counts
from mechbook.shared.simplified import SimplifiedConfig
from mechbook.widgets.base import BookWidget, store

# Read by the Shakespeare model at first; its last characters have come before.
SENTENCE = "the cat sat on the mat and th"
# Probe of the package's runs, and what the page calls it.
PROBES = {"W_O2": "W_O2", "W_K2_weighted": "W_K2", "W_K1": "W_K1", "accuracy": "accuracy"}
# The small model: one that is trained in the time it takes to watch.
LETTERS = "abcdefghijklmnop"
SMALL = {
    "name": "16 letters, equally likely",
    "vocabulary": LETTERS,
    "T": 32,
    "d": 64,
    "batch": 32,
    "K": 2,
    "mostK": 4,
    "steps": 900,
    "every": PROBE_EVERY,
    "rates": {"sgd": 0.01, "adamw": 0.005},
    "seq": "dkbahmcfpgbeajnlofdk",
    "ranked": list(range(len(LETTERS))),
    # steps a second, where one wants to watch
    "pace": 150,
    "range": None,
}


def trainer_widget(
    spec: InductionSettings, runs: Sequence[TrainingResult] = (), *, name: str = "widget-3c"
) -> TrainerWidget:
    """Return widget 3c; `spec` is the Shakespeare model's run, `runs` the build's own of it, whose range is drawn.

    Raises ValueError for a run that the page cannot repeat: another model than the simplified one with two layers and
    Gaussian matrices, another loss, warm-up or clipping.
    """
    _check(spec)
    counts = load_counts()
    sizes = {"letters": SMALL, "shakespeare": _size(spec, runs)}
    words = (
        "The model in training: recall of the three memories and accuracy along the steps, on 16 letters or on "
        "Shakespeare's characters. It trains in the page, where scripts run."
    )
    return TrainerWidget(
        kind="induction_trainer",
        name=name,
        settings={"title": "Train it yourself", "sizes": sizes},
        # counts of characters are no float16
        store=store({"pi_u": counts.pi_u, "pi_b": counts.pi_b}, dtype="float32"),
        picture=_picture(runs) if runs else None,
        words=words,
    )


def birth_widget(*, name: str = "widget-birth") -> BookWidget:
    """Return the landing page's trainer: the small model at one button, at a speed that one can follow."""
    counts = load_counts()
    words = (
        "A small transformer is trained in this page, where scripts run: the recall of its three memories rises, one "
        "after the other, and with them the share of right answers."
    )
    return BookWidget(
        kind="induction_birth",
        name=name,
        settings={"title": "Watch an induction head being born", "size": SMALL | {"steps": 750, "pace": 320}},
        store=store({"pi_u": counts.pi_u}, dtype="float32"),
        picture=None,
        words=words,
    )


def _check(spec: InductionSettings) -> None:
    model, how = spec.model, spec.training
    wrong = {
        "model": not (isinstance(model, SimplifiedConfig) and model.n_layers == 2 and model.feed_forward == "none"),
        "matrix_init": isinstance(model, SimplifiedConfig) and model.matrix_init != "gaussian",
        "embedding_std": isinstance(model, SimplifiedConfig) and model.embedding_std != 1.0,
        "optimizer": how.optimizer != "sgd",
        "warmup": how.warmup != 0,
        "clip_norm": how.clip_norm is not None,
        "loss_on": how.loss_on != "in_context",
        "outputs": spec.outputs != "uniform",
    }
    if found := [what for what, is_wrong in wrong.items() if is_wrong]:
        raise ValueError(f"The page cannot repeat this run: its {found[0]} is another than in Figure 3 on a laptop.")


def _size(spec: InductionSettings, runs: Sequence[TrainingResult]) -> dict[str, Any]:
    counts = load_counts()
    ranked = torch.sort(counts.unigram, descending=True, stable=True).indices.tolist()
    return {
        "name": "Shakespeare's characters",
        "vocabulary": counts.vocabulary,
        "T": spec.T,
        "d": spec.model.d,
        "batch": spec.training.batch_size,
        "K": spec.K,
        "mostK": max(8, spec.K),
        "steps": spec.training.steps,
        "every": PROBE_EVERY,
        "rates": {"sgd": spec.training.lr, "adamw": 0.003},
        "seq": SENTENCE[: spec.T],
        "ranked": ranked,
        "pace": 0,
        "range": _range(runs) if runs else None,
    }


def _range(runs: Sequence[TrainingResult]) -> Mapping[str, Any]:
    """The lowest and highest of each probe over the runs, at each probe step."""
    low, high = {}, {}
    for probe, line in PROBES.items():
        values = torch.tensor([run.values[probe] for run in runs])
        low[line], high[line] = (found.tolist() for found in (values.amin(0), values.amax(0)))
    return {"x": runs[0].steps, "low": low, "high": high}


def _picture(runs: Sequence[TrainingResult]) -> Figure:
    use_style()
    figure = Figure(figsize=(5.6, 3.4))
    ax = figure.subplots()
    names = {"W_O2": ("W_O2", "$W_O^2$"), "W_K2_weighted": ("W_K2", "$W_K^2$"), "W_K1": ("W_K1", "$W_K^1$")}
    for probe, (role, label) in {**names, "accuracy": ("correct", "accuracy")}.items():
        curve(ax, runs[0].steps, runs[0].values[probe], role=role, label=label)
    ax.set(xlabel="training step", ylabel="recall, accuracy", ylim=(-0.03, 1.05))
    ax.legend(loc="lower right")
    return figure
