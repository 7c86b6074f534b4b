"""Memories trained by full-batch cross-entropy: one at a time, as a definition, and many in one tensor program.

A linear memory maps a key x to W x, an MLP memory to W_2 relu(W_1 x + b_1); either is read by the scores v_k^T z of its
output z. Keys and values are fixed. Training minimises the mean cross-entropy of the scores by Adam.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from mechbook.core.progress import Line
from mechbook.memories.outer_product import recall

BETAS, EPS = (0.9, 0.999), 1e-8


@dataclass(frozen=True, kw_only=True)
class MemoryTrainingSettings:
    """How memories are trained: Adam at a fixed step size, until a check finds enough recalled, or for all the steps.

    lr: step size; steps: at most so many updates; check_every: updates between checks of the recall
    enough: the recall at which training stops
    Raises ValueError for a setting out of range.
    """

    lr: float
    steps: int
    check_every: int = 10
    enough: float = 0.99

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise ValueError(f"lr is {self.lr}; it must be a finite number > 0.")
        if self.steps < 1 or self.check_every < 1:
            raise ValueError(f"steps is {self.steps} and check_every {self.check_every}; both must be at least 1.")
        if not 0 < self.enough <= 1:
            raise ValueError(f"enough is {self.enough}; a recall is in (0, 1].")


class Task(NamedTuple):
    """What one memory is to store: keys (N, d), values (M, d), targets (N,), and the MLP's width, None: linear."""

    keys: Float[Tensor, "N d"]
    values: Float[Tensor, "M d"]
    targets: Int[Tensor, " N"]
    width: int | None = None


class Weights(NamedTuple):
    """W (d, d) of a linear memory; or W_1 (m, d), b_1 (m,) and W_2 (d, m) of an MLP, W being absent."""

    W: Tensor | None = None
    W_1: Tensor | None = None
    b_1: Tensor | None = None
    W_2: Tensor | None = None


