"""Noisy in-context recall over uniform bigrams: the data of Theorem 1 (Chen et al., section 4 and 4.1).

Tokens 0..N-1 are ordinary, N is the noise token, 0 is the trigger q. Per sequence the output y is uniform over 0..N-1;

    z_1 ~ pi,    z_{t+1} ~ pi if z_t is not q, else the noise token with probability alpha and y with 1 - alpha;

then z_T is set to q, and the target is drawn as after any q. In the paper pi is uniform over 0..N-1; `elsewhere` gives
the noise token a probability of its own in pi. One sequence, N = 6, y = 4, noise written as #:

    z_1..z_T   3  1  0  4  5  0  #  2  0        target  4
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

TRIGGER = 0


@dataclass(frozen=True, kw_only=True)
class UniformNoisyTask:
    """Settings of the task: N ordinary tokens, T inputs, noise `alpha` after the trigger, `elsewhere` after others.

    Raises ValueError for N < 2, T < 2, alpha outside [0, 1] or elsewhere outside [0, 1).
    """

    N: int
    T: int
    alpha: int | float
    elsewhere: int | float = 0.0

    def __post_init__(self) -> None:
        if self.N < 2:
            raise ValueError(f"N is {self.N}; the task needs at least 2 ordinary tokens.")
        if self.T < 2:
            raise ValueError(f"T is {self.T}; a sequence needs at least 2 inputs.")
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha is {self.alpha}; it is a probability and must lie in [0, 1].")
        if not 0 <= self.elsewhere < 1:
            raise ValueError(f"elsewhere is {self.elsewhere}; it is a probability and must lie in [0, 1).")

    @property
    def noise(self) -> int:
        """The noise token, after the N ordinary ones."""
        return self.N


@dataclass(frozen=True, kw_only=True, eq=False)
class NoisySequences:
    """A batch of sequences: inputs z_1..z_T, targets z_{T+1}, and the outputs y that are hidden in them."""

    inputs: Int[Tensor, "m T"]
    targets: Int[Tensor, " m"]
    outputs: Int[Tensor, " m"]


@dataclass(frozen=True, kw_only=True, eq=False)
class NoisyCounts:
    """What uniform attention sees of a batch: the frequency of each token among the T inputs, and the targets."""

    frequencies: Float[Tensor, "m N_plus_1"]
    targets: Int[Tensor, " m"]


def _next(task: UniformNoisyTask, z: Tensor, y: Tensor, generator: Generator) -> Tensor:
    """The tokens that follow z (m,). One uniform number decides each, as only one of the two draws is used."""
    u = torch.rand(len(z), generator=generator, dtype=torch.float64)
    if task.elsewhere:
        # rounding may carry the largest u to N itself
        free = ((u - task.elsewhere) / (1 - task.elsewhere) * task.N).long().clamp_(max=task.N - 1)
        free = torch.where(u < task.elsewhere, task.noise, free)
    else:
        free = (u * task.N).long()
    return torch.where(z == TRIGGER, torch.where(u < task.alpha, task.noise, y), free)


def _start(task: UniformNoisyTask, m: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """The outputs y and the first tokens, which are drawn as after an ordinary token that is no trigger."""
    y = torch.randint(task.N, (m,), generator=generator)
    return y, _next(task, torch.full((m,), TRIGGER + 1), y, generator)


def sample_sequences(task: UniformNoisyTask, m: int, generator: Generator) -> NoisySequences:
    """Draw m sequences, token by token. Raises ValueError when m < 1."""
    _check(m)
    y, z = _start(task, m, generator)
    inputs = torch.full((m, task.T), TRIGGER)
    for t in range(task.T - 1):
        inputs[:, t] = z
        z = _next(task, z, y, generator)
    return NoisySequences(inputs=inputs, targets=_next(task, inputs[:, -1], y, generator), outputs=y)


def counts_of(task: UniformNoisyTask, sequences: NoisySequences) -> NoisyCounts:
    """The token frequencies of sequences, n_k / T."""
    ones = torch.ones(sequences.inputs.shape, dtype=torch.float64)
    counts = torch.zeros(len(ones), task.N + 1, dtype=torch.float64).scatter_add_(1, sequences.inputs, ones)
    return NoisyCounts(frequencies=counts / task.T, targets=sequences.targets)


def sample_counts(task: UniformNoisyTask, m: int, generator: Generator) -> NoisyCounts:
    """Draw from the distribution of `counts_of(sample_sequences(...))` without drawing the sequences.

    Only the visits to the trigger are followed, from one to the next; what fills the free positions between them is
    binomial, token after token. The cost grows with T / N + N and not with T. Raises ValueError when m < 1.
    """
    _check(m)
    N, alpha, length = task.N, task.alpha, task.T - 1
    y = torch.randint(N, (m,), generator=generator)
    counts = torch.zeros(m, N + 1, dtype=torch.float64)
    position, free = torch.zeros(m, dtype=torch.float64), torch.zeros(m, dtype=torch.float64)
    hit = (1 - task.elsewhere) / N
    for_y, to_trigger = torch.arange(m), y == TRIGGER
    while bool((position < length).any()):
        # free positions before the next visit, then a visit: one q, or a run of them where q's output is q
        gap = torch.minimum(_failures(hit, m, generator), length - position)
        run = torch.where(to_trigger, 1 + _failures(alpha, m, generator), 1.0)
        run = torch.minimum(run, length - position - gap)
        position = position + gap + run
        free += gap
        counts[:, TRIGGER] += run
        # what follows the visit: the noise after a run of q, the noise or y after a single q
        there = (position < length).to(counts)
        noise = to_trigger | (torch.rand(m, generator=generator, dtype=torch.float64) < alpha)
        counts[:, task.noise] += there * noise
        counts[for_y, y] += there * ~noise
        position = position + there
    # a free position that is no trigger: each token's share of those that are left
    shares = [(task.noise, task.elsewhere), *((k, hit) for k in range(1, N))]
    rest = 1 - hit
    for k, share in shares[:-1]:
        drawn = torch.binomial(free, torch.full_like(free, share / rest), generator=generator)
        counts[:, k] += drawn
        free, rest = free - drawn, rest - share
    counts[:, shares[-1][0]] += free
    counts[:, TRIGGER] += 1
    last = torch.rand(m, generator=generator, dtype=torch.float64) < alpha
    return NoisyCounts(frequencies=counts / task.T, targets=torch.where(last, task.noise, y))


def draw_counts(task: UniformNoisyTask, m: int, generator: Generator) -> NoisyCounts:
    """Draw the counts of m sequences in the way that costs less: the one's cost grows with T, the other's with T / N.

    Raises ValueError when m < 1.
    """
    if task.T <= task.N:
        return counts_of(task, sample_sequences(task, m, generator))
    return sample_counts(task, m, generator)


def _failures(p: float | int, m: int, generator: Generator) -> Tensor:
    """How many trials of probability p fail before one succeeds: floor(log u / log(1 - p)); infinite for p = 0."""
    u = torch.rand(m, generator=generator, dtype=torch.float64)
    if p == 0:
        return torch.full_like(u, torch.inf)
    return (torch.log1p(-u) / math.log1p(-p)).floor() if p < 1 else torch.zeros_like(u)


def _check(m: int) -> None:
    if m < 1:
        raise ValueError(f"m is {m}; at least one sequence must be drawn.")
