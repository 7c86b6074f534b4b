"""Widgets 6a and 6b: a question's answers along training, and what a budget of parameters buys."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from mechbook.facts.dynamics import DynamicsResult, DynamicsSettings
from mechbook.facts.model import linear_logits, softmax_logits
from mechbook.facts.task import FactTask, count_tokens, sample_counts
from mechbook.facts.tradeoff import TradeoffResult, TradeoffSettings
from mechbook.reader.figures import heat_map, style_of, use_style
from mechbook.widgets.base import BookWidget, Store, store
from mechbook.widgets.weights import round_weights

CONTEXTS = 3
WORDS = {"linear": "linear, one-hot embeddings", "softmax": "softmax, random embeddings"}
PRESET_WORDS = ("Before", "Hallucination", "The fact")
CURVE_POINTS = 128
ENOUGH = 0.99


@dataclass(frozen=True, eq=False)
class ShippedFacts:
    """What widget 6a holds: for each model the run, and its tables as the page has them, (steps, V, A), (steps, V)."""

    task: FactTask
    runs: dict[str, DynamicsResult]
    values: dict[str, Tensor]
    weights: dict[str, Tensor]
    noise: Tensor
    store: Store

    def logits(self, model: str, step: int, s: int, r: int, context: int) -> Tensor:
        """The logits of a question in float64, with the tables as shipped."""
        at = self.runs[model].checkpoint_steps.index(step)
        values, weights = self.values[model][at].double(), self.weights[model][at].double()
        asked = count_tokens(torch.tensor([[s, self.task.S + r, self.task.eos]]), self.task.V).double()
        asked[0, self.task.S + self.task.R : -1] = self.noise[context].double()
        return (linear_logits if model == "linear" else softmax_logits)(values, weights, asked)[0]


def shipped_facts(*specs: DynamicsSettings) -> ShippedFacts:
    """Return the first seeds' checkpoints for the page; asked again, the same ones. All runs must share one task."""
    return _shipped(specs)


@functools.cache
def _shipped(specs: tuple[DynamicsSettings, ...]) -> ShippedFacts:
    task = specs[0].task()
    if len({(spec.S, spec.R, spec.D, spec.T, spec.n_noise) for spec in specs}) > 1:
        raise ValueError("The runs of one widget must have the same S, R, D, T and n_noise.")
    runs: dict[str, DynamicsResult] = {spec.model: spec.run() for spec in specs}
    tensors = {f"{kind}/values": run.values for kind, run in runs.items()}
    tensors |= {f"{kind}/weights": run.weights for kind, run in runs.items()}
    rounded = round_weights(tensors, dtype="float16")
    noise = sample_counts(task, CONTEXTS, torch.Generator().manual_seed(6)).counts[:, task.S + task.R : -1]
    return ShippedFacts(
        task=task,
        runs=runs,
        values={kind: rounded[f"{kind}/values"] for kind in runs},
        weights={kind: rounded[f"{kind}/weights"] for kind in runs},
        noise=noise,
        store=store(tensors),
    )


def preset_steps(run: DynamicsResult) -> tuple[int, int, int]:
    """Return three checkpoints of the first seed: the start, the one with the largest loss on subjects relative to that
    on relations (the plateau's clearest), and the end."""
    relation, subject = (run.scores[name][:, 0] for name in ("relation_only", "subject_only"))
    inner = run.checkpoint_steps[1:-1]
    at = [min(range(len(run.steps)), key=lambda i: abs(run.steps[i] - step)) for step in inner]
    clearest = max(range(len(inner)), key=lambda k: float(subject[at[k]] - relation[at[k]]))
    return run.checkpoint_steps[0], inner[clearest], run.checkpoint_steps[-1]


def fact_time_widget(*specs: DynamicsSettings, name: str = "widget-6a") -> BookWidget:
    """Return widget 6a for one run of each model."""
    sent = shipped_facts(*specs)
    task = sent.task
    settings = {
        "title": "Uniform, then hallucination, then the fact",
        "S": task.S,
        "R": task.R,
        "D": task.D,
        "V": task.V,
        "answers": task.answers.tolist(),
        "noise": sent.noise.long().tolist(),
        "models": {kind: _model_settings(kind, run) for kind, run in sent.runs.items()},
    }
    steps = preset_steps(next(iter(sent.runs.values())))
    words = (
        "The probability of every answer to one question (subject 0, relation 0) at three steps of training: "
        + ", ".join(f"{moment.lower()} (step {step})" for moment, step in zip(PRESET_WORDS, steps, strict=True))
        + ". Answers 0 to "
        + f"{task.D - 1} are valid for the relation; the true one is marked."
    )
    return BookWidget(
        kind="fact_time",
        name=name,
        settings=settings,
        store=sent.store,
        picture=_time_picture(sent, steps),
        words=words,
    )