def initial_weights(
    d: int, width: int | None, generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> Weights:
    """Zero for a linear memory; for an MLP, W_1 ~ N(0, 1), b_1 = 0, W_2 ~ N(0, 1/m), as unit-norm keys want it.

    Raises ValueError when d or the width m is < 1.
    """
    if d < 1 or (width is not None and width < 1):
        raise ValueError(f"d is {d} and the width {width}; both must be at least 1.")
    if width is None:
        return Weights(W=torch.zeros(d, d, dtype=dtype))
    W_1 = torch.randn(width, d, generator=generator, dtype=dtype)
    W_2 = torch.randn(d, width, generator=generator, dtype=dtype) / width**0.5
    return Weights(W_1=W_1, b_1=torch.zeros(width, dtype=dtype), W_2=W_2)


def output(weights: Weights, keys: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """What the memory returns for each key: W x, or W_2 relu(W_1 x + b_1)."""
    W, W_1, b_1, W_2 = weights
    if W is not None:
        return keys @ W.T
    assert W_1 is not None and b_1 is not None and W_2 is not None
    return F.relu(keys @ W_1.T + b_1) @ W_2.T


def train_memory(task: Task, start: Weights, how: MemoryTrainingSettings) -> tuple[float, int]:
    """Train one memory: the largest recall that a check found, and the number of updates made (the definition).

    Checks are made after every `check_every` updates and at the end. Raises ValueError where counts do not match.
    """
    weights = Weights(*(None if w is None else w.clone().requires_grad_() for w in start))
    optimizer = torch.optim.Adam([w for w in weights if w is not None], lr=how.lr, betas=BETAS, eps=EPS)
    best = 0.0
    for step in range(1, how.steps + 1):
        optimizer.zero_grad()
        F.cross_entropy(output(weights, task.keys) @ task.values.T, task.targets).backward()
        optimizer.step()
        if step % how.check_every == 0 or step == how.steps:
            with torch.no_grad():
                best = max(best, recall(output(weights, task.keys) @ task.values.T, task.targets))
            if best >= how.enough:
                return best, step
    return best, how.steps


def train_memories(
    tasks: Sequence[Task], starts: Sequence[Weights], how: MemoryTrainingSettings
) -> list[tuple[float, int]]:
    """What `train_memory` returns for each task, all of them trained side by side in one tensor program.

    Smaller tasks are padded with zeros: padded keys, coordinates and hidden units get no gradient, padded values no
    probability. Memories that recall enough leave the program. Gradients are written out, so that nothing of the size
    of the scores is computed twice. Linear and MLP memories cannot be mixed: ValueError.
    """
    if len(tasks) != len(starts):
        raise ValueError(f"There are {len(tasks)} tasks and {len(starts)} starts; each task has one.")
    if not tasks:
        return []
    if len({task.width is None for task in tasks}) > 1:
        raise ValueError("Linear and MLP memories are mixed; train them in two programs.")
    program = _Program(tasks, starts, how)
    found = [(0.0, 0)] * len(tasks)
    with Line("side by side", how.steps, "steps") as line:
        for step in range(1, how.steps + 1):
            program.update(step)
            line.advance()
            if step % how.check_every == 0 or step == how.steps:
                recalls = program.recalls()
                for place, value in zip(program.places, recalls, strict=True):
                    found[place] = (max(found[place][0], value), step)
                if not program.keep([value < how.enough for value in recalls]):
                    break
    return found


class _Program:
    """Memories in one set of padded tensors: B of them, at most N keys, M values, d coordinates."""

    def __init__(self, tasks: Sequence[Task], starts: Sequence[Weights], how: MemoryTrainingSettings) -> None:
        self.how, self.places = how, list(range(len(tasks)))
        N = max(len(task.keys) for task in tasks)
        M, d = (max(task.values.shape[axis] for task in tasks) for axis in (0, 1))
        like = tasks[0].keys
        self.keys, self.counts = like.new_zeros(len(tasks), N, d), like.new_zeros(len(tasks))
        # one more coordinate: 1 in every output, and in the value -1e6 where it is padding, so that it has score -1e6
        self.values = like.new_zeros(len(tasks), M, d + 1)
        self.values[..., d] = -1e6
        self.targets = torch.full((len(tasks), N), -1, device=like.device)
        for b, task in enumerate(tasks):
            n, size = task.keys.shape
            self.keys[b, :n, :size] = task.keys
            self.values[b, : len(task.values), :size] = task.values
            self.values[b, : len(task.values), d] = 0
            self.targets[b, :n] = task.targets
            self.counts[b] = n
        self.wanted = self._wanted()
        shapes = [[w.shape for w in start if w is not None] for start in starts]
        self.weights = []
        for i in range(len(shapes[0])):
            padded = like.new_zeros(
                len(starts), *(max(s[i][axis] for s in shapes) for axis in range(len(shapes[0][i])))
            )
            for b, start in enumerate(starts):
                w = [w for w in start if w is not None][i]
                padded[b][tuple(slice(size) for size in w.shape)] = w
            self.weights.append(padded)
        self.first = [torch.zeros_like(w) for w in self.weights]
        self.second = [torch.zeros_like(w) for w in self.weights]

    def _wanted(self) -> Tensor:
        """The value that each key is to have, zero for padding."""
        real = (self.targets >= 0)[..., None]
        index = self.targets.clamp(min=0)[..., None].expand(-1, -1, self.values.shape[2] - 1)
        return self.values[..., :-1].gather(1, index) * real

    def outputs(self) -> Tensor:
        """z of every key, with the coordinate that is always 1; for an MLP `hidden` is kept."""
        if len(self.weights) == 1:
            z = self.keys @ self.weights[0].mT
        else:
            W_1, b_1, W_2 = self.weights
            self.hidden = torch.baddbmm(b_1[:, None, :], self.keys, W_1.mT).relu_()
            z = self.hidden @ W_2.mT
        return F.pad(z, (0, 1), value=1.0)

    def update(self, step: int) -> None:
        """One step of Adam on every memory."""
        scores = self.outputs() @ self.values.mT
        scores.sub_(scores.amax(2, keepdim=True))
        # e^-80 is nothing beside 1; further down exp is slow, as its results are denormal numbers
        scores.clamp_(min=-80.0).mul_(math.log2(math.e)).exp2_()
        share = scores.sum(2, keepdim=True) * self.counts[:, None, None]
        # d loss / d z = (sum_k p_k v_k - v_target) / N; padded keys are zero and take no part in what follows
        d_z = (scores @ self.values[..., :-1]).div_(share).sub_(self.wanted / self.counts[:, None, None])
        if len(self.weights) == 1:
            gradients = [d_z.mT @ self.keys]
        else:
            # padded keys have hidden units all the same: b_1 reaches them
            d_z.mul_((self.targets >= 0)[..., None])
            d_hidden = (d_z @ self.weights[2]).mul_(self.hidden > 0)
            gradients = [d_hidden.mT @ self.keys, d_hidden.sum(1), d_z.mT @ self.hidden]
        beta_1, beta_2 = BETAS
        for w, g, m, v in zip(self.weights, gradients, self.first, self.second, strict=True):
            m.lerp_(g, 1 - beta_1)
            v.mul_(beta_2).addcmul_(g, g, value=1 - beta_2)
            scale = (v / (1 - beta_2**step)).sqrt_().add_(EPS)
            w.addcdiv_(m, scale, value=-self.how.lr / (1 - beta_1**step))

    def recalls(self) -> list[float]:
        """The recall of each memory: a tie goes to the value that comes first, as argmax has it."""
        hits = ((self.outputs() @ self.values.mT).argmax(2) == self.targets).sum(1)
        # read at once, and divided here: not every device has float64
        return [hit / count for hit, count in torch.stack([hits.to(self.counts), self.counts], 1).tolist()]

    def keep(self, going_on: list[bool]) -> bool:
        """Drop the memories that are done, and padding that no other needs; whether any is left."""
        if all(going_on):
            return True
        index = torch.tensor(
            [b for b, stays in enumerate(going_on) if stays], dtype=torch.long, device=self.keys.device
        )
        self.places = [place for place, stays in zip(self.places, going_on, strict=True) if stays]
        for name in ("keys", "values", "targets", "wanted", "counts"):
            setattr(self, name, getattr(self, name)[index])
        for name in ("weights", "first", "second"):
            setattr(self, name, [w[index] for w in getattr(self, name)])
        if self.places:
            N = int(self.counts.max())
            M = int((self.values[..., -1] == 0).sum(1).max())
            self.keys, self.targets, self.wanted = self.keys[:, :N], self.targets[:, :N], self.wanted[:, :N]
            self.values = self.values[:, :M]
        return bool(self.places)


def programs(tasks: Sequence[Task], waste: float = 1.5) -> list[list[int]]:
    """Places of tasks that are worth training in one program: padding at most multiplies their work by `waste`.

    Work is counted as N M d numbers a step, and as at least 50,000, what a step costs however small its tensors are.
    """
    order = sorted(range(len(tasks)), key=lambda i: _work(tasks[i : i + 1]))
    groups: list[list[int]] = []
    for place in order:
        group = [*(groups[-1] if groups else []), place]
        together, apart = _work([tasks[i] for i in group]), sum(_work([tasks[i]]) for i in group)
        if groups and together <= waste * apart:
            groups[-1] = group
        else:
            groups.append([place])
    return groups


def _work(tasks: Sequence[Task]) -> int:
    M, d, N = (max(size) for size in zip(*((*t.values.shape, len(t.keys)) for t in tasks), strict=True))
    width = max(t.width or 0 for t in tasks)
    return max(50_000, len(tasks) * N * (M * (d + 16) + 2 * d * width))
