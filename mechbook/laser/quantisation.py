"""Is LASER's gain the noise of a 4-bit file? Fresh noise of the same size, on one matrix and on all of them.

`Q4_1` keeps, for every 32 neighbours of a row, their least and largest value and 14 values between: an entry is off
by up to half a step, and by step / sqrt(12) in root mean square if it lies anywhere in its cell. The step of a block of
32 can be read off the weights themselves, (largest - least) / 15, so the file is not needed.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from mechbook.core.progress import Line
from mechbook.laser.edits import Edit, Terms, restored
from mechbook.laser.held_out import HeldOut
from mechbook.laser.streams import STREAMS
from mechbook.pretrained.adapter import Matrix

BLOCK, LEVELS = 32, 16
StepsOf = Callable[[Matrix], Tensor]


def steps(W: Float[Tensor, "d_out d_in"]) -> Float[Tensor, "d_out d_in"]:
    """The distance of two neighbouring values that `Q4_1` can give each entry. ValueError for rows not in blocks."""
    if W.shape[1] % BLOCK:
        raise ValueError(f"rows of {W.shape[1]} entries are not made of blocks of {BLOCK}, as Q4_1 keeps them.")
    blocks = W.unflatten(1, (-1, BLOCK))
    step = (blocks.amax(-1) - blocks.amin(-1)) / (LEVELS - 1)
    return step.repeat_interleave(BLOCK, 1)


def noise(
    W: Float[Tensor, "d_out d_in"], generator: Generator, step: Float[Tensor, "d_out d_in"] | None = None
) -> Float[Tensor, "d_out d_in"]:
    """Errors as rounding makes them: uniform between minus and plus half a step (`Q4_1`'s by default), independent."""
    step = steps(W) if step is None else step
    return step * (torch.rand(W.shape, generator=generator).to(W) - 0.5)


@dataclass(frozen=True, kw_only=True)
class Noised:
    """Ratios by task before and after the task's edit, whole and in each draw of noise.

    one: noise on the edited matrix; everywhere: on every matrix of every block
    relative: the noise's Frobenius norm over the matrix's
    tail: for each of the smallest directions v, smallest first, the expected |E v| of noise E over s = |W v|
    """

    whole: dict[str, tuple[float, float]]
    one: dict[str, list[tuple[float, float]]]
    everywhere: dict[str, list[tuple[float, float]]]
    relative: float
    tail: list[float]

    def gains(self, kind: str, task: str) -> list[float]:
        """The logarithm of after over before in each draw of "one" or "everywhere"; of the whole model for "whole"."""
        pairs = [self.whole[task]] if kind == "whole" else getattr(self, kind)[task]
        return [math.log(after / before) for before, after in pairs]

    def changes(self, kind: str) -> list[float]:
        """By what part of itself the logarithm of the gain changes in each draw and task, without a sign."""
        return [abs(gain / self.gains("whole", task)[0] - 1) for task in self.whole for gain in self.gains(kind, task)]


def noised(
    held: HeldOut,
    chosen: Mapping[str, Edit],
    draws: int,
    draws_everywhere: int,
    few: int = 6,
    steps_of: StepsOf | None = None,
) -> Noised:
    """Measure: the tasks' edits with `draws` of noise on their own matrix and `draws_everywhere` on all matrices.

    steps_of: a matrix's steps; those of `Q4_1`, read off its weights, by default
    """
    adapter = held.model.adapter
    of = steps_of or (lambda matrix: steps(matrix.read()))
    whole = _before_and_after(held, chosen)
    one: dict[str, list[tuple[float, float]]] = {task: [] for task in chosen}
    everywhere: dict[str, list[tuple[float, float]]] = {task: [] for task in chosen}
    places = by_place(chosen)
    with Line("noise of the file's rounding", len(places) * draws + draws_everywhere, "draws") as line:
        for (layer, name), tasks in places.items():
            with restored(matrix := adapter.matrix(layer, name)) as W:
                # before anything is written: the steps are those of the weights as they are
                step = of(matrix).to(W)
                for number in range(draws):
                    matrix.write(W + noise(W, STREAMS.generator("noise of quantisation", 0, number), step))
                    for task, pair in _before_and_after(held, {task: chosen[task] for task in tasks}).items():
                        one[task].append(pair)
                    line.advance()
        for number in range(draws_everywhere):
            generator = STREAMS.generator("noise of quantisation", 1, number)
            with ExitStack() as stack:
                for layer in range(adapter.n_layers):
                    for name in adapter.matrix_names:
                        matrix = adapter.matrix(layer, name)
                        W = stack.enter_context(restored(matrix))
                        matrix.write(W + noise(W, generator, of(matrix).to(W)))
                fresh = HeldOut(model=held.model, prompts=held.prompts)
                for task, pair in _before_and_after(fresh, chosen).items():
                    everywhere[task].append(pair)
            line.advance()
    edit = chosen["facts"]
    W = (matrix := adapter.matrix(edit.layer, edit.matrix)).read()
    step = of(matrix).to(W)
    return Noised(
        whole=whole,
        one=one,
        everywhere=everywhere,
        relative=float((step.square().mean() / 12 / W.square().mean()).sqrt()),
        tail=tail(W, few, step),
    )


def tail(W: Float[Tensor, "d_out d_in"], few: int, step: Float[Tensor, "d_out d_in"] | None = None) -> list[float]:
    """For each of the `few` smallest directions v with singular value s, the noise's expected |E v| over s.

    |E v|^2 has the mean sum_ij v_j^2 step_ij^2 / 12, as entries of E are independent; s is |W v|.
    """
    _, S, Vh = torch.linalg.svd(W.double(), full_matrices=False)
    variance = (steps(W) if step is None else step).double().square() / 12
    return [float((variance @ Vh[-i].square()).sum().sqrt() / S[-i]) for i in range(1, min(few, len(S)) + 1)]


def _before_and_after(held: HeldOut, chosen: Mapping[str, Edit]) -> dict[str, tuple[float, float]]:
    """The tasks' ratios in the model as it is now, from the edited block on, and after their edits."""
    held.entering([edit.layer for edit in chosen.values()])
    found = {}
    for (layer, name), tasks in by_place(chosen).items():
        before = held.ratios(held.now(layer))
        with restored(matrix := held.model.adapter.matrix(layer, name)) as W:
            terms = Terms(W)
            for task in tasks:
                matrix.write(terms.without(chosen[task].dropped))
                found[task] = (before[task], held.ratios(held.now(layer))[task])
    return {task: found[task] for task in chosen}


def by_place(chosen: Mapping[str, Edit]) -> dict[tuple[int, str], list[str]]:
    """The tasks by the block and the matrix that their edits change."""
    places: dict[tuple[int, str], list[str]] = {}
    for task, edit in chosen.items():
        places.setdefault((edit.layer, edit.matrix), []).append(task)
    return places


def packed(found: Noised) -> dict[str, Any]:
    """The same as plain values, for the cache."""
    return dict(vars(found))


def unpacked(stored: Mapping[str, Any]) -> Noised:
    """What `packed` was given."""
    pairs: dict[str, dict[str, Sequence[Any]]] = {name: stored[name] for name in ("one", "everywhere")}
    lists = {
        name: {task: [(before, after) for before, after in found] for task, found in tasks.items()}
        for name, tasks in pairs.items()
    }
    whole = {task: (before, after) for task, (before, after) in stored["whole"].items()}
    return Noised(**{**stored, **lists, "whole": whole})
