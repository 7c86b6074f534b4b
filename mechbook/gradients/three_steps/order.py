"""Theorem 3's three steps in another order, and from a random start (Birth section 6).

One model throughout, that of B.3.3 with both softmaxes exact, so that each matrix can be stepped on at any time.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from mechbook.gradients.presets import GradientsPreset
from mechbook.gradients.streams import STREAMS
from mechbook.gradients.task import SingleTriggerBatch, SingleTriggerTask, sample
from mechbook.gradients.three_steps.model import ThreeStepModel, initial, predict
from mechbook.gradients.three_steps.probes import diagonal_gap, previous_gap

RIGHT = ("W_O2", "W_K2", "W_K1")
ORDERS = (
    RIGHT,
    ("W_O2", "W_K1", "W_K2"),
    ("W_K2", "W_O2", "W_K1"),
    ("W_K1", "W_K2", "W_O2"),
    ("W_K2", "W_K1", "W_O2"),
    ("W_K1", "W_O2", "W_K2"),
)
"""All orders there are, the theorem's first."""


def step_on(model: ThreeStepModel, name: str, batch: SingleTriggerBatch) -> Float[Tensor, "d d"]:
    """Minus the gradient of the mean cross-entropy on one matrix, the others as they are, by automatic differentiation.

    name: W_O2, W_K2 or W_K1
    """
    W = getattr(model, name).clone().requires_grad_()
    logits, _ = predict(replace(model, **{name: W}), batch)
    (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, batch.y), W)
    return -gradient


def in_order(
    start: ThreeStepModel, order: Sequence[str], batches: Sequence[SingleTriggerBatch], norms: dict[str, float]
) -> ThreeStepModel:
    """The model after one step on each matrix in the given order, a batch for each; `norms`: how long steps are."""
    model = start
    for name, batch in zip(order, batches, strict=True):
        step = step_on(model, name, batch)
        model = replace(model, **{name: getattr(model, name) + norms[name] * step / step.norm()})
    return model


def step_norms(
    start: ThreeStepModel, batches: Sequence[SingleTriggerBatch], *, logit: float, gap_W_K2: float, gap_W_K1: float
) -> dict[str, float]:
    """How long the steps are, in the right order, that give the three memories their sizes (`ThreeStepSettings`)."""
    norms: dict[str, float] = {}
    for i, name in enumerate(RIGHT):
        model = in_order(start, RIGHT[:i], batches[:i], norms)
        step = step_on(model, name, batches[i])
        alone = replace(start, **{name: step / step.norm()})
        size = {
            "W_O2": lambda m: logit / float(m.value_table.diagonal().mean()),
            "W_K2": lambda m: gap_W_K2 / diagonal_gap(m.score_table),
            "W_K1": lambda m: gap_W_K1 / float(previous_gap(m.position_scores).median()),
        }[name]
        norms[name] = size(alone)
    return norms


def random_start(N: int, T: int, d: int, random: torch.Generator) -> ThreeStepModel:
    """A model whose three matrices, too, have N(0, 1/d) entries."""
    zero = initial(N, T, d, random, dtype=torch.float32)
    drawn = {name: torch.randn(d, d, generator=random) / d**0.5 for name in RIGHT}
    return replace(zero, **drawn)


def orders(setup: GradientsPreset, seed: int, start: str) -> dict[str, float]:
    """Final accuracy on fresh sequences by order, named like "W_O2 W_K2 W_K1"; start: "random" or "zero".

    Steps have the same length in every order, that of the right one, and see the same sequences. W_K2 is small while
    steps are taken, as layer 2's softmax is exact, and is multiplied afterwards so that its gap is the preset's.
    Raises ValueError for another start.
    """
    how = setup.order
    if start not in ("random", "zero"):
        raise ValueError(f"start is {start!r}; it must be 'random' or 'zero'.")
    random = STREAMS.generator("orders, weights", seed)
    first = random_start(setup.N, setup.T, how.d, random)
    if start == "zero":
        first = replace(first, **{name: torch.zeros_like(getattr(first, name)) for name in RIGHT})
    task, data = SingleTriggerTask(N=setup.N, T=setup.T), STREAMS.generator("orders, sequences", seed)
    batches = [sample(task, how.sequences, data) for _ in RIGHT]
    probe = sample(task, setup.test_sequences, data)
    norms = step_norms(first, batches, logit=setup.logit, gap_W_K2=how.gap, gap_W_K1=setup.gap_W_K1)
    found = {}
    for order in ORDERS if start == "random" else ORDERS[:1]:
        model = in_order(first, order, batches, norms)
        sharp = replace(model, W_K2=model.W_K2 * (setup.gap_W_K2 / how.gap))
        logits, _ = predict(sharp, probe)
        found[" ".join(order)] = float((logits.argmax(1) == probe.y).double().mean())
    return found
