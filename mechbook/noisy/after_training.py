"""What is measured on trained noisy-recall models: predictions on fresh sequences, attention, and single weights."""

from functools import cache

import torch
from torch import Tensor

from mechbook.core import settings
from mechbook.core.training.loop import TrainingResult
from mechbook.noisy.model import NoisyTransformer
from mechbook.noisy.probes import diagonal_margins
from mechbook.noisy.runs import PANEL_ALPHA, Cut, NoisySettings, Panel, answerable
from mechbook.noisy.streams import CONTEXTS, FRESH
from mechbook.noisy.task import NoisyBatch, sample
from mechbook.shared.recall import memory_map

# Sequences that a trained model is measured on, none of which its training or its panel has drawn.
END_SIZE = 1024


def trained_model(spec: NoisySettings, step: int | None = None) -> NoisyTransformer:
    """The model of a run at a checkpoint, or at its end (None), on the settings' device.

    Raises KeyError where there is no checkpoint at `step`.
    """
    run = spec.run()
    model = NoisyTransformer(spec.model, torch.Generator())
    model.load_state_dict(run.final if step is None else run.checkpoints[step])
    return model.to(settings.device()).requires_grad_(False)


@cache
def end_values(spec: NoisySettings, cuts: tuple[Cut, ...] | None = None) -> dict[str, float]:
    """What `Panel` measures, on fresh sequences, of the trained model; None: under the run's own cuts."""
    panel = Panel(spec, settings.device(), cuts=cuts, size=END_SIZE, stream=FRESH)
    return panel.measure(trained_model(spec))


def noisy_contexts(spec: NoisySettings, size: int, alpha: float = PANEL_ALPHA) -> NoisyBatch:
    """Fresh sequences of the run's task at a noise level, those whose last trigger occurred before."""
    return answerable(sample(spec.task(alpha), size, settings.generator(*spec.seed_key, CONTEXTS), settings.device()))


def noise_logits(model: NoisyTransformer) -> Tensor:
    """W_U F_2(w_E(i)), entry [j, i]: token j's logit when F_2 reads token i (Chen et al. Figure 7, middle)."""
    return (model.F2(model.W_E) @ model.W_U.T).T


def value_logits(model: NoisyTransformer) -> Tensor:
    """w_U(j) . W_V2 w_E(i), entry [j, i] (Chen et al. Figure 7, right)."""
    return memory_map(model.W_V2, model.W_E, model.W_U)


def matching(model: NoisyTransformer) -> Tensor:
    """w_E(j) . W_KQ2 W_V1 w_E(i), entry [j, i]: query j against the mark of token i (Chen et al. Figure 8)."""
    return memory_map(model.W_KQ2 @ model.value_1(), model.W_E, model.W_E)


def matching_margin(spec: NoisySettings) -> float:
    """The smallest trigger's entry of `matching` minus the largest entry off the triggers' diagonal."""
    model = trained_model(spec)
    triggers = torch.tensor(spec.task().triggers, device=model.W_E.device)
    return float(diagonal_margins(matching(model), triggers).min())


def roles(spec: NoisySettings) -> dict[str, float]:
    """Three shares of Chen et al. Figure 7, and what explains the first and the third.

    "previous": layer 1's mean attention on the previous position, over noisy sequences ("early": in the first quarter;
    "used": at the positions that layer 2 attends to from the last one, weighted by how much); "noise": the share of
    tokens i for which F_2(w_E(i)) has its largest logit at the noise; "value": of characters i for which W_V2 w_E(i)
    has it at i; "noise_rank": the place of the noise's own logit among those of W_V2 w_E(noise), 1 the largest.
    """
    model, noise = trained_model(spec), spec.task().noise_token
    first, second = model.trace(noisy_contexts(spec, 256).inputs).attention
    previous = first.diagonal(offset=-1, dim1=-2, dim2=-1)
    looked_at = second[:, -1, 1:]
    values = value_logits(model)
    characters = torch.arange(noise, device=values.device)
    return {
        "previous": float(previous.mean()),
        "early": float(previous[:, : spec.T // 4].mean()),
        "used": float((previous * looked_at).sum() / looked_at.sum()),
        "noise": float((noise_logits(model).argmax(0) == noise).float().mean()),
        "value": float((values.argmax(0)[:noise] == characters).float().mean()),
        "noise_rank": float((values[:, noise] >= values[noise, noise]).sum()),
    }


def stays_above(run: TrainingResult, name: str, bar: float) -> int:
    """The first probe step from which on `name` is above `bar` to the end; one more than the last if there is none."""
    first = run.steps[-1] + 1
    for step, value in zip(reversed(run.steps), reversed(run.values[name]), strict=True):
        if not value > bar:
            break
        first = step
    return first
