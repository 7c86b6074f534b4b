"""Widget 5c: "the" and the answer along the training of the small GPT-NeoX, with and without LASER."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from mechbook.laser.dynamics import Choice, DynamicsResult, the_before_the_answer
from mechbook.reader.figures import curve, use_style
from mechbook.widgets.base import BookWidget, store

TASKS = {"ioi": ("names", "IO", "S"), "facts": ("cities", "country", "")}
PRESET_WORDS = ("Nothing is learned", "“the” is learned", "The end")


def shipped(found: Sequence[DynamicsResult]) -> Float[Tensor, "two steps three"]:
    """Mean over seeds of P(the), P(answer) and P(S) at every checkpoint, of the full model and under LASER."""
    table = [
        [[(m.the, m.answer, m.S) for m in part] for part in (dynamics.full, dynamics.truncated)] for dynamics in found
    ]
    return torch.tensor(table).mean(0)


def laser_time_widget(along: Mapping[str, Sequence[DynamicsResult]], *, name: str = "widget-5c") -> BookWidget:
    """Return the widget for the dynamics of each task of TASKS, one for each seed, all with the same checkpoints."""
    steps = along["ioi"][0].steps
    tasks = {}
    for task, found in along.items():
        words, answer, other = TASKS[task]
        tasks[task] = {"words": words, "answer": answer, "other": other, "cut": _cut([d.choice for d in found])}
    learned = steps[the_before_the_answer(along["ioi"][0])]
    return BookWidget(
        kind="laser_time",
        name=name,
        settings={
            "title": "First “the”, then the answer",
            "steps": list(steps),
            "tasks": tasks,
            # in this order: settings are sorted on their way into the page
            "kinds": list(tasks),
            "presets": [[step, words] for step, words in zip((0, learned, steps[-1]), PRESET_WORDS, strict=True)],
        },
        store=store({task: shipped(found) for task, found in along.items()}, dtype="float32"),
        picture=_picture(along["ioi"]),
        words="Mean probability of “the” and of the right name along training, for the full model and, dotted, under "
        "LASER.",
    )


def _cut(choices: Sequence[Choice]) -> str:
    """Words for the truncation, or for there being several: it is chosen for each seed."""
    if len({(c.matrix, c.layer, c.rho) for c in choices}) > 1:
        return f"chosen for each of {len(choices)} seeds"
    first = choices[0]
    return f"{first.matrix} of layer {first.layer + 1}, ρ = {first.rho}"


def _picture(found: Sequence[DynamicsResult]) -> Figure:
    use_style()
    figure = Figure(figsize=(5.6, 3.0))
    axes = figure.subplots()
    means, x = shipped(found).numpy(), np.array(found[0].steps) + 1
    for place, role in ((0, "noise"), (1, "correct")):
        line = curve(axes, x, means[0, :, place], role=role, label=("“the”", "right name")[place])
        axes.plot(x, means[1, :, place], color=line.get_color(), linestyle=":", linewidth=1.2)
    axes.set(xscale="log", xlabel="training step + 1", ylabel="mean probability", ylim=(0, 1))
    axes.legend()
    return figure
