"""The published probe of W_K1: equation (9) over all keys, future ones too; its chance, and which positions are read.

Attention never sees a key after the query. A probe that leaves those keys out (`previous_token_recall`) finds the right
one of t + 1, so that a random matrix scores high on early positions, by 1 in 2 at the second; over all T keys it scores
1 in T everywhere.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from mechbook.core.training.loop import TrainingResult
from mechbook.induction.probes_attention import induction_positions
from mechbook.induction.runs import InductionSettings
from mechbook.shared.bigrams import BigramTask, sample
from mechbook.shared.recall import memory_recall

Window = tuple[int, int]


def checked(T: int, window: Window | None) -> Window:
    """Return a window of query positions, (1, T) for None. Raises ValueError when it is empty or outside 1..T."""
    start, stop = (1, T) if window is None else window
    if not 1 <= start < stop <= T:
        raise ValueError(f"the window is {(start, stop)}; it must hold positions between 1 and {T}.")
    return start, stop


def recall_over_all_keys(
    W_K1: Float[Tensor, "d d"],
    P: Float[Tensor, "T d"],
    window: Window | None = None,
    weights: Float[Tensor, "T"] | None = None,
) -> Float[Tensor, ""]:
    """Return the share of query positions t whose best key among all p_s is p_{t-1} (Birth eq. 9 for W_K1 of eq. 7).

    `window` is the range (start, stop) of query positions, counted from 0; None stands for (1, T). `weights` weigh the
    positions. Raises ValueError when the window is empty or outside 1..T.
    """
    start, stop = checked(len(P), window)
    queries = torch.arange(start, stop, device=P.device)
    return memory_recall(W_K1.T, P[start:stop], P, None if weights is None else weights[start:stop], queries - 1)


def chance(T: int, window: Window | None = None, *, all_keys: bool = True) -> float:
    """Return the recall to be expected of a random matrix over a window: 1 / T, or, over keys s <= t, mean 1 / (t + 1).

    Raises ValueError when the window is empty or outside 1..T.
    """
    start, stop = checked(T, window)
    return 1 / T if all_keys else sum(1 / (t + 1) for t in range(start, stop)) / (stop - start)


def position_use(task: BigramTask, sequences: int, generator: Generator) -> Float[Tensor, "T"]:
    """Return how often each position is what an in-context query of layer 2 looks for, of all; it sums to 1.

    Counted over `sequences` sampled ones: a position counts once for every in-context query whose own token stands just
    before it. Raises ValueError where no sequence has such a query.
    """
    batch = sample(task, sequences, generator)
    read = (induction_positions(batch.inputs) & batch.in_context[..., None]).sum((0, 1)).float()
    if read.sum() == 0:
        raise ValueError(f"None of {sequences} sequences of T = {task.T} has a query that looks back: draw more.")
    return read / read.sum()


def along(spec: InductionSettings, probe: Callable[[Any], Tensor]) -> list[float]:
    """Return a probe's value on the model of every checkpoint of a run, in the order of its steps."""
    run, model = spec.run(), spec.build().requires_grad_(False)
    found = []
    for step in sorted(run.checkpoints):
        model.load_state_dict(run.checkpoints[step])
        found.append(float(probe(model)))
    return found


def probed(spec: InductionSettings, use: Float[Tensor, "T"]) -> TrainingResult:
    """Return a run, with a checkpoint at every probe step, and W_K1's recall over all keys among its values.

    "W_K1_all_keys" over all positions, "W_K1_all_keys_early" over the first quarter, "W_K1_all_keys_late" over the
    rest, "W_K1_all_keys_used" with positions weighed by `use`, as `position_use` gives it. Raises ValueError where
    checkpoints are missing.
    """
    run, quarter, T = spec.run(), spec.T // 4, spec.T
    if sorted(run.checkpoints) != run.steps:
        raise ValueError("The run has no checkpoint at some probe steps; take joint_settings, which keeps them all.")

    def recall(window: Window | None = None, weights: Tensor | None = None) -> list[float]:
        return along(spec, lambda m: recall_over_all_keys(m.W_K1, m.P, window, weights))

    found = {"": recall(), "_early": recall((1, quarter)), "_late": recall((quarter, T)), "_used": recall(None, use)}
    return replace(run, values=run.values | {f"W_K1_all_keys{name}": row for name, row in found.items()})