def _model_settings(kind: str, run: DynamicsResult) -> dict[str, Any]:
    every = max(1, len(run.steps) // CURVE_POINTS)
    return {
        "words": WORDS[kind],
        "steps": run.checkpoint_steps,
        "presets": [[step, words] for step, words in zip(preset_steps(run), PRESET_WORDS, strict=True)],
        "curve": {
            "steps": run.steps[::every],
            # geometric means over questions, of the mass on valid answers and of the probability of the true one
            "valid": _rounded(torch.exp(-run.scores["relation_only"][::every, 0])),
            "truth": _rounded(torch.exp(-run.scores["loss"][::every, 0])),
        },
    }


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 4) for value in values.tolist()]


def _time_picture(sent: ShippedFacts, steps: Sequence[int]) -> Figure:
    use_style()
    figure = Figure(figsize=(7.5, 2.6))
    kind = next(iter(sent.runs))
    truth, D = int(sent.task.answers[0, 0]), sent.task.D
    for axes, step, words in zip(figure.subplots(1, 3, sharey=True), steps, PRESET_WORDS, strict=True):
        p = sent.logits(kind, step, 0, 0, 0).softmax(0).numpy()
        colours = [style_of("correct" if a == truth else "predicted").colour for a in range(len(p))]
        axes.bar(range(len(p)), p, color=colours)
        axes.axvline(D - 0.5, color="black", linewidth=0.8)
        axes.set(title=f"{words.lower()}, step {step}", xlabel="answer", ylim=(0, 1))
        axes.title.set_fontsize(9)
    figure.axes[0].set_ylabel("probability")
    return figure


def tradeoff_widget(grid: TradeoffSettings, found: TradeoffResult, *, name: str = "widget-6b") -> BookWidget:
    """Return widget 6b for the accuracies (mean over seeds) of a grid."""
    accuracy, parameters = found.accuracy.mean(-1), grid.parameters()
    settings = {
        "title": "What does a budget of parameters buy?",
        "H": list(grid.H),
        "m": list(grid.m),
        "parameters": parameters.tolist(),
        "budgets": sorted(set(parameters.flatten().tolist())),
        "presets": [
            [budget, words] for budget, words in zip(preset_budgets(accuracy, parameters), BUDGET_WORDS, strict=True)
        ],
    }
    words = (
        f"Mean accuracy on {grid.S**2} facts, for {len(grid.H)} numbers of heads (rows) and {len(grid.m)} MLP widths "
        "(columns). It rises along both, but for small dips, and is near 1 only where there are enough heads."
    )
    return BookWidget(
        kind="fact_tradeoff",
        name=name,
        settings=settings,
        store=store({"accuracy": accuracy.float()}, dtype="float32"),
        picture=_tradeoff_picture(grid, accuracy),
        words=words,
    )


BUDGET_WORDS = ("Half of that", "The cheapest model that knows the facts", "All models")


def preset_budgets(accuracy: Tensor, parameters: Tensor) -> tuple[int, int, int]:
    """Return three budgets that occur: the largest up to half of the second; the smallest with a mean accuracy of 0.99
    (the most accurate model's, where none has it); and the largest."""
    every = sorted(set(parameters.flatten().tolist()))
    enough = parameters[accuracy >= min(ENOUGH, float(accuracy.max()))]
    middle = int(enough.min())
    return max((b for b in every if b <= middle / 2), default=every[0]), middle, every[-1]


def _tradeoff_picture(grid: TradeoffSettings, accuracy: Tensor) -> Figure:
    use_style()
    figure = Figure(figsize=(5.2, 3.6))
    axes = figure.subplots()
    heat_map(
        axes,
        accuracy.numpy(),
        [str(m) for m in grid.m],
        [str(H) for H in grid.H],
        x_name="MLP width m",
        y_name="heads H",
        value_name="accuracy",
        limits=(0.0, 1.0),
    )
    return figure
