"""Chen et al.'s Figures 1, 2 and 13 on the papers' own models, as far as `pretrained_run` has kept what they need."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt

from mechbook.laser.edits import Prompt, laser, measure
from mechbook.laser.preposition_ranks import preposition_ranks, sentence_ranks
from mechbook.laser.prompts import fact_prompts, ioi_prompts
from mechbook.laser.streams import STREAMS
from mechbook.pretrained.load import LanguageModel
from mechbook.reader.figures import curve

FIGURE_1_WORDS = (" Mary", " them", " the", " John")
Place = tuple[int, float]


def figure_1_curves(
    model: LanguageModel, text: str, layers: Sequence[int], rhos: Sequence[float]
) -> list[list[list[float]]]:
    """Figure 1: by layer and rate the probabilities of `FIGURE_1_WORDS` after `text`; the whole model comes last."""
    prompt = Prompt(tokens=tuple(model.prompt_tokens(text)), watch=tuple(map(model.token, FIGURE_1_WORDS)))
    edits = [laser(model, layer, model.adapter.mlp_input, rho=rho) for layer in layers for rho in rhos]
    result = measure(model, [prompt], edits)
    rows = result.after[:, 0].view(len(layers), len(rhos), -1).tolist()
    whole = result.before[0].tolist()
    return [[*own, whole] for own in rows]


def checkpoint(model: LanguageModel, facts: Place, ioi: Place) -> dict[str, Any]:
    """Figures 2 and 13 at one checkpoint: mean P("the") and P(answer), whole and after LASER; mean ranks of "the"."""
    asked = {
        "facts": (fact_prompts(model), facts),
        "ioi": (ioi_prompts(model, 10, STREAMS.generator("sentences for the papers' models")), ioi),
    }
    found: dict[str, Any] = {}
    for task, (prompts, (layer, rho)) in asked.items():
        result = measure(model, prompts, [laser(model, layer, model.adapter.mlp_input, rho=rho)])
        (answer, the), (cut_answer, cut_the) = (p[:, :2].mean(0).tolist() for p in (result.before, result.after[0]))
        found[task] = {"the": the, "answer": answer, "the_cut": cut_the, "answer_cut": cut_answer}
    ranks = {"words": preposition_ranks(model), "sentences": sentence_ranks(model)}
    return found | {name: sum(own) / len(own) for name, own in ranks.items()}


def draw(kept: Mapping[str, Any], layers: Sequence[int], rhos: Sequence[float]) -> list[str]:
    """Draw what was kept, in the form of the paper's figures; the names of those that were not, in words."""
    missing = []
    if (curves := kept.get("gpt2", {}).get("figure_1")) is not None:
        fig, axes = plt.subplots(len(layers), 1, figsize=(5.6, 2.2 * len(layers)), sharex=True)
        for ax, layer, rows in zip(axes, layers, curves, strict=True):
            for column, word in enumerate(FIGURE_1_WORDS):
                curve(ax, [*rhos, 1.0], [[row[column] for row in rows]], series=column, label=word.strip())
            ax.set(ylabel=f"layer {layer + 1}")
        axes[0].legend(fontsize=8)
        axes[-1].set_xlabel("$\\rho$")
        plt.show()
    else:
        missing.append("Figure 1 (GPT-2)")
    if along := kept.get("pythia-1b", {}).get("along"):
        steps = sorted(map(int, along))
        fig, axes = plt.subplots(3, 1, figsize=(5.6, 8), sharex=True)
        for ax, task in zip(axes, ("facts", "ioi"), strict=False):
            for number, name in enumerate(("the", "answer", "the_cut", "answer_cut")):
                curve(ax, steps, [[along[str(step)][task][name] for step in steps]], series=number, label=name)
            ax.set(ylabel=task)
            ax.legend(fontsize=8)
        for number, name in enumerate(("words", "sentences")):
            curve(axes[2], steps, [[along[str(step)][name] for step in steps]], series=number, label=name)
        axes[2].set(xlabel="training step", ylabel='mean rank of "the"', yscale="log")
        axes[2].set_xscale("symlog", linthresh=1)
        plt.show()
    else:
        missing.append("Figures 2 and 13 (Pythia-1B along its checkpoints)")
    return missing
